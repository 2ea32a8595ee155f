package daemon

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/guard"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/keep"
)

// read are hands by which profiles are what they are set to.
type read struct {
	now     map[string]keep.Profile
	refuses error
}

func (r *read) ReadProfiles(context.Context) (keep.Offer, error) {
	return keep.Offer{Number: 1, Profiles: r.now}, nil
}

func (r *read) TakeProfiles(context.Context, uint64) error { return r.refuses }

// writePeople writes a policy of these people.
func writePeople(t *testing.T, dir string, people ...string) {
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
}

// Somebody is taken out of both files, comes into both, or comes as another goes: each is right only with the
// other, and one reload has both in force. Without one, muxward reads the policy by itself, as behind an apply of muxward
// host: then so it does where the policy is not right with the profiles of before.
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
		writePeople(t, dir, people...)
		hands.now = map[string]keep.Profile{"psql": {Account: "mw-psql", Who: people, Line: 1}}
	}
	for what, people := range map[string][]string{"out": {"alice"}, "in": {"alice", "bob", "carol"}, "one for another": {"alice", "carol"}} {
		for how, reload := range map[string]func(context.Context){"asked": d.reloadAll, "by itself": d.reloadChanged} {
			write("alice", "bob")
			d.reloadAll(t.Context())
			if d.policy.Broken() != nil || d.profiles.wrong() != nil {
				t.Fatal(d.policy.Broken(), d.profiles.wrong())
			}
			write(people...)
			reload(t.Context())
			if err := d.policy.Broken(); err != nil || d.profiles.wrong() != nil {
				t.Errorf("%s, %s: the policy: %v; the profiles: %v", what, how, err, d.profiles.wrong())
			}
			for _, p := range []string{"bob", "carol"} {
				if is := d.policy.Set().IsPerson(p); is != slices.Contains(people, p) {
					t.Errorf("%s, %s: %s is a person: %t", what, how, p, is)
				}
			}
			if who := d.profiles.now()["psql"].Who; how == "asked" && !slices.Equal(who, people) {
				t.Errorf("%s: the profile is for %q", what, who)
			}
		}
	}
}

// Where the one who carries out profiles does not take them, whoever is not in both, before and after, has nothing by
// what runs otherwise then, and it is told.
func TestReloadOfBothHalfTaken(t *testing.T) {
	d := granter(t)
	dir := t.TempDir()
	d.config.Policy, d.config.Profiles = dir, dir+"/profiles.yaml"
	d.doors = map[uint32]bool{}
	for _, uid := range d.doorUIDs() {
		d.doors[uid] = true
	}
	hands := new(read)
	d.profiles.hands = hands
	runs := uint64(0) // something else each time
	write := func(people ...string) {
		t.Helper()
		writePeople(t, dir, people...)
		runs++
		hands.now = map[string]keep.Profile{"psql": {Account: "mw-psql", Who: people, Line: 1, Version: runs}}
	}
	write("alice", "bob")
	d.reloadAll(t.Context())
	write("alice", "carol")
	hands.refuses = errors.New("not now")
	d.reloadChanged(t.Context())
	if d.policy.Broken() != nil || d.profiles.wrong() == nil {
		t.Fatalf("the policy: %v; the profiles: %v", d.policy.Broken(), d.profiles.wrong())
	}
	starts := func(who string) bool {
		on := access.Object{Kind: access.Session, Owner: "psql", Session: access.SessionRef{Name: who}}
		return d.policy.Decide(access.Question{Who: identity.Subject{Person: who, UID: -1, Door: "tmux"}, Verb: access.Spawn, Object: on, At: time.Now()}).Allow
	}
	for who, may := range map[string]bool{"alice": true, "bob": false, "carol": false} {
		if starts(who) != may {
			t.Errorf("%s may start it: %t", who, !may)
		}
	}
	hands.refuses = nil
	d.reloadAll(t.Context())
	if d.profiles.wrong() != nil || !starts("carol") || starts("bob") {
		t.Errorf("once it is taken: %v, carol %t, bob %t", d.profiles.wrong(), starts("carol"), starts("bob"))
	}
}

// What was to end and has not is told for as long as that is so.
func TestProfilesNotEnded(t *testing.T) {
	var p profiles
	p.ends("psql", new(guard.Server))
	if list := p.notEnded(); len(list) != 1 || !strings.Contains(list[0], "psql") {
		t.Errorf("%q", list)
	}
	p.ends("psql", new(guard.Server)) // it has changed again
	if list := p.notEnded(); len(list) != 2 {
		t.Errorf("of two there are told %q", list)
	}
}
