package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/pace"
	"github.com/muxward/muxward/internal/tmux"
)

// This file is about MUXWARD_ALLOW, the variable of a session's environment by which
// whoever may share it says who else may do what there. It counts as it is set by a
// command that comes along the line. It is never read from tmux: programs in panes can
// write there.

// Declarations keep what sessions' environments declare.
type Declarations interface {
	// Declared gives what was declared on a session, or in it, and is in force.
	Declared(session access.Object) []grants.Grant
	// Fits says why the policy does not let something be declared on an object, nil if
	// it does.
	Fits(e grants.Declared, on access.Object) error
	// Declare puts in force what somebody declares. If it fails, nothing of it is; it is
	// kept one by one, and so a part of it is after a kill in between.
	Declare(ctx context.Context, who identity.Identity, all []Declared) error
	// Withdraw ends what was declared: that is true when it returns.
	Withdraw(ctx context.Context, who identity.Identity, list []grants.Grant) error
}

// Declared is one entry of a declaration, with what it is about.
type Declared struct {
	grants.Declared
	On access.Object
}

// Declaration is what a command makes of the declaration of a session.
type Declaration struct {
	// On is the session, or the server on which the command makes one.
	On access.Object
	// Made is set for a session that is made, of this name.
	Made bool
	Name string
	// Entries are all that is declared there from then on.
	Entries []Declared
	// Ends are the numbers of the grants that it was decided to end. Kick is set for who
	// may end what anybody has declared there, also what is declared by the time.
	Ends []int64
	Kick bool
}

// declares finds out whether a command sets what a session declares, and what takes that.
// The verbs of the table are not needed then: this one variable is nothing but text to
// whoever reads it.
func (r *resolver) declares() (bool, error) {
	switch r.plan.Invocation.Row.Name {
	case "set-environment":
		return r.setsDeclaration()
	case "new-session":
		return false, r.makesDeclaration()
	}
	return false, nil
}

// errPressed is what is said of a declaration by a key: its words may be somebody else's.
var errPressed = errors.New(grants.Variable + ": it is not set by a key, nor in a display: set it in a terminal of your own")

// errDeclaring is what is said of a declaration that may be somebody else's.
var errDeclaring = errors.New(grants.Variable + ": whoever may type into a pane, or use your key there, could have asked this, " +
	"as could a program that has left its terminal: set it in a terminal of your own of this host that is no pane")

// errIndirect is what is said of a declaration of which the server at hand has said a part:
// whoever may run or type anything there chooses its aliases and its environment.
var errIndirect = errors.New(grants.Variable + ": it is not set by a command-alias, nor by what the server fills in: write the command out")

// mine says why it is not known that what is declared is said by the person themselves.
func (r *resolver) mine() error {
	switch {
	case r.req.Bound:
		return errPressed
	case chosenThere(r.plan.Invocation):
		return errIndirect
	case !ownHand(r.req.Identity):
		return errDeclaring
	}
	return nil
}

// setsDeclaration is declares for set-environment.
func (r *resolver) setsDeclaration() (bool, error) {
	inv := r.plan.Invocation
	takes := inv.Has('u') || inv.Has('r')
	switch {
	case r.g.Declarations == nil, inv.Args[0] != grants.Variable, inv.Has('g') && takes, !takes && len(inv.Args) < 2:
		return false, nil
	case inv.Has('g'):
		return true, errors.New(grants.Variable + ": it is said of one session, not of all: leave out -g")
	case inv.Has('F'):
		return true, errors.New(grants.Variable + ": it is taken as it is written: leave out -F")
	case r.plan.Found.Session == nil, !r.saysWhere():
		return true, errors.New(grants.Variable + ": name the session with -t")
	}
	session := r.scene.session(r.plan.Found.Session)
	holds := r.g.Holds(r.req.Identity, session)
	d := &Declaration{On: session, Kick: holds.Has(access.Kick)}
	if !takes {
		if err := r.entries(d, inv.Args[1]); err != nil {
			return true, err
		}
	}
	had := r.g.Declarations.Declared(session)
	if len(d.Entries) == 0 && (len(had) == 0 || !d.Kick && !holds.Has(access.Share)) {
		r.plan.Declares = d // others may declare something meanwhile, and whoever may not know of it hears the same
		return false, nil
	}
	r.add(Need{Verb: access.View, Object: session})
	for i := range d.Entries {
		e := &d.Entries[i]
		var err error
		if e.On, err = r.declaredOn(e.Declared, session); err != nil {
			return true, err
		}
		if err := r.fits(e.Declared, e.On, holds); err != nil {
			return true, err
		}
		r.sharing(e.Verbs, e.On)
	}
	r.ending(d, had)
	if r.plan.Full {
		r.add(Everything(r.scene.server()))
	}
	r.plan.Declares = d
	return true, nil
}

