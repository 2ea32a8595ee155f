package script

import (
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// TestLookBackOfASlowTerminal: carol's terminal reads nothing when she wants to look back, and what she presses
// for that is not typed into the pane. When it reads again in time, she looks back after all.
func TestLookBackOfASlowTerminal(t *testing.T) {
	tmuxtest.As(t, host.Alice) // skips where there are no accounts
	h := host.Start(t, host.Config{Policy: map[string]string{"grants.yaml": `grants:
  - {who: mwcarol, role: typist, on: "mwalice/work", reason: pairs}
`}})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "-x", "200", "-y", "49", "exec sh")
	s := h.Server(host.Alice)
	carol := h.Terminal(host.Carol, tmuxtest.TerminalConfig{Cols: 200, Rows: 50}, "attach", "-t", "mwalice/work")
	carol.WaitFor("[work]")
	busy := func(word string) {
		s.Run("send-keys", "-t", "work:0", "clear; i=0; while [ $i -lt 8 ]; do seq -s, $i 2500; i=$((i+1)); sleep 0.04; done; echo "+word+"-$((7*6))", "Enter")
		tmuxtest.Eventually(t, func() bool { return strings.Contains(s.Run("capture-pane", "-p", "-t", "work:0"), word+"-42") }, "%s is printed", word)
	}
	carol.Pause()
	busy("first")
	carol.Type("\x02[kkkkkkkk")
	time.Sleep(3 * time.Second) // longer than it is waited for her terminal; on a slow machine she looks back after all
	carol.Resume()
	carol.Type("q")
	carol.WaitFor("first-42")
	if got := s.Run("capture-pane", "-p", "-t", "work:0"); strings.Contains(got, "kk") {
		t.Errorf("what carol pressed to look back was typed:\n%s", got)
	}
	carol.Pause()
	busy("second")
	carol.Type("\x02[")
	carol.Resume()
	carol.WaitFor("[0/")
	carol.Type("q")
	carol.WaitFor("second-42")
}
