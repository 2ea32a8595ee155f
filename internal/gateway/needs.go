package gateway

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/tmux"
)

// needs turns the verbs that the row demands, and those for what closes along,
// into needs on objects.
func (r *resolver) needs() error {
	if all, err := r.declares(); all || err != nil {
		return err
	}
	inv := r.plan.Invocation
	if r.ownDisplay() {
		// One's own display is one's own: it needs no right over others.
		inv = inv.Clone()
		inv.Delete(r.clientFlag)
	}
	asked := tmux.Resolved{Target: r.plan.Found, Source: r.plan.Source}
	if r.clientName != "" {
		asked.Client = r.plan.Snapshot.Client(r.clientName)
	}
	for _, d := range inv.Demands(r.plan.Snapshot, asked) {
		verb, err := access.ParseVerb(d.Verb)
		if err != nil {
			return fmt.Errorf("command table, %s: %w", inv.Row.Name, err) // a fault of ours
		}
		o, err := r.scene.object(d.On, r.plan.Found.Session)
		if err != nil && r.plan.Full {
			// A target whose parts do not belong together: whatever tmux
			// makes of it, every verb on the server covers it.
			continue
		}
		if err != nil {
			return err
		}
		r.add(Need{Verb: verb, Object: o, Command: d.With == "command"})
	}
	if r.plan.Full {
		// The command goes to tmux as it stands, also if it needs nothing else.
		r.add(Everything(r.scene.server()))
	}
	return nil
}

func (r *resolver) add(n Need) { r.plan.Needs = append(r.plan.Needs, n) }

func (r *resolver) ownDisplay() bool {
	return r.clientName != "" &&
		r.g.ClientPerson(r.owner, r.clientName) == r.req.Identity.Person()
}

// client resolves the flag that names a client. People's displays are named
// by their own terminal as well, and the default is one's own display.
func (r *resolver) client(how tmux.Lookup) error {
	inv, letter := r.plan.Invocation, byte('c')
	if how.Kind == tmux.TargetClient {
		letter = 't'
	}
	r.clientFlag = letter
	value, given := inv.Get(letter)
	if !given {
		return r.ownClient(letter)
	}
	if display := r.g.displayOf(r.owner, value, r.req.Identity.Person()); display != "" {
		value = display
	}
	c, err := tmux.ResolveClient(r.plan.Visible, value)
	if err != nil && r.plan.Full && inv.Row.Target.Flags&tmux.CanFail != 0 {
		return nil // tmux does without one
	}
	if err != nil {
		return &NotFound{Err: err, MayAppear: r.plan.Full}
	}
	r.clientName = c.Name
	inv.Set(letter, c.Name)
	return nil
}

// nobodysClient is the name of no client: those of tmux are paths of terminals, or
// begin with client-.
const nobodysClient = "nobody's"

// ownClient makes the asker's own display the default client. Displays of
// others never are: that would be somebody's guest answering for the owner.
func (r *resolver) ownClient(letter byte) error {
	inv := r.plan.Invocation
	wanted, must := r.displays()
	if !wanted || !ownDefault() {
		return nil
	}
	if r.req.Display != "" {
		r.clientName = r.req.Display
		inv.Set(letter, r.req.Display)
		return nil
	}
	mine := *r.plan.Visible
	mine.Clients = nil
	for _, c := range r.plan.Visible.Clients {
		person := r.g.ClientPerson(r.owner, c.Name)
		if person == r.req.Identity.Person() || person == "" && r.plan.Full && c.PID != os.Getpid() {
			mine.Clients = append(mine.Clients, c)
		}
	}
	c, err := tmux.CurrentClient(&mine, r.context())
	if err != nil && !must {
		inv.Set(letter, nobodysClient) // tmux does without, instead of taking a guest's
		return nil
	}
	if err != nil {
		return &NotFound{Err: err, MayAppear: r.plan.Full}
	}
	r.clientName = c.Name
	inv.Set(letter, c.Name)
	return nil
}

