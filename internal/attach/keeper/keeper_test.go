package keeper

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/attach/screen"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

const asKeeper = "MUXWARD_TEST_KEEPER"

func TestMain(m *testing.M) {
	if os.Getenv(asKeeper) != "" {
		if err := Serve(os.NewFile(FD, "keeper")); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func start(t *testing.T) *Keeper {
	t.Helper()
	k, err := Start(t.Context(), []string{os.Args[0]}, []string{asKeeper + "=1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, k) })
	return k
}

func shut(t *testing.T, k *Keeper) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := k.Close(ctx); err != nil {
		t.Error("close:", err)
	}
}

// terminal is a pty in the test's hands.
type terminal struct {
	t             *testing.T
	master, slave int
	saved         screen.Saved
}

func newTerminal(t *testing.T) *terminal {
	t.Helper()
	m, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(m, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(m, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	s, err := unix.Open(fmt.Sprintf("/dev/pts/%d", n), unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	tm := &terminal{t: t, master: m, slave: s}
	if tm.saved, err = screen.Save(s); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(tm.slave); unix.Close(tm.master) })
	return tm
}

func (tm *terminal) raw() {
	tm.t.Helper()
	tio := tm.saved.Termios
	tio.Lflag &^= unix.ICANON | unix.ECHO
	if err := errors.Join(unix.IoctlSetTermios(tm.slave, unix.TCSETS, &tio), unix.SetNonblock(tm.slave, true)); err != nil {
		tm.t.Fatal(err)
	}
}

func (tm *terminal) isSaved() error {
	now, err := screen.Save(tm.slave)
	if err == nil && now != tm.saved {
		err = errors.New("the modes are not back")
	}
	return err
}

func (tm *terminal) shown() string {
	buf := make([]byte, 4096)
	n, _ := unix.Read(tm.master, buf)
	return string(buf[:max(n, 0)])
}

func (tm *terminal) held(now screen.Marks) Held {
	return Held{TTY: tm.slave, Client: -1, Saved: tm.saved, Now: now, Ever: now}
}

func eventually(t *testing.T, what string, f func() error) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	var err error
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); <-tick.C {
		if err = f(); err == nil {
			return
		}
	}
	t.Fatalf("%s: %v", what, err)
}

// vanish does to the keeper what a kill -9 of muxward does.
func (k *Keeper) vanish() {
	k.mu.Lock()
	k.closed = true
	close(k.closing)
	_ = unix.Shutdown(k.sock, unix.SHUT_RDWR)
	k.mu.Unlock()
	<-k.ended
	k.forget() // with the process, its descriptors go
}

func TestKeeperPutsBackWhatItHolds(t *testing.T) {
	k, kept, gone, stuck := start(t), newTerminal(t), newTerminal(t), newTerminal(t)
	for _, tm := range []*terminal{kept, gone, stuck} {
		tm.raw()
	}
	// One whose output nobody reads: it must not harm the others.
	for {
		if _, err := unix.Write(stuck.slave, make([]byte, 4096)); err != nil {
			break
		}
	}
	id, err := k.Hold(kept.held(0))
	if err != nil {
		t.Fatal(err)
	}
	k.Mark(id, screen.Alternate|screen.Drawn|screen.Paste, screen.Alternate|screen.Drawn|screen.Paste|screen.Mouse)
	other, err := k.Hold(gone.held(screen.Alternate))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Hold(stuck.held(screen.Alternate)); err != nil {
		t.Fatal(err)
	}
	k.Release(other)
	k.vanish()
	if err := errors.Join(kept.isSaved(), stuck.isSaved()); err != nil {
		t.Error(err)
	}
	if err := gone.isSaved(); err == nil {
		t.Error("a released terminal was touched")
	}
	if got := kept.shown(); !strings.Contains(got, "\x1b[?1049l") || !strings.Contains(got, "\x1b[?2004l") || !strings.Contains(got, "\x1b[?1003l") {
		t.Errorf("shown: %q", got)
	}
	if got := gone.shown(); got != "" {
		t.Errorf("shown on a released terminal: %q", got)
	}
}

func TestKeeperKeepsTheClientUntilTheScreenIsBack(t *testing.T) {
	k, tm := start(t), newTerminal(t)
	tm.raw()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[1])
	h := tm.held(screen.Alternate)
	h.Client = pair[0]
	if _, err := k.Hold(h); err != nil {
		t.Fatal(err)
	}
	unix.Close(pair[0])
	buf := make([]byte, 1)
	if _, err := unix.Read(pair[1], buf); err != unix.EAGAIN {
		t.Errorf("the client sees %v while the keeper lives", err)
	}
	k.vanish()
	if n, err := unix.Read(pair[1], buf); n != 0 || err != nil {
		t.Errorf("the client sees %d, %v", n, err)
	}
	if err := tm.isSaved(); err != nil {
		t.Error(err)
	}
}

func TestAKeeperThatDiesIsReplacedAndTold(t *testing.T) {
	k, tm := start(t), newTerminal(t)
	tm.raw()
	id, err := k.Hold(tm.held(0))
	if err != nil {
		t.Fatal(err)
	}
	k.Mark(id, screen.Alternate, screen.Alternate)
	for range 3 {
		old := k.PID()
		if err := unix.Kill(old, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, "another one", func() error {
			if pid := k.PID(); pid == 0 || pid == old {
				return errors.New("not yet")
			}
			return k.Err()
		})
	}
	k.vanish()
	if err := tm.isSaved(); err != nil {
		t.Error(err)
	}
	if got := tm.shown(); !strings.Contains(got, "\x1b[?1049l") {
		t.Errorf("shown: %q", got)
	}
}

// A terminal is closed without being released, and somebody else's terminal is
// opened under its number. A keeper that is replaced then is given the
// terminal that was to be kept, and never touches the other one.
func TestNumbersThatAreUsedAgain(t *testing.T) {
	k, kept, other := start(t), newTerminal(t), newTerminal(t)
	kept.raw()
	other.raw()
	old, err := unix.FcntlInt(uintptr(kept.slave), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		t.Fatal(err)
	}
	h := kept.held(screen.Alternate)
	h.TTY = old
	if _, err := k.Hold(h); err != nil {
		t.Fatal(err)
	}
	if err := unix.Dup3(other.slave, old, unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(old)
	was := k.PID()
	if err := unix.Kill(was, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another one", func() error {
		if pid := k.PID(); pid == 0 || pid == was {
			return errors.New("not yet")
		}
		return k.Err()
	})
	k.vanish()
	if err := kept.isSaved(); err != nil {
		t.Error(err)
	}
	if other.isSaved() == nil || other.shown() != "" {
		t.Error("somebody else's terminal was touched")
	}
}

func TestReleasedIsClosed(t *testing.T) {
	k, tm := start(t), newTerminal(t)
	tmuxtest.Collected(t)
	before := openFiles(t)
	for range 3 {
		h := tm.held(0)
		h.Client = tm.slave
		id, err := k.Hold(h)
		if err != nil {
			t.Fatal(err)
		}
		k.Release(id)
	}
	if n := openFiles(t); n != before {
		t.Errorf("%d descriptors, were %d", n, before)
	}
}

// So much is told to the keeper that its garbage collector must run. It still
// has its end of the socket afterwards: nobody's terminal is put back.
func TestKeeperOutlivesItsGarbage(t *testing.T) {
	k, tm := start(t), newTerminal(t)
	tm.raw()
	pid := k.PID()
	id, err := k.Hold(tm.held(0))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50_000 {
		k.Mark(id, screen.Marks(i), 0)
	}
	later, err := k.Hold(tm.held(0))
	if err != nil {
		t.Fatal(err)
	}
	k.Release(id)
	k.Release(later)
	letsGo(t, pid, tm.slave)
	if k.PID() != pid {
		t.Error("it was replaced")
	}
	if tm.isSaved() == nil {
		t.Error("the terminal was put back while somebody was at it")
	}
}

func TestKeeperTakesNoNoticeOfSignals(t *testing.T) {
	k := start(t)
	pid := k.PID()
	// It has set up its signals once it has taken something.
	tm := newTerminal(t)
	id, err := k.Hold(tm.held(0))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "it holds the terminal", func() error { return holds(pid, tm.slave) })
	for _, s := range []unix.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGTSTP, unix.SIGUSR1} {
		if err := unix.Kill(pid, s); err != nil {
			t.Fatal(err)
		}
	}
	k.Release(id)
	letsGo(t, pid, tm.slave)
	if k.PID() != pid {
		t.Error("it was replaced")
	}
	if sid, err := unix.Getsid(pid); err != nil || sid != pid {
		t.Errorf("session %d, %v", sid, err)
	}
}

