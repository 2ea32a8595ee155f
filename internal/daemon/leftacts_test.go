package daemon

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/muxward/muxward/internal/server/ctld"
)

// One person looks once at a time, and whoever keeps the host waits for nobody else.
func TestLookersTakeTurns(t *testing.T) {
	k := newLookers()
	enter := func(person string, keeper bool) func() {
		t.Helper()
		leave, err := k.enter(t.Context(), person, keeper)
		if err != nil {
			t.Fatal(err)
		}
		return leave
	}
	bobs := enter("bob", false)
	if _, err := k.enter(t.Context(), "bob", false); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("bob looks twice: %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := k.enter(gone, "carol", false); err == nil {
		t.Error("carol looks while bob does")
	}
	enter("root", true)()
	bobs()
	enter("bob", false)()
	enter("carol", false)()
}

// Whoever does not get their turn hears why, and may try again.
func TestLookersHearOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newLookers()
		leave, err := k.enter(t.Context(), "bob", false)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := k.enter(t.Context(), "carol", false); err == nil || !strings.Contains(err.Error(), "others look") {
				t.Errorf("carol hears %v", err)
			}
		}
		leave()
		if leave, err = k.enter(t.Context(), "carol", false); err != nil {
			t.Fatal(err)
		}
		leave()
	})
}

// To end panes, they are named, or it is said that it is all that are sure: what is
// empty is neither.
func TestNoNameIsNotAll(t *testing.T) {
	for _, c := range []struct {
		call ctld.Call
		ok   bool
	}{
		{ctld.Call{}, true},
		{ctld.Call{Hangup: true, Sure: true}, true},
		{ctld.Call{Hangup: true, Panes: []string{"%1"}}, true},
		{ctld.Call{Hangup: true}, false},
		{ctld.Call{Hangup: true, Panes: []string{}}, false},
		{ctld.Call{Hangup: true, Panes: []string{""}}, false},
		{ctld.Call{Hangup: true, Panes: []string{"%1", ""}}, false},
		{ctld.Call{Hangup: true, Sure: true, Panes: []string{"%1"}}, false},
		{ctld.Call{Sure: true}, false},
		{ctld.Call{Panes: []string{"%1"}}, false},
	} {
		if err := endsWhich(c.call); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c.call, err)
		}
	}
}
