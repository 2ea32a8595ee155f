package gateway

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
)

// What was answered before rights changed is not written afterwards, and what is
// being written at that moment is waited for. Nobody is listed for it.
func TestAnswersAreHeldBack(t *testing.T) {
	g := newGateway(t, &rules{})
	settled := 0
	answers := g.Answers(context.Background(), bob(t), func(context.Context) error { settled++; return nil })
	gate := answers.Gate()
	g.Reconsider(context.Background(), "carol", "") // of whom nothing is told
	written := 0
	write := func() error { written++; return nil }
	if err := gate(write); err != nil || written != 1 {
		t.Fatalf("%v, written %d times", err, written)
	}
	if who := g.Who(); len(who) != 0 {
		t.Errorf("%+v is listed as attached", who)
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
	if rep := <-done; len(rep.Unconfirmed) > 0 {
		t.Errorf("%+v", rep)
	}
	if settled != 1 {
		t.Errorf("what was let through is waited for %d times", settled)
	}
	if err := gate(write); !errors.Is(err, errKeptBack) || written != 2 {
		t.Errorf("after the change: %v, written %d times", err, written)
	}
	if err := answers.Gate()(write); err != nil || written != 3 {
		t.Errorf("what was asked for since: %v, written %d times", err, written)
	}
	answers.Release()
	if err := answers.Gate()(write); err == nil || written != 3 {
		t.Errorf("after the end: %v, written %d times", err, written)
	}
}

// Whoever is looked at last has nothing written that was found out before, from when the first is looked at on:
// somebody who hangs may keep the others from their turn.
func TestAnswersAreOldBeforeAnybodyIsWaitedFor(t *testing.T) {
	g, who := newGateway(t, &rules{}), bob(t)
	var all []Answers
	var gates []Gate
	for range 200 {
		var told atomic.Int64
		a := g.Answers(t.Context(), who, func(context.Context) error {
			for _, gate := range gates {
				_ = gate(func() error { told.Add(1); return nil })
			}
			if n := told.Load(); n > 0 {
				return fmt.Errorf("%d are told what was theirs", n)
			}
			return nil
		})
		defer a.Release()
		all = append(all, a)
	}
	for _, a := range all {
		gates = append(gates, a.Gate())
	}
	if rep := g.Reconsider(t.Context(), "bob", ""); rep.Touched != len(all) || len(rep.Unconfirmed) > 0 {
		t.Errorf("%d looked at, %d not confirmed: %.200q", rep.Touched, len(rep.Unconfirmed), rep.Unconfirmed)
	}
}
