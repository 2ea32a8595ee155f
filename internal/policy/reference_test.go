package policy

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cedar-policy/cedar-go"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/soak"
)

// This file holds the engine against an independent account of what policies
// mean: the reference below knows nothing of Cedar, indexes or remainders.

// modelGrant, modelRule and expr are a policy as the generator makes it.
type modelGrant struct {
	who, on string
	verbs   access.VerbSet
	until   time.Time
	must    bool
}

type modelRule struct {
	forbid           bool
	who, verb        string // "" anybody; person or @group; verb or role
	rel, on, kind    string // rel: "", "in", "=="; kind: "" or Pane ...
	conds            []expr
	unless           []bool
	mustRec, content bool
}

type expr struct {
	op   string
	s    string
	n    int
	args []expr
}

var errRef = errors.New("evaluation error")

// ---- the reference: sixty lines ----

type reference struct {
	groups map[string][]string // person → groups
	grants []modelGrant
	rules  []modelRule
}

func chain(o access.Object) []string { // the object and all it lies in
	s := fmt.Sprintf("%s/%s", o.Owner, o.Session.Name)
	w := fmt.Sprintf("%s:%d", s, o.Session.Index)
	return []string{"*", o.Owner, s, w, fmt.Sprintf("%s.%d", w, o.Pane.Index)}[:o.Kind+1]
}

func within(o access.Object, sel string) bool {
	for _, c := range chain(o) {
		if begin, star := strings.CutSuffix(sel, "*"); c == sel || star && len(chain(o)) > 2 && begin != "" && strings.HasPrefix(chain(o)[2], begin) {
			return true
		}
	}
	return false
}

func (r *reference) isWho(person, who string) bool {
	group, isGroup := strings.CutPrefix(who, "@")
	return who == "" || who == "*" || who == person || isGroup && strings.Contains(" "+strings.Join(r.groups[person], " ")+" ", " "+group+" ")
}

func (r *reference) decide(q access.Question) (bool, access.Obligations) {
	var duties access.Obligations
	granted, own := false, q.Object.Kind > access.Host && q.Object.Owner == q.Who.Person
	for _, g := range r.grants {
		here, other := within(q.Object, g.on), false
		for _, session := range q.Object.Links {
			o := q.Object
			o.Session = session
			other = other || within(o, g.on)
		}
		if r.isWho(q.Who.Person, g.who) && (here || other) && g.verbs.Has(q.Verb) && (g.until.IsZero() || q.At.Before(g.until)) &&
			(q.Verb != access.Spawn || !q.Command || g.verbs.Has(access.Type) || g.verbs.Has(access.Execute)) {
			granted = granted || here
			if g.must {
				duties |= access.MustRecord
			}
		}
	}
	allow := own || granted
	for _, ru := range r.rules {
		for i, session := range append([]access.SessionRef{q.Object.Session}, q.Object.Links...) {
			o := q.Object
			if o.Session = session; i > 0 && o.Kind < access.Window {
				break
			}
			hit, err := r.applies(ru, q, o, granted, own)
			other := i > 0 && !ru.forbid // no permission comes by it, but its duties
			if err != nil && !other || hit && ru.forbid {
				return false, 0
			}
			if hit || err != nil {
				allow = allow || !other
				if ru.mustRec {
					duties |= access.MustRecord
				}
				if ru.content {
					duties |= access.LogContent
				}
			}
		}
	}
	if !allow || q.Who.Inside != "" && strings.Contains(" share kick lock approve record audit ", " "+q.Verb.String()+" ") {
		return false, 0
	}
	return true, duties
}

func (r *reference) applies(ru modelRule, q access.Question, o access.Object, granted, own bool) (bool, error) {
	role, isRole := access.Role(ru.verb).Verbs()
	verbFits := ru.verb == "" || ru.verb == q.Verb.String() || isRole && role.Has(q.Verb)
	onFits := ru.rel == "" || ru.rel == "in" && within(o, ru.on) || ru.rel == "==" && chain(o)[o.Kind] == ru.on
	if !r.isWho(q.Who.Person, ru.who) || !verbFits || !onFits || ru.kind != "" && !strings.EqualFold(ru.kind, o.Kind.String()) {
		return false, nil
	}
	for i, c := range ru.conds {
		if v, err := r.eval(c, q, o, granted, own); err != nil || v == ru.unless[i] {
			return false, err
		}
	}
	return true, nil
}

// ---- end of the reference proper; what conditions mean ----

