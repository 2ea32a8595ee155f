package attack

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// atClient is a command that names somebody's client: C stands for it.
type atClient struct {
	line string
	// waits: in the control run it would wait for an answer, or take her away.
	waits bool
}

// atClients are all of them, as lines; detaching comes last.
func (w *world) atClients() []atClient {
	return []atClient{
		{"display-popup -c C -t shared -E true", false},
		{"display-popup -c C -t shared -C", false},
		{"display-popup -c C -E '" + w.lure() + "'", true},
		{"display-menu -c C -t shared -T forged item k kill-server", true},
		{"command-prompt -b -t C -p forged kill-server", false},
		{"command-prompt -t C -p forged", true},
		{"confirm-before -b -t C -p forged kill-server", false},
		{"confirm-before -t C kill-server", true},
		{"display-panes -b -t C", false},
		{"display-message -c C forged", false},
		{"display-message -p -c C '#{client_tty}'", false},
		{"refresh-client -t C", false},
		{"refresh-client -t C -S", false},
		{"refresh-client -t C -f ignore-size,read-only", false},
		{"refresh-client -t C -C 20x5", false},
		{"refresh-client -t C -l", false},
		{"show-messages -t C", false},
		{"set-buffer -w -t C forged", false},
		{"load-buffer -w -t C /dev/null", false},
		{"send-keys -K -c C x", false},
		{"switch-client -c C -t secret", false},
		{"switch-client -c C -T prefix", false},
		{"switch-client -c C -r", false},
		{"lock-client -t C", true},
		{"suspend-client -t C", true},
		{"detach-client -t C -E '" + w.lure() + "'", true},
		{"detach-client -P -t C", true},
		{"detach-client -s shared", true},
		{"detach-client -a -t C", true},
		{"detach-client -t C", true},
	}
}

// The owner works at her terminal. Bob, who looks, carol, who may operate the
// session and use buffers, and a stranger know what her display is called. They
// want to show her things, to ask her, to send her away, to fill her clipboard, to
// lock her or to throw her out, by commands and by lines in control mode. Only
// who may detach others does anything to a client of others.
func TestTD11EveryCommandAtAClient(t *testing.T) {
	t.Parallel()
	const operates = standardGrants + `  - {who: mwcarol, role: operator, on: mwalice/shared, reason: operates}
  - {who: mwcarol, verbs: [copy], on: mwalice, reason: buffers}
`
	row{grants: operates, loose: everyVerb, gains: 25, attack: func(w *world) {
		alice := w.Terminal(owner, tmuxtest.TerminalConfig{}, "attach", "-t", "shared")
		alice.WaitFor("recording")
		display := w.displayOf("shared")
		state := func() string {
			return w.server.Run("list-clients", "-F", "#{client_name} #{client_session} #{client_flags} #{client_key_table} #{client_width}x#{client_height}")
		}
		lines := w.lines(carol, "attach-session", "-t", "mwalice/shared")
		lines.Wait("%session-changed")
		before := state()
		for _, c := range w.atClients() {
			if w.control && c.waits {
				continue
			}
			for _, name := range []string{display, display[5:], alice.TTY()} {
				line := strings.ReplaceAll(c.line, " C", " "+name)
				if name != display && line == c.line {
					continue // it names nobody
				}
				w.denied(lines, line)
				if w.control {
					continue
				}
				for _, who := range []string{viewer, carol, stranger} {
					w.refused(who, fields(strings.ReplaceAll(line, " shared", " mwalice/shared"))...)
				}
			}
		}
		w.untouched(alice, before, state)
		lines.Close()
		lines.Code()
		w.t.Logf("%d times something was done", len(w.gains))
	}}.run(t)
}

// fields splits a line of words, of which some are in single quotes.
func fields(line string) (words []string) {
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			words = append(words, part)
			continue
		}
		words = append(words, strings.Fields(part)...)
	}
	return words
}

// untouched finds whether anything has happened at the owner's display.
func (w *world) untouched(alice *tmuxtest.Terminal, before string, state func() string) {
	w.t.Helper()
	if now := state(); now != before {
		w.gain("the clients were\n%s\nand are\n%s", before, now)
	}
	if alice.Exited() {
		w.gain("alice was thrown out")
		return
	}
	if !w.control {
		if got := w.rec.Bytes(); len(got) > 0 {
			w.gain("pane a received %q", got)
		}
		w.anyInput = true // hers, which the log has for her session
		alice.Type("x")
		tmuxtest.Eventually(w.t, func() bool { return string(w.rec.Bytes()) == "x" }, "alice types, in her pane")
	}
	for _, text := range []string{"forged", "\x1b]52;", "(y/n)"} {
		if saw(alice, text) {
			w.gain("%q is on alice's terminal", text)
		}
	}
	leave(alice)
}
