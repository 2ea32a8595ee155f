package gateway

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/identity"
)

// ErrEnded is the cause of everything that stops because its permit ended.
var ErrEnded = errors.New("the permission has ended")

// Need is one verb that a plan needs on one object.
type Need struct {
	Verb   access.Verb
	Object access.Object
	// Command is set if a spawn names its own command.
	Command bool
	// Whole means that the verbs of Verbs are needed on the object and on
	// everything in it, now and later; Verb is not looked at then.
	Whole bool
	Verbs access.VerbSet
	// Direct is set for what goes to tmux as it is, or may run later: nobody decides
	// then about each thing that is done.
	Direct bool
	// Join is set for what begins to be looked at: a lockdown refuses that, and
	// leaves those who look already.
	Join bool
	// Apart is set for what is asked about a right and not about its use, as by who
	// gives it: who types, or watches, at the moment does not matter then.
	Apart bool
}

// verbs are all that the need asks for.
func (n Need) verbs() access.VerbSet {
	if n.Whole {
		return n.Verbs
	}
	return access.SetOf(n.Verb)
}

// Everything is the need of every verb of tmux on an object and all in it.
func Everything(on access.Object) Need {
	return Need{Whole: true, Verbs: access.TmuxVerbs, Object: on, Direct: true}
}

// Joining is the need of whoever begins to look at a session.
func Joining(on access.Object) Need { return Need{Verb: access.View, Object: on, Join: true} }

func (n Need) word() string {
	if n.Whole && n.Verbs == access.TmuxVerbs {
		return "every verb"
	}
	if n.Whole {
		return n.Verbs.String() + " of all in it"
	}
	return n.Verb.String()
}

// Live is a permit in use: a request that runs, or a person who is attached.
// While one exists, Reconsider finds it.
type Live struct {
	g      *Gateway
	id     uint64
	who    identity.Identity
	cancel context.CancelCauseFunc
	done   chan struct{}

	// gate is held for reading by whatever is being delivered, and for
	// writing to end the permit: when the writer has it, nothing is under way.
	gate  sync.RWMutex
	ended error

	mu    sync.Mutex
	needs []Need // of the running plan
	// unsure is set once it has ended, if something of it may go on.
	unsure error
	// looked is set once a plan rests on what the person may see, found when it had been
	// decided anew as often as sight says; decided once the plan is, and shows if what
	// they see is printed, as with a listing, or is all that it rests on.
	looked, decided, shows bool
	sight                  uint64
	watch                  Watcher
	about                  Attached
	using                  *Attached // what is reached besides tmux, if it is that
	// limit is the time limit that is waited for while over is not closed; see until.
	limit time.Time
	over  chan struct{}

	// eyes is set while they are shown something, counted once they were somebody's
	// watcher by that, and bound once they asked for what somebody has to watch.
	eyes    atomic.Pointer[Eyes]
	counted atomic.Bool
	bound   atomic.Bool

	// anew counts how often the person's rights were decided anew while it was there; see outdate.
	anew atomic.Uint64

	typed atomic.Uint64 // the last two steps in which they typed, the last one below
}

// Watcher is called when what a person holds may have changed. When it
// returns nil, everything that is no longer permitted has ended; an error
// says what could not be confirmed.
type Watcher func(ctx context.Context, why string) error

// Attached describes an attached person for `who`.
type Attached struct {
	Person  string `json:"person"`
	Door    string `json:"door"`
	Account string `json:"account"`
	// Owner is whose server they look at, Session its session by id.
	Owner   string `json:"owner"`
	Session string `json:"session"`
	Name    string `json:"name"`
	Mode    string `json:"mode"`
	// TTY is their terminal, Display the tmux client that is their display.
	TTY     string    `json:"tty"`
	Display string    `json:"display"`
	Since   time.Time `json:"since"`
	// Typing: they have typed lately, by steps of TypingStep.
	Typing bool `json:"typing"`
	// From is the network address they come from, "" for this host, and Verbs what
	// they hold on the session. WhoFor tells it to whom it is for.
	From  string   `json:"from,omitempty"`
	Verbs []string `json:"verbs,omitempty"`
	// Bound: they may type there only while somebody watches. Watchers are those who
	// do now.
	Bound    bool     `json:"bound,omitempty"`
	Watchers []string `json:"watchers,omitempty"`
	// RunAs are the accounts of the panes in that session, on an isolated server, as far as
	// who asks may view them.
	RunAs []string `json:"run_as,omitempty"`
	// Reaches is what they reach for besides tmux, Mode the verb: they are at no session then.
	Reaches string `json:"reaches,omitempty"`
	// At is the pane that they are at, if that is at a place of their own.
	At access.Object `json:"-"`

	who identity.Identity
}

