package tmuxd

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/server/crowd"
	"github.com/muxward/muxward/internal/tmux/wire"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == connects { // the client of TestWhoHasGoneIsNotServed
		nc, err := net.Dial("unix", os.Args[2])
		if err != nil {
			os.Exit(1)
		}
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = nc.Close()
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// come has a connection of a uid come to the door, of which nothing is served. All but root are others
// than whoever runs the test.
func come(t *testing.T, s *Server, uid uint32) (*visit, error) {
	t.Helper()
	return comeAt(t, s, uid, place{})
}

// comeAt is come for one of several doors.
func comeAt(t *testing.T, s *Server, uid uint32, at place) (*visit, error) {
	t.Helper()
	if uid != 0 {
		uid += uint32(os.Geteuid())
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	_ = unix.Close(fds[1])
	f := os.NewFile(uintptr(fds[0]), "")
	defer f.Close()
	nc, err := net.FileConn(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	_, v, err := s.enter(t.Context(), nc.(*net.UnixConn), uid, at)
	return v, err
}

// Those who have said all, and are nobody, keep nobody out while they are told so; people who are here
// stay, and when there are only those, only root comes in.
func TestPlacesOfAll(t *testing.T) {
	bob := identity.Supposed(identity.Subject{Person: "bob", UID: 1000})
	for _, who := range []identity.Identity{{}, bob} {
		s := &Server{Complain: func(string) {}}
		settle := func(uid uint32, who identity.Identity) *visit {
			t.Helper()
			v, err := come(t, s, uid)
			if err != nil {
				t.Fatal(err)
			}
			as := crowd.Known
			if who.IsNobody() {
				as = crowd.Nobody
			}
			v.stand(as)
			v.proved()
			v.fresh.give()
			_ = v.nc.Close() // descriptors need not be kept
			if err := s.place(who, v); err != nil {
				t.Fatal(err)
			}
			return v
		}
		here := settle(1000, bob)
		for i := range totalAll - 1 {
			settle(100000+uint32(i/perUIDAll), who)
		}
		v, err := come(t, s, 1001)
		if (err == nil) != who.IsNobody() || here.here.given {
			t.Errorf("where all others are %v: %v; who was here has gone: %v", whose(who), err, here.here.given)
		}
		if err == nil {
			v.leave(nil)
		}
		if _, err := come(t, s, 0); err != nil {
			t.Errorf("root: %v", err)
		}
	}
}

// Of each uid so many come in and no more, whatever others do; where there are too many, one that has
// proved nobody makes room, and gives back all that it holds. Who is attached stays.
func TestPlaces(t *testing.T) {
	s := &Server{Complain: func(string) {}}
	come := func(uid uint32) (*visit, error) { return come(t, s, uid) }
	known, err := come(1000)
	if err != nil {
		t.Fatal(err)
	}
	known.stand(crowd.Here)
	known.fresh.give()
	proved, err := come(1000)
	if err != nil {
		t.Fatal(err)
	}
	proved.stand(crowd.Known)
	var first *visit
	for i := range total + 1 {
		v, err := come(100000 + uint32(i/perUID))
		if err != nil {
			t.Fatalf("number %d: %v", i, err)
		}
		if first == nil {
			first = v
		}
	}
	proofs := s.proofs.Len()
	if _, err := come(100002); err == nil || !strings.Contains(err.Error(), " has 64 connections under way") || s.proofs.Len() != proofs {
		t.Errorf("one more of a uid that has its part: %v; it is being proved: %v", err, s.proofs.Len() != proofs)
	}
	if !first.here.given || !first.fresh.given || known.here.given || proved.here.given {
		t.Errorf("the oldest stays: %v; who is here: %v; who is proved: %v", !first.here.given, !known.here.given, !proved.here.given)
	}
	if s.newcomers.Len() != total || s.all.Len() != total+1 {
		t.Errorf("%d are counted as newcomers, and %d in all", s.newcomers.Len(), s.all.Len())
	}
	for ok := true; ok; {
		_, ok = s.proofs.Begin(100000, "", maxProofs, crowd.Unknown, time.Hour)
	}
	if _, err := come(1001); err == nil {
		t.Error("there is no end to proofs")
	}
	if v, err := come(1000); err != nil {
		t.Errorf("who was known before is kept out by proofs that hang: %v", err)
	} else if v.leave(nil); true {
		v.proved()
	}
	if _, err := come(0); err != nil {
		t.Errorf("root: %v", err)
	}
}

// Whoever floods a door of their own by ever other uids puts out nobody who is slow at another one, and their proofs
// that hang keep nobody from being proved there.
func TestDoorsOfOthers(t *testing.T) {
	s := &Server{Complain: func(string) {}}
	bob, err := comeAt(t, s, 1000, place{path: "his"})
	if err != nil {
		t.Fatal(err)
	}
	hang := 0
	for i := range total + 2*maxProofs/4 {
		v, err := comeAt(t, s, 100000+uint32(i), place{path: "hers"})
		switch {
		case err != nil && hang < maxProofs/4:
			t.Fatalf("number %d: %v", i, err)
		case err == nil && i < total:
			v.proved()
		case err == nil:
			hang++
		}
		if err == nil {
			_ = v.nc.Close() // descriptors need not be kept
		}
	}
	if bob.here.given || bob.fresh.given || hang != maxProofs/4 {
		t.Errorf("bob has made room: %v; %d proofs of hers hang", bob.fresh.given, hang)
	}
	if _, err := comeAt(t, s, 1001, place{path: "his"}); err != nil {
		t.Errorf("carol: %v", err)
	}
}

// unproved proves nobody.
type unproved struct{}

func (unproved) FromPeer(context.Context, *net.UnixConn, string) (identity.Identity, *identity.Peer, error) {
	return identity.Identity{}, nil, errors.New("for a test")
}

// Who is found to be nobody makes room before others who have come earlier.
func TestNobodyFirst(t *testing.T) {
	s := &Server{Prover: unproved{}, Complain: func(string) {}}
	var last *visit
	for i := range total {
		v, err := come(t, s, 100000+uint32(i))
		if err != nil {
			t.Fatal(err)
		}
		last = v
	}
	s.prove(t.Context(), last)
	if n := s.proofs.Len(); n != total-1 {
		t.Errorf("%d proofs are under way", n)
	}
	if _, err := come(t, s, 1000); err != nil || !last.here.given || !last.fresh.given {
		t.Errorf("%v; it has made room: %v", err, last.fresh.given)
	}
}

// A terminal is what was passed, if that is one, and if it is the one that was
// named. Everything else is refused, opened by nobody, and not kept.
func TestOpenTerminal(t *testing.T) {
	pty := func() (slave *os.File, name string) {
		t.Helper()
		master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = master.Close() })
		raw, err := master.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		var n int
		if cerr := raw.Control(func(fd uintptr) {
			if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
				n, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
			}
		}); cerr != nil || err != nil {
			t.Fatal(cerr, err)
		}
		name = filepath.Join("/dev/pts", strconv.Itoa(n))
		slave, err = os.OpenFile(name, os.O_RDWR|unix.O_NOCTTY, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = slave.Close() })
		return slave, name
	}
	file := func(path string, flag int) *os.File {
		t.Helper()
		f, err := os.OpenFile(path, flag, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
	own, name := pty()
	_, others := pty()
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		passed *os.File
		named  string
		ok     bool
	}{
		"its own":                  {own, name, true},
		"another's name":           {own, others, false},
		"no name":                  {own, "", false},
		"nothing passed":           {nil, name, false},
		"a path only":              {file(name, unix.O_PATH), name, false},
		"a file":                   {file("/etc/hostname", os.O_RDONLY), "/etc/hostname", false},
		"a device that never ends": {file("/dev/zero", os.O_RDONLY), "/dev/zero", false},
		"a fifo that nobody reads": {own, fifo, false},
		"a directory":              {own, "/dev/pts", false},
		"nowhere":                  {own, "/dev/pts/999999", false},
	} {
		h := &wire.Hello{TTYName: c.named}
		if c.passed != nil {
			fd, err := unix.FcntlInt(c.passed.Fd(), unix.F_DUPFD_CLOEXEC, 3)
			if err != nil {
				t.Fatal(err)
			}
			h.Stdin = wire.NewFD(fd)
		}
		tty, err := openTerminal(h)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", what, err)
		}
		if tty != nil {
			_ = tty.Close()
		}
		if h.Stdin != nil {
			_ = h.Stdin.Close()
		}
	}
}

// What a client is told holds nothing that its terminal would not just show.
func TestReadable(t *testing.T) {
	for _, c := range []struct {
		flags      wire.ClientFlags
		text, want string
	}{
		{wire.FlagUTF8, "größer", "größer"},
		{0, "größer", "gr__er"},
		{wire.FlagUTF8, "two\nlines", "two\nlines"},
		{0, "two\nlines", "two\nlines"},
	} {
		if got := readable(&client{hello: &wire.Hello{Flags: c.flags}}, c.text); got != c.want {
			t.Errorf("%q: %q, want %q", c.text, got, c.want)
		}
	}
	for _, flags := range []wire.ClientFlags{0, wire.FlagUTF8} {
		got := readable(&client{hello: &wire.Hello{Flags: flags}}, "a\x1b[2Jb\x07\x9bc\u202ed\xff")
		for _, r := range got {
			if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x202e || r == 0xfffd {
				t.Errorf("%q holds %q", got, r)
			}
		}
	}
}
