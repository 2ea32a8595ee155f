package attack

import (
	"os/exec"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// The machine loses its power. The log verifies and has lost nothing that had
// to be on disk; who was revoked stays out, and what is locked down stays so. The first
// is shown below the whole program by a snapshot at each write and sync; the others
// here: what is on disk at the moment when revoke and lockdown return is copied away
// and started from. The control run copies it a moment before.
// TestPowerCuts was seen to fail with the sync of the files, and with that of
// the directory, left out.
func TestF10PowerCut(t *testing.T) {
	t.Parallel()
	shownByPackage(t, "audit.TestPowerCuts", "audit.TestEveryByteOfTheTail", "audit.TestMustRecordWaitsForTheDisk")
	b := lay(t, host.Config{})
	out := func(copied string) (revoked, locked bool) {
		h := host.Start(t, host.Config{State: copied, Policy: map[string]string{"people.yaml": standardPeople,
			"grants.yaml": everyVerb}})
		h.VerifyAudit()
		revoked = h.Tmux(typist, "new-session", "-d", "-s", "x", "cat").Code != 0
		locked = h.Tmux(viewer, "new-session", "-d", "-s", "x", "cat").Code != 0
		return revoked, locked
	}
	snapshot := func(name string) string {
		to := b.Base + "/" + name
		if _, err := tmuxtest.Output(exec.Command("cp", "-a", b.State, to)); err != nil {
			t.Fatal(err)
		}
		return to
	}
	before := snapshot("before")
	if r := b.Muxward(root, "revoke", typist); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	if r := b.Muxward(root, "lockdown", "--host", "--reason", "a fire"); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	after := snapshot("after")
	if revoked, locked := out(after); !revoked || !locked {
		t.Errorf("it was lost: revoked %v, locked down %v", revoked, locked)
	}
	if revoked, locked := out(before); revoked || locked {
		t.Errorf("control run: it holds before it was made, revoked %v, locked down %v: this is no test", revoked, locked)
	}
}
