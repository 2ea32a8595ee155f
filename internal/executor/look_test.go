package executor

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux"
)

// forgetful is a server that was asked for states of these ages.
type forgetful struct {
	Server
	ages []time.Duration
}

func (*forgetful) Owner() string       { return "alice" }
func (*forgetful) Incarnation() string { return "1" }
func (f *forgetful) Recent(_ context.Context, _ tmux.Detail, age time.Duration) (*tmux.Snapshot, time.Time, error) {
	f.ages = append(f.ages, age)
	return tmux.NewSnapshot(tmux.Snapshot{}), time.Time{}, nil
}

// A pane that is on the screen and not in the state that all share has come since.
func TestLooksAnewForWhatHasCome(t *testing.T) {
	f, pane := &forgetful{}, tmux.PaneID(5)
	s := &seat{server: f}
	s.stage.Store(&stage{})
	s.active.Store(&pane)
	if at, err := s.look(t.Context()); err == nil || !slices.Equal(f.ages, []time.Duration{sharedAge, 0}) {
		t.Errorf("%+v, %v: asked for what is at most %v old", at, err, f.ages)
	}
}
