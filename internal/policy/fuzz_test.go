package policy

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
)

// loadFuzzed loads files that a fuzzer made and holds whatever comes of them:
// no panic, no Set beside an error, places within the files, one line each.
func loadFuzzed(t *testing.T, files []source) *Set {
	t.Helper()
	var r report
	s := build(files, &r)
	err := r.err()
	if (s == nil) != (err != nil) {
		t.Fatalf("a set %v beside the error %v", s != nil, err)
	}
	for _, p := range r.list {
		if strings.ContainsAny(p.Error(), "\n\x1b\r") {
			t.Fatalf("a problem does not stay in its line: %q", p.Error())
		}
		for _, f := range files {
			if f.name == p.File && p.Line > strings.Count(string(f.data), "\n")+1 {
				t.Fatalf("%s: there is no such line", p.Error())
			}
		}
	}
	return s
}

// nothingForStrangers asks a good set questions it must survive.
func nothingForStrangers(s *Set) {
	for _, who := range []string{"alice", "bob", "mallory"} {
		sub := identity.Subject{Person: who, UID: 1000, Account: who, Door: "tmux"}
		o := access.Object{Kind: access.Pane, Owner: "alice", Session: access.SessionRef{Name: "work", Index: 1}, Links: []access.SessionRef{{Name: "x"}}}
		s.Holds(sub, o, noon)
		s.Covers(sub, access.AllVerbs, access.Object{Kind: access.Server, Owner: "alice"}, noon)
		s.Blind(sub, access.Object{Kind: access.Server, Owner: "alice"}, noon)
		s.Explain(access.Question{Who: sub, Verb: access.Type, Object: o, At: noon})
	}
}

func FuzzPeople(f *testing.F) {
	f.Add(modelYAML)
	f.Add("people:\n  alice: {uid: [1, 2], account: [a, b], groups: [x], about: hi}\ngroups: {x: [\"@y\"], y: [alice]}\n")
	f.Add("people: &a {b: *a}\n")
	f.Add("people: {a: {uid: 99999999999999999999}}\ngroups: {g: [\"@g\"]}\n")
	f.Add(aliasBomb())
	f.Fuzz(func(t *testing.T, text string) {
		if s := loadFuzzed(t, []source{{peopleFile, []byte(text)}, {grantsFile, []byte("grants: []\n")}}); s != nil {
			for name := range s.people.list {
				if !checkName(name) {
					t.Fatalf("the name %q got in", name)
				}
			}
			nothingForStrangers(s)
		}
	})
}

func FuzzGrants(f *testing.F) {
	f.Add(someGrants)
	f.Add("grants: [{who: \"*\", role: owner, on: \"alice/w*\", until: 2027-01-01T00:00:00Z, reason: a, by: bob, record: content, id: x}]\n")
	f.Add("grants: [{who: *, on: @x}]\n")
	f.Add("grants: {who: bob}\n")
	f.Fuzz(func(t *testing.T, text string) {
		people := "people: {alice: {}, bob: {groups: [oncall]}, carol: {}}\ngroups: {oncall: []}\n"
		if s := loadFuzzed(t, []source{{peopleFile, []byte(people)}, {grantsFile, []byte(text)}}); s != nil {
			nothingForStrangers(s)
		}
	})
}

func FuzzCedar(f *testing.F) {
	for _, s := range []string{
		"permit (principal, action, resource);\n",
		"@id(\"a\") @must_record(\"true\") permit (principal in Group::\"oncall\", action in [Action::\"view\"], resource is Pane in Session::\"alice/work\") when { context.now < datetime(\"2027-01-01\") && resource.pane + 1 > 2 } unless { context.inside };\n",
		"forbid (principal, action, resource) when { if resource has owner then resource.owner == principal else [1,2].contains(3) || -1 < 2 * 3 };\n",
		"forbid (principal, action, resource) when { context.door like \"*a*a*\\u{1f}\" }; // end ;\n",
		"permit (principal == ?principal, action, resource);\n",
		"permit (principal, action, resource) when { {a: 1, b: {c: [Person::\"bob\"]}}.b.c.contains(principal) };\n",
		Builtin(),
	} {
		f.Add(s)
	}
	people := "people: {alice: {}, bob: {groups: [oncall]}, carol: {}}\ngroups: {oncall: []}\n"
	f.Fuzz(func(t *testing.T, text string) {
		if s := loadFuzzed(t, []source{{peopleFile, []byte(people)}, {grantsFile, []byte("grants: []\n")}, {"f.cedar", []byte(text)}}); s != nil {
			nothingForStrangers(s)
		}
	})
}

func FuzzCases(f *testing.F) {
	f.Add("tests: [{who: bob, verb: [view, type], on: \"alice/work:1\", allow: true, at: 2027-01-01T00:00:00Z, links: [\"alice/x:0\"], inside: true}]\n")
	f.Add("tests: [{who: Bob, verb: x, on: \"%3\", allow: yes, links: 3}]\n")
	s := mustLoad(f, nil)
	f.Fuzz(func(t *testing.T, text string) {
		var r report
		src := source{"f.test.yaml", []byte(text)}
		if checkBytes(src, &r) {
			s.RunCases(parseCases(src, s.people, &r), noon)
		}
	})
}
