package keep

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// full takes all descriptors but some of this process, for as long as do runs.
func full(t *testing.T, but int, do func()) {
	t.Helper()
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	few := was
	few.Cur = min(was.Cur, 256)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	var taken []int
	defer func() {
		for _, fd := range taken {
			_ = unix.Close(fd)
		}
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
			t.Error(err)
		}
	}()
	for {
		fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			break
		}
		taken = append(taken, fd)
	}
	for range but {
		_ = unix.Close(taken[len(taken)-1])
		taken = taken[:len(taken)-1]
	}
	do()
}

// Who cannot look at a server does not take it for one that has ended: its record and its
// socket stay, and it is adopted when that goes again.
func TestEndedOnlyOnProof(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Every = 0 }) // it looks at files of its own, too
	h := w.start("alice")
	if err := w.k.Close(); err != nil {
		t.Fatal(err)
	}
	w.open()
	rec, err := w.k.readRecord(h.ID)
	if err != nil {
		t.Fatal(err)
	}
	unknown := rec
	unknown.PID, unknown.Start = 0, 0
	for but := range 3 {
		for what, ask := range map[string]func() error{
			"adopt":         func() error { return second(w.k.Adopt(t.Context(), h.ID)) },
			"take hold":     func() error { return second(w.k.adopt(t.Context(), rec)) },
			"find and hold": func() error { return second(w.k.adopt(t.Context(), unknown)) },
			"find": func() error {
				return second(startedFor(&w.k.memory, w.k.innerPath(h.ID), rec.Account.UID, w.opt.Tmux))
			},
		} {
			if but > 0 && what == "find" {
				continue // it is there
			}
			var err error
			full(t, but, func() { err = ask() })
			if err == nil || errors.Is(err, ErrEnded) {
				t.Errorf("%s, %d descriptors: %v", what, but, err)
			}
		}
	}
	for _, p := range []string{w.socket(h), w.opt.Run + "/servers/" + h.ID + ".json", w.opt.Run + "/servers/" + h.ID + ".conf"} {
		if _, err := os.Lstat(p); err != nil {
			t.Error(err)
		}
	}
	again, err := w.k.Adopt(t.Context(), h.ID)
	if err != nil || again.PID != h.PID {
		t.Fatalf("%+v, %v", again, err)
	}
	s, err := w.k.server(h.ID)
	if err != nil {
		t.Fatal(err)
	}
	real := s.proc
	s.proc = &process{pid: 1 << 30, start: real.start, pidfd: real.pidfd} // it runs, and cannot be looked at
	if err := second(w.k.Adopt(t.Context(), h.ID)); err == nil || errors.Is(err, ErrEnded) {
		t.Errorf("once more: %v", err)
	}
	s.proc = real
	w.stock(again, "new-session", "-d")
}