// displays reports whether a command is carried out at a display, and whether
// it cannot do without one.
func (r *resolver) displays() (wanted, must bool) {
	inv := r.plan.Invocation
	switch inv.Row.Name {
	case "detach-client":
		return !inv.Has('s'), true
	case "show-messages":
		return true, !r.plan.Snapshot.Version.AtLeast(tmux.Version{Major: 3, Minor: 6})
	case "set-buffer", "load-buffer":
		return inv.Has('w'), false // whose clipboard
	case "display-message": // where it is shown
		return !inv.Has('p') && r.plan.Snapshot.Version.AtLeast(tmux.Version{Major: 3, Minor: 3}), false
	case "send-keys":
		return inv.Has('K'), false // whose keys they are
	case "switch-client", "command-prompt", "confirm-before", "display-menu", "display-popup", "display-panes",
		"lock-client", "suspend-client", "refresh-client":
		return true, true
	}
	return false, false
}

// finish chooses how the plan is carried out, and takes out of it whatever
// tmux must not read from somebody who does not hold every verb.
func (r *resolver) finish(ctx context.Context) error {
	inv := r.plan.Invocation
	name := inv.Row.Name
	if name == "list-sessions" && !r.named || inv.Has('a') && (name == "list-windows" || name == "list-panes") && !r.named {
		if r.plan.Elsewhere == nil {
			r.plan.Elsewhere = r.elsewhere(ctx)
		}
	}
	if r.plan.Mode == Answer { // no server of one's own, but something to list
		return nil
	}
	if err := sound(inv, r.plan.Snapshot.Version); err != nil {
		return err
	}
	if !trusted(r.plan.Full) {
		if err := inv.CheckGuest(); err != nil {
			return r.ifBound(err)
		}
	}
	if err := r.bounded(); err != nil {
		return err
	}
	if err := r.atDisplay(); err != nil {
		return err
	}
	if err := r.ofProfile(); err != nil {
		return err
	}
	if err := r.started(ctx); err != nil {
		return err
	}
	if trusted(r.plan.Full) {
		if attaches(inv) {
			r.plan.Mode, r.plan.ReadOnly = Attach, readOnly(inv)
		}
		if !r.plan.Home && slices.Contains(updating, name) {
			inv.SetBare('E') // what tmux hears of the client is not theirs
		}
		return r.switched()
	}
	if name == "display-message" && (!inv.Has('p') || inv.Has('I')) {
		return errors.New("display-message: only -p is offered to guests")
	}
	if slices.Contains(answered, name) {
		r.plan.Mode = Answer
		return nil
	}
	if name == "attach-session" {
		return r.guestAttach()
	}
	if settings, err := inv.ControlSettings(r.plan.Snapshot.Version); err != nil || settings != nil {
		return r.stream(settings, err)
	}
	if err := r.steady(); err != nil {
		return err
	}
	if err := r.switched(); err != nil {
		return err
	}
	return inv.Rewrite(literal)
}

// ifBound adds to a refusal of what takes every verb that somebody holds them all, but
// has to be watched.
func (r *resolver) ifBound(err error) error {
	if d := r.live.Decide(Everything(r.scene.server())); d.Rule == RuleWatcher {
		return fmt.Errorf("%w (%s)", err, d.Reason)
	}
	return err
}

// atDisplay refuses what a key cannot ask for at a display that takes no keys
// itself, whatever its person holds.
func (r *resolver) atDisplay() error {
	inv := r.plan.Invocation
	switch {
	case !r.req.Bound:
		return nil
	case attaches(inv):
		return errors.New("you are attached already; use switch-client -t")
	case inv.Row.Withheld != "":
		return fmt.Errorf("%s: %s", inv.Row.Name, inv.Row.Withheld)
	}
	return nil
}

