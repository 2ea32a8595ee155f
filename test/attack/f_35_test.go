package attack

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/test/host"
)

// A second muxward is started on the state directory of one that runs. It
// refuses, names the reason, and changes nothing for the first. In the control
// run the first has ended, and it starts. A file system without locks is shown
// below the whole program.
// TestSecondOpenIsRefused was seen to fail with a lock that is held ignored.
func TestF35TwoOnOneState(t *testing.T) {
	t.Parallel()
	shownByPackage(t, "audit.TestSecondOpenIsRefused", "audit.TestLockWithoutFlock", "guard.TestTwoGuards")
	b := lay(t, host.Config{})
	second := host.Prepare(t, host.Config{State: b.State})
	err := second.TryRun()
	if err == nil || !strings.Contains(err.Error(), "another") && !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second muxward: %v", err)
	}
	third := host.Prepare(t, host.Config{})
	third.Doors = b.Doors
	if err := third.TryRun(); err == nil {
		t.Error("a muxward on the doors of another started")
	}
	b.typed(typist, "first")
	b.Stop()
	if err := second.TryRun(); err != nil {
		t.Errorf("control run: with the first gone: %v", err)
	}
	second.VerifyAudit()
}
