package attack

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Somebody has alice's ssh send variables along: a library for every program, another
// tmux, an agent, rights. Of a client's environment the language and the colours are
// taken over, and nothing of a guest's.
func TestSS07Variables(t *testing.T) {
	t.Parallel()
	row{ssh: true, teeth: "teeth_ssh", restless: true, attack: func(w *world) {
		evil := []string{"DISPLAY=evil:66", "SSH_AUTH_SOCK=/tmp/evil", "LD_PRELOAD=/tmp/evil.so", "BASH_ENV=/tmp/evil", "TMUX=/tmp/evil,1,0",
			"TMUX_TMPDIR=/tmp/evil", "MUXWARD_ALLOW=mwmallory:evil", "TMUX_PANE=evil", "PATH=/tmp/evil", "LC_X=evil evil"}
		args := []string{"-o", "SetEnv=" + strings.Join(inQuotes(evil), " ")}
		for _, who := range []string{owner, viewer} {
			x := w.attachSSH(who, tmuxtest.TerminalConfig{}, append(args, "x@127.0.0.1", "attach", "-t", owner+"/shared")...)
			x.WaitFor("[shared]")
			leave(x)
		}
		now := w.server.Run("show-environment", "-t", "shared", ";", "show-environment", "-g")
		if strings.Contains(now, "evil") {
			w.gain("the session's environment is\n%s", now)
		}
		for _, term := range []string{"$(" + w.lure() + ")", "../../etc/x", "-x", "a b", strings.Repeat("x", 200)} {
			x := w.attachSSH(owner, tmuxtest.TerminalConfig{Term: term}, "x@127.0.0.1", "attach", "-t", "shared")
			if code := x.ExitCode(); code == 0 || x.Contains("[shared]") {
				w.gain("TERM=%.20q is a terminal", term)
			}
		}
	}}.run(t)
}

func inQuotes(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = `"` + s + `"`
	}
	return out
}
