package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/audit"
	"github.com/muxward/muxward/internal/ctxlock"
	"github.com/muxward/muxward/internal/daemon/left"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/server/ctld"
	"github.com/muxward/muxward/internal/teeth"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// leftFound is what is told of it, and its panes as they were found.
type leftFound struct {
	acts.LeftBehind
	panes []*left.Pane
}

// Bounds of its parts.
const (
	leftAsking  = 5 * time.Second
	leftReading = 8 * time.Second
	mostNotes   = 20
)

func (l *leftFound) lack(format string, args ...any) {
	l.Complete = false
	if len(l.Notes) < mostNotes {
		l.Notes = append(l.Notes, fmt.Sprintf(format, args...))
	}
}

// leftBehindAct tells what a person began that goes on, and ends panes of that.
func (d *daemon) leftBehindAct(who identity.Identity, c ctld.Call) (*gateway.Act, error) {
	person, err := identity.CanonicalName(c.Person)
	if err != nil {
		return nil, err
	}
	a := &gateway.Act{Name: "left-behind", Args: []string{person}, Target: c.Target, Verb: access.Audit}
	if a.Target == "" && !c.All {
		a.Target = who.Person()
	}
	if a.Target != "" {
		a.Args = append(a.Args, "-t", a.Target)
	}
	if err := endsWhich(c); err != nil {
		return nil, err
	}
	if c.Hangup {
		a.Args = append(append(a.Args, "--hangup"), c.Panes...)
	}
	if c.Sure {
		a.Args = append(a.Args, "--yes")
	}
	a.Do = func(ctx context.Context, o access.Object) (gateway.Result, error) {
		leave, err := d.lookers.enter(ctx, who.Person(), d.keeps(who))
		if err != nil {
			return gateway.Result{}, err
		}
		defer leave()
		r, err := d.told(ctx, who, func(ctx context.Context) (any, error) { return d.leftAs(ctx, who, person, o, c) })
		r.Done = c.Hangup
		return r, err
	}
	return a, nil
}

// leftAs finds out what is told of it, and ends what is to be ended.
func (d *daemon) leftAs(ctx context.Context, who identity.Identity, person string, o access.Object, c ctld.Call) (any, error) {
	looking, cancel := context.WithTimeoutCause(ctx, acts.LeftTime, errors.New("it takes too long; name less of the host with -t"))
	defer cancel()
	l, err := d.leftBehind(looking, who, person, o)
	if len(l.Panes)+len(l.Acts) == 0 && !d.policy.Set().IsPerson(person) {
		l.Notes = append(l.Notes, fmt.Sprintf("the policy names no person %s, and nothing of such a one was found: is the name right?", person))
	}
	if err == nil && c.Hangup {
		err = d.hangUpThose(looking, who, &l, o, c)
	}
	// What was taken from the asker meanwhile is not told. Of what took too long is
	// told what was ended.
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return l.LeftBehind, err
}

// endsWhich wants it said which panes are to be ended, if any are: no name is never all.
func endsWhich(c ctld.Call) error {
	switch {
	case !c.Hangup && (c.Sure || len(c.Panes) > 0):
		return errors.New("panes are named to be ended only")
	case c.Hangup && c.Sure == (len(c.Panes) > 0):
		return errors.New("name the panes to end, or say that it is all that are sure")
	case slices.Contains(c.Panes, ""):
		return errors.New("an empty name names no pane; nothing was ended")
	}
	return nil
}

// lookers take turns, as each reads much: those who keep the host among themselves, so
// that nobody else keeps them from it.
type lookers struct {
	mu              sync.Mutex
	people          map[string]bool
	keepers, others ctxlock.Turn
}

func newLookers() *lookers {
	return &lookers{people: map[string]bool{}, keepers: ctxlock.NewTurn(), others: ctxlock.NewTurn()}
}

// enter waits for a person's turn.
func (k *lookers) enter(ctx context.Context, person string, keeper bool) (leave func(), err error) {
	mine := k.others
	if keeper {
		mine = k.keepers
	}
	k.mu.Lock()
	busy := k.people[person]
	k.people[person] = true
	k.mu.Unlock()
	if busy {
		return nil, errors.New("you look for what somebody left already; wait for that")
	}
	forget := func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		delete(k.people, person)
	}
	if err := mine.Take(ctx, acts.LeftTurn, errLooking); err != nil {
		forget()
		return nil, err
	}
	return func() { mine.Leave(); forget() }, nil
}

// errLooking is what those hear whose turn does not come.
var errLooking = errors.New("others look for what somebody left just now; try again in a moment")

