package attack

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/hostconf/bundle"
	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Whoever can kill processes of root's wants a lock-down gone that landed long ago, or a host that
// takes no bundle any more. So they kill the apply of the next bundle before anything has moved, or half
// way, and then the undo that an administrator calls, at the first of each kind of its steps (all of them with soak.Full). Undo takes back what was broken
// off and no more: the bundle before stays in force, and counts as the one that was used last.
//
// The control run is the host after the kills: where something had moved, it is not as before. It was
// seen to fail with an undo that goes on to the apply before, and with one that does not write
// down first that the bundle has not landed.
func TestCF06Settled(t *testing.T) {
	tmuxtest.As(t, stranger) // owners and accounts are root's to make
	for _, cut := range []string{"journal", "commit"} {
		t.Run(cut, func(t *testing.T) {
			t.Parallel()
			y := newYard(t)
			y.furnish()
			now := time.Now()
			m := bundle.Manifest{Name: "prod", Serial: 7, Made: now.Add(-time.Hour), Expires: now.Add(time.Hour), Hosts: []string{"any"}}
			y.bundle("7", "ours", "bob", m)
			m.Serial = 8
			y.change()
			y.bundle("8", "ours", "carol", m)
			y.muxward("", 0, y.land("7")...)
			before := y.state()
			x := &killed{yard: y, do: y.land("8"), saved: y.root + ".saved"}
			x.copy(y.root, x.saved)
			steps := x.steps()
			at := slices.Index(steps, cut)
			if at < 0 {
				t.Fatalf("it has no step %q, but %q", cut, steps)
			}
			x.kill(at + 1)
			if moved := y.state() != before; moved != (cut == "commit") {
				t.Fatalf("at %q something has moved: %v", cut, moved)
			}
			undo := &killed{yard: y, do: y.host("undo"), saved: y.root + ".broken"}
			undo.copy(y.root, undo.saved)
			t.Cleanup(func() { _ = errors.Join(os.RemoveAll(x.saved), os.RemoveAll(undo.saved)) }) // what is left is seen in /dev/shm
			kinds, kills := map[string]bool{}, 0
			all := undo.steps()
			is := func(name string) {
				if now := y.state(); now != before {
					t.Fatalf("%q: it is not as before the bundle:\n%s", name, differ(now, before))
				}
				if err := y.used(false); err != nil {
					t.Fatalf("%q: %v", name, err)
				}
			}
			is("not killed")
			for i, name := range all {
				kind, _, _ := strings.Cut(name, " /")
				if kinds[kind] && !soak.Full() {
					continue
				}
				kinds[kind] = true
				kills++
				undo.kill(i + 1)
				if _, err := os.Lstat(y.root + "/var/lib/muxward-bundles/attempt"); errors.Is(err, fs.ErrNotExist) {
					t.Fatalf("%q: it has forgotten the attempt before it was over", name)
				}
				y.muxward("", 0, y.host("undo")...)
				is(name)
			}
			t.Logf("killed at %d of %d steps", kills, len(all))
		})
	}
}
