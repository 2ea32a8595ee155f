package tmuxtest

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// Collected has all that was dropped so far be collected, and the files among it be closed, and collects
// nothing more until the test ends. It is for tests that count descriptors to the last one.
func Collected(t testing.TB) {
	t.Helper()
	was := debug.SetGCPercent(-1)
	t.Cleanup(func() { debug.SetGCPercent(was) })
	for range 3 { // what is done behind the last one comes behind all that the first have found
		done := make(chan struct{})
		runtime.SetFinalizer(new([64]byte), func(*[64]byte) { close(done) }) // as files have: those are run one by one
		runtime.GC()
		select {
		case <-done:
		case <-time.After(Patience):
			t.Fatalf("nothing is collected within %s", Patience)
		}
	}
}