func (r *reference) eval(e expr, q access.Question, o access.Object, granted, own bool) (bool, error) {
	arg := func(i int) (bool, error) { return r.eval(e.args[i], q, o, granted, own) }
	switch e.op {
	case "and", "or":
		if v, err := arg(0); err != nil || v == (e.op == "or") {
			return v, err
		}
		return arg(1)
	case "not":
		v, err := arg(0)
		return !v && err == nil, err
	case "if":
		v, err := arg(0)
		if err != nil {
			return false, err
		}
		if v {
			return arg(1)
		}
		return arg(2)
	case "granted":
		return granted, nil
	case "own":
		return own, nil
	case "inside":
		return q.Who.Inside != "", nil
	case "command":
		return q.Command, nil
	case "door":
		return q.Who.Door == e.s, nil
	case "doors":
		return q.Who.Door == "d7" || q.Who.Door == e.s, nil
	case "account":
		return q.Who.Account != e.s, nil
	case "mfa":
		return q.Who.MFA, nil
	case "before":
		return q.At.Before(noon.Add(time.Duration(e.n) * time.Minute)), nil
	case "in":
		return within(o, e.s), nil
	case "is":
		return strings.EqualFold(e.s, o.Kind.String()), nil
	case "name":
		return o.Kind >= access.Session && o.Session.Name == e.s, nil
	case "like":
		return o.Kind >= access.Session && strings.HasPrefix(o.Session.Name, e.s), nil
	case "window":
		return o.Kind >= access.Window && o.Session.Index > e.n, nil
	case "pane":
		return o.Kind >= access.Pane && o.Pane.Index == e.n, nil
	case "overflow":
		if o.Kind >= access.Window && o.Session.Index > 0 {
			return false, errRef
		}
		return o.Kind >= access.Window, nil
	case "owner":
		return o.Kind >= access.Server && o.Owner == e.s, nil
	case "ownergroup":
		return o.Kind >= access.Server && r.isWho(o.Owner, "@"+e.s), nil
	case "me":
		return q.Who.Person == e.s, nil
	case "group":
		return r.isWho(q.Who.Person, "@"+e.s), nil
	case "role":
		set, _ := access.Role(e.s).Verbs()
		return set.Has(q.Verb), nil
	}
	panic("unknown " + e.op)
}

// cedar writes a condition as Cedar.
func (e expr) cedar() string {
	a := make([]string, len(e.args))
	for i := range e.args {
		a[i] = e.args[i].cedar()
	}
	switch e.op {
	case "and":
		return "(" + a[0] + " && " + a[1] + ")"
	case "or":
		return "(" + a[0] + " || " + a[1] + ")"
	case "not":
		return "!(" + a[0] + ")"
	case "if":
		return "(if " + a[0] + " then " + a[1] + " else " + a[2] + ")"
	case "granted", "own", "inside", "command", "mfa":
		return "context." + e.op
	case "door":
		return fmt.Sprintf("context.door == %q", e.s)
	case "doors":
		return fmt.Sprintf("[%q%s].contains(context.door)", e.s, strings.Repeat(`, "d7"`, 300))
	case "account":
		return fmt.Sprintf("context.account != %q", e.s)
	case "before":
		return fmt.Sprintf("context.now < datetime(%q)", noon.Add(time.Duration(e.n)*time.Minute).Format(time.RFC3339))
	case "in":
		return "resource in " + entityText(e.s)
	case "is":
		return "resource is " + e.s
	case "name":
		return fmt.Sprintf("(resource has session && resource.session == %q)", e.s)
	case "like":
		return fmt.Sprintf("(resource has session && resource.session like %q)", e.s+"*")
	case "window":
		return fmt.Sprintf("(resource has window && resource.window > %d)", e.n)
	case "pane":
		return fmt.Sprintf("(resource has pane && resource.pane == %d)", e.n)
	case "overflow":
		return fmt.Sprintf("(resource has window && resource.window + %d > 0)", math.MaxInt64)
	case "owner":
		return fmt.Sprintf("(resource has owner && resource.owner == Person::%q)", e.s)
	case "ownergroup":
		return fmt.Sprintf("(resource has owner && resource.owner in Group::%q)", e.s)
	case "me":
		return fmt.Sprintf("principal == Person::%q", e.s)
	case "group":
		return fmt.Sprintf("principal in Group::%q", e.s)
	case "role":
		return fmt.Sprintf("action in Action::%q", e.s)
	}
	panic("unknown " + e.op)
}

