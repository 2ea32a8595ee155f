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
	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/tmux"
)

// Mode says how a plan is carried out.
type Mode uint8

// The modes.
const (
	// Run sends the command to tmux as it stands in the plan.
	Run Mode = iota
	// Answer is given by muxward's own engine from the visible snapshot:
	// tmux never sees the asker's formats.
	Answer
	// Attach gives the person a display.
	Attach
	// Perform does an Act.
	Perform
	// Stream changes what the asker's own client in control mode is told.
	Stream
)

// Plan is a request with every name resolved: what is needed, on which ids,
// and what would be done.
type Plan struct {
	Mode  Mode
	Needs []Need
	// Doubt is what is told with the result, if it may be about something else
	// than was meant.
	Doubt error
	// Server is where it happens; nil if Start is set, or for an Act.
	Server Server
	// Start means that the person's own server has to be started first.
	Start bool
	// Full means that the person holds every verb on the whole server. It is
	// among the Needs then, so that it is decided again with them, and for as
	// long as the request runs.
	Full bool
	// Home means that it is their own, too: only there tmux hears what their
	// client says of itself, such as its environment.
	Home bool
	// ReadOnly means that who attaches has asked for a display that takes no keys.
	ReadOnly bool
	// Own means that somebody attaches to a place of their own, which is Found:
	// they are shown no more of the session than they may view.
	Own bool
	// Snapshot is the server's state, Visible the part of it this person may
	// know of, or view, if it is to be printed; the same if Full.
	Snapshot, Visible *tmux.Snapshot
	// Found is what -t names.
	Found tmux.Found
	// Source is what -s names, nil for commands that take from nowhere.
	Source *tmux.Found
	// Invocation is the command with its targets replaced by ids.
	Invocation *tmux.Invocation
	// Elsewhere are other people's servers that belong into a listing.
	Elsewhere []Place
	// RunAs is the account of the pane that is made, where that is not its tmux's, and
	// Respawns the pane in which a program is started anew.
	RunAs    *identity.Account
	Respawns string
	// Object is what an Act is done to.
	Object access.Object
	// Declares, if it is set, is what a session declares by it.
	Declares *Declaration
	// Settings are what a plan of mode Stream changes.
	Settings *tmux.ControlSettings
}

// shows reports whether something is printed of what the person may see,
// beside what the needs are about.
func (p *Plan) shows() bool { return p.Mode == Answer || len(p.Elsewhere) > 0 }

// owner is whose server it is about, "" if it is not about any that runs.
func (p *Plan) owner() string {
	if p.Server == nil {
		return ""
	}
	return p.Server.Owner()
}

// Place is a server of somebody else, as far as this person may see it.
type Place struct {
	Owner       string
	Incarnation string
	Visible     *tmux.Snapshot
}

// ErrServerEnded is the error of a server that has ended, perhaps only just.
var ErrServerEnded = errors.New("the tmux server has ended")

// errNoSessions is what tmux says when there is nothing to attach to.
var errNoSessions = errors.New("no sessions")

// noServer is what tmux says when nobody listens. An earlier command of the
// same sequence may start one. At the end of muxward itself nobody sees anything, and that is
// what is said: who hears of no server might begin one.
func (g *Gateway) noServer(req Request) error {
	if err := g.Ending(); err != nil {
		return err
	}
	return &NotFound{Err: errors.New("no server running on " + req.Door), MayAppear: true}
}

// Parse reads the argument vector of a tmux client as the server it is for
// reads it, with that server's command-alias, and gives one request for each
// command. base is what they have in common.
func (g *Gateway) Parse(ctx context.Context, base Request, argv []string) ([]Request, error) {
	reqs, why, err := g.read(ctx, base, argv)
	if why != nil {
		return nil, g.Refuse(ctx, base, argv, why)
	}
	return reqs, err
}

