package attack

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// Bob helps alice with every verb, and has a client of his own making. It says that it comes
// from directories that are none, or from one of his own, with an environment that names things twice, that would
// have alice's next programs load his library and use his agent, that says who may come,
// or that is larger than anybody needs. Her server takes all of that over from who is at home there.
// He makes sessions so on her server. In the control run her server takes him for one of those.
func TestTD06EnvironmentOfAClient(t *testing.T) {
	t.Parallel()
	helps := standardGrants + "  - {who: mwbob, role: owner, on: mwalice, reason: helps}\n"
	takes := `set -g update-environment "SSH_AUTH_SOCK DISPLAY LD_PRELOAD MUXWARD_ALLOW PATH A"` + "\n"
	row{grants: helps, conf: takes, teeth: "teeth_home", restless: true, gains: 6, attack: func(w *world) {
		w.anyInput = true
		env := []string{"SSH_AUTH_SOCK=/evil/one", "SSH_AUTH_SOCK=/evil/two", "DISPLAY=evil:666", "LD_PRELOAD=/evil.so", "=evil", "evil",
			"TMUX=/evil,1,0", "TMUX_PANE=%0", "MUXWARD_ALLOW=mwmallory:view", "A\nB=evil", "PATH=/evil"}
		closed := tmuxtest.Dir(w.t, tmuxtest.Account{})
		his := tmuxtest.Dir(w.t, tmuxtest.As(w.t, viewer)) + "/evil"
		if err := os.Mkdir(his, 0o755); err != nil {
			w.t.Fatal(err)
		}
		had := map[string]bool{} // each kind of gain is one
		gain := func(what, got string) {
			if !had[what] {
				had[what] = true
				w.gain("%s: %q", what, got)
			}
		}
		for i, cwd := range []string{"/", his, "/evil/gone", closed, "/tmp/evil\nline", "evil", "", strings.Repeat("/evil", 3000)} {
			name := fmt.Sprintf("made%d", i)
			w.says(viewer, &wire.Hello{Term: "xterm", Cwd: cwd, Env: env, PID: 1, Argv: []string{"new-session", "-d", "-t", "mwalice/shared", "-s", name}})
			if _, err := w.server.Try("has-session", "-t", "="+name); err != nil {
				if i < 2 {
					w.t.Errorf("from %q he makes no session: nothing is tried", cwd)
				}
				continue // it was refused
			}
			for _, of := range [][]string{{"-t", name}, {"-g"}} {
				for line := range strings.Lines(w.server.Run(append([]string{"show-environment"}, of...)...)) {
					if key, value, _ := strings.Cut(strings.TrimSpace(line), "="); strings.Contains(value, "evil") || key == "MUXWARD_ALLOW" {
						gain("her environment has his "+key, value)
					}
				}
			}
			if got := w.server.Run("display-message", "-p", "-t", name, "#{session_path}"); strings.Contains(got, "evil") {
				gain("her session begins in his directory", got)
			}
			if w.Tmux(stranger, "has-session", "-t", "mwalice/"+name).Code == 0 {
				gain("mallory is let in", name)
			}
		}
		large := env
		for range 700 { // of which each fits in a message
			large = append(large, "E="+strings.Repeat("e", 15<<10))
		}
		w.says(viewer, &wire.Hello{Term: "xterm", Cwd: "/", Env: large, PID: 1, Argv: []string{"new-session", "-d", "-t", "mwalice/shared", "-s", "large"}})
		if r := w.Tmux(viewer, "has-session", "-t", "mwalice/shared"); r.Code != 0 {
			w.t.Errorf("bob's own client afterwards: %+v", r)
		}
	}}.run(t)
}

// says has somebody's own client say something at their door, and hears it out.
func (w *world) says(who string, h *wire.Hello) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), tmuxtest.Patience)
	defer cancel()
	nc, err := dialAs(w.uid(who), w.door(who))
	if err != nil {
		w.t.Fatal(err)
	}
	defer nc.Close()
	_, _ = converse(ctx, nc, h)
}
