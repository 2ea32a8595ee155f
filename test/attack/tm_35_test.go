package attack

import (
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Carol may type into one pane. She wants her keys to come when it is not any
// more what was decided: between the decision and the delivery the owner shows
// a clock on it, in which keys are commands, has its input go to other panes,
// or moves it into his secret session. Everything that a decision rests on is
// tested inside tmux in the same command. (Moved panes are found by the target,
// too, which is why the control run does not move them.)
func TestTM35DecidedAndThenChanged(t *testing.T) {
	t.Parallel()
	for name, press := range map[string]func(*world, func()){"typed": pressed, "sent": sent} {
		t.Run(name, row{teeth: "teeth_place", restless: true, paused: true, gains: 2, attack: func(w *world) {
			mode := func() string { return w.server.Run("display-message", "-p", "-t", w.a, "#{pane_mode}") }
			press(w, func() { w.server.Run("clock-mode", "-t", w.a) })
			if soonIf(w.control, func() bool { return mode() == "" }) {
				w.gain("carol took the owner's clock away")
			}
			if !w.control {
				w.server.Run("copy-mode", "-q", "-t", w.a)
			}
			press(w, func() { w.server.Run("set-option", "-w", "-t", w.a, "synchronize-panes", "on") })
			if soonIf(w.control, func() bool { return w.side.Len() > 0 }) || w.control {
				return
			}
			w.server.Run("set-option", "-w", "-t", w.a, "synchronize-panes", "off")
			press(w, func() { w.server.Run("join-pane", "-d", "-s", w.a, "-t", "secret:") })
			soonIf(false, func() bool { return w.rec.Len() > len(w.permitted) })
		}}.run)
	}
}

// pressed has carol press a key at her display, where it is decided for a
// while, and another one that is decided before something happens.
func pressed(w *world, happens func()) {
	w.t.Helper()
	x := w.attach(carol, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
	x.WaitFor("recording")
	before := w.rec.Len()
	x.Type("b")
	w.permit("b")
	w.rec.WaitLen(before + 1)
	w.between("seat-decided", func() { x.Type("q") }, happens)
	x.Type("\x02d")
	x.ExitCode()
}

// sent has her send a key by a command.
func sent(w *world, happens func()) {
	w.t.Helper()
	args := []string{"send-keys", "-t", "mwalice/shared:0.0", "q"}
	if code := w.meanwhile("executor-guarded", carol, args, happens); code == 0 {
		w.gain("%q was done", args)
	}
}

// Bob may close panes, not windows. He wants the pane that he may close to be
// the last one in its window when it is closed, so that the window goes too.
func TestTM35TheLastPaneByThen(t *testing.T) {
	t.Parallel()
	closes := standardGrants + "  - {who: mwbob, verbs: [view, close-pane], on: mwalice/shared, reason: tidies}\n"
	row{grants: closes, teeth: "teeth_place", restless: true, paused: true, attack: func(w *world) {
		w.server.Run("new-window", "-d", "-t", "shared:", "cat") // else the session would go as well
		windows := func() string { return w.server.Run("list-windows", "-a", "-F", "#{window_id}") }
		before, args := windows(), []string{"kill-pane", "-t", "mwalice/shared:0.1"}
		code := w.meanwhile("executor-guarded", viewer, args, func() { w.server.Run("kill-pane", "-t", w.a) })
		if now := windows(); code == 0 || now != before {
			w.gain("bob closed a window: exit %d, %q of %q are left", code, now, before)
		}
		if w.control {
			return
		}
		w.server.Run("split-window", "-d", "-t", w.b, "cat")
		if r := w.try(viewer, args...); r.Code != 0 {
			w.t.Errorf("what he may close he cannot close: %+v", r)
		}
	}}.run(t)
}
