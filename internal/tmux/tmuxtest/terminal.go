package tmuxtest

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TerminalConfig says on what terminal, and how, [Attach] runs tmux. Zero
// values mean: tmux from PATH, 80 by 24, xterm-256color, the own account.
type TerminalConfig struct {
	Tmux       string
	Cols, Rows int
	Term       string
	Env        []string // more environment, such as TMUX_TMPDIR=…
	Dir        string
	As         Account
	// Answer lets the terminal answer questions (what are you, where is the
	// cursor). Without it the terminal is deaf, and runs are alike.
	Answer bool
	// Blind has nobody look at the screen: what was received is kept, and nothing answers. It is for
	// what the emulator does not bear, such as a terminal of three rows that is resized while it scrolls.
	Blind bool
}

// Terminal is a stock tmux client, or another program, on a terminal whose
// screen is emulated. All methods may be called from any goroutine.
type Terminal struct {
	t      testing.TB
	cmd    *exec.Cmd
	master *os.File
	slave  *os.File      // kept open, so that what was printed last can be read
	first  unix.Termios  // before the program began
	done   chan struct{} // closed when the program has ended
	wg     sync.WaitGroup
	once   sync.Once // of Close

	allRead chan struct{} // closed when nothing more can be read

	mu     sync.Mutex
	scr    screen // nil once it is closed
	got    []byte
	since  int            // how long got was when keys were typed last
	told   map[string]int // how long, up to the end of a text that was waited for
	paused chan struct{}  // not nil while nothing is read
}

// Attach runs tmux with args on a new terminal.
func Attach(t testing.TB, c TerminalConfig, args ...string) *Terminal {
	t.Helper()
	if c.Tmux == "" {
		c.Tmux = "tmux"
	}
	return Open(t, c, c.Tmux, args...)
}

// Attach runs `tmux -S socket args…` on a new terminal as the server's account.
func (s *Server) Attach(t testing.TB, c TerminalConfig, args ...string) *Terminal {
	t.Helper()
	if c.Tmux == "" {
		c.Tmux = s.Tmux
	}
	if c.As.Name == "" {
		c.As = s.As
	}
	return Attach(t, c, append([]string{"-S", s.Socket}, args...)...)
}

// Open runs any program on a new terminal, as leader of its session. It is
// killed at the end of the test.
func Open(t testing.TB, c TerminalConfig, program string, args ...string) *Terminal {
	t.Helper()
	if c.Cols == 0 {
		c.Cols, c.Rows = 80, 24
	}
	if c.Term == "" {
		c.Term = "xterm-256color"
	}
	master, slave, err := openPTY(c.Cols, c.Rows)
	if err != nil {
		t.Fatal(err)
	}
	if c.As.Name != "" {
		if err := slave.Chown(int(c.As.UID), int(c.As.GID)); err != nil {
			t.Fatal(err)
		}
	}
	first, err := likeShell(slave)
	if err != nil {
		t.Fatal(err)
	}
	cmd := c.As.Command(program, args...)
	cmd.Env = c.As.Env(append([]string{"TERM=" + c.Term}, c.Env...)...)
	if c.Dir != "" {
		cmd.Dir = c.Dir
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr.Setsid, cmd.SysProcAttr.Setctty = true, true
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	guard(t, cmd.Process.Pid)
	x := &Terminal{t: t, cmd: cmd, master: master, slave: slave, done: make(chan struct{}), allRead: make(chan struct{}), told: map[string]int{}}
	x.first = first
	var answers io.Reader
	if x.scr, answers = (blank{}), strings.NewReader(""); !c.Blind {
		x.scr, answers = newScreen(c.Cols, c.Rows)
	}
	x.wg.Go(func() { x.answer(answers, c.Answer) })
	x.wg.Go(x.read)
	go func() {
		_ = cmd.Wait() // ExitCode tells
		close(x.done)
	}()
	t.Cleanup(x.Close)
	return x
}

// Close kills the program if it runs and gives up the terminal with all that
// belongs to it, as the end of the test would. Tests that open more terminals
// than there may be at once call it. Of the methods, [Terminal.Bytes],
// [Terminal.Len], [Terminal.Exited], [Terminal.Resume] and [Terminal.HangUp] go on
// working.
func (x *Terminal) Close() {
	x.once.Do(func() {
		x.Resume()
		_ = x.cmd.Process.Kill() // it may be gone
		<-x.done
		_ = x.slave.Close()
		_ = x.master.Close()
		x.scr.Close()
		x.wg.Wait()
		x.mu.Lock()
		defer x.mu.Unlock()
		x.scr = nil // the largest part of it
	})
}

// answer reads what the emulator would send to its program; it blocks if
// nobody does.
func (x *Terminal) answer(from io.Reader, pass bool) {
	to := io.Discard
	if pass {
		to = x.master
	}
	_, _ = io.Copy(to, from) // until closed
	_, _ = io.Copy(io.Discard, from)
}

func (x *Terminal) read() {
	defer close(x.allRead)
	buf := make([]byte, 32<<10)
	for {
		x.mu.Lock()
		wait := x.paused
		x.mu.Unlock()
		if wait != nil {
			<-wait
			continue
		}
		n, err := x.master.Read(buf)
		x.mu.Lock()
		x.got = append(x.got, buf[:n]...)
		_, _ = x.scr.Write(buf[:n]) // to memory
		x.mu.Unlock()
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) { // Pause ends a Read
			return
		}
	}
}

