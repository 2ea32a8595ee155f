package daemon

import (
	"testing"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/guard"
)

// Whoever unlocks a server that was not found again yet may do so again when it is found, stopped: it goes by who could
// lift that lockdown. Of others, and of lockdowns that stop nothing, nothing is remembered.
func TestUnlockedBeforeFound(t *testing.T) {
	den := func(kind access.Kind, owner string, above int) grants.Denial {
		return grants.Denial{Lock: true, Above: above, Scope: access.Object{Kind: kind, Owner: owner}}
	}
	these := []grants.Denial{den(access.Server, "alice", 0), den(access.Server, "bob", 1), den(access.Server, "bob", 0), den(access.Server, "carol", 0),
		den(access.Session, "dave", 0), den(access.Host, "", 0)}
	u := unfound{kept: these}
	u.note(these, func(owner string) bool { return owner == "carol" })
	for owner, want := range map[string]int{"alice": 0, "bob": 1} {
		if above, lifted := u.take(owner); !lifted || above != want {
			t.Errorf("%s: %d, %v", owner, above, lifted)
		}
		if _, lifted := u.take(owner); lifted {
			t.Errorf("%s: twice", owner)
		}
	}
	for _, owner := range []string{"carol", "dave", ""} {
		if _, lifted := u.take(owner); lifted {
			t.Errorf("%q is remembered", owner)
		}
	}
}

// What stands still when it is found is unlocked by who could lift the lockdown that stopped it, if that was lifted before it
// was found; else by the host's keeper, as when what was lifted came after the start and has stopped nothing. Once it is
// found, nothing of that counts any more.
func TestUnlockedAndFound(t *testing.T) {
	on := access.Object{Kind: access.Server, Owner: "alice"}
	for _, c := range []struct {
		name            string
		early, halted   bool
		locked, relents bool
	}{
		{"lifted before it is found", true, true, true, true},
		{"of after the start", false, true, true, false},
		{"nothing stands still", true, false, false, false},
	} {
		d := granter(t)
		d.config.Separated = true // as for a whole host
		d.config.State, d.guard = t.TempDir(), new(guard.Guard)
		if err := d.openDenials(); err != nil {
			t.Fatal(err)
		}
		den := grants.Denial{Lock: true, Scope: on, Target: "alice", By: "alice", At: d.gateway.Time()}
		if err := d.denials.Add(den); err != nil {
			t.Fatal(err)
		}
		if c.early { // than a start
			if err := d.openDenials(); err != nil {
				t.Fatal(err)
			}
		}
		if n, _, err := d.lift(t.Context(), d.denials.List()); err != nil || n != 1 {
			t.Fatalf("%s: %d are lifted: %v", c.name, n, err)
		}
		den, locked := d.heldStill(on, c.halted)
		if locked != c.locked || locked && (den.Above == 0) != c.relents {
			t.Errorf("%s: %v, %+v", c.name, locked, den)
		}
		if den, locked = d.heldStill(on, true); !locked || den.Above != 1 {
			t.Errorf("%s: later %v, %+v", c.name, locked, den)
		}
	}
}
