package tmuxd

import (
	"context"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/wire"
)

// Of each uid one client is heard at a time that has much to say; the next has
// its turn when that one is done. Another uid does not wait for it, unless all
// turns are taken.
func TestTurns(t *testing.T) {
	var h holdings
	over, end := context.WithCancel(context.Background())
	end()
	ctx := t.Context()
	done, err := h.turn(ctx, 7)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.turn(over, 7); err == nil {
		t.Error("two of one uid are heard")
	}
	next := make(chan func())
	go func() {
		done, err := h.turn(ctx, 7)
		if err != nil {
			t.Error(err)
		}
		next <- done
	}()
	var others []func()
	for uid := range uint32(loud - 1) {
		done, err := h.turn(ctx, 100+uid)
		if err != nil {
			t.Fatal(err)
		}
		others = append(others, done)
	}
	if _, err := h.turn(over, 8); err == nil {
		t.Error("there is no end to it")
	}
	done()
	done()
	others = append(others, <-next)
	for _, done := range others {
		done()
	}
	if h.open != 0 || len(h.turns) != 0 {
		t.Errorf("when all are done: %d, %v", h.open, h.turns)
	}
}

// What clients of a uid hold is bounded, and given back when they go.
func TestHoldings(t *testing.T) {
	var h holdings
	big := &wire.Hello{Env: []string{strings.Repeat("x", perUIDHeld/4)}}
	var all []func()
	for range 3 {
		release, err := h.hold("7", big)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, release)
	}
	if _, err := h.hold("7", big); err == nil || !strings.Contains(err.Error(), "environment") {
		t.Errorf("there is no end to it: %v", err)
	}
	if _, err := h.hold("7", &wire.Hello{Env: []string{"A=b"}}); err != nil {
		t.Errorf("a client with little to say: %v", err)
	}
	if _, err := h.hold("8", big); err != nil {
		t.Errorf("uid 7 has taken what is there for uid 8: %v", err)
	}
	for _, release := range all {
		release()
		release()
	}
	if h.held["7"] != 0 {
		t.Errorf("when all have gone %d is held", h.held["7"])
	}
	if _, err := h.hold("7", big); err != nil {
		t.Errorf("there is no room again: %v", err)
	}
}
