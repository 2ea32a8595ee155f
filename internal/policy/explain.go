package policy

import (
	"fmt"
	"strings"
	"time"

	"github.com/cedar-policy/cedar-go"
	cedarast "github.com/cedar-policy/cedar-go/ast"
	"github.com/cedar-policy/cedar-go/x/exp/ast"

	"github.com/muxward/muxward/internal/access"
)

// Explanation is a decision with everything that was weighed for it.
type Explanation struct {
	Who    string    `json:"who"`
	Verb   string    `json:"verb"`
	On     string    `json:"on"`
	At     time.Time `json:"at"`
	Allow  bool      `json:"allow"`
	Rule   string    `json:"rule"`
	Reason string    `json:"reason"`
	Record string    `json:"record,omitempty"`
	// Requires is what there has to be for it to be done, beside the permission.
	Requires string     `json:"requires,omitempty"`
	Expires  *time.Time `json:"expires,omitempty"`
	// Groups are those the person is in.
	Groups []string `json:"groups,omitempty"`
	// Verbs are all that the person holds there.
	Verbs []string `json:"verbs,omitempty"`
	// Considered are the rules looked at: first those that apply.
	Considered []Considered `json:"considered,omitempty"`
	// More counts grants that were left out of Considered.
	More int `json:"more,omitempty"`
}

// Considered is one rule that was weighed.
type Considered struct {
	Rule string `json:"rule"`
	// Effect is permit, forbid or grant.
	Effect  string `json:"effect"`
	Applies bool   `json:"applies"`
	Why     string `json:"why"`
}

// maxConsidered is how many grants an explanation lists.
const maxConsidered = 20

// Explain answers a question and says what was weighed. It evaluates every
// policy whole, and so also checks what Decide does with their remains.
func (s *Set) Explain(q access.Question) Explanation {
	d := s.Decide(q)
	e := Explanation{
		Who: q.Who.Person, Verb: q.Verb.String(), On: name(q.Object), At: q.At,
		Allow: d.Allow, Rule: d.Rule, Reason: d.Reason, Record: recordWord(d.Obligations),
		Groups: s.people.groupsOf(q.Who.Person),
	}
	if d.Obligations.Has(access.Watched) && access.Acting.Has(q.Verb) {
		e.Requires = requiresWatcher
	}
	if !d.Expires.IsZero() {
		e.Expires = &d.Expires
	}
	if s.unanswerable(&q) != "" {
		return e
	}
	e.Verbs = append(e.Verbs, s.Holds(q.Who, q.Object, q.At).Names()...)
	e.builtins(s, &q)
	e.grants(s, &q)
	e.policies(s, &q)
	return e
}

func recordWord(o access.Obligations) string {
	var words []string
	if o.Has(access.MustRecord) {
		words = append(words, "must")
	}
	if o.Has(access.LogContent) {
		words = append(words, "content")
	}
	return strings.Join(words, ",")
}

func (e *Explanation) builtins(s *Set, q *access.Question) {
	inside := Considered{Rule: "builtin inside", Effect: "forbid", Why: "the connection comes from outside"}
	switch {
	case q.Who.Inside == "":
	case Governing.Has(q.Verb):
		inside.Applies, inside.Why = true, insideReason
	default:
		inside.Why = fmt.Sprintf("%s is not one of %s", q.Verb, Governing)
	}
	owner := Considered{Rule: "builtin owner", Effect: "permit", Why: "the server is not " + q.Who.Person + "'s"}
	if owns(q.Who.Person, q.Object) {
		owner.Applies, owner.Why = true, ownerReason
	}
	e.Considered = append(e.Considered, inside, owner)
	if s.withheld(q.Verb, q.Object) {
		e.Considered = append(e.Considered, Considered{Rule: "builtin isolated", Effect: "forbid", Applies: true, Why: serverReason})
	}
}

// grants lists the grants of the person that are near the question: those on
// the object, and those of the verb on the same server.
func (e *Explanation) grants(s *Set, q *access.Question) {
	on := map[*grant]bool{}
	holders := s.view(q.Who.Person).holders
	for _, h := range holders {
		h.visit(q.Object, func(g *grant) { on[g] = true })
	}
	mine := map[string]bool{"*": true, q.Who.Person: true}
	for _, g := range s.people.groupsOf(q.Who.Person) {
		mine["@"+g] = true
	}
	for i := range len(s.grants) + len(s.given) {
		g := s.grantAt(i)
		near := on[g] || mine[g.who] && g.verbs.Has(q.Verb) && g.on.Owner == q.Object.Owner
		if !near {
			continue
		}
		if len(e.Considered) >= maxConsidered {
			e.More++
			continue
		}
		c := Considered{Rule: g.rule(), Effect: "grant", Why: g.why()}
		switch {
		case !on[g]:
			c.Why = fmt.Sprintf("is on %s, which does not hold %s", g.on, name(q.Object))
		case !g.verbs.Has(q.Verb):
			c.Why = fmt.Sprintf("gives %s, not %s", g.verbs, q.Verb)
		case !g.gives(q.Verb, q.Command):
			c.Why = "a command of one's own needs type or execute as well"
		case !g.fits(&q.Who):
			c.Why = "counts only with the key " + g.given.Key
		case q.At.Before(g.from):
			c.Why = "begins at " + g.from.Format(time.RFC3339)
		case !g.until.IsZero() && !q.At.Before(g.until):
			c.Why = "ended at " + g.until.Format(time.RFC3339)
		default:
			counts, change := g.at(q.At)
			if c.Applies = counts; !counts {
				c.Why = "it is not in its hours, " + g.when.String() + "; that may change at " + change.Format(time.RFC3339)
			}
		}
		e.Considered = append(e.Considered, c)
	}
}

