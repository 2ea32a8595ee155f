package guard

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// What lies in a display's terminal when a confirmation begins has been read, and done, when it
// comes back, though it was asked twice only. The server is stopped until both
// the key and the question lie there, and at once behind the answer: what is there then was not
// read. Tried with 3.2a, 3.3a, 3.4, 3.5a, 3.6b and 3.7c.
func TestConfirmed(t *testing.T) {
	w := newWorld(t)
	s := w.start("alice")
	run(t, s, "new-session", "-d", "exec cat", ";", "set-option", "-s", "escape-time", "0", ";", "set-option", "-g", "@n", "", ";", "set-option", "-g", "assume-paste-time", "0")
	for i := range 10 {
		run(t, s, "bind-key", "-n", strconv.Itoa(i), "set-option", "-ga", "@n", strconv.Itoa(i))
	}
	master, peer := displayOf(t, s)
	signal := func(what unix.Signal) {
		if err := unix.Kill(s.PID(), what); err != nil {
			t.Error(err)
		}
	}
	lies := func() int {
		n, err := unix.IoctlGetInt(peer, unix.TIOCINQ)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	want := ""
	for i := range 50 {
		signal(unix.SIGSTOP)
		key := strconv.Itoa(i % 10)
		want += key
		if _, err := master.WriteString(key); err != nil {
			t.Fatal(err)
		}
		tmuxtest.Eventually(t, func() bool { return lies() > 0 }, "the key is there")
		confirmed := make(chan error, 1)
		go func() {
			err := s.Confirm(t.Context())
			signal(unix.SIGSTOP)
			confirmed <- err
		}()
		select {
		case err := <-confirmed:
			t.Fatalf("the round %d: confirmed by a server that is stopped: %v", i, err)
		case <-time.After(2 * time.Millisecond): // the question lies there, or comes behind the key
		}
		signal(unix.SIGCONT)
		if err := <-confirmed; err != nil {
			t.Fatal(err)
		}
		if n := lies(); n > 0 {
			t.Errorf("the round %d: confirmed, and %d keys lie there", i, n)
		}
		signal(unix.SIGCONT)
	}
	tmuxtest.Eventually(t, func() bool { return run(t, s, "show-options", "-gv", "@n") == want }, "each key is done")
}

// displayOf attaches a terminal to the server: its end of ours, and the other.
func displayOf(t *testing.T, s *Server) (master *os.File, peer int) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	master = os.NewFile(uintptr(fd), "ptmx")
	n, err1 := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil || err1 != nil {
		t.Fatal(err, err1)
	}
	name := fmt.Sprintf("/dev/pts/%d", n)
	var ends [3]int
	for i := range ends {
		if ends[i], err = unix.Open(name, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0); err != nil {
			t.Fatal(err)
		}
	}
	c, err := s.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	drawn := make(chan struct{})
	go func() { // nobody looks at it
		defer close(drawn)
		_, _ = io.Copy(io.Discard, master)
	}()
	t.Cleanup(func() {
		_, _ = c.Close(), unix.Close(ends[2])
		_ = master.Close()
		<-drawn
	})
	h := &wire.Hello{Flags: wire.FlagUTF8, Term: "xterm", TTYName: name, PID: int32(os.Getpid()), Cwd: "/", Stdin: wire.NewFD(ends[0]), Stdout: wire.NewFD(ends[1]),
		Terminfo: []string{"am=1", "clear=\x1b[H\x1b[2J", "cup=\x1b[%i%p1%d;%p2%dH", "el=\x1b[K", "csr=\x1b[%i%p1%d;%p2%dr", "ind=\n", "ri=\x1bM"}, Argv: []string{"attach-session"}}
	if err := c.Identify(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	for {
		m, err := c.ReadMsg(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if m.Type() == wire.TypeReady {
			return master, ends[2]
		}
	}
}