// letsGo waits until the process has the terminal open no more.
func letsGo(t *testing.T, pid, slave int) {
	t.Helper()
	eventually(t, "it lets go", func() error {
		if holds(pid, slave) == nil {
			return errors.New("it still holds the terminal")
		}
		return nil
	})
}

// holds reports, as nil, that the process has the terminal open.
func holds(pid, slave int) error {
	mine, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", slave))
	if err != nil {
		return err
	}
	fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, fd := range fds {
		if l, err := os.Readlink(fd); err == nil && l == mine {
			return nil
		}
	}
	return errors.New("not held")
}

func TestAStoppedKeeperHoldsNobodyUp(t *testing.T) {
	k, tm := start(t), newTerminal(t)
	pid := k.PID()
	if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	id, err := k.Hold(tm.held(0))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5000 {
		k.Mark(id, screen.Marks(i), 0)
		if k.PID() != pid {
			break
		}
	}
	eventually(t, "it is replaced", func() error {
		if p := k.PID(); p == pid || p == 0 {
			return errors.New("not yet")
		}
		return nil
	})
}

func TestServeSurvivesNonsense(t *testing.T) {
	held := map[uint64]*kept{}
	tm := newTerminal(t)
	fd := func() []int {
		d, err := unix.FcntlInt(uintptr(tm.slave), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			t.Fatal(err)
		}
		return []int{d}
	}
	tmuxtest.Collected(t)
	before := openFiles(t)
	good, err := (&message{Op: hold, ID: 1}).encode()
	if err != nil {
		t.Fatal(err)
	}
	handle(held, nil, fd())
	handle(held, good[:10], fd())
	handle(held, append(good, 0), append(fd(), fd()...))
	handle(held, good, nil)
	handle(held, good, append(fd(), append(fd(), fd()...)...))
	if len(held) != 0 {
		t.Errorf("holds %d", len(held))
	}
	handle(held, good, fd())
	handle(held, good, fd()) // the same name again
	rel, _ := (&message{Op: release, ID: 1}).encode()
	odd, _ := (&message{Op: 99, ID: 1}).encode()
	handle(held, odd, fd())
	if len(held) != 1 {
		t.Errorf("holds %d", len(held))
	}
	handle(held, rel, nil)
	handle(held, rel, nil)
	if n := openFiles(t); n != before {
		t.Errorf("%d descriptors, were %d", n, before)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(fds)
}

func FuzzDecode(f *testing.F) {
	good, _ := (&message{Op: hold, ID: 1}).encode()
	f.Add(good)
	f.Add([]byte("x"))
	f.Fuzz(func(t *testing.T, p []byte) {
		m, err := decode(p)
		if err != nil {
			return
		}
		if again, err := m.encode(); err != nil || string(again) != string(p) {
			t.Fatalf("%x is not %x, %v", again, p, err)
		}
		handle(map[uint64]*kept{}, p, nil)
	})
}