// Type sends keys as a terminal would: the bytes, as they are.
func (x *Terminal) Type(keys string) {
	x.t.Helper()
	x.mu.Lock()
	x.since = len(x.got)
	x.mu.Unlock()
	if _, err := io.WriteString(x.master, keys); err != nil {
		x.t.Fatalf("tmuxtest: type %q: %v", keys, err)
	}
}

// Press types as much of keys as the terminal takes at once. Nobody waits for a program that is stopped, and
// a terminal that has gone takes none. It may be called from goroutines other than the test's.
func (x *Terminal) Press(keys string) {
	_ = control(x.master, func(fd int) error {
		_, err := unix.Write(fd, []byte(keys))
		return err
	}) // what it does not take was never typed
}

// Print writes to the terminal as another program on it would: after all that
// was written before, and before all that is written later.
func (x *Terminal) Print(text string) {
	x.t.Helper()
	if _, err := io.WriteString(x.slave, text); err != nil {
		x.t.Fatalf("tmuxtest: print %q: %v", text, err)
	}
}

// Screen returns the rows shown, without trailing blanks.
func (x *Terminal) Screen() []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.scr == nil {
		return []string{"(the terminal was closed)"}
	}
	return x.scr.Rows()
}

// Cursor returns where the cursor is, counted from 0.
func (x *Terminal) Cursor() (col, row int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.scr.Cursor()
}

// Contains reports whether text is in one row of the screen.
func (x *Terminal) Contains(text string) bool {
	for _, row := range x.Screen() {
		if strings.Contains(row, text) {
			return true
		}
	}
	return false
}

// WaitFor waits until text is in one row of the screen.
func (x *Terminal) WaitFor(text string) {
	x.t.Helper()
	if !poll(Patience, func() bool { return x.Contains(text) }) {
		x.t.Fatalf("%q is not shown within %s; shown:\n%s", text, Patience, strings.Join(x.Screen(), "\n"))
	}
}

// WaitTold waits until text is on the screen or has been there: since keys were
// typed last, and since it was waited for last. It is for what goes away by itself,
// which a busy machine may miss.
func (x *Terminal) WaitTold(text string) {
	x.t.Helper()
	if !poll(Patience, func() bool { return x.Told(text) }) {
		x.t.Fatalf("%q was not shown within %s; shown:\n%s", text, Patience, strings.Join(x.Screen(), "\n"))
	}
}