// begin registers a permit before anything is decided for it, so that a
// revocation either is seen by the decision or sees the permit.
func (g *Gateway) begin(ctx context.Context, who identity.Identity) (*Live, context.Context) {
	ctx, cancel := context.WithCancelCause(ctx)
	l := &Live{g: g, who: who, cancel: cancel, done: make(chan struct{})}
	g.mu.Lock()
	g.next++
	l.id = g.next
	g.lives[l.id] = l
	g.mu.Unlock()
	return l, context.WithValue(ctx, liveKey{}, l)
}

type liveKey struct{}

func (l *Live) end() {
	l.mu.Lock()
	kept := l.watch != nil
	l.mu.Unlock()
	if !kept {
		l.Release()
	}
}

// Keep makes the permit outlive its request: the person is attached now, and
// w is asked whenever their rights may have changed. Whoever keeps a permit
// calls Release when the person has gone.
//
// It fails if the permit has ended meanwhile.
func (l *Live) Keep(w Watcher, about Attached) error {
	l.gate.Lock()
	defer l.gate.Unlock()
	if l.ended != nil {
		return l.ended
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watch, l.about = w, about
	return nil
}

// Describe changes how the attached person is shown by `who`.
func (l *Live) Describe(about Attached) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.about = about
}

// Release ends the permit for good.
func (l *Live) Release() {
	l.g.mu.Lock()
	_, open := l.g.lives[l.id]
	delete(l.g.lives, l.id)
	l.g.mu.Unlock()
	if open {
		l.cancel(ErrEnded)
		close(l.done)
	}
}

// Who is the person the permit is for.
func (l *Live) Who() identity.Identity { return l.who }

// Right is one need of a permit in use, whose answer is remembered while it
// stands: what an attached person's every key rests on.
type Right struct {
	l    *Live
	need Need
	last atomic.Pointer[access.Decision]
	said said
}

// Right prepares a need for being asked often.
func (l *Live) Right(n Need) *Right { return &Right{l: l, need: n} }

// Need is what the right is about.
func (r *Right) Need() Need { return r.need }

// Decide answers the need, from memory while the answer stands: who watches is looked
// at each time.
func (r *Right) Decide() access.Decision {
	if d := r.last.Load(); d != nil && r.stands(d) {
		return *d
	}
	d := r.l.decideBy(&r.said, r.need)
	r.last.Store(&d)
	return d
}

// Do runs deliver if the right is held now. A permit that is being ended waits
// for deliver and lets none begin after it, so deliver must not block: it is
// one bounded write.
func (l *Live) Do(r *Right, deliver func() error) error {
	l.gate.RLock()
	defer l.gate.RUnlock()
	if l.ended != nil {
		return l.ended
	}
	if d := r.Decide(); !d.Allow {
		return &Refused{Decision: d, Need: r.need}
	}
	return deliver()
}

// End stops the permit: when it returns, nothing is being delivered and
// nothing will be.
func (l *Live) End(reason error) {
	l.gate.Lock()
	defer l.gate.Unlock()
	if l.ended == nil {
		l.ended = reason
	}
}

// EndWithin is End for who cannot wait for ever: an error says that something
// is still being delivered.
func (l *Live) EndWithin(ctx context.Context, reason error) error {
	ended := make(chan error, 1)
	go func() {
		ended <- recovered(func() error {
			failpoint.At("gateway-end")
			l.End(reason)
			return nil
		})
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return fmt.Errorf("a delivery does not end: %w", ctx.Err())
	}
}

