package attack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/passed"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// Mallory passes connections that do not let themselves be closed, as they linger. Where muxward's own commands come
// in she has as many connections as she may, and passes some with more, which are to be closed at once: so nobody is
// to lock anything down any more. At the tmux door each is her standard input: each is to keep a thread of muxward's,
// which has only so many.
func TestTD03WhatLingers(t *testing.T) {
	t.Parallel()
	row{teeth: "teeth_put", unlogged: true, gains: 2, attack: func(w *world) {
		for range 24 {
			fd, free := tmuxtest.Lingering(w.t)
			defer free()
			h := &wire.Hello{
				Term: "xterm", Cwd: "/", PID: int32(os.Getpid()), Flags: wire.FlagUTF8,
				Argv: []string{"list-sessions"}, Stdin: wire.NewFD(fd),
			}
			c := wire.NewClient(w.knock(), wire.Legacy)
			if err := c.Identify(context.Background(), h); err != nil {
				w.t.Fatal(err)
			}
			_ = h.Close() // theirs is the last one
			_ = c.Close()
		}
		if soonIf(w.control, func() bool {
			return w.closing() > 12 && !within(300*time.Millisecond, func() bool { return w.closing() < 12 })
		}) {
			w.gain("%d threads wait", w.closing())
		}
		for range 40 {
			c, err := dialWith(w.uid(stranger), w.Doors+"/run/ctl", 0)
			if err != nil {
				w.t.Fatal(err)
			}
			defer c.Close()
		}
		for range 24 {
			defer w.drop(w.uid(stranger), w.Doors+"/run/ctl")()
		}
		if err := w.locks(3 * time.Second); err != nil {
			w.gain("alice locks nothing down: %v", err)
		}
	}}.run(t)
}

// locks has alice lock a pane down, and unlock it, and list her sessions.
func (w *world) locks(limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var errs []error
	bin := w.Bin()
	for _, act := range [][]string{{bin, "lockdown", "-t", w.b, "--reason", "x"}, {bin, "unlock", "-t", w.b}, {"tmux", "list-sessions"}} {
		as := tmuxtest.As(w.t, owner).Command(act[0], act[1:]...)
		cmd := exec.CommandContext(ctx, as.Path, as.Args[1:]...)
		cmd.SysProcAttr, cmd.Dir, cmd.Env = as.SysProcAttr, as.Dir, w.Env(owner)
		out, err := cmd.CombinedOutput()
		if err != nil {
			errs = append(errs, fmt.Errorf("%w: %s", err, clip(out)))
		}
	}
	return errors.Join(errs...)
}

// drop connects as a uid, passes what lingers, and goes, all at once. What lingers does no more once free is called.
func (w *world) drop(uid uint32, path string) (free func()) {
	w.t.Helper()
	fd, free := tmuxtest.Lingering(w.t)
	w.dropOf(uid, path, fd)
	return free
}

// dropOf is drop of a descriptor, which is closed.
func (w *world) dropOf(uid uint32, path string, fd int) {
	w.t.Helper()
	defer tmuxtest.LetGo(fd) // it may be the last one
	c, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	defer passed.Shut(c)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	become := func(euid uint32) {
		if _, _, no := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), uintptr(euid), ^uintptr(0)); no != 0 {
			panic(no) // the thread is somebody else
		}
	}
	become(uid)
	err = unix.Connect(c, &unix.SockaddrUnix{Name: path})
	if err == nil {
		err = unix.Sendmsg(c, []byte("x"), unix.UnixRights(fd), nil, 0)
	}
	become(0)
	if err != nil && !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EPIPE) { // the kernel has it so: nothing can be passed there
		w.t.Fatal(err)
	}
}

// closing counts muxward's threads that close something.
func (w *world) closing() (n int) {
	w.t.Helper()
	all, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", w.Daemon()))
	if err != nil || len(all) == 0 {
		w.t.Fatalf("muxward has no threads: %v", err)
	}
	for _, f := range all {
		call, _ := os.ReadFile(f) // a thread that has ended has none
		if strings.HasPrefix(string(call), fmt.Sprintf("%d ", unix.SYS_CLOSE)) {
			n++
		}
	}
	return n
}
