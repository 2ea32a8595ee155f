package attack

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Bob may look. He types: every byte there is, pastes, clicks, every key of the
// owner's prefix table and of the root table, which has the mouse's. He wants one of it
// to reach a program or to be a command. Nothing he does is more than leaving,
// or looking elsewhere in what he may see.
func TestTM12KeysOfAViewer(t *testing.T) {
	t.Parallel()
	// Without decisions keys reach the program; with every verb they are tmux's,
	// bindings and all.
	// (What is typed faster than a person types is a paste, unless told not.)
	const conf = "set -g assume-paste-time 0\n"
	t.Run("undecided", row{conf: conf, teeth: "teeth_decide", attack: allKeys}.run)
	t.Run("every verb", row{conf: conf, loose: everyVerb, gains: 2, attack: allKeys}.run)
}

func allKeys(w *world) {

	bob := w.attach(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
	bob.WaitFor("recording")
	var all strings.Builder
	for i := range 256 {
		all.WriteByte(byte(i))
	}
	all.WriteString("\x1b[200~pasted\x1b[201~\x1b[M !!\x1b[<0;5;5M\x1b[<0;5;5m\x1b[I\x1b[O\x1b[11~\x1bOP\x1b[1;5A\x1b]52;c;aGk=\a\x1b[?1;2c")
	bob.Type(all.String())
	// By these two he leaves, or stops his own client: he would not be there for
	// the rest.
	pressed := w.press(bob, "prefix", "\x02", "d", "C-z") + w.press(bob, "root", "")
	w.t.Logf("%d bindings", pressed)
	if pressed < 75 {
		w.t.Errorf("%d bindings were typed only", pressed)
	}
	for _, key := range []string{"F1", "F5", "F12", "S-Up", "M-x", "C-Left", "NPage", "Home", "End", "IC"} {
		bytes, _ := keyBytes(key)
		bob.Type(bytes + "\x02" + bytes)
	}
	bob.Type("\x02:kill-session\r\x02:run-shell '" + w.lure() + "'\r")
	soonIf(w.control, func() bool { return w.rec.Len() > 0 })
	soonIf(w.control && w.row.loose != "", func() bool { // and a binding was done
		now, err := w.server.Try("list-panes", "-a", "-F", "#{session_name} #{pane_id} #{window_id}")
		return err != nil || strings.Count(now, "\n") != 2 || !strings.HasPrefix(now, "secret ")
	})
	if w.control {
		return
	}
	if bob.Exited() {
		w.t.Errorf("bob's display ended:\n%s", strings.Join(bob.Screen(), "\n"))
		return
	}
	bob.Type("\x02d")
	if code := bob.ExitCode(); code != 0 {
		w.t.Errorf("bob cannot leave: exit %d", code)
	}
}
