package executor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/attach/keeper"
	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/pace"
	"github.com/muxward/muxward/internal/server/crowd"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/control"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// Server is a guarded server as the executor needs it.
type Server interface {
	gateway.Server
	// Dial connects to the server as a client would.
	Dial(ctx context.Context) (*wire.Conn, error)
	// DialFor is Dial for one command of somebody's, which they owe until it is done: see gateway.Owing.
	DialFor(ctx context.Context, person string) (*wire.Conn, error)
	// Control gives the kept control connection.
	Control(ctx context.Context) (*control.Client, error)
	// Recent gives the server's state as it was at most maxAge ago, and when that was, for
	// many who ask often.
	Recent(ctx context.Context, d tmux.Detail, maxAge time.Duration) (*tmux.Snapshot, time.Time, error)
	// Hold keeps the server from exiting while it has no session.
	Hold() (release func(), err error)
	// Confirm returns nil when the server has done all that it was sent before, over
	// whichever connection, or has ended.
	Confirm(ctx context.Context) error
	// Settle returns when it is clear whether the server goes on.
	Settle(ctx context.Context)
	// Done is closed when the server has ended.
	Done() <-chan struct{}
}

// KeyLog writes what is typed, before it is delivered.
type KeyLog interface {
	// Add writes that n bytes are about to be delivered; content is kept only
	// where policy says so. With must it returns when that is on disk.
	Add(ctx context.Context, n int, content []byte, must bool) error
	Close() error
}

// Executor carries out permits. Its exported fields are set before use and not
// changed.
type Executor struct {
	// Start starts the person's own server; first is their client, nil if it is
	// not to be heard of.
	Start func(ctx context.Context, who identity.Identity, first *wire.Hello) (gateway.Server, error)
	// Keys opens the log of what one attached person types.
	Keys func(base access.Event) KeyLog
	// PasteLimit is the largest paste of a guest in bytes, 0 for the default;
	// PasteConfirmLines is how many lines they paste without being asked, 0 for
	// any number.
	PasteLimit, PasteConfirmLines int
	// AnswerKey has a key open the list of what waits for somebody's answer.
	AnswerKey bool
	// PanicKey is the key by which people lock down what they are at, "" for none, and
	// Panic makes the act that does.
	PanicKey string
	Panic    func(who identity.Identity, on access.Object) (*gateway.Act, error)
	// RequestKey is the key by which people ask for a right on the pane that they are at, ""
	// for none.
	RequestKey string
	// Room is the descriptors that there are; nil for no more than are free.
	Room *crowd.Room
	// Keeper guards the terminals of attached people; nil for none.
	Keeper func() *keeper.Keeper
	// Gateway takes the commands that attached people ask for by keys. It is
	// the one that calls us.
	Gateway func() *gateway.Gateway

	// Asking tells of the requests that wait for an answer; nil for none.
	Asking Asking

	beside  sync.WaitGroup // what people have asked for by keys, done beside what they type
	unnamed atomic.Uint32  // control clients whose person's client has no process here

	mu     sync.Mutex
	boards map[string]*board     // of the servers where somebody's keys are looked up
	seats  map[*seat]bool        // the people who are attached, and can be told something
	hear   map[*controlSeat]bool // those in control mode
	typed  pace.Pace             // what people may type
	looks  room                  // for what people look back at

	anchors  anchors    // of guests' displays
	painters painters   // for people at places of their own
	leaving  departures // of displays, behind what they were closed for
	glances  glances    // at servers, for guests in control mode
	ears     ears       // those and who is at a place of their own, for who respawns what they hear
}

// Wait waits until what people have asked for by keys is done. Call it when nobody is
// attached any more, and before the log is closed and whatever else that needs.
func (e *Executor) Wait() { e.beside.Wait() }

// perAttach is how many descriptors of ours somebody who is attached takes, beside those of their client.
const perAttach = 12

// errSpared is why nobody is attached, in control mode neither, while there still are descriptors.
var errSpared = errors.New("muxward has no descriptors left but for its own commands; attach again when others have left")