// saysWhere reports whether the session is one that somebody has named, or is at. The one
// that was used last may be another as soon as others use theirs.
func (r *resolver) saysWhere() bool {
	return r.req.Invocation.Has('t') || r.req.Session != nil || r.req.Current != nil || r.req.Pane != ""
}

// fits has only those hear why the policy does not let something be declared who may share
// what it is on: it tells of people and rules. All others are refused by that.
func (r *resolver) fits(e grants.Declared, on access.Object, holds access.VerbSet) error {
	if !holds.Has(access.Share) {
		return nil
	}
	return r.g.Declarations.Fits(e, on)
}

// entries reads what is declared.
func (r *resolver) entries(d *Declaration, text string) error {
	all, err := grants.ParseDeclaration(text)
	if err != nil {
		return err
	}
	for _, e := range all {
		d.Entries = append(d.Entries, Declared{Declared: e, On: d.On})
	}
	if len(all) == 0 {
		return nil
	}
	return r.mine()
}

// sharing adds what it takes to give something on an object.
func (r *resolver) sharing(verbs access.VerbSet, on access.Object) {
	whole := verbs.With(access.SetOf(access.Share))
	r.plan.Needs = append(r.plan.Needs, weighed(Need{Verb: access.Share, Object: on}, Need{Whole: true, Verbs: whole, Object: on, Apart: true})...)
}

// ending adds what it takes to end what was declared before and is not any more: as of
// any grant, kick, or share for who gave it.
func (r *resolver) ending(d *Declaration, had []grants.Grant) {
	me, verb := r.req.Identity.Person(), access.Share
	for i := range had {
		g := &had[i]
		if d.same(g, me) != nil {
			continue
		}
		d.Ends = append(d.Ends, g.ID)
		if g.Giver.Person != me {
			verb = access.Kick
		}
	}
	if len(d.Ends) == 0 {
		return
	}
	if d.Kick {
		verb = access.Kick
	}
	d.Kick = verb == access.Kick
	r.add(Need{Verb: verb, Object: d.On})
}

// same gives the entry by which somebody declares again what they have given, nil if
// there is none.
func (d *Declaration) same(g *grants.Grant, who string) *Declared {
	for i := range d.Entries {
		e := &d.Entries[i]
		if g.Giver.Person == who && g.Who == e.Who && g.Verbs == e.Verbs && g.On.Key() == e.On.Key() {
			return e
		}
	}
	return nil
}

// declaredOn is what an entry is about: the session, or the pane of it that it names.
func (r *resolver) declaredOn(e grants.Declared, session access.Object) (access.Object, error) {
	if !e.OnPane {
		return session, nil
	}
	id := tmux.PaneID(e.Pane)
	o, ok := PaneObject(r.owner, r.scene.incarnation, r.plan.Visible, r.plan.Found.Session.ID, id)
	if ok { // with all the ways to it, also those that the person does not see
		o, ok = PaneObject(r.owner, r.scene.incarnation, r.scene.snap, r.plan.Found.Session.ID, id)
	}
	if !ok {
		return access.Object{}, e.Fault("see: tmux list-panes -s -F '#{pane_id}'", "there is no pane %v in this session", id)
	}
	return o, nil
}

