package policy

import (
	"reflect"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/access"
)

const peopleOfQuorum = `people:
  alice: {groups: [dev]}
  bob: {groups: [dev]}
  carol: {groups: [leads]}
  dave: {groups: [leads, dev]}
  erin: {}
groups: {dev: , leads: , all: ["@dev", "@leads"]}
`

const rulesOfQuorum = `grants: []
approvals:
- {on: alice/prod*, need: 2, reason: two look at it}
- {on: "alice/prod-db:0.1", from: "@leads"}
- {on: bob, apart: true}
`

// TestQuorum: the strictest of each kind counts, also of what an object holds and of
// where else its window is.
func TestQuorum(t *testing.T) {
	s := mustLoad(t, map[string]string{peopleFile: peopleOfQuorum, grantsFile: rulesOfQuorum})
	two, leads := []string{"grants.yaml:3"}, []string{"grants.yaml:3", "grants.yaml:4"}
	linked := pane(t, "alice/play:3.1")
	linked.Links = []access.SessionRef{{Name: "prod-db", Index: 0}}
	for name, tc := range map[string]struct {
		on   access.Object
		want Quorum
	}{
		"another session":         {pane(t, "alice/play"), Quorum{Need: 1}},
		"the session":             {pane(t, "alice/prod"), Quorum{Need: 2, Rules: two}},
		"a window of it":          {pane(t, "alice/prod:3"), Quorum{Need: 2, Rules: two}},
		"the one with the pane":   {pane(t, "alice/prod-db"), Quorum{Need: 2, From: []string{"@leads"}, Rules: leads}},
		"another pane":            {pane(t, "alice/prod-db:0.0"), Quorum{Need: 2, Rules: two}},
		"the pane":                {pane(t, "alice/prod-db:0.1"), Quorum{Need: 2, From: []string{"@leads"}, Rules: leads}},
		"linked from elsewhere":   {linked, Quorum{Need: 2, From: []string{"@leads"}, Rules: leads}},
		"the server of them":      {pane(t, "alice"), Quorum{Need: 2, From: []string{"@leads"}, Rules: leads}},
		"a session of bob's":      {pane(t, "bob/x"), Quorum{Need: 1, Apart: true, Rules: []string{"grants.yaml:5"}}},
		"the host, with all":      {pane(t, "*"), Quorum{Need: 2, From: []string{"@leads"}, Apart: true, Rules: append(leads[:2:2], "grants.yaml:5")}},
		"somebody else's session": {pane(t, "carol/prod"), Quorum{Need: 1}},
	} {
		if got := s.Quorum(tc.on); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: %+v, want %+v", name, got, tc.want)
		}
	}
	for name, tc := range map[string]struct {
		q         Quorum
		asker, by string
		fits      bool
	}{
		"anybody":                        {Quorum{}, "alice", "bob", true},
		"a lead":                         {Quorum{From: []string{"@leads"}}, "alice", "carol", true},
		"by a group in a group":          {Quorum{From: []string{"@all"}}, "alice", "carol", true},
		"no lead":                        {Quorum{From: []string{"@leads"}}, "alice", "bob", false},
		"of one group only":              {Quorum{From: []string{"@leads", "@dev"}}, "alice", "carol", false},
		"apart, and is":                  {Quorum{Apart: true}, "erin", "bob", true},
		"apart, and is not":              {Quorum{Apart: true}, "alice", "bob", false},
		"apart, by one of his two":       {Quorum{Apart: true}, "alice", "dave", false},
		"somebody whom no file mentions": {Quorum{From: []string{"@leads"}}, "alice", "eve", false},
	} {
		if err := s.Fits(tc.q, tc.asker, tc.by); (err == nil) != tc.fits {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func pane(t *testing.T, selector string) access.Object {
	t.Helper()
	sel, err := ParseSelector(selector)
	if err != nil {
		t.Fatal(err)
	}
	return sel.Object()
}

// TestApprovalRules: a rule with a mistake is no rule, and the policy none.
func TestApprovalRules(t *testing.T) {
	for bad, want := range map[string]string{
		`{on: alice/prod, need: 0}`:        "need is how many people approve",
		`{on: alice/prod, need: 9}`:        "from 0 to 8",
		`{on: alice/prod, need: two}`:      "must be a number",
		`{need: 2}`:                        `no "on"`,
		`{on: nobody/prod}`:                "no person",
		`{on: alice/prod, from: carol}`:    "a group, not",
		`{on: alice/prod, from: "*"}`:      "a group, not",
		`{on: alice/prod, from: "@none"}`:  "no group",
		`{on: alice/prod, apart: perhaps}`: "true or false",
		`{on: alice/prod, needs: 2}`:       "unknown key",
	} {
		got := problemsOf(t, map[string]string{peopleFile: peopleOfQuorum, grantsFile: "grants: []\napprovals:\n- " + bad + "\n"})
		if !strings.Contains(got, want) || !strings.Contains(got, "grants.yaml:3:") {
			t.Errorf("%s: %s", bad, got)
		}
	}
}
