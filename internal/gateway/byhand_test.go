package gateway

import (
	"context"
	"errors"
	"testing"

	"github.com/muxward/muxward/internal/access"
)

// refusals counts what is written as refused.
type refusals struct{ n int }

func (l *refusals) Append(_ context.Context, _ access.Class, ev access.Event) (uint64, error) {
	if ev.Kind == access.EventDenied {
		l.n++
	}
	return 1, nil
}

// TestKeyedByTheKeyAlone: what is done by a key in somebody's own display is done by no
// command of theirs, whatever they hold, and that they tried is on record.
func TestKeyedByTheKeyAlone(t *testing.T) {
	log := &refusals{}
	allow := &rules{}
	allow.allow.Store(true)
	g := newGateway(t, allow)
	g.Log = log
	done := 0
	act := &Act{Name: "suggestion", On: []access.Object{{Kind: access.Server, Owner: "alice"}}, Verb: access.Type, Keyed: true,
		Do: func(context.Context, access.Object) (Result, error) { done++; return Result{}, nil }}
	if _, err := g.Handle(context.Background(), Request{Identity: bob(t), Act: act}); !errors.Is(err, errKeyed) || done != 0 || log.n != 1 {
		t.Errorf("by a command: %v, done %d times, refused %d times by the log", err, done, log.n)
	}
	open := *act
	open.Open = true // also where it needs no right, as for what is not there
	if _, err := g.Handle(context.Background(), Request{Identity: bob(t), Act: &open}); !errors.Is(err, errKeyed) || done != 0 {
		t.Errorf("an open one by a command: %v, done %d times", err, done)
	}
}
