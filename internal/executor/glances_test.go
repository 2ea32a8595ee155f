package executor

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/control"
)

// lookedAt counts how often it is looked at, and takes its time.
type lookedAt struct {
	Server
	owner string
	n     atomic.Int32
}

func (s *lookedAt) Owner() string     { return s.owner }
func (*lookedAt) Incarnation() string { return "1" }
func (s *lookedAt) Snapshot(context.Context, tmux.Detail) (*tmux.Snapshot, error) {
	s.n.Add(1)
	time.Sleep(time.Second)
	return &tmux.Snapshot{}, nil
}

// Who wants to look at one server at the same moment shares a look, and nobody is given one that began
// before they wanted it, or one at another server.
func TestGlances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g glances
		var all sync.WaitGroup
		one, other := &lookedAt{owner: "alice"}, &lookedAt{owner: "bob"}
		want := func(s *lookedAt) {
			all.Go(func() {
				if snap, err := g.places(t.Context(), s); snap == nil || err != nil {
					t.Error(snap, err)
				}
			})
		}
		for range 100 {
			want(one)
			want(other)
		}
		time.Sleep(gatherTime + time.Millisecond)
		want(one) // it looks already
		all.Wait()
		if one.n.Load() != 2 || other.n.Load() != 1 {
			t.Errorf("it was looked %d times and %d times, want 2 and 1", one.n.Load(), other.n.Load())
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := g.places(ctx, one); err == nil {
			t.Error("who has no time is given something")
		}
		time.Sleep(2 * time.Second)
	})
}

// silent says what lies where, and nothing else.
type silent struct{ lookedAt }

func (*silent) Snapshot(context.Context, tmux.Detail) (*tmux.Snapshot, error) {
	return &tmux.Snapshot{Version: tmux.Reference(), Sessions: []tmux.Session{{ID: 1}}, Panes: []tmux.Pane{{ID: 3}}}, nil
}

func (*silent) Control(ctx context.Context) (*control.Client, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// Whoever has windows swapped does not wait for a server that does not take what is said of a guest's panes.
func TestLookAfterWhereNothingIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		server := &silent{lookedAt{owner: "alice"}}
		e := &Executor{}
		s := &controlSeat{e: e, server: server, name: "guest", ctx: ctx}
		s.stage.Store(&controlStage{session: tmux.Session{ID: 1}})
		s.lies = map[tmux.PaneID]tmux.WindowID{3: 1}
		e.hear = map[*controlSeat]bool{s: true}
		began := time.Now()
		e.lookAfter(server)
		if waited := time.Since(began); waited > roomTime {
			t.Errorf("it was waited %v", waited)
		}
		synctest.Wait()
		if s.amu.TryLock() {
			t.Error("nothing is said of the guest's pane, and this shows nothing")
		}
	})
}
