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

// noon is when the questions of these tests are asked.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// writeDir writes a policy directory. Files whose text is "-" are left out.
func writeDir(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	all := map[string]string{
		peopleFile: "people: {alice: {}, bob: {groups: [oncall]}, carol: {}}\ngroups:\n  oncall:\n  all: [\"@oncall\", carol]\n",
		grantsFile: "grants: []\n",
	}
	for n, text := range files {
		all[n] = text
	}
	for n, text := range all {
		if text == "-" {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, n), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func mustLoad(t testing.TB, files map[string]string) *Set {
	t.Helper()
	s, err := Load(writeDir(t, files))
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return s
}

// ask makes a question from words: "bob type alice/work:1.2".
func ask(t testing.TB, words string) access.Question {
	t.Helper()
	f := strings.Fields(words)
	v, err := access.ParseVerb(f[1])
	if err != nil {
		t.Fatal(err)
	}
	sel, err := ParseSelector(f[2])
	if err != nil {
		t.Fatal(err)
	}
	return access.Question{Who: identity.Subject{Person: f[0], UID: -1, Door: "tmux"}, Verb: v, Object: sel.Object(), At: noon}
}

const someGrants = `grants:
  - {who: bob, role: viewer, on: alice/work, reason: pairing}
  - {who: carol, role: typist, on: "alice/work:1.2", reason: pairing, until: 2026-11-23T13:00:00Z}
  - {who: carol, role: viewer, on: "alice/work:1", reason: late, until: 2026-11-23T11:00:00Z}
  - {who: "@oncall", verbs: [kick, audit], on: "*", reason: on call, record: must}
  - {who: bob, verbs: spawn, on: alice/lab*, reason: lab}
  - {who: "*", verbs: [copy], on: carol, reason: open desk}
  - {who: carol, role: typist, on: "alice/zero:0.0", reason: the first pane}
  - {who: bob, role: typist, on: "alice/zero:0", reason: the first window}
`

func TestDecideGrants(t *testing.T) {
	s := mustLoad(t, map[string]string{grantsFile: someGrants})
	for _, c := range []struct {
		ask   string
		allow bool
		rule  string
	}{
		{"bob view alice/work", true, "grants.yaml:2 bob:viewer"},
		{"bob view alice/work:7.3", true, "grants.yaml:2 bob:viewer"},
		{"bob type alice/work:7.3", false, Default},
		{"bob view alice/works", false, Default},
		{"bob view alice", false, Default},
		{"bob view *", false, Default},
		{"bob kick *", true, "grants.yaml:5 @oncall:kick,audit"},
		{"bob audit carol/x:1.1", true, "grants.yaml:5 @oncall:kick,audit"},
		{"carol kick *", false, Default},
		{"carol type alice/work:1.2", true, "grants.yaml:3 carol:typist"},
		{"carol type alice/work:1.3", false, Default},
		{"carol view alice/work:1", false, Default},
		{"carol view alice/work", false, Default},
		{"bob spawn alice/lab", true, "grants.yaml:6 bob:spawn"},
		{"bob spawn alice/lab-2:1", true, "grants.yaml:6 bob:spawn"},
		{"bob spawn alice/la", false, Default},
		{"alice execute alice", true, "builtin owner"},
		{"alice kick alice/work:1.1", true, "builtin owner"},
		{"alice view *", false, Default},
		{"mallory copy carol/x", true, "grants.yaml:7 *:copy"},
		{"mallory view carol/x", false, Default},
		{"carol type alice/zero:0.0", true, "grants.yaml:8 carol:typist"},
		{"carol type alice/zero:0", false, Default}, // a window has no pane number
		{"carol type alice/zero", false, Default},
		{"bob type alice/zero:0", true, "grants.yaml:9 bob:typist"},
		{"bob type alice/zero", false, Default},
	} {
		d := s.Decide(ask(t, c.ask))
		if d.Allow != c.allow || d.Rule != c.rule {
			t.Errorf("%s: %v by %q (%s), want %v by %q", c.ask, d.Allow, d.Rule, d.Reason, c.allow, c.rule)
		}
	}
}

// TM-10: a forbid on any session that holds the window wins, a grant or permit
// on another session than the one asked through does not count.
func TestLinkedWindows(t *testing.T) {
	permit := "permit (principal == Person::\"bob\", action == Action::\"view\", resource in Session::\"alice/shared\");\n"
	forbid := "forbid (principal == Person::\"bob\", action, resource in Session::\"alice/secret\");\n"
	grant := "grants: [{who: bob, role: viewer, on: alice/shared, reason: x}]\n"
	shared, secret := access.SessionRef{ID: 1, Name: "shared", Index: 3}, access.SessionRef{ID: 2, Name: "secret", Index: 0}
	other := access.SessionRef{ID: 3, Name: "other", Index: 1}
	for _, c := range []struct {
		name          string
		rules, grants string
		kind          access.Kind
		asked         access.SessionRef
		links         []access.SessionRef
		allow         bool
	}{
		{"granted, not linked", "// none\n" + permit, grant, access.Window, shared, nil, true},
		{"granted, linked elsewhere", permit, grant, access.Window, shared, []access.SessionRef{other}, true},
		{"forbidden through the link", forbid, grant, access.Window, shared, []access.SessionRef{secret}, false},
		{"forbidden through the second link", forbid, grant, access.Pane, shared, []access.SessionRef{other, secret}, false},
		{"permit and forbid", permit + forbid, "grants: []\n", access.Pane, shared, []access.SessionRef{secret}, false},
		{"asked through the forbidden one", permit + forbid, grant, access.Window, secret, []access.SessionRef{shared}, false},
		{"grant on the link only", permit, grant, access.Window, other, []access.SessionRef{shared}, false},
		{"permit on the link only", permit, "grants: []\n", access.Pane, other, []access.SessionRef{shared}, false},
		{"forbid by index in the link", "forbid (principal, action, resource in Window::\"alice/secret:0\");\n", grant, access.Pane, shared, []access.SessionRef{secret}, false},
		{"other index in the link", "forbid (principal, action, resource in Window::\"alice/secret:3\");\n", grant, access.Pane, shared, []access.SessionRef{secret}, true},
		{"forbid by name in the link", "forbid (principal, action, resource) when { resource has session && resource.session == \"secret\" };\n", grant, access.Window, shared, []access.SessionRef{secret}, false},
		{"the session itself has no links", forbid, grant, access.Session, shared, []access.SessionRef{secret}, true},
	} {
		s := mustLoad(t, map[string]string{grantsFile: c.grants, "r.cedar": c.rules})
		q := ask(t, "bob view alice/x:0.0")
		q.Object = access.Object{Kind: c.kind, Owner: "alice", Session: c.asked, Links: c.links}
		if d := s.Decide(q); d.Allow != c.allow {
			t.Errorf("%s: %v by %s, want %v", c.name, d.Allow, d.Rule, c.allow)
		}
	}
}

// From inside a pane nobody governs, and owners do everything else.
func TestInside(t *testing.T) {
	s := mustLoad(t, map[string]string{
		grantsFile: "grants: [{who: alice, role: admin, on: \"*\", reason: x}]\n",
		"r.cedar":  "permit (principal == Person::\"alice\", action, resource);\n",
	})
	for _, v := range access.Verbs() {
		q := ask(t, "alice "+v.String()+" alice/work:1.1")
		if !s.Decide(q).Allow {
			t.Errorf("%s from outside is refused", v)
		}
		q.Who.Inside = "alice/%3"
		if got := s.Decide(q); got.Allow == Governing.Has(v) {
			t.Errorf("%s from inside: %v by %s", v, got.Allow, got.Rule)
		}
	}
	q := ask(t, "alice view alice")
	if q.Who.Inside = "alice/%3"; s.Holds(q.Who, q.Object, noon) != TmuxVerbs.With(access.SetOf(access.Suggest)) || !s.Covers(q.Who, TmuxVerbs, q.Object, noon).Allow {
		t.Error("an owner inside does not hold all of tmux")
	}
	if s.Covers(q.Who, access.AllVerbs, q.Object, noon).Allow {
		t.Error("an owner inside governs")
	}
}

// Questions that make no sense are refused, and break out of nothing (AU-07).
func TestUnanswerable(t *testing.T) {
	s := mustLoad(t, map[string]string{"r.cedar": "permit (principal, action, resource);\n"})
	good := ask(t, "bob view alice/work:1.2")
	if !s.Decide(good).Allow {
		t.Fatal("the control question is refused")
	}
	for name, spoil := range map[string]func(*access.Question){
		"nobody":        func(q *access.Question) { q.Who.Person = "" },
		"capital":       func(q *access.Question) { q.Who.Person = "Bob" },
		"blank":         func(q *access.Question) { q.Who.Person = "bob " },
		"cyrillic":      func(q *access.Question) { q.Who.Person = "аlice" },
		"entity":        func(q *access.Question) { q.Who.Person = `bob" || Person::"alice` },
		"group":         func(q *access.Question) { q.Who.Person = "@oncall" },
		"everybody":     func(q *access.Question) { q.Who.Person = "*" },
		"long":          func(q *access.Question) { q.Who.Person = strings.Repeat("b", 65) },
		"no time":       func(q *access.Question) { q.At = time.Time{} },
		"no such verb":  func(q *access.Question) { q.Verb = 31 },
		"wild verb":     func(q *access.Question) { q.Verb = 200 },
		"no such kind":  func(q *access.Question) { q.Object.Kind = 9 },
		"owner nobody":  func(q *access.Question) { q.Object.Owner = "" },
		"owner capital": func(q *access.Question) { q.Object.Owner = "Alice" },
		"zero":          func(q *access.Question) { *q = access.Question{} },
	} {
		q := good
		spoil(&q)
		if d := s.Decide(q); d.Allow || d.Rule != Default || d.Reason == "" {
			t.Errorf("%s: %+v", name, d)
		}
		if s.Holds(q.Who, q.Object, q.At) != 0 && !strings.Contains(name, "verb") {
			t.Errorf("%s holds something", name)
		}
		if s.Covers(q.Who, access.SetOf(access.View), q.Object, q.At).Allow && !strings.Contains(name, "verb") {
			t.Errorf("%s covers something", name)
		}
	}
}

// Nobody owns the host, whatever else an object says.
func TestNobodyOwnsTheHost(t *testing.T) {
	s := mustLoad(t, map[string]string{"r.cedar": "permit (principal == Person::\"bob\", action, resource) when { context.own };\n"})
	q := ask(t, "alice view *")
	q.Object.Owner = "alice"
	if d := s.Decide(q); d.Allow || s.Holds(q.Who, q.Object, q.At) != 0 || s.Covers(q.Who, TmuxVerbs, q.Object, q.At).Allow {
		t.Errorf("alice owns the host: %+v", d)
	}
	q.Who.Person, q.Object.Owner = "bob", "bob"
	if s.Decide(q).Allow {
		t.Error("bob owns the host")
	}
}

// A spawn with a command of one's own needs more than spawn.
func TestSpawnCommand(t *testing.T) {
	s := mustLoad(t, map[string]string{grantsFile: `grants:
  - {who: bob, verbs: spawn, on: alice/a, reason: x}
  - {who: bob, verbs: [spawn, type], on: alice/b, reason: x}
  - {who: bob, verbs: [spawn, execute], on: alice/c, reason: x}
  - {who: bob, verbs: type, on: alice/a, reason: another grant does not help}
`})
	for _, c := range []struct {
		on      string
		command bool
		allow   bool
	}{{"alice/a", false, true}, {"alice/a", true, false}, {"alice/b", true, true}, {"alice/c", true, true}, {"alice/b", false, true}} {
		q := ask(t, "bob spawn "+c.on)
		q.Command = c.command
		if d := s.Decide(q); d.Allow != c.allow {
			t.Errorf("%s command %v: %v", c.on, c.command, d.Allow)
		}
	}
}

// Decisions end when what they rest on ends, and carry every duty.
func TestExpiryAndDuties(t *testing.T) {
	s := mustLoad(t, map[string]string{
		grantsFile: `grants:
  - {who: bob, role: viewer, on: alice, reason: a, until: 2026-11-23T13:00:00Z}
  - {who: bob, role: viewer, on: alice/work, reason: b, until: 2026-11-23T12:30:00Z, record: must}
  - {who: bob, role: viewer, on: alice/work, reason: gone, until: 2026-11-23T12:00:00Z}
  - {who: bob, verbs: copy, on: alice/work, reason: c, record: content}
  - {who: alice, verbs: type, on: alice/work, reason: even she, record: must}
  - {who: bob, verbs: copy, on: "alice/work:1", reason: four eyes, requires: watcher}
`,
		"r.cedar": `@log_content("true")
permit (principal == Person::"bob", action == Action::"type", resource) when { context.now < datetime("2026-11-23T12:00:05Z") };
forbid (principal, action == Action::"layout", resource) unless { context.granted || context.own };
@requires("watcher")
permit (principal, action == Action::"close-pane", resource in Session::"alice/work") when { context.own };
`,
	})
	at := func(clock string) time.Time {
		d, err := time.Parse("15:04:05", clock)
		if err != nil {
			t.Fatal(err)
		}
		return time.Date(2026, 11, 23, d.Hour(), d.Minute(), d.Second(), 0, time.UTC)
	}
	for _, c := range []struct {
		ask, at, expires string
		allow            bool
		duties           access.Obligations
	}{
		{"bob view alice/work:1", "12:00:00", "12:30:00", true, access.MustRecord},
		{"bob view alice/work:1", "12:30:00", "13:00:00", true, 0},
		{"bob view alice/work:1", "11:59:59", "12:00:00", true, access.MustRecord},
		{"bob view alice/x:1", "12:00:00", "13:00:00", true, 0},
		{"bob view alice/x:1", "13:00:00", "", false, 0},
		{"bob copy alice/work:1", "12:00:00", "", true, access.MustRecord | access.LogContent | access.Watched},
		{"bob copy alice/work:2", "12:00:00", "", true, access.MustRecord | access.LogContent},
		{"alice close-pane alice/work:1", "12:00:00", "", true, access.Watched},
		{"bob close-pane alice/work:1", "12:00:00", "", false, 0},
		{"bob type alice/work:1", "12:00:00", "12:00:01", true, access.LogContent},
		{"bob type alice/work:1", "12:00:05", "12:00:06", false, 0},
		{"alice type alice/work:1", "12:00:00", "", true, access.MustRecord},
		{"alice view alice/work:1", "12:00:00", "", true, 0},
	} {
		q := ask(t, c.ask)
		q.At = at(c.at)
		var want time.Time
		if c.expires != "" {
			want = at(c.expires)
		}
		if d := s.Decide(q); d.Allow != c.allow || d.Obligations != c.duties || !d.Expires.Equal(want) {
			t.Errorf("%s at %s: %v, duties %v, expires %v (%s)", c.ask, c.at, d.Allow, d.Obligations, d.Expires, d.Rule)
		}
	}
}

// Whoever comes by another session to a window has the duties of every way to it, and
// when they change is known, also of what owners need no grant for.
func TestDutiesOfEveryWay(t *testing.T) {
	s := mustLoad(t, map[string]string{
		grantsFile: `grants:
  - {who: bob, verbs: [type, copy], on: alice/dev, reason: a}
  - {who: bob, verbs: type, on: alice/prod, reason: b, requires: watcher}
  - {who: alice, verbs: type, on: alice/prod, reason: c, requires: watcher, until: 2026-11-23T13:00:00Z}
`,
		"r.cedar": `@must_record("true")
permit (principal == Person::"bob", action == Action::"copy", resource in Session::"alice/prod") when { context.door == "test" };
@log_content("true")
permit (principal, action == Action::"scroll", resource in Session::"alice/prod");
`,
	})
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		ask     string
		allow   bool
		duties  access.Obligations
		expires time.Time
	}{
		{"bob type alice/dev:1.0", true, access.Watched, time.Time{}},
		{"bob copy alice/dev:1", true, access.MustRecord, time.Time{}},
		{"bob scroll alice/dev:1", false, 0, time.Time{}}, // duties permit nothing
		{"alice type alice/dev:1.0", true, access.Watched, at.Add(time.Hour)},
		{"alice copy alice/dev:1.0", true, 0, time.Time{}},
	} {
		q := ask(t, c.ask)
		q.At, q.Who.Door = at, "test"
		if d := s.Decide(q); d.Obligations != 0 && d.Obligations.Has(access.Watched) {
			t.Errorf("%s without another way: duties %v", c.ask, d.Obligations)
		}
		q.Object.Links = []access.SessionRef{{ID: 9, Name: "prod", Index: 3}}
		if d := s.Decide(q); d.Allow != c.allow || d.Obligations != c.duties || !d.Expires.Equal(c.expires) {
			t.Errorf("%s: %v, duties %v, expires %v (%s: %s)", c.ask, d.Allow, d.Obligations, d.Expires, d.Rule, d.Reason)
		}
	}
}

// What may come with anything on a server is known without asking about each part of it.
func TestDuties(t *testing.T) {
	s := mustLoad(t, map[string]string{
		grantsFile: `grants:
  - {who: bob, verbs: type, on: "alice/work:1.2", reason: a, requires: watcher}
  - {who: bob, verbs: execute, on: alice, reason: b}
`,
		"r.cedar": `@requires("watcher")
permit (principal == Person::"carol", action == Action::"type", resource in Session::"alice/work");
@log_content("true")
permit (principal == Person::"carol", action == Action::"type", resource in Server::"bob");
`,
	})
	for q, want := range map[string]access.Obligations{
		"bob execute alice": access.Watched, "bob execute bob": 0, "alice execute alice": 0,
		"carol execute alice": access.Watched, "carol execute bob": access.LogContent, "carol execute carol": 0,
	} {
		asked := ask(t, q)
		asked.At = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
		if got := s.Duties(asked.Who, asked.Object, asked.At); got != want {
			t.Errorf("%s: %v, want %v", q, got, want)
		}
	}
}

// An error in a policy refuses, whatever stands before or after it.
func TestErrorsRefuse(t *testing.T) {
	overflow := "resource has window && resource.window + 9223372036854775807 > 0"
	for name, rules := range map[string]string{
		"forbid":                     "forbid (principal, action, resource) when { " + overflow + " };",
		"permit":                     "permit (principal, action, resource) when { " + overflow + " };",
		"error, then false":          "forbid (principal, action, resource) when { " + overflow + " } unless { action in Action::\"viewer\" };",
		"permit, error, then false":  "permit (principal, action, resource) when { " + overflow + " } when { principal == Person::\"carol\" };",
		"error, then elsewhere":      "forbid (principal, action, resource) when { " + overflow + " } when { resource in Server::\"bob\" };",
		"error within or":            "forbid (principal, action, resource) when { context.door == \"x\" || (" + overflow + ") };",
		"arithmetic on the datetime": "forbid (principal, action, resource) when { context.now.offset(duration(\"106751991167d\")) < datetime(\"2026-01-01\") };",
	} {
		s := mustLoad(t, map[string]string{"r.cedar": "permit (principal, action, resource);\n" + rules + "\n"})
		for _, words := range []string{"bob view alice/work:1", "alice view alice/work:1.1"} {
			d := s.Decide(ask(t, words))
			if d.Allow || !strings.Contains(d.Reason, "could not be evaluated") || !strings.HasPrefix(d.Rule, "r.cedar:2 ") {
				t.Errorf("%s: %s: %+v", name, words, d)
			}
		}
		q := ask(t, "alice view alice")
		for _, verbs := range []access.VerbSet{TmuxVerbs, access.SetOf(access.View)} {
			if s.Covers(q.Who, verbs, q.Object, noon).Allow {
				t.Errorf("%s: %v covered although it may fail", name, verbs)
			}
		}
	}
}

// Covers is true where nothing can come in between, and not where it may.
func TestCovers(t *testing.T) {
	for _, c := range []struct {
		name, rules, grants string
		ask                 string
		allow               bool
	}{
		{"an owner", "", "", "alice view alice", true},
		{"a stranger", "", "", "bob view alice", false},
		{"an owner, of the host", "", "", "alice view *", false},
		{"an operator", "", "{who: bob, role: operator, on: alice, reason: x}", "bob view alice", false},
		{"owner by role", "", "{who: bob, role: owner, on: alice, reason: x}", "bob view alice", true},
		{"owner by role, one session", "", "{who: bob, role: owner, on: alice/work, reason: x}", "bob view alice", false},
		{"the session itself", "", "{who: bob, role: owner, on: alice/work, reason: x}", "bob view alice/work", true},
		{"owner by role on the host", "", "{who: bob, role: owner, on: \"*\", reason: x}", "bob view alice", true},
		{"ended", "", "{who: bob, role: owner, on: alice, reason: x, until: 2026-01-01T00:00:00Z}", "bob view alice", false},
		{"by a permit on all", "permit (principal == Person::\"bob\", action, resource);", "", "bob view alice", true},
		{"by a permit on the server", "permit (principal == Person::\"bob\", action, resource in Server::\"alice\");", "", "bob view alice", true},
		{"by a permit on one session", "permit (principal == Person::\"bob\", action, resource in Session::\"alice/work\");", "", "bob view alice", false},
		{"by a permit at times", "permit (principal == Person::\"bob\", action, resource) when { context.now < datetime(\"2027-01-01\") };", "", "bob view alice", false},
		{"forbid on a pane", "forbid (principal, action == Action::\"type\", resource in Pane::\"alice/work:1.2\");", "", "alice view alice", false},
		{"forbid on another's", "forbid (principal, action, resource in Server::\"bob\");", "", "alice view alice", true},
		{"forbid for others", "forbid (principal, action, resource) unless { resource has owner && resource.owner == principal };", "", "alice view alice", true},
		{"forbid unless own", "forbid (principal, action, resource) unless { context.own };", "", "alice view alice", true},
		{"forbid at another door", "forbid (principal, action, resource) when { context.door == \"http\" };", "", "alice view alice", true},
		{"forbid at this door", "forbid (principal, action, resource) when { context.door == \"tmux\" };", "", "alice view alice", false},
		{"forbid of governing", "forbid (principal, action == Action::\"audit\", resource);", "", "alice view alice", true},
		{"forbid for another group", "forbid (principal in Group::\"oncall\", action, resource);", "", "alice view alice", true},
		{"forbid for owners in a group", "forbid (principal, action, resource) when { resource has owner && resource.owner in Group::\"oncall\" };", "", "alice view alice", true},
		{"forbid for bob's own", "forbid (principal, action, resource) when { resource has owner && resource.owner in Group::\"oncall\" };", "", "bob view bob", false},
		{"forbid at night", "forbid (principal, action, resource) when { context.now > datetime(\"2027-01-01\") };", "", "alice view alice", false},
		{"forbid by name", "forbid (principal, action, resource) when { resource has session && resource.session like \"x*\" };", "", "alice view alice", false},
		{"forbid of commands", "forbid (principal, action == Action::\"spawn\", resource) when { context.command };", "", "alice view alice", false},
		{"forbid of hosts only", "forbid (principal, action, resource is Host);", "", "alice view alice", true},
		{"link to a forbidden session", "forbid (principal, action, resource in Session::\"alice/secret\");", "", "alice view alice/work", false},
	} {
		files := map[string]string{}
		if c.rules != "" {
			files["r.cedar"] = c.rules + "\n"
		}
		if c.grants != "" {
			files[grantsFile] = "grants:\n  - " + c.grants + "\n"
		}
		s := mustLoad(t, files)
		q := ask(t, c.ask)
		if d := s.Covers(q.Who, TmuxVerbs, q.Object, noon); d.Allow != c.allow || d.Rule == "" {
			t.Errorf("%s: %v by %q: %s", c.name, d.Allow, d.Rule, d.Reason)
		}
	}
	s := mustLoad(t, map[string]string{
		grantsFile: "grants: [{who: \"*\", verbs: type, on: \"alice/work:1\", reason: x, record: must}]\n",
		"r.cedar":  "@log_content(\"true\")\npermit (principal, action == Action::\"type\", resource in Session::\"alice/x\") when { context.own };\n",
	})
	if d := s.Covers(ask(t, "alice view alice").Who, TmuxVerbs, access.Object{Kind: access.Server, Owner: "alice"}, noon); !d.Allow || d.Obligations != access.MustRecord|access.LogContent {
		t.Errorf("the duties of the parts are lost: %+v", d)
	}
	e := EngineOf(mustLoad(t, nil))
	if !e.CoversServer(ask(t, "alice view alice").Who, access.Object{Kind: access.Server, Owner: "alice"}, noon) {
		t.Error("CoversServer refuses an owner")
	}
}

// However many people ask who are in no file, what is kept of them is bounded.
func TestViewsAreBounded(t *testing.T) {
	s := mustLoad(t, map[string]string{"r.cedar": "permit (principal, action == Action::\"view\", resource) when { context.door == \"tmux\" };\n"})
	for i := range 3 * maxViews {
		q := ask(t, "bob view alice")
		q.Who.Person = "p" + strings.Repeat("x", i%40) + string(rune('a'+i%26)) + strings.Repeat("y", i/1040)
		s.Decide(q)
	}
	n := 0
	s.views.known.Range(func(any, any) bool { n++; return true })
	if n > maxViews {
		t.Errorf("%d views are kept", n)
	}
}

// TestCoversOfNoVerbs: who asks for nothing is not told that they hold it.
func TestCoversOfNoVerbs(t *testing.T) {
	s := mustLoad(t, nil)
	q := ask(t, "alice view alice")
	if d := s.Covers(q.Who, 0, q.Object, noon); d.Allow {
		t.Errorf("no verbs at all are covered: %+v", d)
	}
}