func entityText(sel string) string {
	s, err := ParseSelector(sel)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf("%s::%q", objectType(s.Kind), sel)
}

// ---- random policies and questions ----

var (
	modelPeople   = []string{"alice", "bob", "carol", "dave", "mallory"}
	modelGroups   = []string{"oncall", "all", "ops"}
	modelSessions = []string{"work", "work2", "we\"ird", `b\s`, "x y", "🐟", "Person::"}
	modelPlaces   = []string{"*", "alice", "bob", "alice/work", "alice/work2", "bob/work", `alice/we"ird`, "alice/work:1", "alice/work2:0", "alice/work:1.2", "bob/x y:2.0", `alice/b\s`}
	modelYAML     = "people:\n  alice: {}\n  bob: {groups: [oncall]}\n  carol: {groups: [ops]}\n  dave: {}\ngroups:\n  oncall:\n  ops: []\n  all: [\"@oncall\", \"@ops\", dave]\n"
)

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func someExpr(r *rand.Rand, depth int) expr {
	sub := func() expr { return someExpr(r, depth-1) }
	if depth > 0 && r.IntN(2) == 0 {
		switch r.IntN(4) {
		case 0:
			return expr{op: "and", args: []expr{sub(), sub()}}
		case 1:
			return expr{op: "or", args: []expr{sub(), sub()}}
		case 2:
			return expr{op: "not", args: []expr{sub()}}
		}
		return expr{op: "if", args: []expr{sub(), sub(), sub()}}
	}
	ops := []string{"granted", "own", "inside", "command", "door", "doors", "account", "mfa", "before", "in", "in", "is", "name", "like", "window", "pane", "overflow", "owner", "ownergroup", "me", "group", "role"}
	e := expr{op: pick(r, ops), n: r.IntN(3)}
	switch e.op {
	case "door", "doors":
		e.s = pick(r, []string{"tmux", "ctl"})
	case "account":
		e.s = pick(r, []string{"", "bob", "root"})
	case "before":
		e.n = r.IntN(60) - 30
	case "in":
		e.s = pick(r, modelPlaces)
	case "is":
		e.s = pick(r, []string{"Host", "Server", "Session", "Window", "Pane"})
	case "name":
		e.s = pick(r, modelSessions[:4])
	case "like":
		e.s = pick(r, []string{"", "w", "work", "work2"})
	case "owner", "me":
		e.s = pick(r, modelPeople[:4])
	case "ownergroup", "group":
		e.s = pick(r, modelGroups)
	case "role":
		e.s = string(pick(r, access.Roles()))
	}
	return e
}

func someRule(r *rand.Rand) modelRule {
	ru := modelRule{forbid: r.IntN(3) == 0}
	if !ru.forbid {
		ru.mustRec, ru.content = r.IntN(6) == 0, r.IntN(6) == 0
	}
	switch r.IntN(4) {
	case 0:
		ru.who = pick(r, modelPeople[:4])
	case 1:
		ru.who = "@" + pick(r, modelGroups)
	}
	switch r.IntN(3) {
	case 0:
		ru.verb = pick(r, access.Verbs()).String()
	case 1:
		ru.verb = string(pick(r, access.Roles()))
	}
	switch r.IntN(5) {
	case 0, 1:
		ru.rel, ru.on = "in", pick(r, modelPlaces)
	case 2:
		ru.rel, ru.on = "==", pick(r, modelPlaces)
	case 3:
		ru.kind = pick(r, []string{"Session", "Window", "Pane"})
		if r.IntN(2) == 0 {
			ru.rel, ru.on = "in", pick(r, modelPlaces[:7])
		}
	}
	for range r.IntN(3) {
		ru.conds = append(ru.conds, someExpr(r, 3))
		ru.unless = append(ru.unless, r.IntN(3) == 0)
	}
	return ru
}

func (ru modelRule) cedar() string {
	var b strings.Builder
	if ru.mustRec {
		b.WriteString("@must_record(\"true\")\n")
	}
	if ru.content {
		b.WriteString("@log_content(\"true\")\n")
	}
	b.WriteString(map[bool]string{true: "forbid (principal", false: "permit (principal"}[ru.forbid])
	if g, isGroup := strings.CutPrefix(ru.who, "@"); isGroup {
		fmt.Fprintf(&b, " in Group::%q", g)
	} else if ru.who != "" {
		fmt.Fprintf(&b, " == Person::%q", ru.who)
	}
	b.WriteString(", action")
	if _, isRole := access.Role(ru.verb).Verbs(); isRole {
		fmt.Fprintf(&b, " in Action::%q", ru.verb)
	} else if ru.verb != "" {
		fmt.Fprintf(&b, " == Action::%q", ru.verb)
	}
	b.WriteString(", resource")
	if ru.kind != "" {
		b.WriteString(" is " + ru.kind)
	}
	if ru.rel != "" {
		b.WriteString(" " + ru.rel + " " + entityText(ru.on))
	}
	b.WriteString(")")
	for i, c := range ru.conds {
		fmt.Fprintf(&b, "\n%s { %s }", map[bool]string{true: "unless", false: "when"}[ru.unless[i]], c.cedar())
	}
	return b.String() + ";\n"
}