// makesDeclaration is declares for new-session: with -e, or by the environment of who
// makes the session, which tmux is then told, too. The session has to be named, or it
// could not be told afterwards which one was made.
func (r *resolver) makesDeclaration() error {
	if r.g.Declarations == nil {
		return nil
	}
	inv := r.plan.Invocation
	value, named := declaredBy(inv.Values('e'))
	name, _ := inv.Get('s')
	plain := name != "" && !strings.ContainsAny(name, "#:.")
	_, lines := r.req.Client.(ControlClient)
	if lines = lines || r.req.By != nil; !named && plain && r.plan.Home && !lines && r.mine() == nil && r.req.Client != nil {
		value, _ = r.req.Client.Hello().Getenv(grants.Variable)
	}
	there := inv.Has('A') && r.plan.Snapshot != nil && r.plan.Snapshot.SessionByName(name) != nil
	switch {
	case value == "":
		return nil
	case there && !named:
		return nil // it is attached to, as any other
	case there:
		return errors.New(grants.Variable + ": the session is there; declare it with: tmux set-environment -t SESSION " + grants.Variable + " …")
	case !plain:
		return errors.New(grants.Variable + ": name the session that is made with -s, by letters that tmux keeps")
	case lines && attaches(inv):
		return errors.New(grants.Variable + ": in control mode make the session with -d, or set it when the session is there")
	}
	d := &Declaration{On: ownServer(r.owner), Made: true, Name: name}
	if r.plan.Server != nil {
		d.On = r.scene.server()
	}
	if err := r.entries(d, value); err != nil {
		return err
	}
	about := access.Object{Kind: access.Session, Owner: r.owner, Session: access.SessionRef{Name: name}}
	holds := r.g.Holds(r.req.Identity, d.On)
	for _, e := range d.Entries {
		if e.OnPane {
			return e.Fault("set it when the session is there: tmux set-environment "+grants.Variable, "a session that is made has no pane yet")
		}
		if err := r.fits(e.Declared, about, holds); err != nil {
			return err
		}
		r.sharing(e.Verbs, d.On)
	}
	if len(d.Entries) == 0 {
		return nil
	}
	if !named {
		inv.Flags = append(inv.Flags, tmux.FlagValue{Letter: 'e', HasValue: true, Value: grants.Variable + "=" + value})
	}
	r.plan.Declares = d
	return nil
}

// declaredBy gives the variable as the flags -e set it: the last of them.
func declaredBy(all []string) (value string, named bool) {
	for _, kv := range slices.Backward(all) {
		if value, named = strings.CutPrefix(kv, grants.Variable+"="); named {
			return value, true
		}
	}
	return "", false
}

// carryOut has the executor carry out a permit, and puts in force what that declares.
// What is declared no more ends before, whatever becomes of the command, and nobody else
// can hold that off: it waits for no turn.
func (g *Gateway) carryOut(ctx context.Context, p *Permit) (Result, error) {
	d, who := p.plan.Declares, p.request.Identity
	if a := p.request.Act; a != nil && a.Begins != nil {
		a.Begins(p)
	}
	if d == nil {
		return g.Executor.Execute(ctx, p)
	}
	if err := g.pacedDeclaring(ctx, who, len(d.Entries)); err != nil {
		return Result{}, err
	}
	if _, err := g.withdraw(ctx, who, d); err != nil {
		return Result{}, err
	}
	leave, err := g.declaring.take(ctx, d.On.Owner)
	switch {
	case err == nil:
		defer leave()
	case len(d.Entries) > 0 || ctx.Err() != nil:
		return Result{}, err
	}
	before, err := g.beforeMade(ctx, p)
	if err != nil {
		return Result{}, err
	}
	r, err := g.Executor.Execute(ctx, p)
	if err != nil || r.Exit != 0 {
		return r, err
	}
	return g.declared(ctx, p, before, r)
}

// beforeMade is what there is on a server before a session is made on it.
func (g *Gateway) beforeMade(ctx context.Context, p *Permit) (*tmux.Snapshot, error) {
	if !p.plan.Declares.Made || p.plan.Start {
		return nil, nil
	}
	server := g.Servers.Server(p.plan.Declares.On.Owner)
	if server == nil {
		return nil, nil
	}
	snap, err := server.Snapshot(ctx, tmux.Core)
	if err != nil {
		return nil, fmt.Errorf("ask the tmux server for its state: %w", err)
	}
	return snap, nil
}

// declared puts in force what a command has declared that was carried out.
func (g *Gateway) declared(ctx context.Context, p *Permit, before *tmux.Snapshot, r Result) (Result, error) {
	d, who := p.plan.Declares, p.request.Identity
	var left []Declared
	var err error
	if d.Made {
		left, err = g.onMade(ctx, d, before, r)
	} else {
		left, err = g.withdraw(ctx, who, d) // what others have declared while the turn was theirs
	}
	if err == nil && len(left) > 0 {
		err = g.Declarations.Declare(ctx, who, left)
	}
	if err == nil {
		return r, nil
	}
	err = fmt.Errorf("%w; so %s gives nobody anything more, though tmux may have it", err, grants.Variable)
	if says, attached := r.Attached.(Teller); attached {
		says.Say(err.Error())
		note := func(ev *access.Event) { ev.Note = err.Error() }
		if nerr := g.Note(ctx, p, access.BestEffortClass, note); nerr != nil {
			says.Say("not recorded: " + nerr.Error())
		}
		return r, nil
	}
	return r, err
}