// leftBehind looks for it, by the log and by what there is now.
func (d *daemon) leftBehind(ctx context.Context, who identity.Identity, person string, o access.Object) (leftFound, error) {
	l := leftFound{LeftBehind: acts.LeftBehind{Person: person, Complete: true, Panes: []*acts.LeftPane{}, Acts: []*acts.LeftAct{}}}
	r := left.New(person)
	since := time.Time{}
	for _, life := range d.livesIn(ctx, o, &l) {
		r.Lives[audit.Escape(life.Owner+"#"+life.Server.Incarnation())] = life
		// The log's clock is never behind the one that tmux goes by.
		begun := time.Unix(life.Snap.Incarnation.StartTime, 0).Add(-time.Minute)
		if since.IsZero() || begun.Before(since) {
			since = begun
		}
	}
	if len(r.Lives) == 0 {
		return l, nil
	}
	reading, cancel := context.WithTimeout(ctx, leftReading)
	defer cancel()
	bad := false
	for rec, err := range audit.Since(reading, filepath.Join(d.config.State, "audit"), since, r.Wants) {
		if err != nil {
			if d.keeps(who) {
				l.lack("%v; see: muxward audit verify", err)
			}
			bad = true
			continue
		}
		r.Read(&rec)
	}
	if ctx.Err() != nil {
		return l, context.Cause(ctx)
	}
	if bad {
		l.lack("some of the log is missing, or cannot be read")
	}
	if reading.Err() != nil {
		l.lack("the log was not read to its end within %v; see: muxward audit query --who %s", leftReading, person)
	}
	d.seenLeft(who, o, r, &l)
	return l, nil
}

// keeps reports whether somebody keeps the host: where its files are, and what is in
// all of its log, is told to nobody else.
func (d *daemon) keeps(who identity.Identity) bool {
	return d.holds(who, access.Object{}).Has(access.Audit)
}

// livesIn gives the servers that are looked at, with their state, asked beside each other.
func (d *daemon) livesIn(ctx context.Context, o access.Object, l *leftFound) []*left.Life {
	ctx, cancel := context.WithTimeout(ctx, leftAsking)
	defer cancel()
	var mu sync.Mutex
	var lives []*left.Life
	var wg sync.WaitGroup
	for _, s := range d.guard.Servers() {
		if o.Kind >= access.Server && (s.Owner() != o.Owner || o.Incarnation != "" && s.Incarnation() != o.Incarnation) {
			continue
		}
		wg.Go(func() {
			var snap *tmux.Snapshot
			err := attach.Guard(func() (err error) {
				snap, err = s.Snapshot(ctx, tmux.Full)
				return err
			})
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				l.lack("%s's tmux server does not tell its state, so nothing there is listed: %v", s.Owner(), err)
				return
			}
			lives = append(lives, &left.Life{Owner: s.Owner(), Snap: snap, Server: s})
		})
	}
	wg.Wait()
	return lives
}

// seenLeft gives of what was found what the asker may read of: panes where they hold
// audit on the pane, and the rest where they hold it on the whole server.
func (d *daemon) seenLeft(who identity.Identity, o access.Object, r *left.Reader, l *leftFound) {
	panes, others := r.Rest()
	for _, p := range panes {
		if d.placeLeft(who, o, p) {
			l.Panes, l.panes = append(l.Panes, &p.LeftPane), append(l.panes, p)
		}
	}
	whole := map[*left.Life]bool{}
	for _, life := range r.Lives {
		server := access.Object{Kind: access.Server, Owner: life.Owner, Incarnation: life.Server.Incarnation()}
		whole[life] = o.Kind <= access.Server &&
			d.gateway.May(who, gateway.Need{Whole: true, Verbs: access.SetOf(access.Audit), Object: server}).Allow
		switch {
		case whole[life] && r.Direct[life]:
			l.lack("%s typed at a display of %s's that takes keys itself: what these asked tmux for is not known", l.Person, life.Owner)
		case !whole[life] && r.Direct[life] || r.Unclear[life] > 0:
			l.lack("of some that %s asked %s's tmux server for it is not known in which panes that began something", l.Person, life.Owner)
		}
	}
	for _, a := range others {
		if whole[a.Life] {
			l.Acts = append(l.Acts, &a.LeftAct)
		}
	}
	if len(l.Acts) > 0 {
		l.More = r.More
	}
}

// placeLeft finds the place of a pane that the asker may read of, in the object that
// they asked about, and reports whether there is one. A window may lie in a session of
// which they are to know nothing as well: that one is not named.
func (d *daemon) placeLeft(who identity.Identity, o access.Object, p *left.Pane) bool {
	for _, s := range p.Life.Snap.SessionsOf(p.Now.Window) {
		at, ok := gateway.PaneObject(p.Life.Owner, p.Life.Server.Incarnation(), p.Life.Snap, s.ID, p.Now.ID)
		if !ok || !audited(d, who, o, at) {
			continue
		}
		p.Pane = tmux.JoinOwner(p.Life.Owner, p.Now.ID.String())
		p.Name, p.PID = tmux.Clean(gateway.Name(at)), p.Now.PID
		if p.From != "" && !d.readsOf(who, p.Life, p.From) {
			p.Note = strings.Replace(p.Note, "inside "+p.From, "inside a pane", 1)
		}
		if d.holds(who, at).Has(access.View) {
			p.Runs = tmux.Clean(p.Now.CurrentCommand)
		}
		return true
	}
	return false
}

