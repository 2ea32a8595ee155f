package gateway

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
)

// What was found out before somebody was decided anew is not written to them afterwards, and what is being written
// at that moment is waited for. That others were keeps nothing back.
func TestTelling(t *testing.T) {
	g := newGateway(t, &rules{})
	gate, release := g.Telling(t.Context(), bob(t))
	written := 0
	write := func() error { written++; return nil }
	for range 2 {
		g.Reconsider(t.Context(), "carol", "")
		if err := gate(write); err != nil {
			t.Fatalf("rights of somebody else have changed: %v", err)
		}
	}

	begun, goOn, over := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		over <- gate(func() error { close(begun); <-goOn; return write() })
	}()
	<-begun
	done := make(chan Report, 1)
	go func() { done <- g.Reconsider(context.Background(), "bob", "") }()
	select {
	case <-done:
		t.Error("what is being written is not waited for")
	default:
	}
	close(goOn)
	if err := <-over; err != nil {
		t.Error(err)
	}
	if rep := <-done; len(rep.Unconfirmed) > 0 || rep.Touched != 1 {
		t.Errorf("%+v", rep)
	}
	if err := gate(write); !errors.Is(err, errKeptBack) || written != 3 {
		t.Errorf("after the change: %v, written %d times", err, written)
	}

	gate, again := g.Telling(t.Context(), bob(t))
	if err := gate(write); err != nil || written != 4 {
		t.Errorf("what was found out since: %v, written %d times", err, written)
	}
	again()
	if err := gate(write); err == nil || written != 4 {
		t.Errorf("after the end: %v, written %d times", err, written)
	}
	release()
	if len(g.lives) != 0 || len(g.Who()) != 0 {
		t.Errorf("%d are kept", len(g.lives))
	}
}

// Whoever takes the right to an act away looks who is there before the act finds out what it tells, and is through when
// the act is over: what it has found is not written then, and waited for where that has begun.
func TestTellingOfAnActThatWasStopped(t *testing.T) {
	r := &rules{}
	g := newGateway(t, r)
	for _, begun := range []bool{false, true} {
		r.allow.Store(true)
		act, ctx := g.begin(t.Context(), bob(t))
		on := access.Object{Kind: access.Server, Owner: "alice"}
		if d := act.decide(&Plan{Needs: []Need{{Verb: access.Audit, Object: on}}}); !d.Allow {
			t.Fatal(d)
		}
		there := g.livesOf(t.Context(), func(*Live) bool { return true })
		gate, release := g.Telling(ctx, bob(t))
		act.Release() // it is over
		r.allow.Store(false)
		writing, goOn, over := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		if begun {
			go func() { over <- gate(func() error { close(writing); <-goOn; return nil }) }()
			<-writing
		}
		done := make(chan Report, 1)
		go func() { done <- lookAt(context.Background(), there, "taken") }()
		if begun {
			select {
			case rep := <-done:
				t.Error("what is being written is not waited for")
				done <- rep
			case <-time.After(50 * time.Millisecond):
			}
			close(goOn)
			if err := <-over; err != nil {
				t.Error(err)
			}
		}
		if rep := <-done; len(rep.Unconfirmed) > 0 {
			t.Errorf("%+v", rep)
		}
		if err := gate(func() error { return nil }); err == nil {
			t.Error("what was found out for an act that was stopped is told")
		}
		release()
	}
}