// Pass waits until every delivery that is under way is over, and lets others
// begin: those rest on decisions that are made from here on.
func (l *Live) Pass(ctx context.Context) error {
	if l.gate.TryLock() { // nothing is under way, as with nearly everybody when all are asked at once
		l.gate.Unlock()
		return nil
	}
	Waits(ctx)
	return l.EndWithin(ctx, nil)
}

// Touched reports whether something was taken from the person on an object or
// in it. From whom nothing was taken, the policy alone decides, and it answers
// for an object with whatever comes into it later.
func (l *Live) Touched(o access.Object) bool {
	_, hit := l.g.Denials.Match(l.who.Person(), access.SetOf(access.View), o)
	return hit
}

// Locked says by whom an object or a part of it is locked down and why, ""
// if it is not.
func (l *Live) Locked(o access.Object) string {
	den, hit := l.g.Denials.Locked(o)
	switch {
	case !hit:
		return ""
	case den.Scope.Kind > o.Kind: // a part of what they look at
		return den.Target + " is " + den.String()
	}
	return den.String()
}

// LockedBy is Locked without the words by which the part was asked for.
func (l *Live) LockedBy(o access.Object) string {
	if den, hit := l.g.Denials.Locked(o); hit {
		return den.String()
	}
	return ""
}

// LockedOut reports whether all of an object is locked down.
func (l *Live) LockedOut(o access.Object) bool { return l.g.Denials.LockedBut(o, nil) }

// Generation changes whenever a decision may.
func (l *Live) Generation() uint64 { return l.g.generation() }

// Decide answers one need.
func (l *Live) Decide(n Need) access.Decision { return l.decideBy(nil, n) }

// decideBy is Decide by what the policy has said about it, if that is kept.
func (l *Live) decideBy(memory *said, n Need) access.Decision {
	now := l.g.Time()
	d := l.g.ask(memory, l.who, n, l.g.generation(), now)
	if d.Allow && runsAnything(n) && l.g.Policy.Duties(l.who.Subject(), n.Object, now).Has(access.Watched) {
		return unbounded(d)
	}
	if d.Allow && d.Obligations.Has(access.Watched) {
		if needsWatcher(n) {
			l.bound.Store(true) // before it is looked who watches: whoever leaves then finds it
		}
		d = l.g.attended(l.who, n, d, now)
	}
	return d
}

// decide answers all needs of a plan as one decision: the first refusal, or
// the sum of the permissions. Whatever resolve found out by a decision must be
// among them: from here on a revocation goes by them.
func (l *Live) decide(plan *Plan) access.Decision {
	needs := plan.Needs
	l.mu.Lock()
	l.needs, l.decided, l.shows = needs, true, l.looked && (plan.shows() || len(needs) == 0)
	old := l.shows && l.sight != l.anew.Load()
	l.mu.Unlock()
	if old {
		return access.Decision{Rule: "default", Reason: errOldSight.Error(), Generation: l.g.generation()}
	}
	if len(needs) == 0 {
		// Only what needs no right in particular comes here, and resolve has
		// found that this person may know of the server.
		return access.Decision{
			Allow: !l.who.IsNobody(), Rule: "may see the server", Generation: l.g.generation(),
		}
	}
	return l.DecideAll(needs)
}

// DecideAll answers several needs as one decision.
func (l *Live) DecideAll(needs []Need) access.Decision {
	sum := access.Decision{Allow: true, Generation: l.g.generation()}
	var rules []string
	for _, n := range needs {
		d := l.Decide(n)
		if !d.Allow {
			return d
		}
		sum.Obligations |= d.Obligations
		sum.Generation = min(sum.Generation, d.Generation)
		if !d.Expires.IsZero() && (sum.Expires.IsZero() || d.Expires.Before(sum.Expires)) {
			sum.Expires = d.Expires
		}
		if !slices.Contains(rules, d.Rule) {
			rules = append(rules, d.Rule)
		}
	}
	sum.Rule = strings.Join(rules, "; ")
	return sum
}

