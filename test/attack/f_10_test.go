package attack

import (
	"os/exec"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// The machine loses its power. The log verifies and has lost nothing that had
// to be on disk; who was revoked stays out. The first is shown below the whole
// program by a snapshot at each write and sync; the second
// here: what is on disk at the moment when revoke returns is copied away and
// started from. The control run copies it a moment before.
// TestPowerCuts was seen to fail with the sync of the files, and with that of
// the directory, left out.
func TestF10PowerCut(t *testing.T) {
	t.Parallel()
	shownByPackage(t, "audit.TestPowerCuts", "audit.TestEveryByteOfTheTail", "audit.TestMustRecordWaitsForTheDisk")
	b := lay(t, host.Config{})
	out := func(copied string) bool {
		h := host.Start(t, host.Config{State: copied, Policy: map[string]string{"people.yaml": standardPeople,
			"grants.yaml": everyVerb}})
		h.VerifyAudit()
		return h.Tmux(typist, "new-session", "-d", "-s", "x", "cat").Code != 0
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
	after := snapshot("after")
	if !out(after) {
		t.Error("the revocation was lost")
	}
	if out(before) {
		t.Error("control run: it holds before it was made: this is no test")
	}
}
