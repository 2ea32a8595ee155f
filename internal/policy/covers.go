package policy

import (
	"time"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
)

// Covers decides about an object and everything that lies in it, now or
// later: it allows only if each of the verbs is permitted there and no forbid
// can apply to any of it, whichever sessions its windows are linked to. When
// that is not certain it refuses; the single questions may still be allowed.
// The Obligations are all that may apply to any part.
func (s *Set) Covers(who identity.Subject, verbs access.VerbSet, o access.Object, at time.Time) access.Decision {
	q := access.Question{Who: who, Object: o, At: at, Command: true}
	if why := s.unanswerable(&q); why != "" || verbs == 0 {
		return access.Decision{Rule: Default, Reason: why}
	}
	v := s.view(who.Person)
	sum := access.Decision{Allow: true}
	for _, verb := range verbs.List() {
		q.Verb = verb
		d := s.coversVerb(v, &q)
		if !d.Allow {
			return d
		}
		if sum.Rule == "" {
			sum.Rule, sum.Reason = d.Rule, d.Reason
		}
		sum.Obligations |= d.Obligations
		sum.Expires = sooner(sum.Expires, d.Expires)
	}
	for _, h := range v.holders {
		if o.Kind == access.Host {
			for _, duties := range h.touched {
				sum.Obligations |= duties
			}
		}
		sum.Obligations |= h.touched[o.Owner] | h.touched[""]
	}
	return sum
}

func (s *Set) coversVerb(v *view, q *access.Question) access.Decision {
	own := owns(v.name, q.Object)
	granted := find(v.holders, q)
	res := s.residue(v, q.Verb)
	if rule, why := s.builtin(q.Who, q.Verb, q.Object); rule != "" {
		return access.Decision{Rule: rule, Reason: why}
	}
	k := knowledge{set: s, who: q.Who, o: q.Object}
	for i := range res.forbids {
		if f := &res.forbids[i]; k.applies(f.left) != never {
			return access.Decision{Rule: f.rule.name(), Reason: "a forbid may apply to a part of it: " + f.rule.why()}
		}
	}
	var everywhere []*rule
	var duties access.Obligations
	for i := range res.permits {
		p := &res.permits[i]
		if usesOf(p.left).fails {
			return access.Decision{Rule: p.rule.name(), Reason: "the policy may fail on a part of it"}
		}
		switch k.applies(p.left) {
		case always:
			everywhere = append(everywhere, p.rule)
		case perhaps:
			duties |= p.rule.duties
		}
	}
	d := settle(own, granted, everywhere)
	d.Obligations |= duties
	d.Expires = sooner(limitOf(res, granted, own, q.At), s.waitsUntil(q.Who.Person))
	return d
}

// Duties are all that may come with anything that the person may do on a server, or in
// it, also later.
func (s *Set) Duties(who identity.Subject, o access.Object, at time.Time) access.Obligations {
	q := access.Question{Who: who, Object: o, At: at}
	if s.unanswerable(&q) != "" {
		return 0
	}
	var sum access.Obligations
	v := s.view(who.Person)
	for _, h := range v.holders {
		sum |= h.touched[o.Owner] | h.touched[""]
	}
	k := knowledge{set: s, who: who, o: o}
	for _, verb := range access.Verbs() {
		for _, p := range s.residue(v, verb).permits {
			if p.rule.duties != 0 && k.applies(p.left) != never {
				sum |= p.rule.duties
			}
		}
	}
	return sum
}

// Blind reports that the person certainly holds nothing on a server, or a session,
// or in it, so that nothing there needs to be looked at one by one.
func (s *Set) Blind(who identity.Subject, o access.Object, at time.Time) bool {
	q := access.Question{Who: who, Object: o, At: at}
	if s.unanswerable(&q) != "" {
		return true
	}
	if owns(who.Person, o) {
		return false
	}
	v := s.view(who.Person)
	for _, h := range v.holders {
		if h.touches(&o) {
			return false
		}
	}
	k := knowledge{set: s, who: who, o: o}
	for _, verb := range access.Verbs() {
		for _, p := range s.residue(v, verb).permits {
			if k.applies(p.left) != never {
				return false
			}
		}
	}
	return true
}

// chance is what is known of a condition for all parts of an object at once.
type chance uint8

const (
	perhaps chance = iota // or it cannot be told, or it may fail
	never
	always
)

func chanceOf(b bool) chance {
	if b {
		return always
	}
	return never
}

func (c chance) not() chance {
	switch c {
	case always:
		return never
	case never:
		return always
	}
	return perhaps
}

func (c chance) and(d chance) chance {
	switch {
	case c == never || d == never:
		return never
	case c == always && d == always:
		return always
	}
	return perhaps
}

func (c chance) or(d chance) chance { return c.not().and(d.not()).not() }

// knowledge is what holds for an object and all its parts: whose they are,
// and who asks. It judges policies whose person and verb are settled already.
type knowledge struct {
	set *Set
	who identity.Subject
	o   access.Object
}

// applies says whether a policy applies to the parts of the object.
func (k *knowledge) applies(p *ast.Policy) chance {
	c := k.scope(p.Resource)
	for _, cond := range p.Conditions {
		body := k.judge(cond.Body)
		if cond.Condition == ast.ConditionUnless {
			body = body.not()
		}
		c = c.and(body)
	}
	if c == never && usesOf(p).fails {
		return perhaps // it may fail before it comes to what is false
	}
	return c
}