// Execute does what the permit says.
func (e *Executor) Execute(ctx context.Context, p *gateway.Permit) (gateway.Result, error) {
	plan := p.Plan()
	defer e.changes(p)
	defer e.swapped(p)
	switch plan.Mode {
	case gateway.Perform:
		return p.Request().Act.Do(ctx, plan.Object)
	case gateway.Answer:
		return e.answer(ctx, p)
	}
	if is, err := e.stops(plan); is {
		return gateway.Result{}, err
	}
	s, seated := p.Request().By.(*controlSeat)
	switch {
	case seated && plan.Mode == gateway.Stream:
		return s.arrange(ctx, plan)
	case seated && s.carries(plan):
		defer e.respawned(ctx, plan)()
		return s.carry(ctx, p)
	}
	if plan.Mode == gateway.Attach { // many may have come in before the first of them was attached
		taken, ok := e.Room.Take(perAttach)
		if !ok {
			return gateway.Result{}, errSpared
		}
		defer taken() // by then they have what they need
	}
	server, release, err := e.server(ctx, p)
	if err != nil {
		return gateway.Result{}, err
	}
	if plan.Invocation.Row.Name == "start-server" {
		result, err := e.run(ctx, p, server)
		result.Release = func() { release(); server.Settle(context.WithoutCancel(ctx)) }
		return result, err
	}
	defer release()
	if client, ok := p.Request().Client.(gateway.ControlClient); ok && plan.Mode == gateway.Attach {
		return e.attachControl(ctx, p, server, client)
	}
	if plan.Mode == gateway.Attach {
		return e.attach(ctx, p, server)
	}
	if guarded(plan) {
		return e.runGuarded(ctx, p, server)
	}
	carryOut := e.run
	if quick(plan) && p.Request().Client != nil {
		carryOut = e.runQuick
	}
	result, err := carryOut(ctx, p, server)
	if ends(plan) {
		release() // it may be the end of the server
		server.Settle(ctx)
	}
	if err == nil && len(plan.Elsewhere) > 0 {
		_, err = e.answer(ctx, p)
	}
	return result, err
}

// server gives the server of the plan, started if need be, and held for its
// first session: whatever else is asked of an empty one does not keep it.
//
// A server that was killed a moment ago refuses connections before its end is
// noticed. Nothing was asked of it, so its successor is.
func (e *Executor) server(ctx context.Context, p *gateway.Permit) (Server, func(), error) {
	for deadline := time.Now().Add(exitTime); ; {
		server, release, err := e.hold(ctx, p)
		if !p.Plan().Start || !errors.Is(err, unix.ECONNREFUSED) || time.Now().After(deadline) {
			return server, release, err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return nil, nil, err
		}
	}
}

// hold is one try of server.
func (e *Executor) hold(ctx context.Context, p *gateway.Permit) (Server, func(), error) {
	s := p.Plan().Server
	if p.Plan().Start {
		var err error
		if s, err = e.Start(ctx, p.Request().Identity, introduced(p)); err != nil {
			return nil, nil, fmt.Errorf("start your tmux server: %w", err)
		}
	}
	server, ok := s.(Server)
	if !ok {
		return nil, nil, errors.New("this server cannot be reached; this is a fault of muxward")
	}
	if snap := p.Plan().Snapshot; !p.Plan().Start && (snap != nil && len(snap.Sessions) > 0 || p.Plan().Invocation.Row.Name != "new-session") {
		return server, func() {}, nil
	}
	release, err := server.Hold()
	return server, release, err
}

// introduced is what the owner's client says of itself to a server that is
// started for it.
func introduced(p *gateway.Permit) *wire.Hello {
	if c := p.Request().Client; c != nil && p.Plan().Home {
		return c.Hello()
	}
	return nil
}

