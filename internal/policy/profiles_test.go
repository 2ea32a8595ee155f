package policy

import (
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
