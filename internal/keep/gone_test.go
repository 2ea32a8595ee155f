package keep

import (
	"context"
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// psql are the profiles of these tests, by what their tmux runs as and whose its sessions are.
func psql(account string, shared bool) map[string]config.Profile {
	return map[string]config.Profile{"psql": {Account: account, As: carolName, Command: []string{"/bin/cat"}, Shared: shared}}
}

// profiled is a world with the profiles that now has, at each reading.
func profiled(t *testing.T, now *map[string]config.Profile) *world {
	return newWorld(t, func(o *Options) {
		o.Launcher = "/bin/true"
		o.Account = func(ctx context.Context, name string, uid uint32) (accounts.Account, error) {
			return Listed(ctx, name, uid)
		}
		o.Profiles = func() (map[string]config.Profile, error) { return *now, nil }
	})
}

// startProfile starts that one's server.
func (w *world) startProfile() Held {
	w.t.Helper()
	h, err := w.k.Start(w.t.Context(), Order{Owner: "psql", Account: listed(w.t, workName), Isolated: true})
	if err != nil {
		w.t.Fatal(err)
	}
	tmuxtest.KillAtEnd(w.t, h.PID)
	return h
}

// ended fails the test if a server's process is there.
func (w *world) ended(what string, h Held) {
	w.t.Helper()
	if p, err := holdProcess(h.PID, h.Start); !errors.Is(err, ErrEnded) {
		w.t.Errorf("%s: its tmux is there yet: %v", what, err)
		p.close()
	}
}

// changes are what can become of a profile, and whether its server stays.
var changes = map[string]struct {
	now   map[string]config.Profile
	stays bool
}{
	"there": {psql(workName, false), true}, "gone": {map[string]config.Profile{}, false}, "another account": {psql(bobName, false), false},
	"shared": {psql(workName, true), false},
}

// A profile was taken out, or has another account, or other people have its sessions, while no
// muxward ran: its server is ended, and with it what has its secrets. One that is there yet is
// adopted.
func TestProfileGoneIsEnded(t *testing.T) {
	if !asRoot() {
		return
	}
	for what, c := range changes {
		now := psql(workName, false)
		w := profiled(t, &now)
		h := w.startProfile()
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
			w.ended(what, h)
			if _, err := w.k.readRecord(h.ID); err == nil {
				t.Errorf("%s: it is written down yet", what)
			}
		}
	}
}

// The same while one runs: what nobody has ended by then is killed, though it stands still.
func TestProfileGoneIsEndedOnReload(t *testing.T) {
	if !asRoot() {
		return
	}
	for what, c := range changes {
		now := psql(workName, false)
		w := profiled(t, &now)
		h := w.startProfile()
		opened, err := w.k.OpenDoor(t.Context(), Place{Server: h.ID})
		if err != nil {
			t.Fatal(err)
		}
		defer opened.Listen.Close()
		if err := unix.Kill(h.PID, unix.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		now = c.now
		offer, err := w.k.ReadProfiles(t.Context())
		if err == nil {
			err = w.k.TakeProfiles(t.Context(), offer.Number)
		}
		if err != nil {
			t.Fatal(err)
		}
		if c.stays {
			s, err := w.k.server(h.ID)
			if err != nil || w.k.outOfForce(s.rec) {
				t.Errorf("%s: %v, or it would be ended", what, err)
			}
			continue
		}
		w.came(EventEnded, "")
		w.ended(what, h)
	}
}

// A profile is not started beside a server of its own that was left and is not adopted; what was
// left of another one is nothing to it.
func TestProfileBesideWhatIsLeft(t *testing.T) {
	if !asRoot() {
		return
	}
	now := psql(workName, false)
	now["other"] = config.Profile{Account: bobName, As: carolName, Command: []string{"/bin/cat"}}
	w := profiled(t, &now)
	h := w.startProfile()
	if err := w.k.Close(); err != nil {
		t.Fatal(err)
	}
	w.open()
	if found, err := w.k.Found(t.Context()); err != nil || len(found) != 1 {
		t.Fatalf("%q, %v", found, err)
	}
	if _, err := w.k.Start(t.Context(), Order{Owner: "psql", Account: listed(t, workName), Isolated: true}); !errors.Is(err, ErrBusy) {
		t.Errorf("beside process %d: %v", h.PID, err)
	}
	other, err := w.k.Start(t.Context(), Order{Owner: "other", Account: listed(t, bobName), Isolated: true})
	if err != nil {
		t.Fatalf("another profile: %v", err)
	}
	tmuxtest.KillAtEnd(t, other.PID)
	if again, err := w.k.Adopt(t.Context(), h.ID); err != nil || again.PID != h.PID {
		t.Errorf("%+v, %v", again, err)
	}
}
