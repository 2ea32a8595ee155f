package policy

import (
	"fmt"
	"slices"
	"time"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
)

// Default is the rule of a decision that nothing permits.
const Default = "default"

// recheck is how long an answer lasts that may depend on the time of day.
const recheck = time.Second

// Decide answers a question. Whatever cannot be decided is refused. The
// decision's Generation is zero: [Engine.Decide] sets it.
func (s *Set) Decide(q access.Question) access.Decision {
	if q.Object.Reach != nil || access.Reaching.Has(q.Verb) {
		return s.reaches(q)
	}
	if why := s.unanswerable(&q); why != "" {
		return access.Decision{Rule: Default, Reason: why}
	}
	v := s.view(q.Who.Person)
	own := owns(q.Who.Person, q.Object)
	granted := findAlong(v.holders, &q)
	res := s.residue(v, q.Verb)
	limit := sooner(limitOf(res, granted, own, q.At), s.waitsUntil(q.Who.Person))
	if rule, why := s.builtin(q.Who, q.Verb, q.Object); rule != "" {
		return access.Decision{Rule: rule, Reason: why}
	}
	var d access.Decision
	if len(res.forbids)+len(res.permits) == 0 {
		d = settle(own, granted, nil)
	} else {
		d = s.evaluate(&q, res, own, granted)
	}
	d.Expires = limit
	return d
}

const (
	insideReason = "whoever may type into a pane could have asked this: ask from outside"
	ownerReason  = "owners may do everything on their own server"
)

// unanswerable says why a question has no answer but no; "" if it has one.
func (s *Set) unanswerable(q *access.Question) string {
	switch {
	case !checkName(q.Who.Person):
		return "nobody who can be named asks"
	case s.people.isServer(q.Who.Person):
		return q.Who.Person + " is an isolated server, and no person"
	case q.At.IsZero():
		return "the question has no time"
	case !access.AllVerbs.Has(q.Verb):
		return "there is no such verb"
	case q.Object.Kind > access.Pane:
		return "there is no such kind of object"
	case q.Object.Kind >= access.Server && !checkName(q.Object.Owner):
		return "the object belongs to nobody who can be named"
	}
	return s.impostor(q.Who)
}

// impostor says why the subject is not the person it is taken for: the people
// file may have changed since they came in.
func (s *Set) impostor(who identity.Subject) string {
	if who.UID < 0 {
		return ""
	}
	if who.UID > noUID {
		return fmt.Sprintf("%d is no uid", who.UID)
	}
	name, err := s.PersonOf(uint32(who.UID), who.Account)
	switch {
	case err != nil:
		return err.Error()
	case name != who.Person:
		return fmt.Sprintf("uid %d is %s now, not %s", who.UID, name, who.Person)
	}
	return ""
}

// PersonOf says which person a Unix account is: by uid in the people file,
// with the account recorded there; else by an account recorded there without
// a uid; else the account's name, unless the people file claims that name for
// somebody with another uid or account. The error names both sides.
func (s *Set) PersonOf(uid uint32, account string) (string, error) {
	return s.people.personOf(uid, account)
}

// owns reports whether the object lies on the person's own server.
func owns(person string, o access.Object) bool {
	return o.Kind >= access.Server && o.Owner == person
}

// limitOf says when an answer must be asked again.
func limitOf(res *residue, granted found, own bool, at time.Time) time.Time {
	limit := granted.turns
	if !own || res.uses.context&useGranted != 0 {
		limit = sooner(limit, granted.expires)
	}
	if res.uses.context&useNow != 0 {
		limit = sooner(limit, at.Add(recheck))
	}
	return limit
}