func someGrant(r *rand.Rand) modelGrant {
	g := modelGrant{who: pick(r, append([]string{"*", "@oncall", "@all", "@ops"}, modelPeople[:4]...)), on: pick(r, append([]string{"alice/*", "alice/work*", "bob/w*"}, modelPlaces...)), must: r.IntN(5) == 0}
	for range 1 + r.IntN(4) {
		g.verbs = g.verbs.With(access.SetOf(pick(r, access.Verbs())))
	}
	if r.IntN(3) == 0 {
		g.until = noon.Add(time.Duration(r.IntN(60)-30) * time.Minute)
	}
	return g
}

func (g modelGrant) yaml() string {
	s := fmt.Sprintf("  - {who: %q, on: %q, reason: model, verbs: [%s]", g.who, g.on, g.verbs)
	if !g.until.IsZero() {
		s += ", until: " + g.until.Format(time.RFC3339)
	}
	if g.must {
		s += ", record: must"
	}
	return s + "}\n"
}

// someModel makes a random policy, as a Set and as a reference.
func someModel(t testing.TB, r *rand.Rand) (*Set, *reference) {
	ref := &reference{groups: map[string][]string{"bob": {"oncall", "all"}, "carol": {"ops", "all"}, "dave": {"all"}}}
	grants, rules := "grants:\n  - {who: alice, on: alice, verbs: view, reason: one at least}\n", "// rules\n"
	ref.grants = append(ref.grants, modelGrant{who: "alice", on: "alice", verbs: access.SetOf(access.View)})
	for range r.IntN(8) {
		g := someGrant(r)
		ref.grants = append(ref.grants, g)
		grants += g.yaml()
	}
	for range 1 + r.IntN(7) {
		ru := someRule(r)
		var rep report
		if s := build(modelFiles(grants, ru.cedar()), &rep); s == nil {
			continue // the checker finds some of what we make impossible
		}
		ref.rules = append(ref.rules, ru)
		rules += ru.cedar()
	}
	if len(ref.rules) == 0 {
		ru := modelRule{rel: "==", on: "alice/work"}
		ref.rules, rules = append(ref.rules, ru), ru.cedar()
	}
	var rep report
	s := build(modelFiles(grants, rules), &rep)
	if s == nil {
		t.Fatalf("cannot load the model: %v\n%s", rep.err(), rules)
	}
	return s, ref
}

func modelFiles(grants, rules string) []source {
	return []source{{peopleFile, []byte(modelYAML)}, {grantsFile, []byte(grants)}, {"m.cedar", []byte(rules)}}
}

func someQuestion(r *rand.Rand) access.Question {
	q := access.Question{
		Who:  identity.Subject{Person: pick(r, modelPeople), UID: -1, Door: pick(r, []string{"tmux", "ctl", "d7"}), Account: pick(r, []string{"", "bob", "root"}), MFA: r.IntN(2) == 0},
		Verb: pick(r, access.Verbs()), At: noon.Add(time.Duration(r.IntN(80)-40) * time.Minute), Command: r.IntN(2) == 0,
	}
	if r.IntN(4) == 0 {
		q.Who.Inside = "alice/%3"
	}
	q.Object = someObject(r, access.Kind(r.IntN(5)))
	return q
}

func someObject(r *rand.Rand, k access.Kind) access.Object {
	o := access.Object{Kind: k}
	ref := func() access.SessionRef {
		return access.SessionRef{ID: r.Uint32N(4), Name: pick(r, modelSessions[:5]), Index: r.IntN(3)}
	}
	if k >= access.Server {
		o.Owner = pick(r, modelPeople[:3])
	}
	if k >= access.Session {
		o.Session = ref()
		o.Session.Index = 0
	}
	if k >= access.Window {
		o.Session.Index = r.IntN(3)
		for range r.IntN(3) {
			o.Links = append(o.Links, ref())
		}
	}
	if k >= access.Pane {
		o.Pane = access.PaneRef{ID: r.Uint32N(9), Index: r.IntN(3)}
	}
	return o
}