// pacedDeclaring has who declares something wait for as many turns as that gives rights,
// as they wait who give them otherwise.
func (g *Gateway) pacedDeclaring(ctx context.Context, who identity.Identity, entries int) error {
	if entries == 0 || g.Holds(who, access.Object{}).Has(access.Share) {
		return nil
	}
	err := g.governs.Wait(ctx, governPace(), who.Person(), entries)
	if errors.Is(err, pace.ErrTooMuch) {
		err = fmt.Errorf("%s: too much at once; a person changes rights %.0f times a second", grants.Variable, governPace().ASecond)
	}
	return err
}

// Teller is an Attachment whose person can be told something.
type Teller interface{ Say(text string) }

// withdraw ends what is declared no more, and gives what is to be declared then. Of who may
// end it all it ends also what came since it was decided.
func (g *Gateway) withdraw(ctx context.Context, who identity.Identity, d *Declaration) ([]Declared, error) {
	if d.Made {
		return d.Entries, nil
	}
	var out []grants.Grant
	var kept []*Declared
	others := false
	for _, had := range g.Declarations.Declared(d.On) {
		switch e := d.same(&had, who.Person()); {
		case e != nil:
			kept = append(kept, e)
		case d.Kick, slices.Contains(d.Ends, had.ID):
			out = append(out, had)
		default:
			others = true
		}
	}
	if len(out) > 0 {
		if err := g.Declarations.Withdraw(ctx, who, out); err != nil {
			return nil, err
		}
	}
	if others {
		return nil, errors.New(grants.Variable + ": others have set it, and it takes kick to end that")
	}
	var left []Declared
	for i := range d.Entries {
		if !slices.Contains(kept, &d.Entries[i]) {
			left = append(left, d.Entries[i])
		}
	}
	return left, nil
}

// onMade gives what is declared, about the session that was made.
func (g *Gateway) onMade(ctx context.Context, d *Declaration, before *tmux.Snapshot, r Result) ([]Declared, error) {
	server := g.Servers.Server(d.On.Owner)
	if server == nil {
		return nil, ErrServerEnded
	}
	after, err := server.Snapshot(ctx, tmux.Core)
	if err != nil {
		return nil, fmt.Errorf("ask the tmux server for its state: %w", err)
	}
	made := madeSession(d.Name, before, after, r.Current)
	if made == nil {
		return nil, errors.New("it cannot be told which session was made; set it with: tmux set-environment -t SESSION " + grants.Variable + " …")
	}
	on := scene{d.On.Owner, server.Incarnation(), after}.session(made)
	var all []Declared
	for _, e := range d.Entries {
		if err := g.Declarations.Fits(e.Declared, on); err != nil {
			return nil, err
		}
		e.On = on
		all = append(all, e)
	}
	return all, nil
}

// madeSession finds the session of a name that was made: it was not there before, and its
// maker is there if they are anywhere.
func madeSession(name string, before, after *tmux.Snapshot, current *tmux.Found) *tmux.Session {
	i := slices.IndexFunc(after.Sessions, func(s tmux.Session) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	s := &after.Sessions[i]
	switch {
	case before != nil && before.Session(s.ID) != nil:
		return nil
	case current != nil && (current.Session == nil || current.Session.ID != s.ID):
		return nil
	}
	return s
}

// turns has people declare on each server one after the other: what tmux has and what
// counts are the same then.
type turns struct {
	mu sync.Mutex
	of map[string]chan struct{}
}

// declareTurn is how long somebody waits for those who declare something just then.
const declareTurn = 3 * time.Second

func (t *turns) take(ctx context.Context, owner string) (leave func(), err error) {
	t.mu.Lock()
	if t.of == nil {
		t.of = map[string]chan struct{}{}
	}
	turn := cmp.Or(t.of[owner], make(chan struct{}, 1))
	t.of[owner] = turn
	t.mu.Unlock()
	timer := time.NewTimer(declareTurn)
	defer timer.Stop()
	select {
	case turn <- struct{}{}:
		return func() { <-turn }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-timer.C:
		return nil, errors.New(grants.Variable + ": others set it on this server just now; try again")
	}
}