// read is Parse without a word to the log: refused says why a command line is
// refused, err that it could not be found out.
func (g *Gateway) read(ctx context.Context, base Request, argv []string) (reqs []Request, refused, err error) {
	opts, err := g.reading(ctx, &base)
	if err != nil {
		return nil, nil, err
	}
	invs, perr := tmux.ParseArgv(argv, opts)
	if perr != nil {
		return nil, g.unread(ctx, base, perr), nil
	}
	if reqs, refused = g.inProfiles(ctx, each(base, invs)); refused != nil {
		return nil, refused, nil
	}
	for i := range reqs {
		invs[i] = reqs[i].Invocation
	}
	atHome := base.Here == "" || base.Here == base.Identity.Person()
	if base.fresh == nil && atHome && g.startsFirst(ctx, base.Identity, invs) {
		reqs = append(each(base, []*tmux.Invocation{{Row: tmux.FindCommand("start-server")}}), reqs...)
	}
	return reqs, nil, nil
}

// unread says why a command line is refused that cannot be read. As with tmux,
// where there is no server at all that comes first.
func (g *Gateway) unread(ctx context.Context, base Request, why *tmux.ParseError) error {
	if base.fresh == nil {
		if places, err := g.Visible(ctx, base.Identity); err == nil && len(places) == 0 {
			return g.noServer(base)
		}
	}
	return why
}

// resolve turns what was asked into a plan by ids. It is the only place where
// names mean anything.
func (g *Gateway) resolve(ctx context.Context, req Request) (*Plan, error) {
	failpoint.At("gateway-resolve")
	live, _ := ctx.Value(liveKey{}).(*Live)
	if live == nil {
		return nil, errors.New("resolve: no permit is open") // a fault of ours
	}
	if req.Act != nil {
		return g.resolveAct(ctx, live, req)
	}
	if row := req.Invocation.Row; row.Refused != "" {
		return &Plan{Invocation: req.Invocation}, fmt.Errorf("%s: %s", row.Name, row.Refused)
	}
	if req.Invocation.Row.Name == "start-server" {
		return g.resolveStart(ctx, live, req), nil
	}
	r := resolver{g: g, live: live, req: req, plan: &Plan{Invocation: req.Invocation.Clone()}}
	if err := r.pickServer(ctx); err != nil {
		return r.plan, err
	}
	if req.Incarnation != "" && (r.plan.Server == nil || r.plan.Server.Incarnation() != req.Incarnation) {
		return r.plan, ErrServerEnded
	}
	if r.plan.Server != nil {
		if err := r.look(ctx); err != nil {
			return r.plan, err
		}
		if r.plan.Server != nil && req.Seen != nil && r.owner == r.here() {
			r.plan.Visible = req.Seen(r.scene.snap, r.plan.Visible)
		}
	}
	if r.plan.Start {
		return r.plan, r.makesDeclaration()
	}
	if r.plan.Server != nil {
		if err := r.targets(); err != nil {
			return r.plan, err
		}
		if err := r.needs(); err != nil {
			return r.plan, err
		}
	}
	return r.plan, r.finish(ctx)
}

type resolver struct {
	g     *Gateway
	live  *Live
	req   Request
	plan  *Plan
	owner string
	named bool // the owner was named, not taken by default
	scene scene
	// clientName is the client that -t or -c names.
	clientName string
	clientFlag byte
}

