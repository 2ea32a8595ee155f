package attack

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// disguise is a command that closes, detaches, moves or renames without saying
// so, or that does it openly. S is the session it is tried on.
type disguise struct {
	args []string
	// detaches: the owner, who is attached, must not be.
	detaches bool
	// quiet: it was done if it says so, without a trace in the server's state.
	quiet bool
	// refused: nobody has it done, and these words say why.
	refused string
}

func disguises() []disguise {
	return []disguise{
		{args: []string{"new-session", "-A", "-D", "-d", "-s", "S"}, refused: "invalid session"},
		{args: []string{"attach-session", "-d", "-t", "S"}, detaches: true},
		{args: []string{"attach-session", "-x", "-t", "S"}, detaches: true},
		{args: []string{"detach-client", "-s", "S"}, detaches: true},
		{args: []string{"rename-window", "-t", "S", "mine"}},
		{args: []string{"rename-session", "-t", "S", "mine"}},
		{args: []string{"select-layout", "-t", "S", "even-horizontal"}},
		{args: []string{"select-layout", "-E", "-t", "S:0.0"}, quiet: true},
		{args: []string{"select-pane", "-t", "S:0.1", "-T", "title"}},
		{args: []string{"select-pane", "-t", "S:0.1"}},
		{args: []string{"select-pane", "-d", "-t", "S:0.0"}, quiet: true},
		{args: []string{"last-pane", "-e", "-t", "S"}, quiet: true},
		{args: []string{"select-window", "-t", "S:spare"}},
		{args: []string{"next-window", "-t", "S"}},
		{args: []string{"new-window", "-k", "-d", "-t", "S:0"}},
		{args: []string{"new-window", "-a", "-d", "-t", "S:0"}},
		{args: []string{"split-window", "-d", "-t", "S:0.0"}},
		{args: []string{"kill-pane", "-t", "S:0.0"}},
		{args: []string{"kill-pane", "-a", "-t", "S:0.0"}},
		{args: []string{"kill-window", "-t", "S:0"}},
		{args: []string{"kill-window", "-a", "-t", "S:0"}},
		{args: []string{"kill-session", "-C", "-t", "S"}, quiet: true},
		{args: []string{"kill-session", "-t", "S"}},
		{args: []string{"kill-session", "-a", "-f", "1", "-t", "S"}, refused: "unknown flag -f"},
		{args: []string{"unlink-window", "-k", "-t", "S"}},
		{args: []string{"move-window", "-k", "-s", "S:0", "-t", "S:1"}},
		{args: []string{"link-window", "-k", "-s", "S:0", "-t", "S:1"}},
		{args: []string{"swap-window", "-s", "S:0", "-t", "S:1"}},
		{args: []string{"join-pane", "-s", "S:0.1", "-t", "S:1"}},
		{args: []string{"break-pane", "-s", "S:0.1"}},
		{args: []string{"respawn-window", "-k", "-t", "S"}},
		{args: []string{"respawn-pane", "-k", "-t", "S"}},
		{args: []string{"resize-window", "-t", "S", "-x", "20"}},
		{args: []string{"resize-pane", "-t", "S", "-Z"}},
		{args: []string{"rotate-window", "-t", "S"}},
		{args: []string{"set-option", "-t", "S", "destroy-unattached", "on"}},
		{args: []string{"kill-session", "-a", "-t", "S"}},
		{args: []string{"kill-server"}, refused: "no server running"}, // it is always one's own
	}
}

