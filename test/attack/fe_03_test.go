package attack

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Bob wants to type while carol is attached, and does not see it: she is in another
// session, in another window, has her own picture over it, is away, or her terminal
// takes nothing any more. In the control run whoever is attached is a watcher.
func TestFE03WatcherElsewhere(t *testing.T) {
	t.Parallel()
	row{grants: eyed, teeth: "teeth_watcher", restless: true, gains: 5, attack: func(w *world) {
		w.anyInput = true
		a := watchers{w}
		w.Must(owner, "new-session", "-d", "-s", "other", "cat")
		w.Must(owner, "new-window", "-d", "-t", "shared:1", "cat")
		unseen := func(where string) {
			w.t.Helper()
			if w.control {
				if a.types(viewer) {
					w.gain("bob types while carol is %s", where)
				}
				return
			}
			// What she was shown a moment before counts until muxward knows better.
			tmuxtest.Eventually(w.t, func() bool { return !a.types(viewer) }, "bob is stopped: carol is "+where)
			mark := fmt.Sprintf("<%s>", where)
			a.mark(mark)
			for range 3 {
				if a.types(viewer) {
					w.gain("bob types while carol is %s", where)
				}
			}
			a.mark("<end of " + mark)
			if came, _, _ := strings.Cut(a.behind(mark), "<"); came != "" {
				w.gain("%q came while carol is %s", came, where)
			}
		}
		x := w.attach(carol, tmuxtest.TerminalConfig{}, "attach-session", "-t", "mwalice/other")
		x.WaitFor("[other]")
		unseen("in another session")
		x.Type("\x02d")
		x.ExitCode()
		x = a.watch(carol, "attach-session", "-t", "mwalice/shared")
		w.Must(owner, "select-window", "-t", "shared:1")
		unseen("at another window")
		w.Must(owner, "select-window", "-t", "shared:0")
		x.WaitFor("0:work*")
		x.Type("\x02?")
		x.WaitFor("q leaves")
		unseen("reading the help")
		x.Type("q")
		tmuxtest.Eventually(w.t, func() bool { return a.types(viewer) }, "carol watches again")
		x.Type("\x02\x1a")
		unseen("away")
		x.Signal(syscall.SIGCONT)
		tmuxtest.Eventually(w.t, func() bool { return a.types(viewer) }, "carol is back")
		x.Pause()
		// Again and again: of what comes at once tmux draws the end alone, which her terminal may have room for.
		w.server.Run("run-shell", "-b", "-t", w.b, "for i in $(seq 300); do seq 1 5000 && sleep 0.1 || break; done > #{pane_tty}")
		unseen("not reading")
		x.Resume()
	}}.run(t)
}