// viewAll gives what it needs to see all of a session. Its panes are asked about by
// name only where something was taken from this person, as nothing else can
// tell them from their windows.
func (r *resolver) viewAll(s *tmux.Session) []Need {
	var all []Need
	for _, n := range r.scene.seeing(s) {
		if n.Object.Kind != access.Pane || r.live.Touched(r.scene.server()) {
			all = append(all, n)
		}
	}
	return all
}

// readOnly reports whether who attaches asks for a display that takes no keys, as tmux has it.
func readOnly(inv *tmux.Invocation) bool {
	flags, _ := inv.Get('f')
	return inv.Row.Name == "attach-session" && inv.Has('r') || slices.Contains(strings.Split(flags, ","), "read-only")
}

// guestAttach gives a guest a display of one session that cannot be typed
// into, and no say in the session's size unless they hold resize; or a place of
// their own there.
func (r *resolver) guestAttach() error {
	inv, s := r.plan.Invocation, r.plan.Found.Session
	if s == nil {
		return r.notHere()
	}
	if r.req.By != nil {
		return errors.New("attach-session: you are attached already; use switch-client -t")
	}
	on := r.scene.session(s)
	r.plan.Mode, r.plan.ReadOnly = Attach, readOnly(inv)
	flags := "read-only,ignore-size"
	if all := r.viewAll(s); r.ownPlace(s, all) {
		flags = "ignore-size" // nothing is ever typed there
	} else {
		r.add(Joining(on))
		r.plan.Needs = append(r.plan.Needs, all...)
		sizes := Need{Verb: access.Resize, Object: on}
		if may := r.live.Decide(sizes).Allow && !r.plan.ReadOnly; sized(may) {
			flags = "read-only"
			if may {
				r.add(sizes)
			}
		}
	}
	if err := inv.Rewrite(literal); err != nil { // such as -c
		return err
	}
	inv.Delete('r')
	inv.Set('f', flags)
	inv.SetBare('E')
	inv.Set('t', s.ID.String())
	return nil
}

// stream lets a guest say what their own client in control mode is told: of panes
// only those that they may view there. Of others nothing is said, as of those that
// are not there.
func (r *resolver) stream(settings *tmux.ControlSettings, err error) error {
	if err != nil {
		return err
	}
	c := r.plan.Snapshot.Client(r.clientName)
	if r.req.By == nil || r.clientName != r.req.Display || c == nil {
		return errors.New("refresh-client: what a guest's client is told is said by a line of that client, in control mode")
	}
	r.plan.Mode, r.plan.Settings = Stream, settings
	settings.Panes = slices.DeleteFunc(settings.Panes, func(s tmux.PaneSetting) bool {
		o, ok := PaneObject(r.owner, r.scene.incarnation, r.scene.snap, c.Session, s.Pane)
		if ok = ok && r.g.viewedAt(r.req.Identity, o, r.g.Time()); ok {
			r.add(Need{Verb: access.View, Object: o})
		}
		return !ok
	})
	return nil
}

// switched: whoever's display is moved to another session must be allowed to
// see all of that one, whoever moves it.
func (r *resolver) switched() error {
	inv := r.plan.Invocation
	if inv.Row.Name != "switch-client" {
		return nil
	}
	person := r.g.ClientPerson(r.owner, r.clientName)
	if !trusted(r.plan.Full) {
		f := r.plan.Found
		if f.Session == nil {
			return errors.New("switch-client: name the session with -t")
		}
		inv.SetBare('E')                // a guest's environment is nothing to the session
		if r.plan.Snapshot.Selects(f) { // for everybody
			r.add(Need{Verb: access.Layout, Object: r.scene.session(f.Session)})
		} else {
			// What need not be selected now is not selected later either.
			inv.Set('t', f.Session.ID.String())
		}
	}
	if at := r.req.Session; r.plan.Found.Session != nil && (at == nil || *at != r.plan.Found.Session.ID) {
		r.add(Joining(r.scene.session(r.plan.Found.Session)))
	}
	if person == "" || person == r.owner {
		return nil
	}
	if person != r.req.Identity.Person() {
		return fmt.Errorf("switch-client: %s shows %s's display; ask them to switch themselves", r.clientName, person)
	}
	if r.plan.Found.Session == nil {
		return errors.New("switch-client: name the session with -t")
	}
	r.plan.Needs = append(r.plan.Needs, r.viewAll(r.plan.Found.Session)...)
	return nil
}