// run replays one command at the server as a client that gave it.
func (e *Executor) run(ctx context.Context, p *gateway.Permit, server Server) (gateway.Result, error) {
	then := e.respawned(ctx, p.Plan())
	defer then()
	failpoint.At("executor-run")
	m, inv := making(p.Plan())
	executed, err := wordsOf(inv, p.Plan())
	if err != nil {
		return gateway.Result{}, err
	}
	argv := executed
	tickets, err := tickets(p.Plan(), server)
	if err != nil {
		return gateway.Result{}, err
	}
	if tickets != nil {
		if inv, err = ticketed(ctx, tickets, p, inv); err == nil {
			argv, err = wordsOf(inv, p.Plan())
		}
		if err != nil {
			return gateway.Result{}, err
		}
	}
	conn, err := server.DialFor(ctx, p.Request().Identity.Person())
	if err != nil {
		return gateway.Result{}, fmt.Errorf("reach the tmux server: %w", err)
	}
	defer conn.Close()
	r := relay{server: conn, client: p.Request().Client, plan: p.Plan(), maker: m,
		onlyStreams: p.Request().Identity.OnlyStreams(), prints: then}
	if err := conn.Identify(ctx, hello(p, argv)); err != nil {
		return gateway.Result{}, err
	}
	exit, err := r.run(ctx)
	failpoint.At("executor-ran")
	if err != nil {
		late, cancel := context.WithTimeout(context.Background(), outlastTime)
		r.hearMade(late)
		_ = conn.Close()
		if ctx.Err() != nil {
			outlastIn(late, server)
		}
		cancel()
	}
	// Also of one that failed: a hook may have, behind what it made.
	result := gateway.Result{Executed: executed, Exit: int(exit.Code), Message: exit.Message, Made: m.made(server)}
	result.GoesOn = err == nil && r.goesOn()
	if err == nil && exit.Code != 0 && tickets != nil {
		refused(ctx, tickets, inv)
	}
	if err == nil && exit.Code == 0 && tickets != nil {
		err = begun(ctx, tickets, p.Plan(), result.Made)
	}
	if err == nil && exit.Code == 0 {
		result.Current = e.current(ctx, p, server)
	}
	return result, err
}

// outlastTime is longer than a revocation waits, so that it tells when a
// server has not come to what was sent.
const outlastTime = 8 * time.Second

// outlast waits until the server has done what it was sent by somebody who has
// gone, or to whom it is not permitted any more: what lies in its socket cannot
// be taken back, and others may lie before it.
func outlast(server Server) {
	ctx, cancel := context.WithTimeout(context.Background(), outlastTime)
	defer cancel()
	outlastIn(ctx, server)
}

func outlastIn(ctx context.Context, server Server) {
	_ = server.Confirm(ctx) // when it does not, that was waited for as long as anybody waits
}

// words is the plan's command as the argument vector of a client, spelled
// around a command-alias that would shadow it.
func words(plan *gateway.Plan) ([]string, error) { return wordsOf(plan.Invocation, plan) }

func wordsOf(inv *tmux.Invocation, plan *gateway.Plan) ([]string, error) {
	argv, err := inv.WordsFor(plan.Snapshot.Reading())
	for i := range argv {
		argv[i] = tmux.EscapeArg(argv[i])
	}
	return argv, err
}

// ends reports whether a server may end with a command.
func ends(plan *gateway.Plan) bool {
	name := plan.Invocation.Row.Name
	return strings.HasPrefix(name, "kill-") || name == "unlink-window"
}

// makes lists the commands after which something new is current.
func makes(name string) bool {
	switch name {
	case "new-session", "new-window", "split-window", "new-pane":
		return true
	}
	return false
}

// made are the panes that a command may have made.
func made(plan *gateway.Plan, before, after *tmux.Snapshot) (fresh []*tmux.Pane) {
	split := strings.HasSuffix(plan.Invocation.Row.Name, "-pane") || plan.Invocation.Row.Name == "split-window"
	for i := range after.Panes {
		pane := &after.Panes[i]
		switch in := plan.Found.Window; {
		case before != nil && before.Pane(pane.ID) != nil:
		case split && in != nil && in.ID != pane.Window:
		case !split && before != nil && before.Window(pane.Window) != nil: // a window that there was is split
		default:
			fresh = append(fresh, pane)
		}
	}
	return fresh
}

// current finds what a command has made, for the rest of its line.
func (e *Executor) current(ctx context.Context, p *gateway.Permit, server Server) *tmux.Found {
	inv, before := p.Plan().Invocation, p.Plan().Snapshot
	if !makes(inv.Row.Name) || inv.Has('d') {
		return nil
	}
	after, err := server.Snapshot(ctx, tmux.Core)
	if err != nil {
		return nil // the next command then has tmux's default
	}
	fresh := made(p.Plan(), before, after)
	if before != nil && len(fresh) > 1 {
		return nil // somebody else has made something, too
	}
	for _, pane := range slices.Backward(fresh) {
		for _, s := range after.SessionsOf(pane.Window) {
			if f := p.Plan().Found; f.Session != nil && f.Session.ID != s.ID && inv.Row.Name != "new-session" {
				continue
			}
			found, err := tmux.Resolve(after, tmux.Lookup{Kind: tmux.TargetPane}, pane.ID.String(),
				tmux.ResolveContext{Session: &s.ID})
			if err == nil {
				return &found
			}
		}
	}
	return nil
}
