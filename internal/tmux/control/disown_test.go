package control

import (
	"testing"

	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// TestModelDisowns: that this client has attached to a session does not have it look as if
// somebody had used it: of sessions that were made in one second the newest is the one that
// commands without a target are about, as it is without us.
func TestModelDisowns(t *testing.T) {
	eachWay(t, func(t *testing.T, s *tmuxtest.Server, c *Client) {
		m := NewModel(c)
		defer m.Wait()
		defer c.Close()
		s.NewSession("two", "")
		snap, err := m.Refresh(ctxOf(t), tmux.Core)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range snap.Sessions {
			if one.LastAttached != 0 {
				t.Errorf("somebody was attached to %s at %d", one.Name, one.LastAttached)
			}
		}
		// Somebody else is somebody.
		attached := &tmux.Snapshot{Sessions: []tmux.Session{{ID: 0, LastAttached: c.attached + 1}, {ID: 1, LastAttached: c.attached}}}
		c.disown(attached)
		if attached.Sessions[0].LastAttached != c.attached+1 || attached.Sessions[1].LastAttached != c.attached {
			t.Errorf("what others did is taken out: %+v", attached.Sessions)
		}
	})
}
