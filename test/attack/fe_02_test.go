package attack

import (
	"fmt"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Bob types all the time, while carol watches. She leaves, is hung up on, is revoked, or
// may not approve any more: from then on not one byte of his comes to the pane. In the
// control run whoever is attached is a watcher, bob himself, too.
func TestFE02WatcherWhoHasGone(t *testing.T) {
	t.Parallel()
	ways := []struct {
		name string
		goes func(w *world, x *tmuxtest.Terminal)
	}{
		{"leaves", func(w *world, x *tmuxtest.Terminal) { x.Type("\x02d"); x.ExitCode() }},
		{"is revoked", func(w *world, _ *tmuxtest.Terminal) { must(w, "revoke", carol) }},
		{"may not approve", func(w *world, _ *tmuxtest.Terminal) {
			w.Reload("grants.yaml", strings.Replace(eyed, ", approve]", "]", 1))
		}},
		{"is put out of the pane", func(w *world, _ *tmuxtest.Terminal) { must(w, "revoke", carol, "-t", watchedPane) }},
	}
	row{grants: eyed, teeth: "teeth_watcher", restless: true, gains: len(ways), attack: func(w *world) {
		w.anyInput = true
		a := watchers{w}
		for _, way := range ways {
			name := way.name
			x := a.watch(carol, "attach-session", "-t", "mwalice/shared")
			b := w.attach(viewer, tmuxtest.TerminalConfig{}, "attach-session", "-t", "mwalice/shared")
			b.WaitFor("[shared]")
			stop := a.typing(b)
			begun := w.rec.Len()
			tmuxtest.Eventually(w.t, func() bool { return w.rec.Len() > begun+3 }, "bob types")
			way.goes(w, x)
			mark := fmt.Sprintf("<%s>", name)
			a.mark(mark)
			if w.control {
				tmuxtest.Eventually(w.t, func() bool { return a.behind(mark) != "" }, "bob goes on: "+name)
				w.gain("bob types after carol %s", name)
			} else {
				b.WaitTold("nobody watches")
				a.mark("<end of " + mark)
				if came, _, _ := strings.Cut(a.behind(mark), "<"); came != "" {
					w.gain("%q came after carol %s", came, name)
				}
			}
			stop()
			b.Type("\x02d")
			b.ExitCode()
			if name == "is revoked" || name == "is put out of the pane" {
				must(w, append([]string{"revoke", carol, "--undo"}, target(name)...)...)
			}
			w.Reload("grants.yaml", eyed)
			if !x.Exited() {
				x.Type("\x02d")
				x.ExitCode()
			}
		}
	}}.run(t)
}

func target(name string) []string {
	if name == "is put out of the pane" {
		return []string{"-t", watchedPane}
	}
	return nil
}

// must has root do something.
func must(w *world, args ...string) {
	w.t.Helper()
	if r := w.Muxward(root, args...); r.Code != 0 {
		w.t.Fatalf("%q: %+v", args, r)
	}
}
