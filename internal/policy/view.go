package policy

import (
	"iter"
	"slices"
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
	left    *residues
}

// residues are by verb, as many as a VerbSet holds.
type residues [32]atomic.Pointer[residue]

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
	v := &view{name: name}
	if s.files == nil {
		v.holders, v.left = s.index.holders(name, s.people.groupsOf(name)), new(residues)
	} else {
		of := s.files.view(name) // moving grants leave the policies as they are
		v.holders, v.left = slices.Concat(of.holders, s.moving.holders(name, s.people.groupsOf(name))), of.left
	}
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
	uses             uses // of all of them together
}

// policies is an ordered list of what is left of policies.
type policies []compiled

// compiled is what is left of one policy once person and verb are known.
type compiled struct {
	id   types.PolicyID
	rule *rule
	left *ast.Policy
	// on is the policy's scope, tried in Go before Cedar is asked.
	on scope
	// policy has the conditions alone; nil if there are none.
	policy *cedar.Policy
}

// conditional are the policies of a list whose scope holds the object and
// that have conditions: those that Cedar must evaluate.
type conditional struct {
	list policies
	o    *access.Object
}

// All gives the policies to Cedar.
func (c conditional) All() iter.Seq2[cedar.PolicyID, *cedar.Policy] {
	return func(yield func(cedar.PolicyID, *cedar.Policy) bool) {
		for i := range c.list {
			if p := &c.list[i]; p.policy != nil && p.on.holds(c.o) && !yield(p.id, p.policy) {
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

// scope is the part of a policy's head that is about the object.
type scope struct {
	isKind bool // only objects of this kind
	kind   access.Kind
	isIn   bool // only what lies in this place, or is it
	in     place
	exact  bool // only the place itself
}

// scopeOf reads a policy's scope. Entities in it were checked at load.
func scopeOf(n ast.IsResourceScopeNode) scope {
	var sc scope
	var uid types.EntityUID
	switch t := n.(type) {
	case ast.ScopeTypeAll:
		return sc
	case ast.ScopeTypeIs:
		sc.isKind, sc.kind = true, kindOf(t.Type)
		return sc
	case ast.ScopeTypeIsIn:
		sc.isKind, sc.kind = true, kindOf(t.Type)
		uid = t.Entity
	case ast.ScopeTypeIn:
		uid = t.Entity
	case ast.ScopeTypeEq:
		uid, sc.exact = t.Entity, true
	}
	sc.isIn, sc.in = true, place{kind: nowhere}
	if sel, err := ParseSelector(string(uid.ID)); err == nil && sel.Kind == kindOf(uid.Type) {
		sc.in = placeOf(sel)
	}
	return sc
}

// nowhere is the kind of what is no object.
const nowhere = access.Pane + 1

func kindOf(t types.EntityType) access.Kind {
	if k, ok := objectKind(t); ok {
		return k
	}
	return nowhere
}

// holds reports whether the object is in the scope.
func (sc *scope) holds(o *access.Object) bool {
	if sc.isKind && o.Kind != sc.kind {
		return false
	}
	if !sc.isIn {
		return true
	}
	p := &sc.in
	switch {
	case o.Kind < p.kind, sc.exact && o.Kind != p.kind:
		return false
	case p.kind >= access.Server && o.Owner != p.owner,
		p.kind >= access.Session && o.Session.Name != p.session,
		p.kind >= access.Window && o.Session.Index != p.window,
		p.kind >= access.Pane && o.Pane.Index != p.pane:
		return false
	}
	return true
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
// mixed with parts that are not. A policy whose evaluation may end in an error
// keeps its conditions as they are: reducing it could drop the error, and with
// it a refusal, because of a condition that stands after it.
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
		left, keep := eval.PartialPolicy(env, headOf(ru))
		if !keep {
			continue
		}
		if ru.fails {
			left.Conditions = ru.ast.Conditions
		}
		c := compiled{id: policyID(i), rule: ru, left: left, on: scopeOf(left.Resource)}
		if len(left.Conditions) > 0 {
			bare := *left
			bare.Resource = ast.ScopeTypeAll{}
			c.policy = cedar.NewPolicyFromAST((*cedarast.Policy)(&bare))
		}
		r.uses = r.uses.with(usesOf(left))
		if ru.forbid {
			r.forbids = append(r.forbids, c)
		} else {
			r.permits = append(r.permits, c)
		}
	}
	return r
}

// headOf gives the part of a policy to evaluate in advance: all of it, or if it
// may fail only who it is about.
func headOf(ru *rule) *ast.Policy {
	if !ru.fails {
		return ru.ast
	}
	head := *ru.ast
	head.Conditions = nil
	return &head
}

// policyID names the i-th rule of a set for Cedar.
func policyID(i int) types.PolicyID {
	const digits = "0123456789abcdef"
	return types.PolicyID([]byte{digits[i>>12&15], digits[i>>8&15], digits[i>>4&15], digits[i&15]})
}

// uses tells what the conditions of policies look at.
type uses struct {
	context uint // bits of contextFields
	fails   bool // may end in an error
	climbs  bool // asks what the object lies in
}

func (u uses) with(v uses) uses {
	u.context |= v.context
	u.fails = u.fails || v.fails
	u.climbs = u.climbs || v.climbs
	return u
}

// contextFields are the attributes of Cedar's context; each is a bit.
const (
	useGranted = 1 << iota
	useOwn
	useInside
	useCommand
	useDoor
	useAccount
	useMFA
	useNow
	useAll = 1<<iota - 1
)

func contextBit(name types.String) uint {
	switch name {
	case "granted":
		return useGranted
	case "own":
		return useOwn
	case "inside":
		return useInside
	case "command":
		return useCommand
	case "door":
		return useDoor
	case "account":
		return useAccount
	case "mfa":
		return useMFA
	case "now":
		return useNow
	}
	return useAll
}

func usesOf(p *ast.Policy) uses {
	var u uses
	whole := 0 // times the context stands there, less times for an attribute
	attribute := func(arg ast.IsNode, name types.String) {
		if isContext(arg) {
			u.context |= contextBit(name)
			whole--
		}
	}
	for _, c := range p.Conditions {
		ast.Inspect(ast.NewNode(c.Body), func(n ast.IsNode) bool {
			switch t := n.(type) {
			case ast.NodeTypeAccess:
				attribute(t.Arg, t.Value)
			case ast.NodeTypeHas:
				attribute(t.Arg, t.Value)
			case ast.NodeTypeVariable:
				if t.Name == "context" {
					whole++
				}
			case ast.NodeTypeIn, ast.NodeTypeIsIn:
				u.climbs = true
			case ast.NodeTypeExtensionCall:
				u.fails = u.fails || !isConstant(t)
			case ast.NodeTypeAdd, ast.NodeTypeSub, ast.NodeTypeMult, ast.NodeTypeNegate, ast.NodeTypeGetTag:
				u.fails = true
			}
			return true
		})
	}
	if whole > 0 {
		u.context = useAll
	}
	return u
}

// isConstant reports whether a call makes a value of a literal, such as
// datetime("2027-01-01"): the checker has seen that it can.
func isConstant(call ast.NodeTypeExtensionCall) bool {
	switch call.Name {
	case "datetime", "duration", "decimal", "ip":
	default:
		return false
	}
	if len(call.Args) != 1 {
		return false
	}
	_, literal := call.Args[0].(ast.NodeValue)
	return literal
}

func isContext(n ast.IsNode) bool {
	v, ok := n.(ast.NodeTypeVariable)
	return ok && v.Name == "context"
}