// settle decides when no forbid applies: by ownership, grants and permits.
func settle(own bool, granted found, permits []*rule) access.Decision {
	d := access.Decision{Allow: true, Obligations: granted.duties}
	for _, p := range permits {
		d.Obligations |= p.duties
	}
	switch {
	case own:
		d.Rule, d.Reason = "builtin owner", ownerReason
	case granted.rule != nil:
		d.Rule, d.Reason = granted.rule.named, granted.rule.said
	case len(permits) > 0:
		d.Rule, d.Reason = permits[0].name(), permits[0].why()
	default:
		return access.Decision{Rule: Default, Reason: "nothing permits it"}
	}
	return d
}

// evaluate weighs the policies. Forbids are tried for every path to the
// window, permits only for the one that was asked for; but the duties of those that
// hold on another path come with it.
func (s *Set) evaluate(q *access.Question, res *residue, own bool, granted found) access.Decision {
	t := trial{s: s, q: q, own: own, granted: granted.rule != nil, uses: res.uses}
	if d, hit := t.forbidden(res.forbids, &q.Object); hit {
		return d
	}
	if len(res.forbids) > 0 && q.Object.Kind >= access.Window {
		for _, link := range q.Object.Links {
			o := along(q.Object, link)
			if d, hit := t.forbidden(res.forbids, &o); hit {
				return d
			}
		}
	}
	permits, d, failed := t.permitted(res.permits, &q.Object)
	if failed {
		return d
	}
	if q.Object.Kind >= access.Window {
		dutiful := res.permits.dutiful()
		for _, link := range q.Object.Links {
			o := along(q.Object, link)
			granted.duties |= t.dutiesOn(dutiful, &o)
		}
	}
	return settle(own, granted, permits)
}

// dutiesOn gives the duties of the permits that hold on a path, or cannot be evaluated
// there.
func (t *trial) dutiesOn(ps policies, o *access.Object) (sum access.Obligations) {
	diag, _ := t.ask(ps, o)
	for i := range ps {
		p := &ps[i]
		if p.policy == nil && p.on.holds(o) ||
			slices.ContainsFunc(diag.Reasons, func(r types.DiagnosticReason) bool { return r.PolicyID == p.id }) ||
			slices.ContainsFunc(diag.Errors, func(e types.DiagnosticError) bool { return e.PolicyID == p.id }) {
			sum |= p.rule.duties
		}
	}
	return sum
}

// dutiful are those that come with duties.
func (ps policies) dutiful() policies {
	var out policies
	for i := range ps {
		if ps[i].rule.duties != 0 {
			out = append(out, ps[i])
		}
	}
	return out
}

// along gives the object as it is reached through another session.
func along(o access.Object, link access.SessionRef) access.Object {
	o.Session = link
	return o
}

// trial is the weighing of one question.
type trial struct {
	s            *Set
	q            *access.Question
	own, granted bool
	uses         uses

	context types.Record // made when Cedar is first asked
	made    bool
	w       *world // of the path asked last
}

// ask has Cedar evaluate those policies whose scope holds the object and that
// have conditions, if there are any.
func (t *trial) ask(ps policies, o *access.Object) (diag cedar.Diagnostic, asked bool) {
	for i := range ps {
		asked = asked || ps[i].policy != nil && ps[i].on.holds(o)
	}
	if !asked {
		return diag, false
	}
	if !t.made {
		t.context, t.made = contextRecord(t.uses.context, t.q, t.granted, t.own), true
	}
	if t.w == nil || t.w.object.Session != o.Session {
		t.w = newWorld(t.s.static, *o)
		t.w.flat = !t.uses.climbs
	}
	_, diag = cedar.Authorize(conditional{ps, &t.w.object}, t.w, cedar.Request{
		Principal: personUID(t.q.Who.Person),
		Action:    actionUID(t.q.Verb),
		Resource:  t.w.uid,
		Context:   t.context,
	})
	return diag, true
}

