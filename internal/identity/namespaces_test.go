package identity

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Only who is in both of our namespaces is taken for one of us at a glance.
func TestOwnNamespaces(t *testing.T) {
	needRoot(t)
	o := findOwnNamespaces()
	if !o.include(os.Getpid()) {
		t.Errorf("%+v do not include ourselves", o)
	}
	if which, err := o.others(os.Getpid()); which != "" || err != nil {
		t.Errorf("the long way: %q, %v", which, err)
	}
	for name, flags := range map[string]uintptr{"user": syscall.CLONE_NEWUSER, "pid": syscall.CLONE_NEWPID} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), "/bin/cat")
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
			if err := cmd.Start(); err != nil { // as in containers, and where sysctls say so
				tmuxtest.Skip(t, "no %s namespace can be made: %v", name, err)
			}
			if o.include(cmd.Process.Pid) {
				t.Error("a process there is taken for one of ours")
			}
			if which, err := o.others(cmd.Process.Pid); which == "" || err != nil {
				t.Errorf("the long way: %q, %v", which, err)
			}
			_ = in.Close()
			_ = cmd.Wait()
		})
	}
	var unknown ownNamespaces
	if unknown.include(os.Getpid()) {
		t.Error("without namespaces of our own somebody is taken for one of us")
	}
	if which, err := unknown.others(os.Getpid()); which != "" || err != nil {
		t.Errorf("the long way, asked anew: %q, %v", which, err)
	}
}
