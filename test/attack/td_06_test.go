package attack

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// Bob helps alice with every verb, and has a client of his own making. It says that it comes
// from directories that are none, with an environment that names things twice, that would
// have alice's next programs load his library and use his agent, that says who may come,
// or that is larger than anybody needs. He makes sessions so on her server. In the control
// run her server takes him for who is at home there.
func TestTD06EnvironmentOfAClient(t *testing.T) {
	t.Parallel()
	helps := standardGrants + "  - {who: mwbob, role: owner, on: mwalice, reason: helps}\n"
	row{grants: helps, teeth: "teeth_home", restless: true, gains: 2, attack: func(w *world) {
		w.anyInput = true
		env := []string{"SSH_AUTH_SOCK=/evil/one", "SSH_AUTH_SOCK=/evil/two", "DISPLAY=:666", "LD_PRELOAD=/evil.so", "=evil", "evil",
			"TMUX=/evil,1,0", "TMUX_PANE=%0", "MUXWARD_ALLOW=mwmallory:view", "A\nB=evil", "PATH=/evil"}
		closed := tmuxtest.Dir(w.t, tmuxtest.Account{})
		for i, cwd := range []string{"/", "/evil/gone", closed, "/tmp/evil\nline", "evil", "", strings.Repeat("/evil", 3000)} {
			name := fmt.Sprintf("made%d", i)
			w.says(viewer, &wire.Hello{Term: "xterm", Cwd: cwd, Env: env, PID: 1, Argv: []string{"new-session", "-d", "-t", "mwalice/shared", "-s", name}})
			if _, err := w.server.Try("has-session", "-t", "="+name); err != nil {
				continue // it was refused
			}
			if got := w.server.Run("show-environment", "-t", name); strings.Contains(got, "evil") || strings.Contains(got, ":666") || strings.Contains(got, "MUXWARD_ALLOW") {
				w.gain("from %.20q the environment of her session is %q", cwd, got)
			}
			if got := w.server.Run("show-environment", "-g"); strings.Contains(got, "evil") {
				w.gain("from %.20q the environment of her server is %q", cwd, got)
			}
			if got := w.server.Run("display-message", "-p", "-t", name, "#{session_path}"); strings.Contains(got, "evil") {
				w.gain("from %.20q her session begins in %q", cwd, got)
			}
			if w.Tmux(stranger, "has-session", "-t", "mwalice/"+name).Code == 0 {
				w.gain("from %.20q mallory is let in", cwd)
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
