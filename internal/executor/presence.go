package executor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
)

const (
	// presenceEvery is the least time between two changes of the options that tell
	// who is present.
	presenceEvery = 500 * time.Millisecond
	// presenceAge is how old the state of a server may be by which it is told who
	// may type into the active pane.
	presenceAge = 2 * time.Second
	// maxNamed is how many people an option names.
	maxNamed = 20
)

// The options of a session that tell of it. Their owner may show them in the status
// line, as #{@muxward_people}.
const (
	peopleOption = "@muxward_people"
	typingOption = "@muxward_typing"
)

// Presence keeps options of every server's sessions that tell who is attached
// there, and who is typing, until ctx ends; then it takes them away. Only what
// changes is set. Each server is told by itself: one that does not answer, or a fault
// there, holds up no other. Complain is told what goes wrong, once for each time.
func (e *Executor) Presence(ctx context.Context, complain func(string)) {
	g := e.Gateway()
	t := &town{servers: g.Servers, who: g.Who, complain: complain, open: func(s Server) *wall {
		w := &wall{server: s, due: make(chan string, 1), told: map[tmux.SessionID]posted{}, present: func(snap *tmux.Snapshot) map[tmux.SessionID][]gateway.Present {
			return g.Present(s.Owner(), s.Incarnation(), snap)
		}}
		w.put = w.set
		return w
	}}
	t.run(ctx)
}

// town has a wall for each server, on which is told who is there.
type town struct {
	servers  gateway.Servers
	who      func() []gateway.Attached
	open     func(Server) *wall
	complain func(string)
	walls    map[string]*wall
	all      sync.WaitGroup
}