// literal makes a value mean itself to tmux. Formats for output are refused:
// tmux evaluates none for people who do not hold every verb.
func literal(kind tmux.Kind, value string) (string, error) {
	if kind == tmux.OutFormat || kind == tmux.Filter {
		return "", errors.New("a format of your own is not offered here")
	}
	return tmux.EscapeFormat(value), nil
}

// displayOf gives the display that shows owner's server on the person's
// terminal tty, or "".
func (g *Gateway) displayOf(owner, tty, person string) string {
	for _, a := range g.Who() {
		if a.Owner == owner && a.Person == person && (a.TTY == tty || a.TTY == "/dev/"+tty) {
			return a.Display
		}
	}
	return ""
}

// ClientPerson gives whose display a client of owner's server is, or "" if it
// is none of ours.
func (g *Gateway) ClientPerson(owner, client string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range g.lives { // asked about each client of a server: no list is made of them
		if person := l.showing(owner, client); person != "" {
			return person
		}
	}
	return ""
}

// showing gives the person whose display a client of owner's server is, if that is theirs.
func (l *Live) showing(owner, client string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.watch == nil || l.about.Owner != owner || l.about.Display != client {
		return ""
	}
	return l.about.Person
}

// resolveAct finds what an act is done to.
func (g *Gateway) resolveAct(ctx context.Context, live *Live, req Request) (*Plan, error) {
	p := &Plan{Mode: Perform}
	if req.Act.Shows {
		live.look()
	}
	if admits := req.Act.Admits; admits != nil {
		if err := admits(); err != nil {
			return p, err
		}
	}
	if req.Act.Reaches != nil {
		return g.resolveReach(ctx, p, req.Act)
	}
	if all := req.Act.All; all != nil {
		p.Object, p.Needs = *all, []Need{Everything(*all)}
		return p, nil
	}
	if on := req.Act.On; len(on) > 0 {
		p.Object = on[0]
		for _, o := range on {
			p.Needs = append(p.Needs, Need{Verb: req.Act.Verb, Object: o})
			if req.Act.Whole != 0 {
				p.Needs = append(p.Needs, Need{Whole: true, Verbs: req.Act.Whole, Object: o, Apart: true})
			}
		}
		return p, nil
	}
	if req.Act.Target != "" {
		look := g.asked
		if req.Act.Urgent {
			look = g.askedSoon(p)
		}
		owners := g.OwnerFor(req.Identity)
		o, err := g.object(ctx, req.Identity.Person(), req.Act.Target, owners, look)
		if err != nil && req.Act.Lasting {
			owner, _, ok := tmux.SplitOwner(req.Act.Target, owners)
			if ok && owner == "" {
				owner = req.Identity.Person()
			}
			o, err = access.Object{Kind: access.Server, Owner: owner}, nil
		}
		if err == nil && !req.Act.Open && !g.known(req.Identity, o) {
			// In the words for what is not there: whoever asks learns nothing.
			err = &NotFound{Err: fmt.Errorf("can't find session: %s", req.Act.Target)}
		}
		if err != nil {
			return p, err
		}
		p.Object = o
	}
	if !req.Act.Open {
		p.Needs = []Need{{Verb: req.Act.Verb, Object: p.Object}}
	}
	if req.Act.Whole != 0 {
		p.Needs = append(p.Needs, Need{Whole: true, Verbs: req.Act.Whole, Object: p.Object, Apart: true})
	}
	return p, nil
}

