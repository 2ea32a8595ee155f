package executor

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
)

// glances are looks at servers that are about to be taken, by the server's life: all who want one at the same moment
// share it. It is taken behind the wish of each.
type glances struct {
	mu     sync.Mutex
	coming map[string]*sharedLook
}

type sharedLook struct {
	done chan struct{}
	snap *tmux.Snapshot // set, or err, before done is closed
	err  error
}

// gatherTime is how long a look waits for others who want it.
const gatherTime = 5 * time.Millisecond

// places gives what lies where on a server, from now on.
func (g *glances) places(ctx context.Context, server Server) (*tmux.Snapshot, error) {
	life := life(server)
	g.mu.Lock()
	l := g.coming[life]
	if l == nil {
		if g.coming == nil {
			g.coming = map[string]*sharedLook{}
		}
		l = &sharedLook{done: make(chan struct{})}
		g.coming[life] = l
		time.AfterFunc(gatherTime, func() { g.take(life, l, server) })
	}
	g.mu.Unlock()
	select {
	case <-l.done:
		return l.snap, l.err
	case <-ctx.Done():
		return nil, fmt.Errorf("look at the tmux server: %w", ctx.Err())
	}
}

// take looks, for whoever has come by now.
func (g *glances) take(life string, l *sharedLook, server Server) {
	defer close(l.done)
	g.mu.Lock()
	delete(g.coming, life)
	g.mu.Unlock()
	l.err = attach.Guard(func() (err error) {
		ctx, cancel := context.WithTimeout(context.Background(), keyTime)
		defer cancel()
		l.snap, err = server.Snapshot(ctx, tmux.Places)
		return err
	})
}

// swapped has guests in control mode looked after when a command has swapped windows, of which tmux tells
// nobody: a pane that is back at once by the next command was away all the same.
func (e *Executor) swapped(p *gateway.Permit) {
	plan := p.Plan()
	if plan.Server == nil || plan.Invocation == nil || plan.Invocation.Row.Name != "swap-window" {
		return
	}
	e.lookAfter(plan.Server)
}

// lookAfter has the guests of a server look, and waits for them for as long as a key waits: a server may hang, and
// the command is done. Who has not looked by then does so later.
func (e *Executor) lookAfter(server gateway.Server) {
	var guests sync.WaitGroup
	e.mu.Lock()
	for s := range e.hear {
		if !s.full && s.server.Owner() == server.Owner() && s.server.Incarnation() == server.Incarnation() {
			guests.Go(func() { s.protected(s.glance) })
		}
	}
	e.mu.Unlock()
	looked := make(chan struct{})
	go func() { guests.Wait(); close(looked) }()
	select {
	case <-looked:
	case <-time.After(roomTime):
	}
}