func (t *town) run(ctx context.Context) {
	t.walls = map[string]*wall{}
	defer t.all.Wait() // each has its own deadline
	tick := time.NewTicker(presenceEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			t.round(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// round gives the word to each server's wall. One that is busy is given it the next
// time.
func (t *town) round(ctx context.Context) {
	people := map[string][]string{}
	for _, a := range t.who() {
		people[a.Owner] = append(people[a.Owner], fmt.Sprint(a.Person, a.Session, a.Display, a.Typing))
	}
	for owner, w := range t.walls {
		if s := t.servers.Server(owner); s == nil || s.Incarnation() != w.server.Incarnation() {
			w.ends(gateway.ErrServerEnded)
			delete(t.walls, owner)
		}
	}
	for _, owner := range t.servers.Owners() {
		server, ok := t.servers.Server(owner).(Server)
		if !ok {
			continue
		}
		w := t.walls[owner]
		if w == nil {
			w = t.open(server)
			var its context.Context
			its, w.ends = context.WithCancelCause(ctx)
			t.walls[owner] = w
			t.all.Go(func() { w.run(its, t.complain) })
		}
		slices.Sort(people[owner])
		select {
		case w.due <- strings.Join(people[owner], "\n"):
		default:
		}
	}
}

// wall is what one server has been told. Only its own goroutine uses it, but for due
// and ends.
type wall struct {
	server  Server
	present func(*tmux.Snapshot) map[tmux.SessionID][]gateway.Present
	put     func(ctx context.Context, opts tmux.ParseOptions, id tmux.SessionID, values [2]string) error
	due     chan string // of whom it is to be told, in short
	ends    context.CancelCauseFunc

	seen   string // of whom it was told
	at     time.Time
	told   map[tmux.SessionID]posted
	swept  bool // what was left there by another muxward is gone
	failed int  // how often in a row it could not be told
}

// posted is what the options of a session were set to.
type posted struct {
	values [2]string
	sure   bool // and the server has said so
}

// run tells one server until ctx ends, or there was a fault.
func (w *wall) run(ctx context.Context, complain func(string)) {
	defer func() {
		if errors.Is(context.Cause(ctx), gateway.ErrServerEnded) {
			return
		}
		if err := attach.Guard(w.unpost); err != nil && !errors.Is(err, gateway.ErrServerEnded) {
			complain(fmt.Sprintf("take away what %s's tmux server was told of who is present: %v", w.server.Owner(), err))
		}
	}()
	for {
		select {
		case seen := <-w.due:
			err := attach.Guard(func() error { w.post(ctx, seen, complain); return nil })
			if err != nil {
				complain(fmt.Sprintf("tell %s's tmux server who is present: %v; it is told no more", w.server.Owner(), err))
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// maxUntold is how often in a row a server is not told before that is said: a session
// may have ended just then.
const maxUntold = 2

// post tells the server what has changed.
func (w *wall) post(ctx context.Context, seen string, complain func(string)) {
	same, young := seen == w.seen, time.Since(w.at) < presenceAge
	if same && seen == "" && w.swept && w.failed == 0 || young && (same || w.failed > 0) {
		return // nobody is there, or it is known; who does not answer is asked now and then
	}
	short, cancel := context.WithTimeout(ctx, presenceEvery)
	defer cancel()
	err := w.renew(short)
	w.seen, w.at = seen, time.Now()
	switch {
	case err == nil:
		w.failed = 0
	case ctx.Err() == nil:
		if w.failed++; w.failed == maxUntold {
			complain(fmt.Sprintf("tell %s's tmux server who is present: %v", w.server.Owner(), err))
		}
	}
}

// renew sets the options that are not what they should be. What could not be set in
// one session keeps no other from being told.
func (w *wall) renew(ctx context.Context) error {
	snap, err := w.server.Snapshot(ctx, tmux.Core)
	if err != nil {
		return err
	}
	now := w.present(snap)
	for id := range w.told {
		if snap.Session(id) == nil {
			delete(w.told, id)
		}
	}
	var failed error
	for i := range snap.Sessions {
		id := snap.Sessions[i].ID
		people, typing := attending(now[id])
		next := [2]string{people, typing}
		was, there := w.told[id]
		if there && was.sure && was.values == next || !there && w.swept && next == [2]string{} {
			continue
		}
		w.told[id] = posted{values: next} // it may be so whatever is said of it
		if err := w.put(ctx, snap.Reading(), id, next); err != nil {
			failed = fmt.Errorf("session %v: %w", id, err)
			continue
		}
		w.told[id] = posted{next, true}
	}
	if failed == nil {
		w.swept = true
	}
	return failed
}

// set sets both options of a session. One without a value is taken away.
func (w *wall) set(ctx context.Context, opts tmux.ParseOptions, id tmux.SessionID, values [2]string) error {
	name, ok := tmux.SpellCommand("set-option", opts)
	if !ok {
		return errors.New("the server's command-alias hides set-option")
	}
	c, err := w.server.Control(ctx)
	if err != nil {
		return err
	}
	var lines []string
	for i, option := range []string{peopleOption, typingOption} {
		words := []string{name, "-q", "-t", id.String(), option, values[i]}
		if values[i] == "" {
			words = []string{name, "-q", "-u", "-t", id.String(), option}
		}
		line, err := tmux.QuoteControl(words)
		if err != nil {
			return err
		}
		lines = append(lines, line)
	}
	replies, err := c.Do(ctx, lines...)
	for _, r := range replies {
		err = errors.Join(err, r.Err)
	}
	return err
}

// unpost takes away what was set, or may have been.
func (w *wall) unpost() error {
	ctx, cancel := context.WithTimeout(context.Background(), exitTime)
	defer cancel()
	left := map[tmux.SessionID]bool{}
	for id, was := range w.told {
		if !was.sure || was.values != [2]string{} {
			left[id] = true
		}
	}
	if len(left) == 0 {
		return nil
	}
	snap, err := w.server.Snapshot(ctx, tmux.Core)
	if err != nil {
		return err
	}
	for id := range left {
		if snap.Session(id) != nil {
			err = errors.Join(err, w.put(ctx, snap.Reading(), id, [2]string{}))
		}
	}
	return err
}

// attending words who is at a session, with a star behind who may type into the active
// pane, and who is typing.
func attending(there []gateway.Present) (people, typing string) {
	var all, types []string
	for _, p := range there {
		name := literalName(p.Person)
		if p.Typing {
			types = append(types, name)
		}
		if p.MayType {
			name += "*"
		}
		all = append(all, name)
	}
	return some(all), some(types)
}

// some joins names, of many the first.
func some(names []string) string {
	if more := len(names) - maxNamed; more > 0 {
		names = append(slices.Clone(names[:maxNamed]), fmt.Sprintf("+%d", more))
	}
	return strings.Join(names, " ")
}

// literalName is a name that means itself wherever an owner puts it: in formats,
// which may expand it twice, in styles and in shell commands. A name with anything
// else in it could be taken for another's: of that nothing is told but that somebody
// is there.
func literalName(name string) string {
	if name == "" || strings.ContainsFunc(name, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '-' && c != '_'
	}) {
		return "+1"
	}
	return name
}