// errOldSight is what a listing ends with that was made before rights changed.
var errOldSight = errors.New("rights have changed meanwhile; ask again")

// look notes that what the person may see is looked up from here on.
func (l *Live) look() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.looked {
		l.looked, l.sight = true, l.anew.Load()
	}
}

// ask puts one need to the denials and to the policy, in that order: a
// revocation beats the policy files.
func (g *Gateway) ask(memory *said, who identity.Identity, n Need, gen uint64, now time.Time) access.Decision {
	return judged(g.verdict(memory, who, n, gen, now))
}

func (g *Gateway) verdict(memory *said, who identity.Identity, n Need, gen uint64, now time.Time) access.Decision {
	if who.IsNobody() {
		return access.Decision{Rule: "default", Reason: "nobody is let in", Generation: gen}
	}
	if shut := g.shut.Load(); shut != nil {
		return access.Decision{Rule: RuleEnd, Reason: *shut, Generation: gen}
	}
	if d, taken := g.taken(who, n); taken {
		d.Generation = gen
		return d
	}
	if err := g.stranger(who); err != nil {
		return access.Decision{Rule: RuleStranger, Reason: err.Error(), Generation: gen}
	}
	if out, err := g.strayed(who, n.Object); out.Covers(access.AllVerbs) || n.verbs()&out != 0 {
		return access.Decision{Rule: RuleAnothers, Reason: err.Error(), Expires: now.Add(askedAgain), Generation: gen}
	}
	d := g.says(memory, who, n, now)
	if d.Allow {
		d = g.theirs(who, n, d, now)
	}
	if d.Allow && !n.Apart {
		d = g.leased(who, n, d)
	}
	d.Generation = gen
	return d
}

// RuleEnd is the rule of decisions once muxward ends.
const RuleEnd = "the end"

// RuleLockdown is the rule of decisions that refuse what is locked down.
const RuleLockdown = "lockdown"

const ruleRevocation = "revocation"

// taken refuses what was taken from somebody, or from everybody.
func (g *Gateway) taken(who identity.Identity, n Need) (access.Decision, bool) {
	den, hit := g.Denials.Match(who.Person(), n.verbs(), n.Object)
	if !hit && n.Join {
		den, hit = g.Denials.Locked(n.Object)
	}
	if !hit {
		return access.Decision{}, false
	}
	rule := ruleRevocation
	if den.Lock {
		rule = RuleLockdown
	}
	return access.Decision{Rule: rule, Reason: den.String()}, true
}

// Report tells what a reconsideration did.
type Report struct {
	// Touched counts the permits that were looked at.
	Touched int `json:"touched"`
	// Unconfirmed lists what could not be confirmed to have ended in time.
	Unconfirmed []string `json:"unconfirmed,omitempty"`
}

// Reconsider re-decides every permit in use, or only those of one person.
// When it returns, whatever is no longer permitted has ended, except what the
// report lists as unconfirmed. The permit of ctx itself is not waited for.
func (g *Gateway) Reconsider(ctx context.Context, person, why string) Report {
	return g.ReconsiderThose(ctx, func(p string) bool { return person == "" || p == person }, why)
}

// ReconsiderThose is Reconsider for those people of whom about says so.
func (g *Gateway) ReconsiderThose(ctx context.Context, about func(person string) bool, why string) Report {
	return g.ReconsiderOn(ctx, access.Object{}, about, why)
}

// ReconsiderOn is ReconsiderThose for what was taken on an object: permits that are about other
// servers alone are left as they are.
func (g *Gateway) ReconsiderOn(ctx context.Context, o access.Object, about func(person string) bool, why string) Report {
	// First what a server has been sent already: behind a thousand who are sent away it would
	// come to the question too late.
	early := make(chan struct{})
	go func() {
		defer close(early)
		// What that does not confirm is asked again, and a fault is the caller's then.
		_ = recovered(func() error { g.written(ctx, o, about); return nil })
	}()
	rep := g.ReconsiderGiven(ctx, o, about, why)
	<-early
	rep.Unconfirmed = append(rep.Unconfirmed, g.written(ctx, o, about)...)
	return rep
}