// grantAt gives the grants of the files, and behind them those that were given.
func (s *Set) grantAt(i int) *grant {
	if i < len(s.grants) {
		return &s.grants[i]
	}
	return s.given[i-len(s.grants)]
}

// policies evaluates every policy of the *.cedar files in full.
func (e *Explanation) policies(s *Set, q *access.Question) {
	req := s.request(q)
	for i := range s.rules {
		ru := &s.rules[i]
		c := Considered{Rule: ru.name(), Effect: "permit"}
		if ru.forbid {
			c.Effect = "forbid"
		}
		for _, o := range paths(q.Object, ru.forbid) {
			w := newWorld(s.static, o)
			req.Resource = w.uid
			ok, err := holds(ru.policy, w, req)
			switch {
			case err != nil:
				c.Applies, c.Why = true, "could not be evaluated, which refuses: "+err.Error()
			case ok:
				c.Applies, c.Why = true, ru.why()
			case c.Why == "":
				c.Why = s.whyNot(ru, w, req)
			}
			if c.Applies && o.Session != q.Object.Session {
				c.Why = "through " + name(o) + ": " + c.Why
			}
			if c.Applies {
				break
			}
		}
		e.Considered = append(e.Considered, c)
	}
}

// request makes Cedar's request of a question, but for the resource.
func (s *Set) request(q *access.Question) cedar.Request {
	granted := find(s.view(q.Who.Person).holders, q)
	return cedar.Request{
		Principal: personUID(q.Who.Person),
		Action:    actionUID(q.Verb),
		Context:   contextRecord(useAll, q, granted.rule != nil, owns(q.Who.Person, q.Object)),
	}
}

// paths are the ways to an object that count: for a forbid all of them.
func paths(o access.Object, forbid bool) []access.Object {
	out := []access.Object{o}
	if forbid && o.Kind >= access.Window {
		for _, link := range o.Links {
			out = append(out, along(o, link))
		}
	}
	return out
}

// holds evaluates one policy by itself.
func holds(p *cedar.Policy, w *world, req cedar.Request) (bool, error) {
	_, diag := cedar.Authorize(cedar.PolicyMap{"0": p}, w, req)
	if len(diag.Errors) > 0 {
		return false, fmt.Errorf("%s", clipLong(diag.Errors[0].Message))
	}
	return len(diag.Reasons) > 0, nil
}

// whyNot says which part of a policy does not fit the question.
func (s *Set) whyNot(ru *rule, w *world, req cedar.Request) string {
	all := ast.Scope{}.All()
	for _, part := range []struct {
		p   ast.Policy
		why string
	}{
		{ast.Policy{Principal: ru.ast.Principal, Action: all, Resource: all}, "is not about this person"},
		{ast.Policy{Principal: all, Action: ru.ast.Action, Resource: all}, "is not about this verb"},
		{ast.Policy{Principal: all, Action: all, Resource: ru.ast.Resource}, "is not about this object"},
	} {
		part.p.Effect = ast.EffectPermit
		if ok, err := holds(cedar.NewPolicyFromAST((*cedarast.Policy)(&part.p)), w, req); err == nil && !ok {
			return part.why
		}
	}
	for i, c := range ru.ast.Conditions {
		p := ast.Policy{Effect: ast.EffectPermit, Principal: all, Action: all, Resource: all, Conditions: []ast.ConditionType{c}}
		if ok, err := holds(cedar.NewPolicyFromAST((*cedarast.Policy)(&p)), w, req); err == nil && !ok {
			word := "when"
			if c.Condition == ast.ConditionUnless {
				word = "unless"
			}
			if len(ru.ast.Conditions) == 1 {
				return fmt.Sprintf("its %s does not hold", word)
			}
			return fmt.Sprintf("its condition %d (%s) does not hold", i+1, word)
		}
	}
	return "does not apply"
}
