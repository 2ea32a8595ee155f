package pane

import (
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// What is in a cgroup is ended at once, with what has left for a session of its own; and the
// cgroup is removed.
func TestCgroup(t *testing.T) {
	c := NewCgroup()
	if !c.Holds() {
		tmuxtest.Skip(t, "no cgroup2 can be written here")
	}
	alive, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer alive.Close()
	cmd := exec.Command("/bin/sh", "-c", "setsid -f sleep 1005; echo; exec sleep 1006")
	cmd.Stdout = w
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	c.With(cmd.SysProcAttr)
	if err := cmd.Start(); err != nil {
		c.Close()
		tmuxtest.Skip(t, "nothing can be begun in a cgroup2 here: %v", err)
	}
	_ = w.Close()
	if _, err := alive.Read(make([]byte, 1)); err != nil {
		t.Error(err)
	}
	c.Kill()
	if _, err := io.ReadAll(alive); err != nil { // until nobody has its other end
		t.Error(err)
	}
	_ = cmd.Wait()
	c.Close()
	if _, err := os.Stat(c.b.path); !os.IsNotExist(err) {
		t.Errorf("the cgroup is left: %v", err)
	}
}
