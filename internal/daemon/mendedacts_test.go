package daemon

import (
	"os"
	"testing"

	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/server/ctld"
	"github.com/muxward/muxward/internal/sockets"
)

// What was mended is heard of root, and of who runs muxward; nobody else writes into the
// log that something was.
func TestWhoTellsWhatWasMended(t *testing.T) {
	call := ctld.Call{Act: "mended", Argv: []string{"MW-S001", "1001", "/tmp/tmux-1001/default", string(sockets.Mended)}}
	for uid, heard := range map[int64]bool{0: true, int64(os.Geteuid()): true, int64(os.Geteuid()) + 1001: false, -1: false} {
		_, err := mendedAct(identity.Supposed(identity.Subject{Person: "p", UID: uid, Door: "ctl"}), call)
		if (err == nil) != heard {
			t.Errorf("uid %d: %v", uid, err)
		}
	}
	if _, err := mendedAct(identity.Supposed(identity.Subject{Person: "p", UID: 0}), ctld.Call{Act: "mended"}); err == nil {
		t.Error("nothing is something")
	}
}
