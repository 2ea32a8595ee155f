package attack

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Bob helps alice: he holds every verb on her server. He wants her shells to
// use his agent from now on, by attaching, by making a session and by going
// from one to the other; and alice wants his terminal's title and clipboard.
// It is her server all the same: it hears nothing of bob's environment and
// keeps what it has, and bob's terminal is not for it to decide about.
func TestTM18AHelperIsNotAtHome(t *testing.T) {
	t.Parallel()
	helps := standardGrants + "  - {who: mwbob, role: owner, on: mwalice, reason: helps}\n"
	const conf = "set -g assume-paste-time 0\n" // what is typed at once is typed
	row{grants: helps, conf: conf, teeth: "teeth_home", restless: true, gains: 4, attack: func(w *world) {
		w.anyInput = true
		w.server.Run("new-session", "-d", "-s", "third", "cat", ";",
			"set-environment", "-t", "third", "SSH_AUTH_SOCK", "/alices/agent", ";",
			"set-environment", "-t", "shared", "SSH_AUTH_SOCK", "/alices/agent", ";",
			"set-option", "-g", "set-titles", "on", ";", "set-option", "-g", "set-titles-string", "TITLE-#S", ";",
			"set-option", "-s", "set-clipboard", "on", ";", "bind-key", "-n", "F5", "set-option -g @five yes", ";",
			"bind-key", "-n", "Home", "set-option -g @home yes")
		environment := func(session string) string { return w.server.Run("show-environment", "-t", session) }
		before := environment("shared")
		// Not kept for the mark: he may see all of it.
		bob := w.Terminal(viewer, tmuxtest.TerminalConfig{Env: []string{"SSH_AUTH_SOCK=/bobs/agent", "DISPLAY=:99"}},
			"attach", "-t", "mwalice/shared")
		bob.WaitFor("recording")
		if who := w.Muxward(root, "who", "--json"); !strings.Contains(who.Out, `"direct"`) {
			w.t.Errorf("bob's input is not direct: %+v", who)
		}
		at := func(session string) string { // muxward's own connection may be at one, too
			return w.server.Run("list-clients", "-t", session, "-F", "#{?client_control_mode,,#{client_name}}")
		}
		display := strings.TrimSpace(at("shared"))
		w.server.Run("set-buffer", "-w", "-t", display, "CLIP")
		bob.Type("\x02:") // by his own keys
		tmuxtest.Eventually(w.t, func() bool { return strings.HasPrefix(bob.Screen()[23], ":") }, "tmux asks for a command")
		bob.Type("switch-client -t third\r")
		tmuxtest.Eventually(w.t, func() bool {
			return strings.TrimSpace(at("third")) == display
		}, "bob is in another session")
		bob.Type("\x1b[15~\x1bOH") // all his keys are keys
		tmuxtest.Eventually(w.t, func() bool {
			return w.server.Run("display-message", "-p", "#{@five} #{@home}") == "yes yes"
		}, "F5 and Home were pressed")
		w.Exec(viewer, nil, "env", "SSH_AUTH_SOCK=/bobs/agent", "DISPLAY=:99",
			"tmux", "new-session", "-d", "-t", "mwalice/shared", "-s", "made")

		for _, session := range []string{"shared", "third", "made"} {
			env := environment(session)
			if strings.Contains(env, "bobs") || strings.Contains(env, ":99") || session != "made" && env != before {
				w.gain("the environment of %s: %q", session, env)
			}
		}
		for what, sequence := range map[string]string{"title": "TITLE-", "clipboard": "\x1b]52;"} {
			if strings.Contains(string(bob.Bytes()), sequence) {
				w.gain("bob's terminal got a %s", what)
			}
		}
		leave(bob)
	}}.run(t)
}
