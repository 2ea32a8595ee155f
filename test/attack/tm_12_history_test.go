package attack

import (
	"slices"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// history makes a window of shared current whose history, but not whose screen,
// holds the mark.
func (w *world) history() {
	w.t.Helper()
	w.server.Run("set-option", "-g", "mode-keys", "vi")
	w.server.Run("new-window", "-t", "shared", "seq 300; echo "+w.mark+"; seq -f 'row %g' 23; exec cat")
	tmuxtest.Eventually(w.t, func() bool {
		return strings.Contains(w.server.Run("capture-pane", "-p", "-t", "shared"), "row 23")
	}, "the window has printed its history")
}

// Bob may see what is on the screen of a session and not what was. Secrets have
// scrolled away there. By the keys that the owner's server has for that, by all
// ways in which a key may ask for it, and by command he wants to look back. He
// sees nothing of it, and no pane is in a mode for it.
func TestTM12History(t *testing.T) {
	t.Parallel()
	sees := strings.Replace(standardGrants, "role: viewer, on: mwalice/shared, reason: watches", "verbs: [view], on: mwalice/shared, reason: watches", 1)
	row{grants: sees, teeth: "teeth_decide", gains: 2, restless: true, attack: func(w *world) {
		for key, words := range map[string][]string{
			"F5": {"copy-mode", "-eu"}, "F6": {"copy-mode", ";", "send-keys", "-X", "history-top"},
			"F7": {"if-shell", "-F", "1", "copy-mode -u"}, "F8": {"confirm-before", "-p", "sure? (y/n)", "copy-mode -u"},
			"F9": {"copy-mode", "-t", "shared"}, "F10": {"copy-mode", "-u", "-s", "shared:0.0"}, "F11": {"send-keys", "-X", "page-up"},
			"F12": {"command-prompt", "-p", "(search up)", "copy-mode ; send-keys -X search-backward '%%'"},
		} {
			w.server.Run(append([]string{"bind-key", "-n", key}, escaped(words)...)...)
		}
		w.history()
		x := w.attach(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
		x.WaitFor("row 23")
		for _, keys := range []string{
			"\x02[g?MARK\r", "\x02\x1b[5~", "\x1b[15~\x15", "\x1b[17~", "\x1b[18~", "\x1b[19~y", "\x1b[20~", "\x1b[21~", "\x1b[23~",
			"\x1b[24~MARK\r", "\x02:copy-mode -u\r", "\x02:copy-mode ; send-keys -X history-top\r", "\x02:capture-pane -p -S -\r",
		} {
			x.Type(keys + "q")
		}
		w.refused(viewer, "capture-pane", "-p", "-S", "-", "-t", "mwalice/shared:")
		w.refused(viewer, "copy-mode", "-u", "-t", "mwalice/shared:")
		if !w.control { // in the control run questions may still be open
			x.Type("\x02d")
			x.ExitCode()
		}
		if modes := strings.Trim(w.server.Run("list-panes", "-s", "-t", "shared", "-F", "#{pane_in_mode}"), "0\n"); modes != "" {
			w.gain("a pane of the owner's is in a mode")
		}
	}}.run(t)
}

// Bob asks to look back while he may. Before he is shown anything the right is
// taken from him. When that has returned, nothing of the history is shown.
func TestTM12HistoryTakenBack(t *testing.T) {
	t.Parallel()
	row{teeth: "teeth_looked", paused: true, restless: true, attack: func(w *world) {
		w.server.Run("bind-key", "-n", "F5", "copy-mode", "-u")
		w.history()
		x := w.attach(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
		x.WaitFor("row 23")
		w.between("seat-looks", func() { x.Type("\x1b[15~") }, func() {
			w.Reload("grants.yaml", strings.Replace(standardGrants, "role: viewer, on: mwalice/shared, reason: watches",
				"verbs: [view], on: mwalice/shared, reason: watches", 1))
		})
		if w.control {
			soonIf(true, func() bool { return x.Contains(w.mark) })
			return
		}
		x.WaitTold("not permitted: scroll on pane")
		x.Type("\x1b[15~\x02d")
		x.ExitCode()
	}}.run(t)
}

// Bob looks back while he may, and his terminal takes nothing any more: what he has
// searched for waits for him. When the right is taken from him he reads again, and
// wants to be shown it.
func TestTM12HistoryWaits(t *testing.T) {
	t.Parallel()
	row{teeth: "teeth_looked", restless: true, attack: func(w *world) {
		w.server.Run("set-option", "-g", "mode-keys", "vi", ";", "bind-key", "F9", "kill-session")
		w.server.Run("new-window", "-t", "shared", `colours() { awk 'BEGIN{for(i=0;i<100;i++){for(j=0;j<70;j++)printf "\033[38;5;%dmx",16+(i+j)%200;print ""}}'; }; `+
			"colours; echo here: "+w.mark+"; colours; echo the-end; exec cat")
		tmuxtest.Eventually(t, func() bool {
			return strings.Contains(w.server.Run("capture-pane", "-p", "-t", "shared"), "the-end")
		}, "the window has printed its history")
		x := w.attach(viewer, tmuxtest.TerminalConfig{Term: "xterm-256color"}, "attach", "-t", "mwalice/shared")
		x.WaitFor("the-end")
		x.Type("\x02[")
		x.WaitFor("[0/")
		x.Pause()
		x.Type("kkkk?here\r\x02\x1b[20~") // the last is refused, and written, when the others are done
		tmuxtest.Eventually(t, func() bool {
			return slices.ContainsFunc(w.Audit(), func(e host.Event) bool {
				return e.Person == viewer && e.Kind == "denied" && slices.Contains(e.Asked, "kill-session")
			})
		}, "bob has searched")
		w.Reload("grants.yaml", strings.Replace(standardGrants, "role: viewer, on: mwalice/shared, reason: watches",
			"verbs: [view], on: mwalice/shared, reason: watches", 1))
		x.Resume()
		if w.control {
			soonIf(true, func() bool { return x.Contains(w.mark) })
			return
		}
		x.WaitTold("you may not look back here any more")
		w.server.Run("detach-client", "-s", "shared")
		x.ExitCode()
	}}.run(t)
}
