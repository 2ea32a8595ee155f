package policy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
)

const profilePeople = `people: {alice: {groups: [dba]}, bob.b: {}, mallory: {}, root: {}}
groups: {dba: []}
`

func profileEngine(t *testing.T, cedar string) *Engine {
	t.Helper()
	files := []source{{"people.yaml", []byte(profilePeople)},
		{"grants.yaml", []byte("grants: [{who: root, role: owner, on: \"*\", reason: runs it}]\n")}}
	if cedar != "" {
		files = append(files, source{"x.cedar", []byte(cedar)})
	}
	var r report
	set := build(files, &r)
	if err := r.err(); err != nil {
		t.Fatal(err)
	}
	return EngineOf(set)
}

func list(p Profile) Profiles {
	return Profiles{File: "profiles.yaml", List: map[string]Profile{"db": p}}
}

func sessionOf(name string) access.Object {
	return access.Object{Kind: access.Session, Owner: "db", Session: access.SessionRef{ID: 1, Name: name}}
}

// Each has their own session of a profile, and nothing of another's, nor of the server.
func TestProfileGrants(t *testing.T) {
	e := profileEngine(t, "")
	at := time.Now()
	may := func(person, session string, v access.Verb) bool {
		return e.Decide(access.Question{Who: identity.Subject{Person: person, UID: -1}, Verb: v, Object: sessionOf(session), At: at}).Allow
	}
	if err := e.Offer(list(Profile{Account: "mw-db", Who: []string{"@dba", "bob.b"}, Line: 3})); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		person, session string
		verb            access.Verb
		want            bool
	}{
		{"alice", "alice", access.Spawn, true}, {"alice", "alice", access.Type, true}, {"alice", "alice", access.CloseSession, true},
		{"alice", "alice", access.Configure, false}, {"alice", "alice", access.Share, false}, {"alice", "bob+b", access.View, false},
		{"bob.b", "bob+b", access.Spawn, true}, {"bob.b", "alice", access.View, false}, {"mallory", "mallory", access.View, false},
		{"root", "alice", access.View, true}, {"root", "alice", access.Execute, false}, {"alice", "main", access.View, false},
	} {
		if got := may(c.person, c.session, c.verb); got != c.want {
			t.Errorf("%s %s on db/%s: %v", c.person, c.verb, c.session, got)
		}
	}
	server := access.Object{Kind: access.Server, Owner: "db"}
	if !e.Blind(identity.Subject{Person: "mallory", UID: -1}, server, at) || e.Blind(identity.Subject{Person: "alice", UID: -1}, server, at) {
		t.Error("who knows of it is not who may start it")
	}
	if e.Decide(access.Question{Who: identity.Subject{Person: "alice", UID: -1}, Verb: access.Spawn, Object: server, At: at}).Allow {
		t.Error("alice may spawn on the server")
	}
	d := e.Decide(access.Question{Who: identity.Subject{Person: "alice", UID: -1}, Verb: access.View, Object: sessionOf("alice"), At: at})
	if !strings.Contains(d.Rule, "profiles.yaml:3 profile:db") {
		t.Errorf("%+v", d)
	}
	if _, err := e.PersonOf(4711, "mw-db"); err == nil {
		t.Error("the account of its tmux is somebody")
	}

	// Shared, there is one for all; gone, there is none, and it is nobody's still.
	if err := e.Offer(list(Profile{Account: "mw-db", Who: []string{"@dba"}, Shared: true})); err != nil {
		t.Fatal(err)
	}
	if !may("alice", "main", access.Type) || may("alice", "alice", access.View) || may("alice", "main", access.CloseSession) || may("bob.b", "main", access.View) {
		t.Error("shared, it is another one")
	}
	if err := e.Offer(Profiles{}); err != nil {
		t.Fatal(err)
	}
	if may("alice", "main", access.View) || may("root", "main", access.Configure) || !e.Set().IsServer("db") {
		t.Error("gone, something of it is left")
	}
}