// pickServer finds the one server that all targets are about.
func (r *resolver) pickServer(ctx context.Context) error {
	r.owner = r.here()
	inv := r.plan.Invocation
	for i, f := range inv.Flags {
		flag := inv.Row.Flag(f.Letter)
		if flag == nil || flag.Kind != tmux.TargetValue || !f.HasValue {
			continue
		}
		owner, rest, ok := tmux.SplitOwner(f.Value, r.g.OwnerFor(r.req.Identity))
		if !ok {
			return r.notHere()
		}
		if owner == "" {
			continue
		}
		if pressedElsewhere(r.req.Bound, owner == r.here()) {
			return errors.New("a key reaches only the server that it is pressed at; from a shell, tmux reaches the others")
		}
		if r.named && owner != r.owner {
			return fmt.Errorf("%s and %s have servers of their own: one command cannot reach both", r.owner, owner)
		}
		r.owner, r.named = owner, true
		inv.Flags[i].Value = rest
	}
	if err := r.checkNewName(); err != nil {
		return err
	}
	r.plan.Server = r.g.Servers.Server(r.owner)
	if r.g.another(r.owner, r.plan.Server) {
		r.plan.Server = nil
		return r.notHere()
	}
	if r.plan.Server != nil {
		return nil
	}
	return r.noServer(ctx)
}

// here is the owner of the server that bare names mean.
func (r *resolver) here() string { return cmp.Or(r.req.Here, r.req.Identity.Person()) }

// noServer: nobody's server but one's own is ever started.
func (r *resolver) noServer(ctx context.Context) error {
	inv, me := r.plan.Invocation, r.req.Identity.Person()
	if r.owner != me {
		return r.notHere()
	}
	if err := r.g.Ending(); err != nil {
		return err
	}
	switch inv.Row.Name {
	case "new-session":
		if !r.plan.starts(r.live, me) {
			every := Everything(ownServer(me))
			if d, taken := r.g.taken(r.req.Identity, every); taken {
				return &Refused{Decision: d, Need: every}
			}
			return errors.New("your policy does not give you every verb on a server of your own, " +
				"so muxward cannot start one for you; ask whoever keeps the policy")
		}
		if attaches(inv) {
			r.plan.Mode, r.plan.ReadOnly = Attach, readOnly(inv)
		}
		return nil
	case "list-sessions":
		if places := r.elsewhere(ctx); len(places) > 0 {
			r.plan.Mode, r.plan.Elsewhere = Answer, places
			r.plan.Visible = &tmux.Snapshot{}
			return nil
		}
	}
	if inv.Row.Name == "attach-session" {
		return &NotFound{Err: errNoSessions, MayAppear: true}
	}
	return r.g.noServer(r.req)
}

// notHere is the answer for everything on a server this person may not know
// of, in the words of tmux about what was asked for.
func (r *resolver) notHere() error {
	asked := ""
	if t, ok := r.req.Invocation.Get('t'); ok {
		asked = t
	} else if s, ok := r.req.Invocation.Get('s'); ok {
		asked = s
	}
	return &NotFound{Err: errors.New("can't find session: " + asked)}
}

// look takes the server's state and cuts it down to what this person may
// know of.
func (r *resolver) look(ctx context.Context) error {
	server := r.plan.Server
	own := access.Object{Kind: access.Server, Owner: r.owner, Incarnation: server.Incarnation()}
	if r.owner == r.req.Identity.Person() {
		if err := r.g.anothers(r.req.Identity, own); err != nil { // they hold nothing there, and hear why
			return err
		}
	}
	r.plan.Full = r.live.Decide(Everything(own)).Allow
	r.plan.Home = home(r.plan.Full, r.owner == r.req.Identity.Person())
	detail := tmux.Core
	if !r.plan.Full && slices.Contains(answered, r.plan.Invocation.Row.Name) {
		detail = tmux.Full // for the formats that we evaluate ourselves
	}
	snap, err := r.state(ctx, detail)
	if err != nil {
		who, ended := r.req.Identity, errors.Is(err, ErrServerEnded)
		if r.owner != who.Person() && (ended || r.g.Policy.Blind(who.Subject(), own, r.g.Time())) {
			return r.notHere()
		}
		if ended {
			r.plan.Server = nil
			return r.noServer(ctx)
		}
		return fmt.Errorf("ask the tmux server for its state: %w", err)
	}
	r.scene = scene{r.owner, server.Incarnation(), snap}
	r.plan.Snapshot, r.plan.Visible = snap, snap
	if r.plan.Full {
		return nil
	}
	r.plan.Visible = r.knows()
	if len(r.plan.Visible.Sessions) == 0 {
		if r.owner == r.req.Identity.Person() && len(snap.Sessions) == 0 {
			return nil // one's own empty server
		}
		r.plan.Server = nil
		return r.notHere()
	}
	if slices.Contains(answered, r.plan.Invocation.Row.Name) {
		r.plan.Visible = r.views()
	}
	if r.plan.Invocation.Row.Name == "list-buffers" {
		r.plan.Visible.Buffers = snap.Buffers // the server's, as is the right that they take
	}
	return nil
}

