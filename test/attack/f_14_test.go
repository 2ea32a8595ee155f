package attack

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// The file system has no inode left. A revocation, which is a new file renamed
// into place, cannot be kept: it holds all the same, and whoever asked for it
// hears that it would not survive a restart. With inodes again, it does; that
// is the control run. That the log refuses on EDQUOT, no inodes and a rename
// that fails is shown below the whole program.
func TestF14NoInodes(t *testing.T) {
	shownByPackage(t, "audit.TestRealDisks", "audit.TestRotationThatFailsGoesOn", "audit.TestWriteFails")
	disk := mounted(t, "nr_inodes=64,mode=0711")
	b := lay(t, host.Config{State: disk + "/state"})
	c := b.Terminal(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
	c.WaitFor("recording")
	var made []string
	for i := 0; ; i++ {
		name := fmt.Sprintf("%s/filler-%d", disk, i)
		if err := os.WriteFile(name, nil, 0o600); errors.Is(err, unix.ENOSPC) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		made = append(made, name)
	}
	r := b.Muxward(root, "revoke", typist, "--reason", "no inodes")
	if r.Code == 0 || !strings.Contains(r.Err, "would not survive a restart") {
		t.Errorf("revoke: %+v", r)
	}
	c.ExitCode()
	before := b.rec.Len()
	if b.Tmux(typist, "send-keys", "-t", "mwalice/shared:0.0", "x").Code == 0 || b.rec.Len() != before {
		t.Error("a revocation that cannot be kept does not hold")
	}
	for _, name := range made {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	b.turnsGreen()
	tmuxtest.Eventually(t, func() bool {
		return b.Muxward(root, "revoke", typist, "--reason", "room again").Code == 0
	}, "it can be revoked for good")
	b.Kill()
	b.Run()
	if b.Tmux(typist, "send-keys", "-t", "mwalice/shared:0.0", "x").Code == 0 {
		t.Error("the revocation did not survive")
	}
	b.VerifyAudit()
}
