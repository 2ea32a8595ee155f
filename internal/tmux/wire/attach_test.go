package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// smallTerminfo is enough of a terminal for tmux to draw on.
func smallTerminfo() []string {
	return []string{
		"am=1", "clear=\x1b[H\x1b[2J", "colors=8", "cup=\x1b[%i%p1%d;%p2%dH", "cub1=\b", "cud1=\n", "cuf1=\x1b[C",
		"cuu1=\x1b[A", "ed=\x1b[J", "el=\x1b[K", "sgr0=\x1b[m", "smcup=\x1b[?1049h", "rmcup=\x1b[?1049l", "xenl=1",
	}
}

// attach is an attached client of ours on p.
func (s *realServer) attach(t testing.TB, p *ptyPair, argv ...string) *Conn {
	t.Helper()
	ctx := testContext(t)
	c, err := Dial(ctx, s.sock, s.framing)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	in, err := DupFD(p.slave)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	h := &Hello{
		Flags: FlagUTF8, Term: "xterm", TTYName: p.slave.Name(), Cwd: "/", PID: int32(os.Getpid()),
		Terminfo: smallTerminfo(), Stdin: in, Stdout: in, Argv: argv,
	}
	if err := c.Identify(ctx, h); err != nil {
		t.Fatal(err)
	}
	return c
}

// next returns the next message that is not about flags.
func next(t testing.TB, c *Conn) Message {
	t.Helper()
	for {
		m, err := c.ReadMsg(testContext(t))
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := m.(*Flags); !ok {
			return m
		}
	}
}

func TestAttachWithoutATmuxProcess(t *testing.T) {
	for _, bin := range tmuxes(t) {
		t.Run(bin, func(t *testing.T) {
			s := startServer(t, bin)
			noLeak(t, func(t *testing.T) {
				p := openPTY(t)
				c := s.attach(t, p, "attach-session", "-t", "work")
				if m := next(t, c); m.Type() != TypeReady {
					t.Fatalf("%#v", m)
				}
				ctx := testContext(t)
				if err := c.WriteMsg(ctx, &Resize{}); err != nil {
					t.Fatal(err)
				}
				if !eventually(func() bool { return strings.Contains(p.text(), "HELLO-PANE") }) {
					t.Fatalf("the pane does not show: %q", p.text())
				}
				if _, err := p.master.WriteString("typed text\r"); err != nil {
					t.Fatal(err)
				}
				if !eventually(func() bool { return strings.Count(p.text(), "typed text") >= 2 }) {
					t.Fatalf("what is typed does not come back: %q", p.text())
				}
				if out, err := s.tmux("detach-client", "-s", "work"); err != nil {
					t.Fatal(out, err)
				}
				m := next(t, c)
				if d, ok := m.(*Detach); !ok || d.Session != "work" {
					t.Fatalf("%#v", m)
				}
				if err := c.WriteMsg(ctx, &Exiting{}); err != nil {
					t.Fatal(err)
				}
				if m := next(t, c); m.Type() != TypeExited {
					t.Fatalf("%#v", m)
				}
				if !eventually(func() bool { return strings.Contains(p.text(), "\x1b[?1049l") }) {
					t.Error("the screen was not given back")
				}
			})
			s.alive(t)
		})
	}
}

// TestDescriptorsArriveAtRealServers runs a control client on two pipes, which
// works only if each descriptor arrives, and as the right one.
func TestDescriptorsArriveAtRealServers(t *testing.T) {
	for _, bin := range tmuxes(t) {
		t.Run(bin, func(t *testing.T) {
			s := startServer(t, bin)
			for _, envSize := range []int{0, 40_000, 400_000} {
				out := controlClient(t, s, envSize)
				if !strings.Contains(out, "answer-80") || !strings.Contains(out, "%exit") && !strings.Contains(out, "%end") {
					t.Errorf("with %d bytes of environment: %q", envSize, out)
				}
			}
			s.alive(t)
		})
	}
}

func controlClient(t *testing.T, s *realServer, envSize int) string {
	t.Helper()
	inR, inW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer inW.Close()
	defer outR.Close()
	h := &Hello{Flags: FlagControl | FlagUTF8, Term: "xterm", Cwd: "/", PID: int32(os.Getpid()), Argv: []string{"attach-session", "-t", "work"}}
	if h.Stdin, err = DupFD(inR); err != nil {
		t.Fatal(err)
	}
	if h.Stdout, err = DupFD(outW); err != nil {
		t.Fatal(err)
	}
	_, _ = inR.Close(), outW.Close()
	for n := 0; n < envSize; n += 10_000 {
		h.Env = append(h.Env, fmt.Sprintf("BIG%d=%s", n, strings.Repeat("x", 10_000)))
	}
	c, err := Dial(testContext(t), s.sock, s.framing)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Identify(testContext(t), h); err != nil {
		t.Fatal(err)
	}
	_ = h.Close()
	if _, err := inW.WriteString("display-message -p 'answer-#{window_width}'\n\n"); err != nil {
		t.Fatal(err)
	}
	if err := outR.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	// The server closes its end of the pipes when we have gone, and tells us
	// to go because of the empty line.
	if m := next(t, c); m.Type() != TypeExit {
		t.Errorf("%#v", m)
	}
	_ = c.Close()
	var got bytes.Buffer
	if _, err := io.Copy(&got, outR); err != nil {
		t.Fatal(err)
	}
	return got.String()
}

// TestIntroductionsThatBreakOff: a server lives on when we go after any part of
// an introduction, as it is cut by the way we send it.
func TestIntroductionsThatBreakOff(t *testing.T) {
	for _, bin := range tmuxes(t) {
		t.Run(bin, func(t *testing.T) {
			s := startServer(t, bin)
			h := hello("attach-session")
			h.Flags |= FlagControl
			h.Stdin, h.Stdout = devNull(t), devNull(t)
			lead, body, last := h.introduction()
			all := append(append(lead, body...), last...)
			for n := range len(all) - len(last) + 1 {
				c, err := Dial(testContext(t), s.sock, s.framing)
				if err != nil {
					t.Fatal(err)
				}
				if err := c.WriteMsg(testContext(t), all[:n]...); err != nil {
					t.Error(err)
				}
				_ = c.Close()
			}
			s.alive(t)
		})
	}
}

func TestIdentifyToAServerThatDoesNotRead(t *testing.T) {
	_, b := socketPair(t)
	c := NewClient(b, Legacy)
	h := hello("ls")
	h.Flags = FlagControl
	for range 100 {
		h.Env = append(h.Env, "X="+strings.Repeat("x", 10_000))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := c.Identify(ctx, h); !errors.Is(err, context.DeadlineExceeded) || c.Err() == nil {
		t.Errorf("%v, %v", err, c.Err())
	}
}

func TestDialNobody(t *testing.T) {
	if _, err := Dial(testContext(t), t.TempDir()+"/none", Legacy); !errors.Is(err, unix.ENOENT) {
		t.Error(err)
	}
}