func (k *knowledge) scope(sc ast.IsResourceScopeNode) chance {
	switch t := sc.(type) {
	case ast.ScopeTypeAll:
		return always
	case ast.ScopeTypeEq:
		return k.is(t.Entity)
	case ast.ScopeTypeIn:
		return k.in(t.Entity)
	case ast.ScopeTypeIs:
		return k.kind(t.Type)
	case ast.ScopeTypeIsIn:
		return k.kind(t.Type).and(k.in(t.Entity))
	}
	return perhaps
}

// judge follows a condition as far as it is about what we know.
func (k *knowledge) judge(n ast.IsNode) chance {
	switch t := n.(type) {
	case ast.NodeTypeAnd:
		return k.judge(t.Left).and(k.judge(t.Right))
	case ast.NodeTypeOr:
		return k.judge(t.Left).or(k.judge(t.Right))
	case ast.NodeTypeNot:
		return k.judge(t.Arg).not()
	case ast.NodeTypeEquals:
		return k.equal(t.Left, t.Right)
	case ast.NodeTypeNotEquals:
		return k.equal(t.Left, t.Right).not()
	case ast.NodeTypeIs:
		if isResource(t.Left) {
			return k.kind(t.EntityType)
		}
	case ast.NodeTypeIsIn:
		if isResource(t.Left) {
			return k.kind(t.EntityType).and(k.inNode(t.Left, t.Entity))
		}
	case ast.NodeTypeIn:
		return k.inNode(t.Left, t.Right)
	case ast.NodeTypeHas:
		if isResource(t.Arg) && t.Value == "owner" && k.o.Kind >= access.Server {
			return always
		}
	case ast.NodeTypeContains:
		set, ok := k.value(t.Left).(types.Set)
		if v := k.value(t.Right); ok && v != nil {
			return chanceOf(set.Contains(v))
		}
	default:
		if b, ok := k.value(n).(types.Boolean); ok {
			return chanceOf(bool(b))
		}
	}
	return perhaps
}

// value gives what an expression has as its value for all parts, or nil.
func (k *knowledge) value(n ast.IsNode) types.Value {
	switch t := n.(type) {
	case ast.NodeValue:
		return t.Value
	case ast.NodeTypeAccess:
		if isResource(t.Arg) && t.Value == "owner" && k.o.Kind >= access.Server {
			return personUID(k.o.Owner)
		}
		if !isContext(t.Arg) {
			return nil
		}
		switch t.Value {
		case "inside":
			return types.Boolean(k.who.Inside != "")
		case "door":
			return types.String(k.who.Door)
		case "account":
			return types.String(k.who.Account)
		case "mfa":
			return types.Boolean(k.who.MFA)
		case "own":
			if k.o.Kind >= access.Server {
				return types.Boolean(owns(k.who.Person, k.o))
			}
		}
	}
	return nil
}

func (k *knowledge) equal(a, b ast.IsNode) chance {
	if isResource(b) {
		a, b = b, a
	}
	if uid, ok := k.value(b).(types.EntityUID); ok && isResource(a) {
		return k.is(uid)
	}
	va, vb := k.value(a), k.value(b)
	if va == nil || vb == nil {
		return perhaps
	}
	return chanceOf(va.Equal(vb))
}

// inNode judges `left in right`.
func (k *knowledge) inNode(left, right ast.IsNode) chance {
	v := k.value(right)
	if isResource(left) {
		switch t := v.(type) {
		case types.EntityUID:
			return k.in(t)
		case types.Set:
			c := never
			for e := range t.All() {
				if uid, ok := e.(types.EntityUID); ok {
					c = c.or(k.in(uid))
				}
			}
			return c
		}
		return perhaps
	}
	who, ok := k.value(left).(types.EntityUID)
	group, isUID := v.(types.EntityUID)
	if !ok || !isUID || who.Type != typePerson {
		return perhaps
	}
	e, known := k.set.static[who]
	return chanceOf(who == group || known && e.Parents.Contains(group))
}

// in judges whether all parts lie in an entity. Parts may be linked to any
// session of the same server, but never to another's.
func (k *knowledge) in(uid types.EntityUID) chance {
	kind, ok := objectKind(uid.Type)
	sel, err := ParseSelector(string(uid.ID))
	switch {
	case !ok || err != nil:
		return perhaps
	case kind == access.Host:
		return always
	case k.o.Kind == access.Host:
		return perhaps
	case sel.Owner != k.o.Owner:
		return never
	case kind == access.Server:
		return always
	}
	return perhaps
}

// is judges whether all parts are one entity.
func (k *knowledge) is(uid types.EntityUID) chance {
	if k.in(uid) == never || k.kind(uid.Type) == never {
		return never
	}
	return perhaps
}

// kind judges whether all parts are of a kind.
func (k *knowledge) kind(t types.EntityType) chance {
	kind, ok := objectKind(t)
	switch {
	case !ok || kind < k.o.Kind:
		return never
	case kind == access.Pane && k.o.Kind == access.Pane:
		return always
	}
	return perhaps
}

func isResource(n ast.IsNode) bool {
	v, ok := n.(ast.NodeTypeVariable)
	return ok && v.Name == "resource"
}