// visible is the part of a server that see says yes to: what the person may
// know of, as they hold any verb there, or what they may view.
func (g *Gateway) visible(live *Live, s scene, see seeing) *tmux.Snapshot {
	live.look()
	at := g.Time()
	// The windows of a session come one after the other, and so do a window's panes.
	var in *tmux.Session
	var blind bool
	var last *tmux.Winlink
	var window access.Object
	return s.snap.Visible(func(t *tmux.Session, l *tmux.Winlink, p *tmux.Pane) bool {
		if t != in {
			in, blind = t, g.Policy.Blind(live.who.Subject(), s.session(t), at)
		}
		if blind {
			return sees(0)
		}
		if l != last {
			window, last = s.window(t, l), l
		}
		return see(live.who, paneIn(window, p), at)
	})
}

// seeing says whether somebody sees an object at a time.
type seeing func(identity.Identity, access.Object, time.Time) bool

// elsewhere are the servers of others on which this person may view anything.
func (r *resolver) elsewhere(ctx context.Context) []Place {
	if r.req.trying != nil {
		return nil // what is listed of them takes no right of its own
	}
	return r.g.places(ctx, r.live, r.owner, tmux.Full, r.g.viewedAt)
}

// places gives every server but one's of which a person sees anything, as they
// see it.
func (g *Gateway) places(ctx context.Context, live *Live, but string, detail tmux.Detail, see seeing) []Place {
	type asked struct {
		owner  string
		server Server
		snap   *tmux.Snapshot
	}
	var all []*asked
	var wg sync.WaitGroup
	for _, owner := range g.Servers.Owners() {
		server := g.server(owner)
		if owner == but || server == nil || g.Policy.Blind(live.who.Subject(), access.Object{Kind: access.Server, Owner: owner}, g.Time()) {
			continue
		}
		a := &asked{owner: owner, server: server}
		all = append(all, a)
		wg.Go(func() { // beside the others: one that stands still takes its time once
			_ = recovered(func() (err error) { // a server that does not answer has nothing to list
				a.snap, err = server.Snapshot(ctx, detail)
				return err
			})
		})
	}
	wg.Wait()
	var places []Place
	for _, a := range all {
		if a.snap == nil {
			continue
		}
		if v := g.visible(live, scene{a.owner, a.server.Incarnation(), a.snap}, see); len(v.Sessions) > 0 {
			places = append(places, Place{a.owner, a.server.Incarnation(), v})
		}
	}
	return places
}

// checkNewName keeps names of sessions from looking like other people's.
func (r *resolver) checkNewName() error {
	inv := r.plan.Invocation
	var name string
	switch inv.Row.Name {
	case "new-session":
		name, _ = inv.Get('s')
	case "rename-session":
		name = inv.Args[0]
	}
	if head, _, slash := strings.Cut(name, "/"); slash && foreign(r.g.OwnerFor(r.req.Identity)(head)) {
		return &tmux.ValueError{Text: fmt.Sprintf("invalid session: %.100s: a name may not begin with a person's name and a slash; isolated servers have the sessions of muxward's configuration alone", name)}
	}
	return nil
}

// answered commands are those that print by formats: who does not hold every
// verb gets them from our own engine.
var answered = []string{
	"list-sessions", "list-windows", "list-panes", "list-clients", "list-buffers", "display-message",
}