// whole decides with Cedar alone: every policy in full, and the built-in ones
// as Cedar writes them.
func (s *Set) whole(t testing.TB, q access.Question) bool {
	builtin, err := cedar.NewPolicyListFromBytes("builtin", []byte(Builtin()))
	if err != nil {
		t.Fatal(err)
	}
	all := builtin
	for i := range s.rules {
		all = append(all, s.rules[i].policy)
	}
	allow := false
	req := s.request(&q)
	for _, p := range all {
		forbid := p.Effect() == cedar.Forbid
		for _, o := range paths(q.Object, forbid) {
			w := newWorld(s.static, o)
			req.Resource = w.uid
			ok, err := holds(p, w, req)
			if err != nil || ok && forbid {
				return false
			}
			allow = allow || ok
		}
	}
	return allow
}

// TM-24: the engine, its remainders, Cedar in full and the reference agree on
// every random pair of a policy and a question.
func TestDecideEqualsReference(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 24))
	total, allowed, failed := soak.N(1_000_000, 20_000), 0, 0
	for done := 0; done < total; {
		s, ref := someModel(t, r)
		for range 500 {
			done++
			q := someQuestion(r)
			want, duties := ref.decide(q)
			got := s.Decide(q)
			if got.Allow {
				allowed++
			}
			if strings.Contains(got.Reason, "could not be evaluated") {
				failed++
			}
			if got.Allow != want || got.Obligations != duties || (got.Rule == "") || (done%20 == 0 && s.whole(t, q) != want) {
				tell(t, seed, s, ref, q, got, want)
			}
			if done%10 == 0 {
				checkConsistent(t, r, s, q, got)
			}
		}
	}
	if failed == 0 || allowed < total/20 || allowed > total*19/20 {
		t.Errorf("the questions are no test: %d of %d allowed, %d not evaluable", allowed, total, failed)
	}
}

// checkConsistent holds the other answers of a Set against Decide.
func checkConsistent(t *testing.T, r *rand.Rand, s *Set, q access.Question, d access.Decision) {
	t.Helper()
	plain := q
	plain.Command = false
	if held := s.Holds(q.Who, q.Object, q.At); held.Has(q.Verb) != s.Decide(plain).Allow {
		t.Errorf("Holds %v and Decide differ on %+v", held, plain)
	}
	if e := s.Explain(q); e.Allow != d.Allow || e.Rule != d.Rule {
		t.Errorf("Explain and Decide differ on %+v", q)
	}
	if !d.Expires.IsZero() && !d.Expires.After(q.At) {
		t.Errorf("the decision on %+v has expired when it is made", q)
	}
	later := q
	later.At = q.At.Add(time.Duration(r.IntN(int(time.Hour))))
	if (d.Expires.IsZero() || later.At.Before(d.Expires)) && s.Decide(later).Allow != d.Allow {
		t.Errorf("the answer to %+v changed before %v, at %v", q, d.Expires, later.At)
	}
	for in := q.Object; in.Kind >= access.Server; in = in.Up() {
		if s.Blind(q.Who, in, q.At) && (d.Allow || s.Holds(q.Who, q.Object, q.At) != 0) {
			t.Errorf("Blind is wrong about %v, which has %+v", in, q)
		}
	}
	wide := q.Object
	for range r.IntN(3) {
		wide = wide.Up()
	}
	verbs := access.SetOf(q.Verb)
	if c := s.Covers(q.Who, verbs, wide, q.At); c.Allow && (!d.Allow || !c.Obligations.Has(d.Obligations)) {
		t.Errorf("Covers(%v) allows %v (%s), but %v of it is decided %v with %v", wide, c.Obligations, c.Rule, q, d.Allow, d.Obligations)
	}
}

func tell(t *testing.T, seed uint64, s *Set, ref *reference, q access.Question, got access.Decision, want bool) {
	t.Helper()
	var b strings.Builder
	for _, g := range ref.grants {
		b.WriteString(g.yaml())
	}
	for _, ru := range ref.rules {
		b.WriteString(ru.cedar())
	}
	t.Fatalf("seed %d: on %+v\ngot %v by %s (%s, %v), Cedar in full %v, want %v\n%s", seed, q, got.Allow, got.Rule, got.Reason, got.Obligations, s.whole(t, q), want, b.String())
}