// forbidden tries forbids on one path. One that cannot be evaluated forbids.
func (t *trial) forbidden(ps policies, o *access.Object) (access.Decision, bool) {
	for i := range ps {
		if p := &ps[i]; p.policy == nil && p.on.holds(o) {
			return access.Decision{Rule: p.rule.name(), Reason: p.rule.why()}, true
		}
	}
	diag, asked := t.ask(ps, o)
	switch {
	case !asked:
	case len(diag.Errors) > 0:
		return failure(ps, diag.Errors[0]), true
	case len(diag.Reasons) > 0:
		ru := ps.rule(diag.Reasons[0].PolicyID)
		return access.Decision{Rule: ru.name(), Reason: ru.why()}, true
	}
	return access.Decision{}, false
}

// permitted tries permits on the asked path and gives those that hold, in
// the order of the files.
func (t *trial) permitted(ps policies, o *access.Object) (held []*rule, d access.Decision, failed bool) {
	diag, _ := t.ask(ps, o)
	if len(diag.Errors) > 0 {
		return nil, failure(ps, diag.Errors[0]), true
	}
	for i := range ps {
		p := &ps[i]
		switch {
		case p.policy == nil && p.on.holds(o):
			held = append(held, p.rule)
		case len(diag.Reasons) > 0 && diag.Reasons[0].PolicyID == p.id:
			held = append(held, p.rule)
			diag.Reasons = diag.Reasons[1:] // they come in the same order
		}
	}
	return held, access.Decision{}, false
}

// failure is the refusal that an evaluation error makes.
func failure(ps policies, e types.DiagnosticError) access.Decision {
	ru := ps.rule(e.PolicyID)
	return access.Decision{Rule: ru.name(), Reason: "the policy could not be evaluated: " + clipLong(e.Message)}
}

// Holds gives every verb that the subject holds on the object, spawns without
// a command of their own.
func (s *Set) Holds(who identity.Subject, o access.Object, at time.Time) access.VerbSet {
	q := access.Question{Who: who, Object: o, At: at}
	if s.unanswerable(&q) != "" {
		return 0
	}
	v := s.view(who.Person)
	given := all(v.holders, &who, o, at)
	own := owns(who.Person, o)
	if own {
		given = access.AllVerbs
	}
	var held access.VerbSet
	for _, verb := range access.Verbs() {
		if rule, _ := s.builtin(who, verb, o); rule != "" {
			continue
		}
		res := s.residue(v, verb)
		switch {
		case len(res.permits) == 0 && !given.Has(verb):
		case len(res.permits)+len(res.forbids) == 0:
			held = held.With(access.SetOf(verb))
		case s.weighed(v, access.Question{Who: who, Verb: verb, Object: o, At: at}, res, own):
			held = held.With(access.SetOf(verb))
		}
	}
	return held
}

// weighed reports whether the policies allow what is asked.
func (s *Set) weighed(v *view, q access.Question, res *residue, own bool) bool {
	return s.evaluate(&q, res, own, find(v.holders, &q)).Allow
}

// Sees reports whether the subject holds any verb on any of the objects: an
// object is visible to whoever holds something on it or on what lies in it.
func (s *Set) Sees(who identity.Subject, at time.Time, objects ...access.Object) bool {
	for _, o := range objects {
		if s.Holds(who, o, at) != 0 {
			return true
		}
	}
	return false
}

// maxHolders is of how many people it is found out whether they hold something, for an
// error text.
const maxHolders = 256

// Holders names people who hold a verb on an object, the owner first. Of more than
// maxHolders people the first are asked about.
func (s *Set) Holders(v access.Verb, o access.Object, at time.Time) []string {
	people := s.People()
	people = people[:min(len(people), maxHolders)]
	if o.Kind >= access.Server {
		people = slices.DeleteFunc(people, func(name string) bool { return name == o.Owner })
		people = slices.Insert(people, 0, o.Owner)
	}
	return slices.DeleteFunc(people, func(name string) bool {
		return !s.Decide(access.Question{Who: identity.Subject{Person: name, UID: -1}, Verb: v, Object: o, At: at}).Allow
	})
}