// untargeted commands mean something else when -t is absent.
var untargeted = []string{
	"list-clients", "switch-client", "detach-client", "new-session", "list-sessions", "run-shell", "if-shell", "source-file",
}

// targets resolves -s and -t, in the order in which tmux looks at them, and
// writes the ids in their place.
func (r *resolver) targets() error {
	inv := r.plan.Invocation
	if attaches(inv) && r.nested() {
		return errNested
	}
	how := inv.TargetLookup()
	if c := inv.Row.Flag('c'); how.Kind == tmux.TargetClient || c != nil && c.Kind == tmux.ClientValue {
		if err := r.client(how); err != nil {
			return err
		}
	}
	if err := r.source(); err != nil {
		return err
	}
	return r.target(how)
}

// target resolves -t where it names a session, a window or a pane.
func (r *resolver) target(how tmux.Lookup) error {
	inv, snap := r.plan.Invocation, r.plan.Visible
	value, given := inv.Get('t')
	if how.Kind == tmux.NoTarget && given && inv.Row.Name == "new-session" {
		how = tmux.Lookup{Kind: tmux.TargetSession, Flags: tmux.CanFail}
	}
	if how.Kind == tmux.NoTarget || how.Kind == tmux.TargetClient || !given && slices.Contains(untargeted, inv.Row.Name) {
		return nil
	}
	found, err := tmux.Resolve(snap, how, value, r.context())
	if err != nil && inv.Row.Name == "attach-session" && len(snap.Sessions) == 0 {
		err = errNoSessions
	}
	if err != nil {
		return &NotFound{Err: err, MayAppear: r.plan.Full}
	}
	if !given && r.plan.Full && r.close(found) {
		return nil // tmux chooses; every verb on the server covers it
	}
	r.plan.Found = found
	id := r.ids(how, found)
	switch {
	case id != "":
		inv.Set('t', id)
	case given && !r.plan.Full && inv.Row.Name == "attach-session" && found.Link != nil:
		inv.Set('t', found.Session.ID.String()+":"+found.Link.Window.String()) // a pane of it may be seen
	case given && !r.plan.Full:
		return r.notHere()
	case !r.plan.Full && !slices.Contains(answered, inv.Row.Name):
		// What is current is hidden from this person. Left out, tmux would take
		// what is current for itself, which nobody has decided on.
		return fmt.Errorf("%s: say with -t what it is about", inv.Row.Name)
	}
	return nil
}

// updating commands take over the environment of their client, unless they
// have -E.
var updating = []string{"attach-session", "new-session", "switch-client"}

// attaches reports whether a command puts its client on a session.
func attaches(inv *tmux.Invocation) bool {
	return inv.Row.Name == "attach-session" || inv.Row.Name == "new-session" && !inv.Has('d')
}

// errNested is what tmux says to a client in a pane of the server it wants to
// attach to.
var errNested = errors.New("sessions should be nested with care, unset $TMUX to force")

// nested finds such a client as tmux does: by its terminal, and only if it
// says itself that it is in a pane.
func (r *resolver) nested() bool {
	if r.req.Client == nil {
		return false
	}
	hello := r.req.Client.Hello()
	if in, _ := hello.Getenv("TMUX"); in == "" {
		return false
	}
	return slices.ContainsFunc(r.plan.Visible.Panes, func(p tmux.Pane) bool { return p.TTY == hello.TTYName })
}

// noSession is an id that no session ever has.
const noSession = "$4294967295"

