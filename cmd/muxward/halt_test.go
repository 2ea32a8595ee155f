package main

import (
	"testing"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/grants"
)

// Whoever unlocks a server that was not found again yet may do so again when it is found, stopped: it goes by who could
// lift that lockdown. Of others, and of lockdowns that stop nothing, nothing is remembered.
func TestUnlockedBeforeFound(t *testing.T) {
	den := func(kind access.Kind, owner string, above int) grants.Denial {
		return grants.Denial{Lock: true, Above: above, Scope: access.Object{Kind: kind, Owner: owner}}
	}
	var u unfound
	u.note([]grants.Denial{den(access.Server, "alice", 0), den(access.Server, "bob", 1), den(access.Server, "bob", 0), den(access.Server, "carol", 0),
		den(access.Session, "dave", 0), den(access.Host, "", 0)}, func(owner string) bool { return owner == "carol" })
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