// maxReached is how many addresses a name may have.
const maxReached = 16

// resolveReach finds out what an act reaches for: names are looked up once, here, and what
// they were found to be is decided and reached.
func (g *Gateway) resolveReach(ctx context.Context, p *Plan, a *Act) (*Plan, error) {
	on, err := a.Reaches(ctx)
	if err == nil && (len(on) == 0 || len(on) > maxReached) {
		err = fmt.Errorf("%d addresses were found; 1 to %d can be decided", len(on), maxReached)
	}
	if err != nil {
		return p, err
	}
	p.Object = on[0]
	for _, o := range on {
		p.Needs = append(p.Needs, Need{Verb: a.Verb, Object: o})
	}
	return p, nil
}

// known reports whether a person may know of an object: they hold something on
// it, and it was not taken from them.
func (g *Gateway) known(who identity.Identity, o access.Object) bool {
	return g.knownAt(who, o, g.Time())
}

func (g *Gateway) knownAt(who identity.Identity, o access.Object, at time.Time) bool {
	return sees(g.heldAt(who, o, at))
}

// viewedAt reports whether a person may view an object: names and titles in
// listings, and what formats say, are part of what it shows.
func (g *Gateway) viewedAt(who identity.Identity, o access.Object, at time.Time) bool {
	return sees(g.heldAt(who, o, at) & access.SetOf(access.View))
}

// Holds gives every verb that a person holds on an object now: none where it
// was taken from them.
func (g *Gateway) Holds(who identity.Identity, o access.Object) access.VerbSet {
	return g.heldAt(who, o, g.Time())
}

func (g *Gateway) heldAt(who identity.Identity, o access.Object, at time.Time) access.VerbSet {
	held := g.given(who, o, at)
	if held.Has(access.Type) && !g.theirs(who, Need{Verb: access.Type, Object: o}, access.Decision{Allow: true}, at).Allow {
		held &^= access.SetOf(access.Type)
	}
	return held
}

// given is what a person holds on an object by its place alone, whoever's own pane it is: what two
// places are compared by. Whose a pane is may come to be known after it was moved.
func (g *Gateway) given(who identity.Identity, o access.Object, at time.Time) access.VerbSet {
	out, _ := g.strayed(who, o)
	taken := g.Denials.Taken(who.Person(), o) | out
	if taken.Covers(access.AllVerbs) || g.stranger(who) != nil {
		return 0
	}
	return g.Policy.Holds(who.Subject(), o, at) &^ taken
}

// Object finds what a target names for one of muxward's own commands: a
// server by its owner, or a session, window or pane as owner/target.
func (g *Gateway) Object(ctx context.Context, me, target string) (access.Object, error) {
	return g.object(ctx, me, target, g.Servers.IsOwner, g.asked)
}

// asked gives the state of a server as it is now.
func (g *Gateway) asked(ctx context.Context, server Server, detail tmux.Detail) (*tmux.Snapshot, error) {
	snap, err := server.Snapshot(ctx, detail)
	if err != nil {
		return nil, fmt.Errorf("ask %s's tmux server for its state: %w", server.Owner(), err)
	}
	return snap, nil
}

// soon is how long a server is waited for by who freezes something on it.
const soon = 900 * time.Millisecond

// askedSoon gives the state of a server as it was known last if it does not answer
// soon: to make it busy keeps nobody from freezing what is in it. The plan then says
// so.
func (g *Gateway) askedSoon(p *Plan) looking {
	return func(ctx context.Context, server Server, detail tmux.Detail) (*tmux.Snapshot, error) {
		ctx, cancel := context.WithTimeout(ctx, soon)
		defer cancel()
		snap, err := g.asked(ctx, server, detail)
		if err == nil || errors.Is(err, ErrServerEnded) {
			return snap, err
		}
		if snap = server.Known(); snap == nil {
			return nil, fmt.Errorf("%w; name the whole server, which needs no answer: -t %s", err, server.Owner())
		}
		p.Doubt = fmt.Errorf("not confirmed: %s's tmux server does not answer, and the target is what it was when it was seen last", server.Owner())
		return snap, nil
	}
}

