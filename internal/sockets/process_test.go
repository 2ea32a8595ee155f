package sockets

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// The login manager of a container knows nobody who is logged in here: by one of those it is
// not told that an account's server runs while it is logged out.
func TestLoginManager(t *testing.T) {
	if os.Geteuid() != 0 {
		tmuxtest.Skip(t, "only root makes PID namespaces, and is a login manager")
	}
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(sleep)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, where string
		in          uintptr
		want        bool
	}{
		{"systemd-logind", "here", 0, true},
		{"elogind", "here", 0, true},
		{"systemd-logind", "in mounts of its own, as its unit has it", unix.CLONE_NEWNS, true},
		{"systemd-logind", "in a container", unix.CLONE_NEWPID, false},
		{"systemd-login", "here", 0, false},
	} {
		program := t.TempDir() + "/" + c.name
		if err := tmuxtest.WriteProgram(program, data, 0o700); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(program, "273.25")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: c.in}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		p, ok := newLooker(Options{}).process(cmd.Process.Pid, namespaces("/proc/self"), make([]byte, procRoom), true)
		if !ok || p.logins != c.want {
			t.Errorf("%s %s: found %t, the login manager %t", c.name, c.where, ok, p.logins)
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}
