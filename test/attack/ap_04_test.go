package attack

import (
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// Alice has a request of bob's approved that is over: she has denied it, he has taken
// it back, its time is over, or he takes it back while she approves it. In the control
// run a request is answered as often as somebody says so.
func TestAP04AnsweredAgain(t *testing.T) {
	t.Parallel()
	row{teeth: "teeth_once_answered", paused: true, restless: true, gains: 4, attack: func(w *world) {
		w.anyInput = true
		a := seekers{w}
		const on = "mwalice/shared:0.0"
		approve := func(id, what string) {
			w.t.Helper()
			if r := w.Muxward(owner, "approve", id); r.Code == 0 {
				w.gain("%s, and approved after that: %s", what, r.Out)
			} else if a.types(viewer, on) {
				w.gain("%s, and bob types", what)
			}
		}
		must := func(who string, args ...string) {
			w.t.Helper()
			if r := w.Muxward(who, args...); r.Code != 0 {
				w.t.Fatalf("%s: %q: %+v", who, args, r)
			}
		}
		denied := a.ask(viewer, "type", "-t", on)
		must(owner, "deny", denied)
		approve(denied, "denied")

		back := a.ask(viewer, "type", "-t", on)
		must(viewer, "request", "--take-back", back)
		approve(back, "taken back")

		late := a.ask(viewer, "type", "-t", on, "--deadline", "1s")
		if !w.control {
			tmuxtest.Eventually(w.t, func() bool { return w.Muxward(owner, "approvals", "--json").Out == "[]\n" }, "its time is over")
		} else {
			must(owner, "deny", late)
		}
		approve(late, "overdue")

		race := a.ask(viewer, "type", "-t", on)
		ended := make(chan host.Result, 1)
		w.between("gateway-permitted", func() {
			go func() { ended <- w.Muxward(owner, "approve", race) }()
		}, func() { must(viewer, "request", "--take-back", race) })
		if r := <-ended; r.Code == 0 {
			w.gain("taken back while it was approved: %s", r.Out)
		}
		if !w.control && a.types(viewer, on) {
			w.gain("bob types")
		}
	}}.run(t)
}

// Alice has read of a request of bob's. Muxward is started again, carol asks for
// something else, and alice approves what she has read of. In the control run requests
// are counted from one.
func TestAP04NameUsedAgain(t *testing.T) {
	t.Parallel()
	row{teeth: asking, restless: true, attack: func(w *world) {
		w.anyInput = true
		a := seekers{w}
		read := a.ask(viewer, "copy", "-t", "mwalice/shared:0.0")
		w.Kill()
		w.Run()
		other := a.ask(carol, "owner", "-t", "mwalice/shared:0.1")
		if r := w.Muxward(owner, "approve", read); r.Code == 0 || a.types(carol, "mwalice/shared:0.1") {
			w.gain("bob's %s is carol's %s now: %s", read, other, r.Out)
		}
	}}.run(t)
}
