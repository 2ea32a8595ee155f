package attack

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// set sets the clock on the wall of a muxward that is paused at failpoints.
func (w *world) set(by string) {
	w.t.Helper()
	tmp := w.points + "/.clock"
	if err := os.WriteFile(tmp, []byte(by), 0o644); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Rename(tmp, w.points+"/clock"); err != nil {
		w.t.Fatal(err)
	}
}

// Carol has a right for a few seconds, and the clock is set back by an hour, with
// muxward running, and while it is down. She has it not a moment longer. In the
// control run the wall is believed.
func TestRV06ClockSetBack(t *testing.T) {
	t.Parallel()
	row{paused: true, teeth: "teeth_clock", restless: true, gains: 2, attack: func(w *world) {
		g := granted{w}
		w.Must(owner, "new-session", "-d", "-s", "rv", "cat")
		over := func(until time.Time) {
			tmuxtest.Eventually(w.t, func() bool { return time.Now().After(until) }, "the time is over")
			if r := w.Tmux(typist, "send-keys", "-t", "mwalice/rv", "late"); r.Code == 0 {
				w.gain("it is over since %v, and carol types", time.Since(until))
			}
		}
		var until time.Time
		for lasts := 5 * time.Second; ; lasts *= 2 { // where all is slow it is over before carol has typed
			_, until = g.give(owner, typist, "typist", "-t", "mwalice/rv", "--for", lasts.String())
			w.set("-1h")
			r := w.Tmux(typist, "send-keys", "-t", "mwalice/rv", "early")
			if r.Code == 0 {
				break
			}
			if time.Now().Before(until) || lasts > time.Minute {
				w.t.Fatalf("carol may type still: %+v", r)
			}
			w.set("0s")
		}
		over(until)

		w.set("0s")
		_, until = g.give(owner, typist, "typist", "-t", "mwalice/rv", "--for", "3s")
		g.give(owner, stranger, "viewer", "-t", "mwalice/rv", "--for", "1h")
		w.Kill()
		w.set("-24h")
		w.Run()
		if out := w.Muxward(root, "grants", "--who", stranger).Out; !strings.Contains(out, "yes") {
			w.t.Errorf("what has time left is lost, so this is no test: %s", out)
		}
		if out := w.Muxward(root, "audit", "query", "--kind", "grant").Out; strings.Contains(out, "ends sooner") == w.control {
			w.t.Errorf("in the log: %s", out)
		}
		over(until)
	}}.run(t)
}

// The clock is set forward by a year, as when a machine sleeps that long: what
// had a limit has ended for who looks on, not only for who asks.
func TestRV06ClockSetForward(t *testing.T) {
	t.Parallel()
	row{paused: true, restless: true, loose: everyVerb, gains: 1, attack: func(w *world) {
		g := granted{w}
		w.Must(owner, "new-session", "-d", "-s", "rv", "cat")
		g.give(owner, typist, "viewer", "-t", "mwalice/rv", "--for", "1h")
		x := w.attach(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/rv")
		x.WaitFor("[rv]")
		w.set("8760h")
		if w.control {
			w.soon(x.Exited)
		} else {
			tmuxtest.Eventually(w.t, x.Exited, "carol's display is closed")
		}
		if !x.Exited() {
			w.gain("a year later carol looks on")
			leave(x)
		}
		out := ""
		tmuxtest.Eventually(w.t, func() bool { // the clock is looked at now and then
			out = w.Muxward(root, "grants").Out
			return !strings.Contains(out, "yes")
		}, "it counts for nothing: %s", &out)
	}}.run(t)
}