// ReconsiderGiven is ReconsiderOn for what was given, or given back: nobody waits for what was typed before.
func (g *Gateway) ReconsiderGiven(ctx context.Context, o access.Object, about func(person string) bool, why string) Report {
	g.forget()
	lives := g.livesOf(ctx, func(l *Live) bool { return about(l.who.Person()) && l.restsOn(o) })
	rep := lookAt(ctx, lives, why)
	rep.Unconfirmed = append(rep.Unconfirmed, g.lookBehind(ctx, lives, why).Unconfirmed...)
	return rep
}

// restsOn reports whether a permit in use may rest on what is held on the server of
// an object. What a person sees of a server of which they see nothing now is not looked
// up any more, but may have been. What has not been decided yet will be, and what was seen for
// it is old then.
func (l *Live) restsOn(o access.Object) bool {
	if o.Kind == access.Host {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.watch != nil && (l.about.Owner == "" || l.about.Owner == o.Owner) {
		return true
	}
	if l.looked && (!l.decided || l.shows || !l.g.Policy.Blind(l.who.Subject(), access.Object{Kind: access.Server, Owner: o.Owner}, l.g.Time())) {
		return true
	}
	return slices.ContainsFunc(l.needs, func(n Need) bool { return n.Object.Owner == o.Owner })
}

// lookAgain has permits in use decided anew by what is remembered of decisions.
func (g *Gateway) lookAgain(ctx context.Context, which func(*Live) bool, why string) Report {
	return lookAt(ctx, g.livesOf(ctx, which), why)
}

// livesOf gives permits in use, but for the one of ctx itself.
func (g *Gateway) livesOf(ctx context.Context, which func(*Live) bool) []*Live {
	self, _ := ctx.Value(liveKey{}).(*Live)
	g.mu.Lock()
	all := slices.Collect(maps.Values(g.lives))
	g.mu.Unlock()
	return slices.DeleteFunc(all, func(l *Live) bool { return l == self || !which(l) })
}

// errFault is the end of something by a fault of muxward.
var errFault = errors.New("fault")

// recovered runs f and turns a panic into an error.
func recovered(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v\n%s", errFault, r, debug.Stack())
		}
	}()
	return f()
}

func (l *Live) reconsider(ctx context.Context, why string) error {
	l.mu.Lock()
	watch, needs, shows := l.watch, l.needs, l.shows
	l.mu.Unlock()
	if watch != nil {
		return watch(ctx, why)
	}
	if shows {
		return l.stop(ctx, errOldSight)
	}
	for _, n := range needs {
		d := l.Decide(n)
		if !d.Allow {
			return l.stop(ctx, &Refused{Decision: d, Need: n, Why: why})
		}
		l.limited(d.Expires)
	}
	return nil
}

// stop ends a request that runs, and waits until it has.
func (l *Live) stop(ctx context.Context, why error) error {
	Waits(ctx)
	ended := l.EndWithin(ctx, why)
	l.cancel(why)
	if ended != nil {
		return ended
	}
	select {
	case <-l.done:
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.unsure
	case <-ctx.Done():
		return fmt.Errorf("a command of theirs is still waiting for tmux: %w", ctx.Err())
	}
}

// Shut ends every permit in use, for the end of muxward itself, and lists what
// could not be confirmed.
func (g *Gateway) Shut(ctx context.Context, why error) []string {
	reason := why.Error()
	g.shut.Store(&reason)
	return g.Reconsider(ctx, "", why.Error()).Unconfirmed
}

// Ending is why muxward ends, nil if it does not.
func (g *Gateway) Ending() error {
	if shut := g.shut.Load(); shut != nil {
		return errors.New(*shut)
	}
	return nil
}

// Who lists the people who are attached.
func (g *Gateway) Who() []Attached {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []Attached
	for _, l := range g.lives {
		l.mu.Lock()
		if l.watch != nil && l.about.Person != "" {
			out = append(out, l.told())
		}
		l.mu.Unlock()
	}
	return out
}