// Told is what [Terminal.WaitTold] waits for.
func (x *Terminal) Told(text string) bool {
	now := x.Contains(text)
	x.mu.Lock()
	defer x.mu.Unlock()
	from := max(x.since, x.told[text])
	at := bytes.LastIndex(x.got[from:], []byte(text))
	if at >= 0 {
		x.told[text] = from + at + len(text)
	}
	return now || at >= 0
}

// WaitGone waits until text is in no row of the screen.
func (x *Terminal) WaitGone(text string) {
	x.t.Helper()
	if !poll(Patience, func() bool { return !x.Contains(text) }) {
		x.t.Fatalf("%q is still shown after %s:\n%s", text, Patience, strings.Join(x.Screen(), "\n"))
	}
}

// Resize changes the size of the terminal; the program gets SIGWINCH.
func (x *Terminal) Resize(cols, rows int) {
	x.t.Helper()
	x.mu.Lock()
	x.scr.Resize(cols, rows)
	x.mu.Unlock()
	err := control(x.master, func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(rows), Col: uint16(cols)})
	})
	if err != nil {
		x.t.Fatalf("tmuxtest: resize: %v", err)
	}
}

// Bytes returns everything that was received.
func (x *Terminal) Bytes() []byte {
	x.mu.Lock()
	defer x.mu.Unlock()
	return bytes.Clone(x.got)
}

// Len returns how many bytes were received.
func (x *Terminal) Len() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.got)
}

// Pause stops reading: the program finds its terminal full. What is being read
// at this moment still arrives.
func (x *Terminal) Pause() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.paused == nil {
		x.paused = make(chan struct{})
		_ = x.master.SetReadDeadline(time.Unix(1, 0)) // it may have been hung up
	}
}

// Resume undoes [Terminal.Pause].
func (x *Terminal) Resume() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.paused != nil {
		_ = x.master.SetReadDeadline(time.Time{}) // it may have been hung up
		close(x.paused)
		x.paused = nil
	}
}

// TTY returns the path of the terminal.
func (x *Terminal) TTY() string { return x.slave.Name() }

// Termios returns the terminal's present modes, also after the program's end.
func (x *Terminal) Termios() unix.Termios {
	x.t.Helper()
	var tio *unix.Termios
	err := control(x.master, func(fd int) (err error) {
		tio, err = unix.IoctlGetTermios(fd, unix.TCGETS) // the master tells the slave's
		return err
	})
	if err != nil {
		x.t.Fatalf("tmuxtest: terminal attributes: %v", err)
	}
	return *tio
}

// First returns the modes that the terminal had before the program began.
func (x *Terminal) First() unix.Termios { return x.first }

// PID returns the program's process id.
func (x *Terminal) PID() int { return x.cmd.Process.Pid }

// Signal sends a signal to the program.
func (x *Terminal) Signal(sig syscall.Signal) {
	x.t.Helper()
	if err := x.cmd.Process.Signal(sig); err != nil {
		x.t.Fatalf("tmuxtest: signal %v: %v", sig, err)
	}
}

// HangUp closes the terminal under the program.
func (x *Terminal) HangUp() {
	_ = x.slave.Close()
	_ = x.master.Close()
}

// Exited reports whether the program has ended.
func (x *Terminal) Exited() bool {
	select {
	case <-x.done:
		return true
	default:
		return false
	}
}

// ExitCode waits for the program's end and returns its exit code, -1 if a
// signal ended it. What it printed last is in Bytes by then.
func (x *Terminal) ExitCode() int {
	x.t.Helper()
	if !poll(Patience, x.Exited) {
		x.t.Fatalf("the program runs on after %s; shown:\n%s", Patience, strings.Join(x.Screen(), "\n"))
	}
	// With nobody left on the slave's side the reader comes to an end.
	_ = x.slave.Close()
	Eventually(x.t, func() bool {
		select {
		case <-x.allRead:
			return true
		default:
			return false
		}
	}, "the end of what the program printed (does another process hold its terminal?)")
	return x.cmd.ProcessState.ExitCode()
}