// source resolves -s: what a command takes from, or whose clients it detaches.
// A pane or window that is taken without being named is the default one, and
// that is decided on as if it had been named.
func (r *resolver) source() error {
	inv := r.plan.Invocation
	how := inv.Row.Source
	value, given := inv.Get('s')
	if how.Kind == tmux.NoTarget || !given && !takes(inv) {
		return nil
	}
	found, err := tmux.Resolve(r.plan.Visible, tmux.Lookup{Kind: how.Kind, Flags: how.Flags &^ tmux.CanFail}, value, r.context())
	if err != nil && r.plan.Full && how.Flags&tmux.CanFail != 0 {
		inv.Set('s', noSession) // tmux makes nothing of it, and says nothing
		return nil
	}
	if err != nil {
		return &NotFound{Err: err, MayAppear: r.plan.Full}
	}
	if !given && r.plan.Full && r.close(found) {
		return nil
	}
	if !takes(inv) {
		r.plan.Found = found // it is all that the command is about
	}
	r.plan.Source = &found
	if id := r.ids(how, found); id != "" {
		inv.Set('s', id)
	} else if !r.plan.Full {
		return r.notHere()
	}
	return nil
}

// takes reports whether a command takes a pane or a window from somewhere, by
// default from where its client is.
func takes(inv *tmux.Invocation) bool {
	return inv.Row.Source.Kind > tmux.TargetSession && inv.Row.Name != "copy-mode"
}

func (r *resolver) context() tmux.ResolveContext {
	c := tmux.ResolveContext{Pinned: r.req.Bound} // numbers mean something else elsewhere
	if r.owner == cmp.Or(r.req.CurrentOn, r.here()) {
		c.Current = r.req.Current
	}
	if r.owner == r.here() {
		c.Session = r.req.Session
	}
	if r.req.Client != nil {
		if tty := r.req.Client.Hello().TTYName; tty != "" {
			for i := range r.plan.Visible.Panes {
				if p := &r.plan.Visible.Panes[i]; p.TTY == tty {
					c.Pane = &p.ID
					return c
				}
			}
		}
	}
	if id, err := tmux.ParsePaneID(r.req.Pane); err == nil {
		c.Pane = &id
	}
	return c
}

// close reports whether a session was chosen by default, for being used last,
// and others were used within the same second: tmux knows better then.
func (r *resolver) close(found tmux.Found) bool {
	c, snap := r.context(), r.plan.Visible
	if found.Session == nil || c.Current != nil || c.Session != nil || c.Pane != nil && snap.Pane(*c.Pane) != nil {
		return false
	}
	return slices.ContainsFunc(snap.Sessions, func(s tmux.Session) bool {
		return s.ID != found.Session.ID && s.Activity == found.Session.Activity
	})
}

// ids writes what was found as ids alone; the narrower id comes with the
// wider ones, so that tmux itself tests that it still lies there. Only what has
// two places in one session needs its index: in the hands of who holds every
// verb, as another window could have come there meanwhile.
func (r *resolver) ids(how tmux.Lookup, f tmux.Found) string {
	if f.Session == nil {
		return ""
	}
	s := f.Session.ID.String()
	switch {
	case how.Kind == tmux.TargetSession:
		return s
	case how.Flags&tmux.WindowIndex != 0:
		if f.Index < 0 {
			return s + ":"
		}
		return fmt.Sprintf("%s:%d", s, f.Index)
	case f.Window == nil:
		return ""
	case how.Kind == tmux.TargetWindow && r.plan.Full && twice(f):
		return fmt.Sprintf("%s:%d", s, f.Link.Index)
	case how.Kind == tmux.TargetWindow:
		return s + ":" + f.Window.ID.String()
	case f.Pane == nil:
		return ""
	case f.Pane.Window != f.Window.ID || f.Link == nil || f.Link.Window != f.Window.ID:
		return s + ":." + f.Pane.ID.String() // as it was asked for
	}
	return s + ":" + f.Window.ID.String() + "." + f.Pane.ID.String()
}

// twice reports whether a window has two places in the session it was found in.
func twice(f tmux.Found) bool {
	n := 0
	for i := range f.Session.Links {
		if f.Link != nil && f.Session.Links[i].Window == f.Link.Window {
			n++
		}
	}
	return n > 1
}