// readsOf reports whether somebody holds audit on a pane in one of its places.
func (d *daemon) readsOf(who identity.Identity, life *left.Life, pane string) bool {
	id, err := tmux.ParsePaneID(pane)
	p := life.Snap.Pane(id)
	return err == nil && p != nil && slices.ContainsFunc(life.Snap.SessionsOf(p.Window), func(s *tmux.Session) bool {
		at, ok := gateway.PaneObject(life.Owner, life.Server.Incarnation(), life.Snap, s.ID, id)
		return ok && audited(d, who, access.Object{}, at)
	})
}

// audited reports whether a pane lies in an object, and somebody holds audit on it.
func audited(d *daemon, who identity.Identity, in, pane access.Object) bool {
	switch {
	case teeth.Out(teeth.Audited):
		return true
	case in.Kind >= access.Session && in.Session.ID != pane.Session.ID,
		in.Kind >= access.Window && in.Window.ID != pane.Window.ID,
		in.Kind >= access.Pane && in.Pane.ID != pane.Pane.ID:
		return false
	}
	return d.holds(who, pane).Has(access.Audit)
}

// hangUpThose ends the panes that are named, or all that are sure if that was said.
func (d *daemon) hangUpThose(ctx context.Context, who identity.Identity, l *leftFound, o access.Object, c ctld.Call) error {
	names := slices.Clone(c.Panes)
	home := who.Person()
	if o.Kind >= access.Server {
		home = o.Owner
	}
	for i, name := range names {
		if !strings.Contains(name, "/") {
			names[i] = tmux.JoinOwner(home, name)
		}
		if !slices.ContainsFunc(l.Panes, func(p *acts.LeftPane) bool { return p.Pane == names[i] }) {
			return fmt.Errorf("%s is no pane that %s left there, as far as you may know; nothing was ended", tmux.Clean(name), l.Person)
		}
	}
	for _, p := range l.panes {
		if !(c.Sure && p.Sure) && !slices.Contains(names, p.Pane) {
			continue
		}
		p.Hangup = "ended"
		if err := d.hangUp(ctx, who, p); err != nil && !over(p.Life.Server.Done()) {
			p.Hangup = "not ended: " + tmux.OneLine(err.Error())
		}
	}
	return nil
}

// over reports whether something has ended, such as a server with its last pane.
func over(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// hangUp ends a pane, as a request of who asks for it: it is decided and written as if
// they had typed it, about this life of the server.
func (d *daemon) hangUp(ctx context.Context, who identity.Identity, p *left.Pane) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if now, err := p.Life.Server.Snapshot(ctx, tmux.Core); err != nil {
		return err
	} else if pane := now.Pane(p.Now.ID); pane == nil {
		return nil // it has ended meanwhile
	} else if pane.PID != p.Now.PID {
		return errors.New("a program was begun in it meanwhile; list again")
	}
	said := &quietClient{}
	reqs, err := d.ending(ctx, gateway.Request{
		Identity: who, Here: p.Life.Owner, Incarnation: p.Life.Server.Incarnation(), Bound: true,
		Client: said, Door: p.Life.Server.InnerDoor().Path(),
	}, p.Now.ID)
	if err != nil {
		return err
	}
	for _, req := range reqs {
		result, err := d.gateway.Handle(ctx, req)
		if result.Release != nil {
			result.Release()
		}
		switch {
		case err != nil:
			return err
		case result.Exit != 0:
			return fmt.Errorf("tmux says: %s", strings.TrimSpace(said.printed()+" "+result.Message))
		}
	}
	return nil
}

// ending makes the request that ends a pane. It is made of what it means, and never read
// as that server reads commands: its owner chose how.
func (d *daemon) ending(ctx context.Context, base gateway.Request, pane tmux.PaneID) ([]gateway.Request, error) {
	if teeth.Out(teeth.Worded) {
		base.Bound, base.Incarnation = false, ""
		return d.gateway.Parse(ctx, base, []string{"kill-pane", "-t", pane.String()})
	}
	base.Invocation = &tmux.Invocation{Row: tmux.FindCommand("kill-pane")}
	base.Invocation.Set('t', pane.String())
	return []gateway.Request{base}, nil
}

// quietClient is the client of a command that nobody's client gave: it has no terminal
// and no files, and keeps some of what is printed.
type quietClient struct {
	mu  sync.Mutex
	out bytes.Buffer
}

const maxQuiet = 4 << 10

func (*quietClient) Hello() *wire.Hello                          { return &wire.Hello{Flags: wire.FlagUTF8, Cwd: "/"} }
func (*quietClient) Send(context.Context, ...wire.Message) error { return nil }
func (*quietClient) Files() <-chan wire.Message                  { return nil }
func (*quietClient) Events() <-chan wire.Message                 { return nil }
func (*quietClient) Stream() int32                               { return 1 }
func (*quietClient) Terminal() (*os.File, error)                 { return nil, errors.New("there is no terminal") }
func (*quietClient) Connection() (*os.File, error)               { return nil, errors.New("there is no connection") }

func (c *quietClient) Print(_ context.Context, _ int, data []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out.Write(data[:min(len(data), maxQuiet-c.out.Len())])
	return nil
}

func (c *quietClient) printed() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.String()
}
