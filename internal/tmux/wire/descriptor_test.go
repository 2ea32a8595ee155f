package wire

import (
	"errors"
	"io"
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/soak"
)

// sendFDs sends b in one sendmsg with n descriptors.
func sendFDs(t testing.TB, peer *net.UnixConn, b []byte, n int) {
	t.Helper()
	null := devNull(t)
	fds := make([]int, n)
	for i := range fds {
		fds[i] = null.Int()
	}
	var oob []byte
	if n > 0 {
		oob = unix.UnixRights(fds...)
	}
	if _, _, err := peer.WriteMsgUnix(b, oob, nil); err != nil && !errors.Is(err, unix.EPIPE) && !errors.Is(err, unix.ECONNRESET) {
		t.Fatal(err)
	}
}

// refusedFDs has a server read what send sends, and expects it to be refused
// for its descriptors.
func refusedFDs(t *testing.T, what string, send func(peer *net.UnixConn)) {
	t.Helper()
	c, peer := serverPair(t)
	send(peer)
	_ = peer.CloseWrite()
	ctx := testContext(t)
	h, err := c.Accept(ctx, nil)
	for err == nil {
		_ = h.Close()
		_, err = c.ReadMsg(ctx)
	}
	if reason(err) != ReasonDescriptor || c.Err() == nil {
		t.Errorf("%s: %v, connection %v", what, err, c.Err())
	}
}

func TestTooManyDescriptors(t *testing.T) {
	noLeak(t, func(t *testing.T) {
		fd := NewFD(0) // only marks the header
		for n := 2; n <= 253; n += 1 + n/4 {
			for _, f := range []Framing{Legacy, Wide} {
				refusedFDs(t, "many on one message", func(peer *net.UnixConn) {
					b := mustAppend(t, f, &IdentifyStdin{FD: fd})
					sendFDs(t, peer, append(b, mustAppend(t, f, &IdentifyDone{}, &Command{})...), n)
				})
			}
		}
		refusedFDs(t, "three, one by one", func(peer *net.UnixConn) {
			sendFDs(t, peer, mustAppend(t, Legacy, &IdentifyStdin{FD: fd}), 1)
			sendFDs(t, peer, mustAppend(t, Legacy, &IdentifyStdout{FD: fd}), 1)
			sendFDs(t, peer, mustAppend(t, Legacy, &IdentifyTerm{}), 1)
		})
	})
}

func TestMisplacedDescriptors(t *testing.T) {
	noLeak(t, func(t *testing.T) {
		fd := NewFD(0)
		for _, m := range all()[ServerSide] {
			switch m.Type() {
			case TypeIdentifyStdin, TypeIdentifyStdout, TypeVersion:
				continue
			}
			late := m.Type() < TypeIdentifyFlags || m.Type() > TypeIdentifyTerminfo
			for _, mark := range []uint32{0, 1 << 16, 1 << 31} {
				refusedFDs(t, m.Type().String(), func(peer *net.UnixConn) {
					if late && m.Type() != TypeCommand && m.Type() != TypeShell {
						sendFDs(t, peer, mustAppend(t, Legacy, greeting(hello("ls"))...), 0)
					} else if late {
						sendFDs(t, peer, mustAppend(t, Legacy, &IdentifyDone{}), 0)
					}
					b := mustAppend(t, Legacy, m)
					b[6], b[7] = byte(mark>>16), byte(mark>>24)
					sendFDs(t, peer, b, 1)
					if !late {
						sendFDs(t, peer, mustAppend(t, Legacy, &IdentifyDone{}), 0)
					}
				})
			}
		}
		refusedFDs(t, "stdin after done", func(peer *net.UnixConn) {
			b := mustAppend(t, Legacy, &IdentifyDone{})
			sendFDs(t, peer, append(b, mustAppend(t, Legacy, &IdentifyStdin{FD: fd})...), 1)
		})
	})
}

func TestServersSendNoDescriptors(t *testing.T) {
	noLeak(t, func(t *testing.T) {
		for _, n := range []int{1, 2, 253} {
			a, peer := socketPair(t)
			c := NewClient(a, Legacy)
			sendFDs(t, peer, mustAppend(t, Legacy, &Ready{}), n)
			if m, err := c.ReadMsg(testContext(t)); reason(err) != ReasonDescriptor {
				t.Errorf("%d descriptors: %v, %v", n, m, err)
			}
		}
	})
}

// TestDescriptorsFindTheirMessages sends them in every way a tmux client does.
func TestDescriptorsFindTheirMessages(t *testing.T) {
	noLeak(t, func(t *testing.T) {
		for _, f := range []Framing{Legacy, Wide} {
			fd := NewFD(0)
			before := mustAppend(t, f, &IdentifyFlags{}, &IdentifyTerm{Term: "xterm"})
			in := mustAppend(t, f, &IdentifyStdin{FD: fd})
			out := mustAppend(t, f, &IdentifyStdout{FD: fd})
			after := mustAppend(t, f, &IdentifyDone{}, &Command{Argv: []string{"ls"}})
			join := func(bs ...[]byte) (b []byte) {
				for _, x := range bs {
					b = append(b, x...)
				}
				return b
			}
			for name, parts := range map[string][][]byte{
				"with what comes before": {join(before, in), out, after},
				"with what comes after":  {before, join(in), join(out, after)},
				"ahead of its message":   {join(before, in[:3]), join(in[3:], out), after},
				"before anything":        {in, join(out, before, after)},
			} {
				pipeAndNull(t, f, name, parts)
			}
		}
	})
}

