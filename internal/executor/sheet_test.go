package executor

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/muxward/muxward/internal/chooser"
)

// What comes in one go with the key that opened a list, or goes on and on, is no answer
// to it; the list says when keys count, and not before.
func TestKeysCountOnceTheyHavePaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sh, drawn := &sheet{list: &chooser.List{Foot: "y approves"}}, 0
		sh.hold()
		meant := sh.list.Foot
		sh.held.begin(sh.list, func() { drawn++ })
		for range 5 {
			if !sh.held.drops() {
				t.Fatal("a key counts that came without a pause")
			}
			time.Sleep(deafTime - time.Millisecond)
			synctest.Wait()
			if drawn > 0 || sh.list.Foot != meant || meant == "y approves" {
				t.Fatalf("it says that keys count: %q, drawn %d times", sh.list.Foot, drawn)
			}
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if drawn != 1 || sh.list.Foot != "y approves" {
			t.Errorf("after a pause it says %q, drawn %d times", sh.list.Foot, drawn)
		}
		if sh.held.drops() {
			t.Error("a key after the pause does not count")
		}
	})
	if (*holding)(nil).drops() {
		t.Error("a list that asks nothing drops keys")
	}
}
