package hostconf

import (
	"context"
	"slices"
	"testing"
)

// Who removes the records keeps the lock until nothing else is left in them: another apply
// that began before would lose its journal.
func TestForgetKeepsTheLock(t *testing.T) {
	b := newBed(t)
	b.furnish()
	s := State{Set: "a", Items: []Item{{ID: "T", Kind: File, Path: "/etc/mw.conf", Mode: 0o644, Why: "it"}}}
	b.apply(s)
	b.apply(State{Set: "a"})
	var order []string
	o := b.opt
	o.step = func(step string) {
		order = append(order, step)
		if _, err := Apply(context.Background(), s, b.opt); err != ErrBusy {
			t.Errorf("at %q another apply goes on: %v", step, err)
		}
	}
	done, err := Forget(o)
	if err != nil || !done {
		t.Fatalf("forget: %v, %v", done, err)
	}
	if n := len(order); n < 2 || !slices.Equal(order[n-2:], []string{"forget ledger.json", "forget lock"}) {
		t.Errorf("it went in the order %q", order)
	}
}
