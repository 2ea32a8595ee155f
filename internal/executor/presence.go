package executor

import (
	"context"
	"fmt"
	"slices"
	"strings"
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
// changes is set. A fault in it is told, and harms nobody else.
func (e *Executor) Presence(ctx context.Context, complain func(string)) {
	walls := map[string]*wall{}
	tick := time.NewTicker(presenceEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			e.unpost(walls)
			return
		}
		if err := attach.Guard(func() error { e.post(ctx, walls); return nil }); err != nil {
			complain("tell who is present: " + err.Error())
			return
		}
	}
}

// wall is what one server has been told.
type wall struct {
	server Server
	seen   string // of whom it was told, in short
	at     time.Time
	told   map[tmux.SessionID][2]string
	swept  bool // what was left there by another muxward is gone
	failed bool // it was not told, the last time
}

// post tells each server what has changed.
func (e *Executor) post(ctx context.Context, walls map[string]*wall) {
	g := e.Gateway()
	people := map[string][]string{}
	for _, a := range g.Who() {
		people[a.Owner] = append(people[a.Owner], fmt.Sprint(a.Person, a.Session, a.Display, a.Typing))
	}
	for _, owner := range g.Servers.Owners() {
		server, ok := g.Servers.Server(owner).(Server)
		if !ok {
			continue
		}
		w := walls[owner]
		if w == nil || w.server.Incarnation() != server.Incarnation() {
			w = &wall{server: server, told: map[tmux.SessionID][2]string{}}
			walls[owner] = w
		}
		slices.Sort(people[owner])
		seen := strings.Join(people[owner], "\n")
		same, young := seen == w.seen, time.Since(w.at) < presenceAge
		if same && seen == "" && w.swept && !w.failed || young && (same || w.failed) {
			continue // nobody is there, or it is known; who does not answer is asked now and then
		}
		short, cancel := context.WithTimeout(ctx, presenceEvery)
		w.failed = w.renew(short, g) != nil
		w.seen, w.at = seen, time.Now()
		cancel()
	}
	for owner := range walls {
		if g.Servers.Server(owner) == nil {
			delete(walls, owner)
		}
	}
}

// renew sets the options that are not what they should be.
func (w *wall) renew(ctx context.Context, g *gateway.Gateway) error {
	snap, err := w.server.Snapshot(ctx, tmux.Core)
	if err != nil {
		return err
	}
	now := g.Present(w.server.Owner(), w.server.Incarnation(), snap)
	for id := range w.told {
		if snap.Session(id) == nil {
			delete(w.told, id)
		}
	}
	for i := range snap.Sessions {
		id := snap.Sessions[i].ID
		people, typing := attending(now[id])
		was, known := w.told[id]
		if next := [2]string{people, typing}; next != was || !known && !w.swept {
			if err := w.set(ctx, snap.Reading(), id, next); err != nil {
				return err
			}
			w.told[id] = next
		}
	}
	w.swept = true
	return nil
}

// set sets both options of a session. One without a value is taken away.
func (w *wall) set(ctx context.Context, opts tmux.ParseOptions, id tmux.SessionID, values [2]string) error {
	name, ok := tmux.SpellCommand("set-option", opts)
	if !ok {
		return fmt.Errorf("the server's command-alias hides set-option")
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
	_, err = c.Do(ctx, lines...) // a session that has ended says so, which is all right
	return err
}

// unpost takes away what was set.
func (e *Executor) unpost(walls map[string]*wall) {
	ctx, cancel := context.WithTimeout(context.Background(), exitTime)
	defer cancel()
	for _, w := range walls {
		snap, err := w.server.Snapshot(ctx, tmux.Core)
		if err != nil {
			continue
		}
		for id, was := range w.told {
			if was != ([2]string{}) && snap.Session(id) != nil {
				_ = w.set(ctx, snap.Reading(), id, [2]string{}) // there is nobody left to tell
			}
		}
	}
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
// which may expand it twice, in styles and in shell commands.
func literalName(name string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '-', c == '_':
			return c
		}
		return '_'
	}, name)
}
