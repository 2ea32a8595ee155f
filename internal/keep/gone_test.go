package keep

import (
	"errors"
	"testing"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// A profile was taken out, or has another account, while no muxward ran: its server is ended, and
// with it what has its secrets. One that is there yet is adopted.
func TestProfileGoneIsEnded(t *testing.T) {
	if !asRoot() {
		return
	}
	is := func(account string) map[string]config.Profile {
		return map[string]config.Profile{"psql": {Account: account, As: carolName, Command: []string{"/bin/cat"}}}
	}
	for what, c := range map[string]struct {
		now   map[string]config.Profile
		stays bool
	}{
		"there": {is(workName), true}, "gone": {nil, false}, "another account": {is(bobName), false},
	} {
		now := is(workName)
		w := newWorld(t, func(o *Options) {
			o.Launcher = "/bin/true"
			o.Account = func(name string, uid uint32) (accounts.Account, error) { return Listed(name, uid) }
			o.Profiles = func() (map[string]config.Profile, error) { return now, nil }
		})
		h, err := w.k.Start(t.Context(), Order{Owner: "psql", Account: listed(t, workName)})
		if err != nil {
			t.Fatal(err)
		}
		tmuxtest.KillAtEnd(t, h.PID)
		if err := w.k.Close(); err != nil {
			t.Fatal(err)
		}
		now = c.now
		w.open()
		again, err := w.k.Adopt(t.Context(), h.ID)
		if c.stays && (err != nil || again.PID != h.PID) || !c.stays && !errors.Is(err, ErrEnded) {
			t.Errorf("%s: %+v, %v", what, again, err)
		}
		if !c.stays {
			if p, err := holdProcess(h.PID, h.Start); !errors.Is(err, ErrEnded) {
				t.Errorf("%s: its tmux is there yet: %v", what, err)
				p.close()
			}
			if _, err := w.k.readRecord(h.ID); err == nil {
				t.Errorf("%s: it is written down yet", what)
			}
		}
	}
}
