package daemon

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/privsep"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// TestOwnState: root's muxward does not begin with a state whose giving back was broken off.
func TestOwnState(t *testing.T) {
	if os.Geteuid() != 0 {
		tmuxtest.Skip(t, "it is root that writes nothing there")
	}
	state := t.TempDir() + "/state"
	d := &daemon{config: config.Config{State: state}}
	err := errors.Join(os.MkdirAll(state, 0o711), os.MkdirAll(state+"-keys", 0o700), os.WriteFile(state+"-keys/audit.key", nil, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.ownState(); err == nil || !strings.Contains(err.Error(), "give-back --account") {
		t.Errorf("giving back was broken off: %v", err)
	}
	err = os.WriteFile(state+"/audit.key", nil, 0o600)
	if err := errors.Join(err, d.ownState()); err != nil {
		t.Errorf("root's own key: %v", err)
	}
}

// The helper looks for the mark that `muxward attach` leaves.
func TestForcedMark(t *testing.T) {
	if privsep.ForcedMark != identity.ForcedMark {
		t.Errorf("%s is not %s", privsep.ForcedMark, identity.ForcedMark)
	}
}