// One that has ended is one, however that is seen.
func TestEndedForSure(t *testing.T) {
	w := newWorld(t)
	h := w.start("alice")
	if err := w.k.Close(); err != nil {
		t.Fatal(err)
	}
	w.open()
	rec, err := w.k.readRecord(h.ID)
	if err != nil {
		t.Fatal(err)
	}
	later, boot, unknown := rec, rec, rec
	later.Start++
	boot.Boot = "00000000-0000-0000-0000-000000000000"
	unknown.PID, unknown.Start = 0, 0
	for what, r := range map[string]record{"another start": later, "another boot": boot} {
		if err := second(w.k.adopt(t.Context(), r)); !errors.Is(err, ErrEnded) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := unix.Kill(h.PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	var info unix.Siginfo
	if err := unix.Waitid(unix.P_PID, h.PID, &info, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	if err := second(w.k.adopt(t.Context(), rec)); !errors.Is(err, ErrEnded) {
		t.Errorf("a zombie: %v", err)
	}
	if _, err := unix.Wait4(h.PID, nil, 0, nil); err != nil {
		t.Fatal(err)
	}
	for what, r := range map[string]record{"gone": rec, "gone, and its number not known": unknown} {
		if err := second(w.k.adopt(t.Context(), r)); !errors.Is(err, ErrEnded) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := second(w.k.Adopt(t.Context(), h.ID)); !errors.Is(err, ErrEnded) {
		t.Error(err)
	}
	if err := second(w.k.Adopt(t.Context(), h.ID)); !errors.Is(err, ErrEnded) {
		t.Errorf("asked once more: %v", err)
	}
}

// A number that is now a thread's is no server's.
func TestNumberIsAThreads(t *testing.T) {
	tid, done := make(chan int), make(chan struct{})
	defer close(done)
	for range 2 { // one of them is not the first thread
		go func() {
			runtime.LockOSThread()
			tid <- unix.Gettid()
			<-done
		}()
	}
	n := <-tid
	if other := <-tid; n == os.Getpid() {
		n = other
	}
	if err := second(holdProcess(n, 1)); !errors.Is(err, ErrEnded) {
		t.Errorf("%v", err)
	}
	begun, _, err := startOf(n)
	if err != nil {
		t.Fatal(err)
	}
	if err := second(holdProcess(n, begun)); err == nil || errors.Is(err, ErrEnded) {
		t.Errorf("with the same start nobody knows: %v", err)
	}
}

// A process that looks like a server is none if it is another account's, nor if the
// account has the real one beside it.
func TestLookAlike(t *testing.T) {
	if !asRoot() {
		tmuxtest.Skip(t, "needs root to be another account")
	}
	w := newWorld(t)
	inner := w.k.innerPath("01234567")
	runtime.LockOSThread() // which traces them
	defer runtime.UnlockOSThread()
	looks := func(prog string, uid uint32) int { // it stands still before its first step
		t.Helper()
		cmd := &exec.Cmd{Path: prog, Args: []string{"tmux", "-D", "-S", inner}, Dir: "/",
			SysProcAttr: &syscall.SysProcAttr{Ptrace: true, Credential: &syscall.Credential{Uid: uid, Gid: uid}}}
		begin(t, cmd)
		t.Cleanup(func() { _ = errors.Join(cmd.Process.Kill(), cmd.Wait()) })
		return cmd.Process.Pid
	}
	looks(w.opt.Tmux, otherUID)
	if pid, err := startedFor(&w.k.memory, inner, testUID, w.opt.Tmux); !errors.Is(err, ErrEnded) {
		t.Errorf("another account's was taken: %d, %v", pid, err)
	}
	// One that is still the launcher, whatever it will be, leaves nobody knowing.
	cmd := &exec.Cmd{Path: "/bin/sleep", Args: []string{"sh", "tmux", "-D", "-S", inner}, Dir: "/",
		SysProcAttr: &syscall.SysProcAttr{Ptrace: true, Credential: &syscall.Credential{Uid: testUID, Gid: testUID}}}
	begin(t, cmd)
	if pid, err := startedFor(&w.k.memory, inner, testUID, w.opt.Tmux); err == nil || errors.Is(err, ErrEnded) {
		t.Errorf("of the launcher: %d, %v", pid, err)
	}
	if err := errors.Join(cmd.Process.Kill(), ended(cmd)); err != nil {
		t.Fatal(err)
	}
	own := looks("/bin/sleep", testUID)
	if pid, err := startedFor(&w.k.memory, inner, testUID, w.opt.Tmux); pid != own || err != nil {
		t.Errorf("another program: %d, %v", pid, err)
	}
	real := looks(w.opt.Tmux, testUID)
	if pid, err := startedFor(&w.k.memory, inner, testUID, w.opt.Tmux); pid != real || err != nil {
		t.Errorf("the real one: %d, %v, want %d", pid, err, real)
	}
}

// begin starts a process that is traced, and waits until it stands: before that the kernel may
// not yet tell its arguments.
func begin(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var status unix.WaitStatus
	if _, err := unix.Wait4(cmd.Process.Pid, &status, 0, nil); err != nil || !status.Stopped() {
		t.Fatalf("it does not stand: %#x, %v", status, err)
	}
}

// ended waits for a process that was killed.
func ended(cmd *exec.Cmd) error {
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		return err
	}
	return nil
}
