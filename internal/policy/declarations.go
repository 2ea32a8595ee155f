package policy

import (
	"fmt"
	"slices"

	"go.yaml.in/yaml/v4"

	"github.com/muxward/muxward/internal/access"
)

// declarationRule is one rule of the key declarations.
type declarationRule struct {
	on    Selector
	most  access.VerbSet
	named string
}

// maxDeclarationRules is how many of them there may be.
const maxDeclarationRules = 1000

// Declarable gives the verbs that a session's environment may give to others at most, on
// an object, and what says so, file:line each. Of all rules about it, about what it lies
// in and about what lies in it, only that is left which each of them lets pass. Where no
// rule says anything it is what a typist holds: a variable is set in passing and copied
// from elsewhere, so by itself it gives nothing that changes a server or hands on rights.
func (s *Set) Declarable(o access.Object) (most access.VerbSet, rules []string) {
	for i := range s.declarations {
		r := &s.declarations[i]
		if !r.on.meets(o) {
			continue
		}
		if rules == nil {
			most = access.AllVerbs
		}
		most &= r.most
		rules = append(rules, r.named)
	}
	if rules == nil {
		most, _ = access.Typist.Verbs()
	}
	return most, rules
}

// OverDeclared gives what of some verbs a declaration does not give on an object, with what
// [Set.Declarable] says.
func (s *Set) OverDeclared(verbs access.VerbSet, o access.Object) (over, most access.VerbSet, rules []string) {
	most, rules = s.Declarable(o)
	return verbs &^ capped(verbs, most), most, rules
}

// LeftOf says in words what is left of what was declared.
func LeftOf(verbs access.VerbSet, what string) string { return verbs.String() + " of " + what }

// most is what is left of what was given by what may be declared. An approval or a
// command may give whatever its giver holds.
func (s *Set) most(g *Given) access.VerbSet {
	if !g.Declared {
		return g.Verbs
	}
	most, _ := s.Declarable(g.On)
	return capped(g.Verbs, most)
}

func (d *doc) declarationRule(n *yaml.Node, ps *people) (declarationRule, bool) {
	m := d.mapping(n, "a rule for declarations", []string{"on", "most", "reason"})
	if m == nil {
		return declarationRule{}, false
	}
	r := declarationRule{named: fmt.Sprintf("%s:%d", d.file, n.Line)}
	ok := true
	for _, key := range []string{"on", "most"} {
		if m[key] == nil {
			d.fail(n, "", "the rule has no %q", key)
			ok = false
		}
	}
	if !ok {
		return r, false
	}
	ok = d.where(m["on"], ps, &r.on)
	ok = d.atMost(m["most"], &r.most) && ok
	if m["reason"] != nil {
		_, good := d.text(m["reason"], "the reason")
		ok = ok && good
	}
	return r, ok
}

// atMost reads a role, verbs, or none.
func (d *doc) atMost(n *yaml.Node, most *access.VerbSet) bool {
	if n.Kind == yaml.ScalarNode {
		if n.Value == "none" {
			return true
		}
		if set, isRole := access.Role(n.Value).Verbs(); isRole {
			*most = set
			return true
		}
		if _, err := access.ParseVerb(n.Value); err != nil {
			d.fail(n, DidYouMean(n.Value, slices.Concat([]string{"none"}, roleWords(), verbWords())),
				"most is a role, verbs or none, not %q", clip(n.Value))
			return false
		}
	}
	all := true
	for _, item := range d.oneOrMore(n) {
		v, ok := d.verb(item)
		if all = all && ok; ok {
			*most = most.With(access.SetOf(v))
		}
	}
	if most.Has(access.Type) { // to suggest is less, and rules from before it name every verb of a typist but that
		*most = most.With(access.SetOf(access.Suggest))
	}
	if all && *most == 0 {
		d.fail(n, "write most: none", "the list of verbs is empty")
		return false
	}
	return all
}