// looking asks a server for its state.
type looking func(context.Context, Server, tmux.Detail) (*tmux.Snapshot, error)

// byItself reports whether a target says by id, or by a session's whole name, what it is about:
// otherwise it may be meant by a client that is attached there.
func byItself(snap *tmux.Snapshot, target string) bool {
	name, _, _ := strings.Cut(target, ":")
	return name != "" && strings.ContainsRune("$@%", rune(name[0])) || snap.SessionByName(name) != nil
}

func (g *Gateway) object(ctx context.Context, me, target string, owners func(string) bool, look looking) (access.Object, error) {
	if owners(target) {
		o := access.Object{Kind: access.Server, Owner: target}
		if s := g.Servers.Server(target); s != nil {
			o.Incarnation = s.Incarnation()
		}
		return o, nil
	}
	owner, rest, ok := tmux.SplitOwner(target, owners)
	if !ok {
		return access.Object{}, &NotFound{Err: fmt.Errorf("can't find session: %s", target)}
	}
	if owner == "" {
		owner = me
	}
	lost := &NotFound{Err: fmt.Errorf("can't find session: %s", target)}
	server := g.server(owner)
	if server == nil {
		return access.Object{}, lost
	}
	snap, err := look(ctx, server, tmux.Places)
	if err == nil && snap.Detail == tmux.Places && !byItself(snap, rest) {
		snap, err = look(ctx, server, tmux.Core)
	}
	if err != nil {
		return access.Object{}, err
	}
	kind := targetKind(rest)
	f, err := tmux.Resolve(snap, tmux.Lookup{Kind: kind}, rest, tmux.ResolveContext{})
	if err != nil || f.Session == nil {
		return access.Object{}, lost
	}
	s := scene{owner, server.Incarnation(), snap}
	switch {
	case kind == tmux.TargetPane && f.Whole():
		return s.pane(f.Session, f.Link, f.Pane), nil
	case kind == tmux.TargetWindow && f.Link != nil:
		return s.window(f.Session, f.Link), nil
	case kind == tmux.TargetSession:
		return s.session(f.Session), nil
	}
	return access.Object{}, lost
}

// Visible gives every server of which a person may see anything, as they see
// it.
func (g *Gateway) Visible(ctx context.Context, who identity.Identity) ([]Place, error) {
	live, ctx := g.begin(ctx, who)
	defer live.end()
	places := g.places(ctx, live, "", tmux.Core, g.knownAt)
	return places, ctx.Err()
}

// Viewed gives owner's server with all that formats may show of it, as far as a
// person may view it.
func (g *Gateway) Viewed(ctx context.Context, who identity.Identity, owner string) (*tmux.Snapshot, error) {
	live, ctx := g.begin(ctx, who)
	defer live.end()
	server := g.server(owner)
	if server == nil {
		return nil, ErrServerEnded
	}
	snap, err := server.Snapshot(ctx, tmux.Full)
	if err != nil {
		return nil, fmt.Errorf("ask %s's tmux server for its state: %w", owner, err)
	}
	return g.visible(live, scene{owner, server.Incarnation(), snap}, g.viewedAt), ctx.Err()
}

// targetKind reads from its form how narrow a target is.
func targetKind(t string) tmux.TargetKind {
	colon := false
	for i := range len(t) {
		switch t[i] {
		case '%', '.':
			return tmux.TargetPane
		case ':', '@':
			colon = true
		}
	}
	if colon {
		return tmux.TargetWindow
	}
	return tmux.TargetSession
}
