package tmuxtest

import (
	"testing"
	"time"
)

// Patience is how long waits in tests last before they fail. It is generous
// because it is only ever used up by a failure.
const Patience = 30 * time.Second

// Eventually waits until cond holds, asking again every few milliseconds, and
// fails the test with what (formatted by t.Fatalf) if it never does.
func Eventually(t testing.TB, cond func() bool, what string, args ...any) {
	t.Helper()
	if !poll(Patience, cond) {
		t.Fatalf("not within %s: "+what, append([]any{Patience}, args...)...)
	}
}

// poll asks cond until it holds or the time is over.
func poll(limit time.Duration, cond func() bool) bool {
	end := time.Now().Add(limit)
	tick := time.NewTicker(3 * time.Millisecond)
	defer tick.Stop()
	for {
		if cond() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
		<-tick.C
	}
}
