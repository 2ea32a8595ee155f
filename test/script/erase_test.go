package script

import (
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// TestEraseKey: the backspace key of alice's terminal sends ^H, as her terminal's modes say. The
// program in the pane is sent what tmux sends it for that key, as without muxward.
func TestEraseKey(t *testing.T) {
	h := host.Start(t, host.Config{Policy: map[string]string{"grants.yaml": `grants:
  - {who: mwbob, role: typist, on: mwalice/work, reason: a guest}
`}})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "-x", "80", "-y", "24", "stty raw -echo; echo READY; exec cat -v")
	terms := map[string]*tmuxtest.Terminal{
		"plain": tmuxtest.Attach(t, tmuxtest.TerminalConfig{As: tmuxtest.As(t, host.Alice)}, "-S", h.Server(host.Alice).Socket, "attach", "-t", "work"),
		"alice": h.Terminal(host.Alice, tmuxtest.TerminalConfig{}, "attach", "-t", "work"),
		"bob":   h.Terminal(host.Bob, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/work"),
	}
	want := "^?"
	for _, who := range []string{"plain", "alice", "bob"} {
		x := terms[who]
		x.WaitFor("READY")
		x.Type("<" + who + "\x08>")
		if who == "plain" { // 3.5a hands it on as it came
			tmuxtest.Eventually(t, func() bool { return x.Contains("<plain^?>") || x.Contains("<plain^H>") }, "plain tmux hands the key on")
			if x.Contains("^H") {
				want = "^H"
			}
		}
		if who == "bob" { // a guest's backspace key is that in any version
			want = "^?"
		}
		x.WaitFor("<" + who + want + ">")
	}
}
