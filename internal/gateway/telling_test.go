package gateway

import (
	"context"
	"errors"
	"testing"
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
