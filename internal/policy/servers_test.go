package policy

import (
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
)

const serverPeople = "people:\n  alice: {uid: 1000}\n  bob: {}\nservers:\n  prod: {account: mw-prod, about: it pays}\n"

// An isolated server is nobody's: neither its name nor its account is a person, and
// nobody holds there what tmux would run itself.
func TestServers(t *testing.T) {
	dir := writeDir(t, map[string]string{peopleFile: serverPeople, grantsFile: "grants:\n  - {who: alice, role: owner, on: prod, reason: runs it}\n" +
		"  - {who: bob, role: owner, on: '*', reason: runs all}\n"})
	s, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if s.IsPerson("prod") || !s.IsServer("prod") || s.IsServer("alice") || len(s.People()) != 2 || s.Owner(7, "mw-prod") != "" {
		t.Errorf("%v", s.People())
	}
	for _, account := range []string{"mw-prod", "prod"} {
		if who, err := s.PersonOf(1000, account); err == nil {
			t.Errorf("%s is %s", account, who)
		}
	}
	at := time.Unix(1e9, 0)
	prod := access.Object{Kind: access.Server, Owner: "prod"}
	session := access.Object{Kind: access.Session, Owner: "prod", Session: access.SessionRef{ID: 1, Name: "main"}}
	subject := func(name string) identity.Subject { return identity.Subject{Person: name, UID: -1} }
	for _, o := range []access.Object{prod, session} {
		for _, who := range []string{"alice", "bob", "prod"} {
			held := s.Holds(subject(who), o, at)
			for _, v := range access.Verbs() {
				want := who != "prod" && v != access.Configure && v != access.Execute
				d := s.Decide(access.Question{Who: subject(who), Verb: v, Object: o, At: at})
				if c := s.Covers(subject(who), access.SetOf(v), o, at); d.Allow != want || held.Has(v) != want || c.Allow != want {
					t.Errorf("%s, %s on %s: %v, %v, %v", who, v, o, d.Allow, held.Has(v), c.Allow)
				}
			}
			if s.Covers(subject(who), TmuxVerbs, o, at).Allow {
				t.Errorf("%s holds every verb on %s", who, o)
			}
		}
	}
	own := access.Object{Kind: access.Server, Owner: "alice"}
	if !s.Covers(subject("alice"), TmuxVerbs, own, at).Allow || !s.Covers(subject("bob"), TmuxVerbs, own, at).Allow {
		t.Error("other servers are not as before")
	}
}

func TestServersMistakes(t *testing.T) {
	const grants = "grants: []\n"
	for text, want := range map[string]string{
		"people: {a: {}}\nservers: {a: {account: x}}\n":                   "there is a person a already",
		"people: {a: {}}\nservers: {p: {}}\n":                             "has no account",
		"people: {a: {account: x}}\nservers: {p: {account: x}}\n":         "belongs to a already",
		"people: {a: {}}\nservers: {P: {account: x}}\n":                   "a server has a name like a person's",
		"people: {a: {}}\nservers: {p: {account: x, uid: 3}}\n":           `unknown key "uid"`,
		"people: {a: {}}\nservers: {p: {account: x}}\ngroups: {g: [p]}\n": `there is no person "p"`,
	} {
		if got := problemsOf(t, map[string]string{peopleFile: text, grantsFile: grants}); !strings.Contains(got, want) {
			t.Errorf("%s\n%s", text, got)
		}
	}
	for _, grant := range []string{"{who: prod, role: viewer, on: alice, reason: x}", "{who: bob, by: prod, role: viewer, on: alice, reason: x}"} {
		got := problemsOf(t, map[string]string{peopleFile: serverPeople, grantsFile: "grants:\n  - " + grant + "\n"})
		if !strings.Contains(got, `there is no person "prod"`) {
			t.Errorf("%s: %s", grant, got)
		}
	}
}

// A policy by which an isolated server could be somebody's is refused.
func TestIsolate(t *testing.T) {
	dir := writeDir(t, map[string]string{peopleFile: serverPeople, grantsFile: "grants: []\n"})
	e, err := NewEngine(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []map[string]string{{"prod": "other"}, {"alice": "mw-prod"}, {"none": "mw-prod"}} {
		if err := e.Isolate(bad); err == nil {
			t.Errorf("%v", bad)
		}
	}
	if err := e.Isolate(map[string]string{"prod": "mw-prod"}); err != nil {
		t.Fatal(err)
	}
	without := writeDir(t, map[string]string{peopleFile: "people:\n  prod: {}\n", grantsFile: "grants: []\n"})
	if err := e.Reload(without); err == nil || e.Broken() == nil || !e.Set().IsServer("prod") {
		t.Errorf("%v", err)
	}
	if err := e.Reload(dir); err != nil || e.Broken() != nil {
		t.Error(err)
	}
}

// Of what somebody was given only that counts here which the person gave, by hand, on that very
// pane, while it holds.
func TestGivenBy(t *testing.T) {
	dir := writeDir(t, map[string]string{peopleFile: "people:\n  alice: {}\n  bob: {}\n  carol: {}\nservers:\n  prod: {account: mw-prod}\n",
		grantsFile: "grants:\n  - {who: carol, role: owner, on: prod, reason: x}\n  - {who: alice, role: owner, on: prod, reason: x}\n" +
			"  - {who: bob, role: typist, on: \"prod/main:0.1\", reason: x}\n"})
	e, err := NewEngine(dir)
	if err != nil {
		t.Fatal(err)
	}
	pane := access.Object{Kind: access.Pane, Owner: "prod", Incarnation: "1", Session: access.SessionRef{ID: 1, Name: "main"},
		Window: access.WindowRef{ID: 1}, Pane: access.PaneRef{ID: 7, Index: 1}}
	next := pane
	next.Pane.ID = 8
	verbs, _ := access.Typist.Verbs()
	bob := identity.Subject{Person: "bob", UID: -1}
	given := func(giver string, on access.Object) Given {
		return Given{ID: "1", Who: "bob", What: "typist", Verbs: verbs, On: on, Until: noon.Add(time.Hour), Giver: identity.Subject{Person: giver, UID: -1, Door: "ctl"}}
	}
	for what, c := range map[string]struct {
		given []Given
		on    access.Object
		at    time.Time
		want  bool
	}{
		"by her":             {[]Given{given("carol", pane)}, pane, noon, true},
		"by another":         {[]Given{given("alice", pane)}, pane, noon, false},
		"by the file":        {nil, pane, noon, false},
		"on another pane":    {[]Given{given("carol", next)}, pane, noon, false},
		"on its window":      {[]Given{given("carol", pane.Up())}, pane, noon, false},
		"on the session":     {[]Given{given("carol", pane.Up().Up())}, pane, noon, false},
		"when it is over":    {[]Given{given("carol", pane)}, pane, noon.Add(2 * time.Hour), false},
		"what was not given": {[]Given{func() Given { g := given("carol", pane); g.Verbs = access.SetOf(access.View); return g }()}, pane, noon, false},
	} {
		e.Move(Moving{At: c.at, Given: these(c.given...)})
		got, until := e.GivenBy(bob, "carol", access.Type, c.on, c.at)
		if got != c.want || got && !until.Equal(noon.Add(time.Hour)) {
			t.Errorf("%s: %t until %v", what, got, until)
		}
	}
}
