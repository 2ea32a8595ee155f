package policy

import (
	"iter"
	"sync"
	"sync/atomic"

	"github.com/cedar-policy/cedar-go"
	cedarast "github.com/cedar-policy/cedar-go/ast"
	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
	"github.com/cedar-policy/cedar-go/x/exp/eval"

	"github.com/muxward/muxward/internal/access"
)

// view is the policy as one person meets it: the holders of the grants that
// count for them, and for each verb what is left of the Cedar policies once
// person and verb are known.
type view struct {
	name    string
	holders []*holder
	left    [32]atomic.Pointer[residue] // by verb, as many as a VerbSet holds
}

// views keeps the views of people who asked. People who are in no file make a
// new one each, so there is a limit, at which all are forgotten.
type views struct {
	mu    sync.Mutex
	count int
	known sync.Map // name → *view
}

const maxViews = 4096

// view gives the person's view of the policy.
func (s *Set) view(name string) *view {
	if v, ok := s.views.known.Load(name); ok {
		return v.(*view)
	}
	v := &view{name: name, holders: s.index.holders(name, s.people.groupsOf(name))}
	s.views.mu.Lock()
	defer s.views.mu.Unlock()
	if s.views.count >= maxViews {
		s.views.known.Clear()
		s.views.count = 0
	}
	if old, loaded := s.views.known.LoadOrStore(name, v); loaded {
		return old.(*view)
	}
	s.views.count++
	return v
}

// groupsOf are the groups a person is in, sorted.
func (ps *people) groupsOf(name string) []string {
	if p := ps.list[name]; p != nil {
		return p.groups
	}
	return nil
}

// residue is what is left of the policies for one person and verb.
type residue struct {
	permits, forbids policies
	// usesNow and usesGrant tell what an answer may depend on beyond the
	// object: the time, and whether a grant counts.
	usesNow, usesGrant bool
	// mayFail is set if the evaluation of a permit can end in an error.
	mayFail bool
}

// policies is an ordered list that Cedar can evaluate; ids are indexes of it.
type policies []compiled

type compiled struct {
	id     types.PolicyID
	policy *cedar.Policy
	rule   *rule
	ast    *ast.Policy
}

// All gives the policies to Cedar.
func (ps policies) All() iter.Seq2[cedar.PolicyID, *cedar.Policy] {
	return func(yield func(cedar.PolicyID, *cedar.Policy) bool) {
		for i := range ps {
			if !yield(ps[i].id, ps[i].policy) {
				return
			}
		}
	}
}

// rule finds the policy of an id.
func (ps policies) rule(id cedar.PolicyID) *rule {
	for i := range ps {
		if ps[i].id == id {
			return ps[i].rule
		}
	}
	return nil
}

// residue gives what is left of the policies for the view's person and a
// verb. It is worked out once.
func (s *Set) residue(v *view, verb access.Verb) *residue {
	if r := v.left[verb].Load(); r != nil {
		return r
	}
	r := s.reduce(v.name, verb)
	v.left[verb].Store(r)
	return r
}

// reduce evaluates every policy as far as person and verb allow. Object and
// context stay open as a whole: parts of a context that are known cannot be
// mixed with parts that are not.
func (s *Set) reduce(person string, verb access.Verb) *residue {
	env := eval.Env{
		Entities:  s.static,
		Principal: personUID(person),
		Action:    actionUID(verb),
		Resource:  eval.Variable("resource"),
		Context:   eval.Variable("context"),
	}
	r := &residue{}
	for i := range s.rules {
		ru := &s.rules[i]
		left, keep := eval.PartialPolicy(env, ru.ast)
		if !keep {
			continue
		}
		c := compiled{id: policyID(i), policy: cedar.NewPolicyFromAST((*cedarast.Policy)(left)), rule: ru, ast: left}
		u := usesOf(left)
		r.usesNow = r.usesNow || u.now
		r.usesGrant = r.usesGrant || u.granted
		if ru.forbid {
			r.forbids = append(r.forbids, c)
		} else {
			r.permits = append(r.permits, c)
			r.mayFail = r.mayFail || u.fails
		}
	}
	return r
}

// policyID names the i-th rule of a set for Cedar.
func policyID(i int) types.PolicyID {
	const digits = "0123456789abcdef"
	return types.PolicyID([]byte{digits[i>>12&15], digits[i>>8&15], digits[i>>4&15], digits[i&15]})
}

// uses tells what the conditions of a policy look at.
type uses struct{ now, granted, fails bool }

func usesOf(p *ast.Policy) uses {
	var u uses
	for _, c := range p.Conditions {
		ast.Inspect(ast.NewNode(c.Body), func(n ast.IsNode) bool {
			switch t := n.(type) {
			case ast.NodeTypeAccess:
				// An attribute of that name elsewhere only makes us ask again
				// sooner than needed.
				u.now = u.now || t.Value == "now"
				u.granted = u.granted || t.Value == "granted"
			case ast.NodeTypeExtensionCall, ast.NodeTypeAdd, ast.NodeTypeSub, ast.NodeTypeMult, ast.NodeTypeNegate, ast.NodeTypeGetTag:
				u.fails = true
			}
			return true
		})
	}
	u.now = u.now || wholeContext(p)
	u.granted = u.granted || u.now
	return u
}

// wholeContext reports whether a policy looks at the context other than by
// its attributes.
func wholeContext(p *ast.Policy) bool {
	variables, attributes := 0, 0
	for _, c := range p.Conditions {
		ast.Inspect(ast.NewNode(c.Body), func(n ast.IsNode) bool {
			switch t := n.(type) {
			case ast.NodeTypeVariable:
				if t.Name == "context" {
					variables++
				}
			case ast.NodeTypeAccess:
				if isContext(t.Arg) {
					attributes++
				}
			case ast.NodeTypeHas:
				if isContext(t.Arg) {
					attributes++
				}
			}
			return true
		})
	}
	return variables > attributes
}

func isContext(n ast.IsNode) bool {
	v, ok := n.(ast.NodeTypeVariable)
	return ok && v.Name == "context"
}