// Bob may look and carol may type into one pane of each session. They want to
// close, detach, move or rename by commands that do not say so in their names.
// Each needs the verb for what it does. In the control run the policy permits
// them: each that tmux itself would do is done, and tmux shows what it did.
func TestTM20DestructiveInDisguise(t *testing.T) {
	t.Parallel()
	looks := standardGrants + "  - {who: mwbob, role: viewer, on: mwalice, reason: looks}\n" +
		"  - {who: mwcarol, role: typist, on: mwalice, reason: types}\n"
	const forbid = `forbid (principal, action, resource in Session::"mwalice/secret") unless { context.own };` + "\n"
	possible := 0
	for _, d := range disguises() {
		if d.refused == "" {
			possible++
		}
	}
	row{grants: looks, cedar: forbid, loose: everyVerb, gains: possible, restless: true, attack: func(w *world) {
		begun := map[string]string{} // sessions as they were before they were tried
		for i, d := range disguises() {
			people := []string{viewer, typist}
			if w.control {
				people = people[:1] // it is done once
			}
			for _, who := range people {
				session := fmt.Sprintf("s%d-%s", i, who)
				before, done, said := w.disguised(d, who, session)
				begun[session] = ofSession(before, session)
				switch {
				case done:
					w.gain("%s: %q", who, d.args)
				case d.refused != "" && !strings.Contains(said, d.refused):
					w.t.Errorf("%s: %q: %q, want %q", who, d.args, said, d.refused)
				case w.control && d.refused == "":
					w.t.Errorf("control run: %s: %q is not done: %q", who, d.args, said)
				}
			}
		}
		if w.control {
			return
		}
		soonIf(false, func() bool { // nor does anything come of one later
			now := w.allPanes()
			for session, was := range begun {
				if is := ofSession(now, session); is != was {
					w.gain("session %s was\n%s\nand is\n%s", session, was, is)
					return true
				}
			}
			return false
		})
	}}.run(t)
}

// allPanes is what a disguise could change.
func (w *world) allPanes() string {
	out, err := w.server.Try("list-panes", "-a", "-F",
		"#{session_name} #{window_id} #{window_name} #{window_active} #{window_layout} #{pane_id} #{pane_pid} #{pane_active} #{pane_title} #{window_zoomed_flag} #{destroy-unattached}")
	if err != nil {
		return "gone"
	}
	return out
}

// ofSession are the lines about one session.
func ofSession(panes, session string) string {
	var out strings.Builder
	for line := range strings.Lines(panes) {
		if strings.HasPrefix(line, session+" ") {
			out.WriteString(strings.TrimSpace(line) + "\n")
		}
	}
	return out.String()
}

// disguised has somebody try a command on a new session, and reports how the server was
// before and whether anything came of it.
func (w *world) disguised(d disguise, who, session string) (before string, done bool, said string) {
	w.t.Helper()
	w.server.Run("new-session", "-d", "-x", "80", "-y", "23", "-s", session, "cat", ";", "split-window", "-d", "-t", session, "cat", ";",
		"new-window", "-d", "-t", session, "-n", "spare", "cat", ";", "select-pane", "-t", session+":0.1", ";", "select-pane", "-t", session+":0.0")
	args := slices.Clone(d.args)
	for i := range args {
		if rest, ok := strings.CutPrefix(args[i], "S"); ok && (rest == "" || rest[0] == ':') {
			args[i] = "mwalice/" + session + rest
		}
	}
	alice := func() bool { return false }
	if d.detaches {
		x := w.Terminal(owner, tmuxtest.TerminalConfig{}, "attach", "-t", session)
		x.WaitFor("[" + session[:4])
		defer leave(x)
		alice = x.Exited
	}
	before = w.allPanes()
	code := 0
	if d.detaches && args[0] != "detach-client" {
		x := w.attach(who, tmuxtest.TerminalConfig{}, args...)
		defer leave(x)
		if !soon(func() bool { return x.Exited() || len(x.Bytes()) > 0 && alice() }) || x.Exited() {
			code, said = x.ExitCode(), string(x.Bytes())
		}
	} else {
		r := w.try(who, args...)
		code, said = r.Code, r.Out+r.Err
	}
	if d.quiet {
		return before, code == 0, said
	}
	happened := func() bool { return alice() || !d.detaches && w.allPanes() != before }
	if w.control && d.refused == "" || d.detaches {
		return before, soonIf(w.control && d.refused == "", happened), said
	}
	return before, happened(), said
}
