package attack

import (
	"fmt"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// lines puts an attacker in control mode and keeps what they hear.
func (w *world) lines(who string, args ...string) *host.Lines {
	w.t.Helper()
	l := w.Control(who, args...)
	w.listen(who+" in control mode", func() []byte { return []byte(strings.Join(l.Said(), "\n")) })
	return l
}

// denied sends a line that must be refused.
func (w *world) denied(l *host.Lines, line string) {
	w.t.Helper()
	if block := l.Ask(line); !strings.HasPrefix(block[len(block)-1], "%error ") {
		w.gain("in control mode: %q: %q", line, block)
	}
}

// In control mode a line is all it takes: bob, who may look at one session, asks
// for everything else, by every way to name it, and says what a server would
// say. He gets his own session, and no more. In the control run he holds every
// verb.
func TestTD14ControlLines(t *testing.T) {
	t.Parallel()
	row{loose: everyVerb, gains: 10, attack: func(w *world) {
		l := w.lines(viewer, "attach-session", "-t", "mwalice/shared")
		l.Wait("%session-changed")
		for _, line := range []string{
			"send-keys -t " + w.a + " typed Enter", "send-keys typed Enter", "send-keys -K -c x typed",
			"select-pane -t " + w.a + " -T title", "resize-window -x 20 -y 5",
			"refresh-client -f '!read-only,!ignore-size'", "refresh-client -f active-pane", "refresh-client -B 'n:%*:#(" + w.lure() + ")'", "refresh-client -B 'n:%*:#{E:pane_title}'",
			"switch-client -t secret", "attach-session -t secret", "attach-session -t shared", "capture-pane -p -t secret",
			"display-message -p -t secret '#{pane_id}'", "list-panes -t secret", "show-buffer", "show-environment -g",
			"run-shell '" + w.lure() + "'", "if-shell true { run-shell '" + w.lure() + "' }", "pipe-pane -t shared '" + w.lure() + "'",
			"new-window '" + w.lure() + "'", "set-hook -g after-list-panes 'run-shell \"" + w.lure() + "\"'",
			"bind-key x run-shell '" + w.lure() + "'", "source-file /etc/passwd", "display-message -p ok ; kill-session -t secret",
			"link-window -s secret -t shared", "detach-client -a", "kill-server",
		} {
			if w.control && (strings.Contains(line, "kill-") || strings.Contains(line, "detach-")) {
				continue
			}
			w.denied(l, line)
		}
		// What looks like a server's words, or like no words at all, is a line
		// like any other.
		for _, line := range []string{"%begin 1 1 1", "%end 1 1 1", "%exit", "%output " + w.a + " x", "\x00\xff", "'", "{", "}", "$HOME", "X=y"} {
			l.Say(line)
		}
		if !w.control {
			l.Say("list-panes -a -F '#{session_name} #{pane_title} #{pane_start_command} #{window_name}'")
		}
		l.Say("list-sessions")
		l.Wait("shared: ")
		l.Say("")
		l.Code()
	}}.run(t)
}

// bob looks at a session in control mode. A pane that was taken from him is
// moved there, then the session itself is taken from him. Of what the pane
// prints he hears nothing, and once the session is taken nothing at all.
func TestTD14ControlRevoked(t *testing.T) {
	t.Parallel()
	row{teeth: "teeth_control", restless: true, gains: 2, attack: func(w *world) {
		l := w.lines(viewer, "attach-session", "-t", "mwalice/shared")
		l.Wait("%session-changed")
		secret := w.Must(owner, "display-message", "-p", "-t", "secret", "#{pane_id}")
		w.Muxward(root, "revoke", viewer, "-t", owner+"/"+secret, "--reason", "not for him")
		w.Must(owner, "new-session", "-d", "-s", "keep", "cat")
		w.Must(owner, "join-pane", "-d", "-s", secret, "-t", "shared")
		tmuxtest.Eventually(w.t, func() bool {
			return strings.Contains(w.server.Run("capture-pane", "-p", "-t", secret), w.mark)
		}, "the pane that was moved prints")
		before := w.server.Run("display-message", "-p", "-t", secret, "#{history_size}#{cursor_y}")
		tmuxtest.Eventually(w.t, func() bool {
			return w.server.Run("display-message", "-p", "-t", secret, "#{history_size}#{cursor_y}") != before
		}, "it prints again")
		w.prints("heard-here")
		l.Wait("heard-here") // what was printed before would have been heard
		if r := w.Muxward(root, "revoke", viewer, "-t", owner+"/shared", "--reason", "enough"); r.Code != 0 {
			w.t.Fatalf("revoke: %+v", r)
		}
		w.prints("afterwards")
		tmuxtest.Eventually(w.t, func() bool {
			return strings.Contains(w.server.Run("capture-pane", "-p", "-t", w.a), "afterwards")
		}, "the pane prints")
		if w.control {
			l.Wait("afterwards")
		}
		l.Say("list-sessions")
		l.Close()
		l.Code()
		if l.Has("afterwards") {
			w.gain("what was printed after the revocation: %q", l.Said())
		}
	}}.run(t)
}

// prints has the owner print in pane a.
func (w *world) prints(text string) {
	w.t.Helper()
	w.Must(owner, "run-shell", "-t", w.a, fmt.Sprintf("echo %s > #{pane_tty}", text))
}
