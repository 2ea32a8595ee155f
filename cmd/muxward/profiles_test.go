package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/guard"
	"github.com/muxward/muxward/internal/keep"
)

// read are hands by which profiles are what they are set to.
type read struct{ now map[string]keep.Profile }

func (r *read) ReadProfiles(context.Context) (keep.Offer, error) {
	return keep.Offer{Number: 1, Profiles: r.now}, nil
}

func (*read) TakeProfiles(context.Context, uint64) error { return nil }

// Somebody is taken out of both files, or comes into both: each is right only with the other, and
// one reload has both in force.
func TestReloadOfPolicyAndProfiles(t *testing.T) {
	d := granter(t)
	dir := t.TempDir()
	d.config.Policy, d.config.Profiles = dir, dir+"/profiles.yaml"
	d.doors = map[uint32]bool{}
	for _, uid := range d.doorUIDs() { // they are open
		d.doors[uid] = true
	}
	hands := new(read)
	d.profiles.hands = hands
	write := func(people ...string) {
		t.Helper()
		text := "people:\n"
		for _, p := range people {
			text += "  " + p + ": {}\n"
		}
		for name, text := range map[string]string{"people.yaml": text, "grants.yaml": "grants: []\n"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		hands.now = map[string]keep.Profile{"psql": {Account: "mw-psql", Who: people, Line: 1}}
	}
	for what, people := range map[string][]string{"out": {"alice"}, "in": {"alice", "bob", "carol"}} {
		write("alice", "bob")
		d.reloadAll(t.Context())
		if d.policy.Broken() != nil || d.profiles.wrong() != nil {
			t.Fatal(d.policy.Broken(), d.profiles.wrong())
		}
		write(people...)
		d.reloadAll(t.Context())
		if err := d.policy.Broken(); err != nil || d.profiles.wrong() != nil {
			t.Errorf("%s: the policy: %v; the profiles: %v", what, err, d.profiles.wrong())
		}
		for _, p := range []string{"bob", "carol"} {
			if is := d.policy.Set().IsPerson(p); is != (what == "in") {
				t.Errorf("%s: %s is a person: %t", what, p, is)
			}
		}
	}
}

// What was to end and has not is told for as long as that is so.
func TestProfilesNotEnded(t *testing.T) {
	var p profiles
	p.ends("psql", new(guard.Server))
	if list := p.notEnded(); len(list) != 1 || !strings.Contains(list[0], "psql") {
		t.Errorf("%q", list)
	}
}