// pipeAndNull sends a pipe as standard input and /dev/null as standard output,
// with the two parts that hold a marked header, and checks which is which.
func pipeAndNull(t *testing.T, f Framing, name string, parts [][]byte) {
	t.Helper()
	c, peer := serverPair(t)
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer func() { closeAll(pipe[:]) }()
	fds := []int{pipe[0], devNull(t).Int()}
	for _, p := range parts {
		var oob []byte
		if holdsMark(p) && len(fds) > 0 {
			oob, fds = unix.UnixRights(fds[0]), fds[1:]
		}
		if _, _, err := peer.WriteMsgUnix(p, oob, nil); err != nil {
			t.Fatal(err)
		}
	}
	h, err := c.Accept(testContext(t), nil)
	if err != nil {
		t.Errorf("%s, %s: %v", f, name, err)
		return
	}
	defer h.Close()
	var in, out unix.Stat_t
	if err := errors.Join(unix.Fstat(h.Stdin.Int(), &in), unix.Fstat(h.Stdout.Int(), &out)); err != nil {
		t.Fatal(err)
	}
	if in.Mode&unix.S_IFMT != unix.S_IFIFO || out.Mode&unix.S_IFMT != unix.S_IFCHR {
		t.Errorf("%s, %s: standard input is %o, output %o", f, name, in.Mode, out.Mode)
	}
	for _, fd := range []*FD{h.Stdin, h.Stdout} {
		if flags, err := unix.FcntlInt(uintptr(fd.Int()), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("%s, %s: a descriptor would be inherited: %#x, %v", f, name, flags, err)
		}
	}
}

// holdsMark reports whether the first bytes of stdin's or stdout's message are
// in p, whole or not.
func holdsMark(p []byte) bool {
	for i := range p {
		if (p[i] == byte(TypeIdentifyStdin) || p[i] == byte(TypeIdentifyStdout)) && i+2 < len(p) && p[i+1] == 0 && p[i+2] == 0 {
			return true
		}
	}
	return false
}

// TestTruncatedHandshakesLeakNothing cuts an introduction with descriptors
// everywhere.
func TestTruncatedHandshakesLeakNothing(t *testing.T) {
	noLeak(t, func(t *testing.T) {
		h := hello("ls")
		h.Stdin, h.Stdout = NewFD(0), NewFD(0)
		whole := mustAppend(t, Legacy, greeting(h)...)
		step := max(1, len(whole)/soak.N(len(whole), 60))
		for n := 1; n < len(whole); n += step {
			c, peer := serverPair(t)
			sendFDs(t, peer, whole[:n], 1)
			_ = peer.CloseWrite()
			got, err := c.Accept(testContext(t), nil)
			if err == nil || got != nil {
				t.Fatalf("%d of %d bytes were enough", n, len(whole))
			}
			if reason(err) == 0 && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
				t.Fatalf("after %d bytes: %v", n, err)
			}
			_ = c.Close()
		}
	})
}

// TestZooOfDescriptors: whatever is behind a descriptor, it arrives or is
// closed. What it is good for is the door's to judge.
func TestZooOfDescriptors(t *testing.T) {
	noLeak(t, func(t *testing.T) {
		must := func(fd int, err error) *FD {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			f := NewFD(fd)
			t.Cleanup(func() { _ = f.Close() })
			return f
		}
		for name, fd := range map[string]*FD{
			"path":      must(unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)),
			"directory": must(unix.Open("/", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)),
			"zero":      must(unix.Open("/dev/zero", unix.O_RDWR|unix.O_CLOEXEC, 0)),
			"full":      must(unix.Open("/dev/full", unix.O_RDWR|unix.O_CLOEXEC, 0)),
			"epoll":     must(unix.EpollCreate1(unix.EPOLL_CLOEXEC)),
			"memfd":     must(unix.MemfdCreate("x", unix.MFD_CLOEXEC)),
			"socket":    must(unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)),
		} {
			c, peer := serverPair(t)
			h := hello("ls")
			h.Stdin, h.Stdout = fd, fd
			if err := NewClient(peer, Wide).Identify(testContext(t), h); err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			got, err := c.Accept(testContext(t), nil)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if f := got.Stdin.File(name); f == nil || f.Close() != nil || got.Stdin.Int() != -1 {
				t.Errorf("%s did not become a file", name)
			}
			_ = got.Close()
		}
	})
}

func TestLateDescriptors(t *testing.T) {
	noLeak(t, func(t *testing.T) {
		for _, m := range []Message{&Resize{}, &Read{Stream: 3, Data: []byte("x")}, &WriteReady{}} {
			c, peer := serverPair(t)
			sendFDs(t, peer, mustAppend(t, Legacy, greeting(hello("ls"))...), 0)
			ctx := testContext(t)
			if _, err := c.Accept(ctx, nil); err != nil {
				t.Fatal(err)
			}
			sendFDs(t, peer, mustAppend(t, Legacy, m), 1)
			if m, err := c.ReadMsg(ctx); reason(err) != ReasonDescriptor || c.Err() == nil {
				t.Errorf("%v, %v", m, err)
			}
		}
	})
}

func TestTheSameDescriptorTwice(t *testing.T) {
	noLeak(t, func(t *testing.T) {
		for _, m := range []Message{&IdentifyStdin{FD: NewFD(0)}, &IdentifyStdout{FD: NewFD(0)}} {
			c, peer := serverPair(t)
			sendFDs(t, peer, mustAppend(t, Wide, m), 1)
			sendFDs(t, peer, mustAppend(t, Wide, m), 1)
			if h, err := c.Accept(testContext(t), nil); reason(err) != ReasonOrder {
				t.Errorf("%+v, %v", h, err)
			}
		}
	})
}
