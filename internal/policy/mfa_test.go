package policy

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/access"
)

// TestSecondFactorByPolicy: a rule that wants a second factor is kept for each question,
// for all of somebody's verbs and for a whole server, whoever was asked about first.
func TestSecondFactorByPolicy(t *testing.T) {
	s := mustLoad(t, map[string]string{
		grantsFile: "grants: [{who: bob, role: typist, on: alice/work, reason: x}]\n",
		"mfa.cedar": "forbid (principal, action == Action::\"type\", resource) unless { context.mfa };\n" +
			"permit (principal == Person::\"carol\", action == Action::\"view\", resource in Session::\"alice/work\") when { context.mfa };\n",
	})
	for range 2 {
		for _, mfa := range []bool{false, true} {
			q := ask(t, "bob type alice/work:1.2")
			q.Who.MFA = mfa
			if d := s.Decide(q); d.Allow != mfa {
				t.Errorf("bob types with mfa %v: %+v", mfa, d)
			}
			if s.Holds(q.Who, q.Object, noon).Has(access.Type) != mfa || !s.Holds(q.Who, q.Object, noon).Has(access.View) {
				t.Errorf("bob with mfa %v holds %v", mfa, s.Holds(q.Who, q.Object, noon))
			}
			if e := s.Explain(q); e.Allow != mfa {
				t.Errorf("explained with mfa %v: %+v", mfa, e)
			}
			all := ask(t, "alice type alice")
			all.Who.MFA = mfa
			if d := s.Covers(all.Who, access.AllVerbs, all.Object, noon); d.Allow != mfa {
				t.Errorf("alice holds everything with mfa %v: %+v", mfa, d)
			}
			looks := ask(t, "carol view alice/work")
			looks.Who.MFA = mfa
			if s.Decide(looks).Allow != mfa || s.Blind(looks.Who, looks.Object, noon) == mfa {
				t.Errorf("carol looks with mfa %v: %v, blind %v", mfa, s.Decide(looks).Allow, s.Blind(looks.Who, looks.Object, noon))
			}
		}
	}
	if _, err := Load(writeDir(t, map[string]string{"x.cedar": "permit (principal, action, resource) when { context.mfa == \"yes\" };\n"})); err == nil {
		t.Error("mfa is a word")
	}
	if _, err := Load(writeDir(t, map[string]string{"x.cedar": "permit (principal, action, resource) when { context.mfaa };\n"})); err == nil || !strings.Contains(err.Error(), "mfa") {
		t.Errorf("a word beside mfa: %v", err)
	}
	files := map[string]string{
		"a.cedar":     "forbid (principal, action, resource) unless { context.mfa };\n",
		"a.test.yaml": "tests:\n  - {who: alice, verb: view, on: alice, allow: true, mfa: true}\n  - {who: alice, verb: view, on: alice, allow: false}\n",
	}
	s = mustLoad(t, files)
	cases, err := LoadCases(writeDir(t, files), s)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range s.RunCases(cases, noon) {
		if !r.Pass {
			t.Errorf("%+v", r)
		}
	}
}
