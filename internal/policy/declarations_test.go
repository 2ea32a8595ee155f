package policy

import (
	"reflect"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/access"
)

const rulesOfDeclarations = `grants: []
declarations:
- {on: alice/prod*, most: viewer, reason: people look there}
- {on: "alice/prod-db:0.1", most: none}
- {on: alice/lab, most: owner}
- {on: bob, most: [view, share]}
- {on: "alice/prod-web:0", most: operator}
- {on: carol/shared, most: [view, scroll, type]}
- {on: carol/looks, most: [view, scroll]}
- {on: carol/only, most: type}
`

// TestDeclarable: what a declaration may give is what all rules let pass, also those
// about what lies in the object, or where else its window is; without a rule it is what
// a typist holds.
func TestDeclarable(t *testing.T) {
	s := mustLoad(t, map[string]string{peopleFile: peopleOfGiven, grantsFile: rulesOfDeclarations})
	typist, _ := access.Typist.Verbs()
	viewer, _ := access.Viewer.Verbs()
	linked := pane(t, "alice/play:3.1")
	linked.Links = []access.SessionRef{{Name: "prod-db", Index: 0}}
	for name, tc := range map[string]struct {
		on    access.Object
		most  access.VerbSet
		rules []string
	}{
		"no rule":               {pane(t, "alice/play"), typist, nil},
		"somebody else's":       {pane(t, "carol/prod"), typist, nil},
		"a cap":                 {pane(t, "alice/prod"), viewer, []string{"grants.yaml:3"}},
		"in what holds the off": {pane(t, "alice/prod-db"), 0, []string{"grants.yaml:3", "grants.yaml:4"}},
		"beside it":             {pane(t, "alice/prod-db:0.0"), viewer, []string{"grants.yaml:3"}},
		"off":                   {pane(t, "alice/prod-db:0.1"), 0, []string{"grants.yaml:3", "grants.yaml:4"}},
		"linked from there":     {linked, 0, []string{"grants.yaml:3", "grants.yaml:4"}},
		"a wider one behind":    {pane(t, "alice/prod-web:0.1"), viewer, []string{"grants.yaml:3", "grants.yaml:7"}},
		"more than a typist":    {pane(t, "alice/lab"), access.AllVerbs, []string{"grants.yaml:5"}},
		"a typist's in verbs":   {pane(t, "carol/shared"), typist, []string{"grants.yaml:8"}},
		"a viewer's in verbs":   {pane(t, "carol/looks"), viewer, []string{"grants.yaml:9"}},
		"one verb":              {pane(t, "carol/only"), access.SetOf(access.Type, access.Suggest), []string{"grants.yaml:10"}},
		"verbs":                 {pane(t, "bob/x"), access.SetOf(access.View, access.Share), []string{"grants.yaml:6"}},
	} {
		if most, rules := s.Declarable(tc.on); most != tc.most || !reflect.DeepEqual(rules, tc.rules) {
			t.Errorf("%s: %s by %v, want %s by %v", name, most, rules, tc.most, tc.rules)
		}
	}
}

func declared(g *Given) { g.Declared = true }

// TestDeclarationsAreCapped: of what a session declares only that counts which the policy
// lets declarations give, also when that changes later; what was given otherwise has no
// such bound. And it falls with its giver.
func TestDeclarationsAreCapped(t *testing.T) {
	e := moved(t, rulesOfDeclarations,
		given(t, "1 alice gives bob owner on alice/play", declared),
		given(t, "2 alice gives bob operator on alice/prod", declared),
		given(t, "3 alice gives bob typist on alice/prod-db:0.1", declared),
		given(t, "4 alice gives carol operator on alice/prod"),
		given(t, "5 dave gives carol viewer on alice/lab", declared),
	)
	for words, want := range map[string]bool{
		"bob type alice/play:0.0":     true,
		"bob scroll alice/play:0.0":   true,
		"bob copy alice/play:0.0":     false,
		"bob share alice/play":        false,
		"bob view alice/prod:0.0":     true,
		"bob type alice/prod:0.0":     false,
		"bob view alice/prod-db:0.1":  false,
		"carol type alice/prod:0.0":   true,
		"carol layout alice/prod:0.0": true,
		"carol view alice/lab:0.0":    false,
	} {
		if got := allowed(t, e, words); got != want {
			t.Errorf("%s: %v", words, got)
		}
	}
	counts := e.At(noon).Counts()
	if !counts["1"] || !counts["2"] || counts["3"] || counts["5"] {
		t.Errorf("these count: %v", counts)
	}
	off := map[string]string{peopleFile: peopleOfGiven, grantsFile: "grants: []\ndeclarations: [{on: \"*\", most: none}]\n"}
	if err := e.Reload(writeDir(t, off)); err != nil {
		t.Fatal(err)
	}
	if allowed(t, e, "bob type alice/play:0.0") || allowed(t, e, "bob view alice/prod:0.0") || !allowed(t, e, "carol type alice/prod:0.0") {
		t.Errorf("declarations are off, and these count: %v", e.At(noon).Counts())
	}
}

// TestBadDeclarationRules: each mistake is told with its place.
func TestBadDeclarationRules(t *testing.T) {
	for rule, want := range map[string]string{
		"{on: alice, most: veiwer}":                 `grants.yaml:2:34: most is a role, verbs or none, not "veiwer" (did you mean viewer?)`,
		"{on: alice}":                               `grants.yaml:2:16: the rule has no "most"`,
		"{most: viewer}":                            `grants.yaml:2:16: the rule has no "on"`,
		"{on: alice, most: []}":                     `grants.yaml:2:34: the list of verbs is empty (write most: none)`,
		"{on: alice, most: [none]}":                 `grants.yaml:2:35: there is no verb "none"`,
		"{on: zoe, most: viewer}":                   `grants.yaml:2:21: there is no person "zoe" in people.yaml`,
		"{on: alice, most: viewer, upto: 3}":        `grants.yaml:2:42: unknown key "upto" in a rule for declarations`,
		"{on: alice, most: viewer, reason: [a, b]}": `grants.yaml:2:50: the reason must be a text`,
	} {
		got := problemsOf(t, map[string]string{peopleFile: peopleOfGiven, grantsFile: "grants: []\ndeclarations: [" + rule + "]\n"})
		if !strings.Contains(got, want) {
			t.Errorf("%s: %s\nwant %s", rule, got, want)
		}
	}
}
