package keep

import (
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// Whoever was given a process goes on having that one when it is closed, and nobody is given another in its place.
func TestHeldProcess(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait() //nolint:errcheck // it is killed
	defer cmd.Process.Kill()
	p, _, err := holdPID(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	h, err := p.held()
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	p.close()
	if other, err := p.held(); err == nil {
		_ = other.Close()
		t.Error("a process that was closed is given")
	}
	if err := unix.PidfdSendSignal(int(h.Fd()), 0, nil, 0); err != nil {
		t.Errorf("what was given is not the process: %v", err)
	}
}
