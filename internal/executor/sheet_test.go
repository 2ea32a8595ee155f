package executor

import (
	"strings"
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
		taken := true
		seen := func() (foot string, n int) { // as the pump sees it, which asks drops first
			sh.held.mu.Lock()
			defer sh.held.mu.Unlock()
			return sh.list.Foot, drawn
		}
		sh.held.begin(sh.list, func() (bool, bool) { return taken, true }, func() { drawn++ })
		for range 5 {
			if !sh.held.drops() {
				t.Fatal("a key counts that came without a pause")
			}
			time.Sleep(deafTime - time.Millisecond)
			synctest.Wait()
			if foot, n := seen(); n > 0 || foot != meant || meant == "y approves" {
				t.Fatalf("it says that keys count: %q, drawn %d times", foot, n)
			}
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if foot, n := seen(); n != 1 || foot != "y approves" {
			t.Errorf("after a pause it says %q, drawn %d times", foot, n)
		}
		if sh.held.drops() {
			t.Error("a key after the pause does not count")
		}
	})
	synctest.Test(t, func(t *testing.T) {
		list := &chooser.List{Foot: "y runs it", Items: []chooser.Item{{Text: strings.Repeat("x", 50), Whole: true, Fixed: true}}}
		sh, taken := &sheet{list: list}, false
		draw := func() { list.Draw(11, 5, true) } // two pages of three lines
		sh.hold()
		draw()
		sh.held.begin(list, func() (bool, bool) { return taken, true }, draw)
		pause := func(counts bool) {
			t.Helper()
			time.Sleep(deafTime + time.Millisecond)
			synctest.Wait()
			sh.held.mu.Lock()
			defer sh.held.mu.Unlock()
			if got := list.Foot == "y runs it"; got != counts {
				t.Errorf("it says %q", list.Foot)
			}
		}
		takes := func(is bool) {
			sh.held.mu.Lock()
			defer sh.held.mu.Unlock()
			taken = is
		}
		for range 3 {
			pause(false) // nothing of it has come to the terminal
		}
		takes(true)
		pause(true)
		takes(false)
		list.Key("Space")
		if sh.held.page(); !sh.held.drops() || list.Whole() {
			t.Error("a key counts for a page that has just been turned to")
		}
		pause(false)
		takes(true)
		if pause(true); !list.Whole() || sh.held.drops() {
			t.Error("all of it was shown, and keys do not count")
		}
		list.Key("Up")
		if sh.held.page(); sh.held.drops() {
			t.Error("what was read is to be read again")
		}
		sh.held.stop()
	})
	if (*holding)(nil).drops() {
		t.Error("a list that asks nothing drops keys")
	}
}
