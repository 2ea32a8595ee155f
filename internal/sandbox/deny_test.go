package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const asConfined = "MUXWARD_TEST_CONFINED"

// TestMain is also the process that is confined: for good, so it is not the test's.
func TestMain(m *testing.M) {
	do := map[string]func() error{"bare": bare, "children": childless, "not": unconfined, "ring": ring}[os.Getenv(asConfined)]
	if do == nil {
		os.Exit(m.Run())
	}
	if err := do(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(0)
}

// What is confined goes on, as a program of Go's, and can do nothing else. The control run is
// one that is not confined.
func TestConfined(t *testing.T) {
	for _, how := range []string{"bare", "children", "not"} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), asConfined+"="+how)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", how, err, out)
		}
	}
}

func deny(f Filter) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// Of a test that is linked with cgo not all threads are reached; the filter is put before all.
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	return Deny(f)
}

// goesOn has a program do what the holder of the keys does beside its calls: threads, memory,
// its collection, time, a pipe that is waited for.
func goesOn(r, w *os.File) error {
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			runtime.LockOSThread()
			data := make([]byte, 1<<20)
			time.Sleep(time.Millisecond) // has threads be made while others wait
			runtime.KeepAlive(data)
		})
	}
	go func() { runtime.GC(); _, _ = w.WriteString("x") }()
	all.Wait()
	_, err := r.Read(make([]byte, 1))
	return err
}

func bare() error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	dir := os.TempDir()
	if err := deny(Filter{Only: Bare(), Rules: append(NoChildren(), OwnThreads()...)}); err != nil {
		return err
	}
	if err := goesOn(r, w); err != nil {
		return fmt.Errorf("it does not go on: %w", err)
	}
	var errs []error
	refused := func(what string, err error) {
		if !errors.Is(err, unix.EPERM) {
			errs = append(errs, fmt.Errorf("%s: %w, and not EPERM", what, err))
		}
	}
	_, err = os.Open(dir)
	refused("open", err)
	_, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	refused("socket", err)
	refused("chmod", unix.Fchmodat(unix.AT_FDCWD, dir, 0o777, 0))
	refused("attributes", unix.Setxattr(dir, "user.x", nil, 0))
	refused("kill", unix.Kill(os.Getppid(), 0))
	refused("tgkill", unix.Tgkill(os.Getppid(), os.Getppid(), 0))
	for _, command := range []int{unix.F_SETOWN, unix.F_SETSIG, unix.F_SETOWN_EX, unix.F_SETLEASE, unix.F_NOTIFY} {
		_, err := unix.FcntlInt(r.Fd(), command, os.Getppid())
		refused(fmt.Sprint("fcntl ", command), err)
	}
	refused("limits", unix.Prlimit(os.Getppid(), unix.RLIMIT_NOFILE, nil, nil))
	refused("outlive", unix.Prctl(unix.PR_SET_PDEATHSIG, 0, 0, 0, 0))
	if err := unix.Tgkill(unix.Getpid(), unix.Gettid(), 0); err != nil {
		errs = append(errs, fmt.Errorf("a thread of its own: %w", err))
	}
	if TryFork() != Refused || TryCall(unix.SYS_EXECVE) != Refused {
		errs = append(errs, errors.New("it makes processes"))
	}
	return errors.Join(errs...)
}

func childless() error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	if err := deny(Filter{Rules: append(NoChildren(), NoMPTCP())}); err != nil {
		return err
	}
	if err := goesOn(r, w); err != nil {
		return fmt.Errorf("it does not go on: %w", err)
	}
	if TryFork() != Refused || TryMPTCP() == Done || tryOpen(os.TempDir()) != Done {
		return fmt.Errorf("fork %d, MPTCP %d, files %d", TryFork(), TryMPTCP(), tryOpen(os.TempDir()))
	}
	if err := exec.Command("/bin/true").Run(); !errors.Is(err, unix.EPERM) {
		return fmt.Errorf("it starts a program: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, 0, 0, 0, 0); !errors.Is(err, unix.EPERM) {
		return fmt.Errorf("it outlives: %w", err)
	}
	return nil
}

func unconfined() error {
	if TryFork() != Done || TryCall(unix.SYS_EXECVE) != Done || exec.Command("/bin/true").Run() != nil {
		return errors.New("without a filter it makes no processes: nothing is told by that")
	}
	for path, want := range map[string]Outcome{os.TempDir(): Done, "/no such thing": NotTried} {
		if got := tryOpen(path); got != want {
			return fmt.Errorf("%s: %d", path, got)
		}
	}
	if Refused.And(NotTried) != NotTried || NotTried.And(Done) != Done || Refused.And(Refused) != Refused {
		return errors.New("outcomes do not add up")
	}
	return nil
}

// tryOpen opens something to be read. What is not there was not tried.
func tryOpen(path string) Outcome {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err == nil {
		_ = f.Close()
	}
	return of(err, unix.EACCES, unix.EPERM)
}