// A forbid beats a profile's grants.
func TestProfileForbidden(t *testing.T) {
	e := profileEngine(t, `@id("no") forbid (principal == Person::"alice", action, resource);
`)
	if err := e.Offer(list(Profile{Account: "mw-db", Who: []string{"@dba"}})); err != nil {
		t.Fatal(err)
	}
	if e.Decide(access.Question{Who: identity.Subject{Person: "alice", UID: -1}, Verb: access.View, Object: sessionOf("alice"), At: time.Now()}).Allow {
		t.Error("alice may")
	}
}

// What does not go together with the people changes nothing.
func TestProfileRefused(t *testing.T) {
	e := profileEngine(t, "")
	good := list(Profile{Account: "mw-db", Who: []string{"@dba"}})
	if err := e.Offer(good); err != nil {
		t.Fatal(err)
	}
	for want, p := range map[string]Profiles{
		`there is no person "nobody"`:   list(Profile{Account: "mw-db", Who: []string{"nobody"}}),
		`there is no group "none"`:      list(Profile{Account: "mw-db", Who: []string{"@none"}}),
		"account alice is that of":      list(Profile{Account: "alice", Who: []string{"@dba"}}),
		"there is a person of that":     {File: "p", List: map[string]Profile{"alice": {Account: "mw-x", Who: []string{"@dba"}}}},
		`there is no role "emperor"`:    list(Profile{Account: "mw-db", Who: []string{"@dba"}, Role: "emperor"}),
		"p:0:1: the profile db2: its a": {File: "p", List: map[string]Profile{"db": {Account: "m", Who: []string{"@dba"}}, "db2": {Account: "m", Who: []string{"@dba"}}}},
	} {
		if err := e.TryProfiles(p); err == nil || !strings.Contains(err.Error(), strings.TrimPrefix(want, "p:0:1: ")) {
			t.Errorf("%q: %v", want, err)
		}
		if err := e.Offer(p); err == nil {
			t.Errorf("%q was taken", want)
		}
	}
	if !e.Decide(access.Question{Who: identity.Subject{Person: "alice", UID: -1}, Verb: access.View, Object: sessionOf("alice"), At: time.Now()}).Allow {
		t.Error("what was in force is not any more")
	}
}

// A policy and profiles that are right only together are in force at once. Until the profiles are offered anew, who
// comes to be meant by a group has nothing by them, and who is meant no more neither.
func TestReloadWithProfiles(t *testing.T) {
	dir := t.TempDir()
	write := func(people string) {
		t.Helper()
		for name, text := range map[string]string{"people.yaml": people, "grants.yaml": "grants: []\n"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	write("people: {alice: {groups: [dba]}, bob: {}, carol: {}}\ngroups: {dba: []}\n")
	e, err := NewEngine(dir)
	if err == nil {
		err = e.Offer(list(Profile{Account: "mw-db", Who: []string{"@dba", "bob"}}))
	}
	if err != nil {
		t.Fatal(err)
	}
	may := func(want string) {
		t.Helper()
		got := ""
		for _, p := range []string{"alice", "bob", "carol"} {
			if e.Decide(access.Question{Who: identity.Subject{Person: p, UID: -1}, Verb: access.Spawn, Object: sessionOf(p), At: time.Now()}).Allow {
				got += p + " "
			}
		}
		if got != want {
			t.Errorf("%qmay start it, not %q", got, want)
		}
	}
	may("alice bob ")
	write("people: {alice: {groups: [dba]}, carol: {groups: [dba]}}\ngroups: {dba: []}\n")
	next := list(Profile{Account: "mw-db", Who: []string{"@dba"}})
	if err := e.Reload(dir); err == nil {
		t.Fatal("it is right without the profiles")
	}
	if err := e.ReloadWith(dir, next, list(Profile{Account: "mw-db", Who: []string{"@dbas"}})); err == nil || e.Broken() == nil {
		t.Fatalf("what is to come is not right: %v, %v", err, e.Broken())
	}
	may("alice bob ")
	if err := e.ReloadWith(dir, next, next); err != nil || e.Broken() != nil || e.Digest() != e.DigestNow(dir) {
		t.Fatal(err, e.Broken())
	}
	may("alice ")
	if err := e.Offer(next); err != nil {
		t.Fatal(err)
	}
	may("alice carol ")
}
