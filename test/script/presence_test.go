package script

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// TestPresenceInTheStatusLine: alice has who is with her in her status line, and who
// types. When everybody has gone, and when muxward ends, nothing is left of it.
func TestPresenceInTheStatusLine(t *testing.T) {
	h := host.Start(t, host.Config{Settings: "presence: true\n", Policy: map[string]string{"grants.yaml": `grants:
  - {who: mwbob, role: viewer, on: mwalice/work, reason: he watches}
  - {who: mwcarol, role: operator, on: mwalice/work, reason: she helps}
  - {who: root, role: admin, on: "*", reason: runs it}
`}})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "-x", "100", "-y", "24", "exec cat")
	h.Must(host.Alice, "new-session", "-d", "-s", "else", "-x", "100", "-y", "24", "exec cat")
	s := h.Server(host.Alice)
	s.Run("set-option", "-g", "status-interval", "0", ";", "set-option", "-g", "status-right-length", "80", ";",
		"set-option", "-g", "status-right", "with [#{@muxward_people}] typing [#{@muxward_typing}]")
	s.Run("set-option", "-t", "else", "@muxward_people", "of another time")
	// A muxward takes away once what is there when it begins, and the first one may
	// have begun.
	h.Stop()
	h.Run()

	alice := h.Terminal(host.Alice, tmuxtest.TerminalConfig{Cols: 100, Rows: 24}, "attach", "-t", "work")
	alice.WaitFor("with [mwalice*] typing []")
	tmuxtest.Eventually(t, func() bool { return !strings.Contains(s.Run("show-options", "-t", "else"), "@muxward") },
		"what was told of another time goes where nobody is")
	bob := h.Terminal(host.Bob, tmuxtest.TerminalConfig{Cols: 100, Rows: 24}, "attach", "-t", "mwalice/work")
	alice.WaitFor("with [mwalice* mwbob] typing []")
	carol := h.Terminal(host.Carol, tmuxtest.TerminalConfig{Cols: 100, Rows: 24}, "attach", "-t", "mwalice/work")
	bob.WaitFor("with [mwalice* mwbob mwcarol*]")
	bob.Type("is not typed")
	tmuxtest.Eventually(t, func() bool { // it is told for a while
		carol.Type("hello")
		return alice.Contains("typing [mwcarol]")
	}, "alice sees that carol types")
	tmuxtest.Eventually(t, func() bool {
		carol.Type("hello")
		out := h.Muxward("root", "who", "--json").Out
		return strings.Contains(out, `"typing": true`) || strings.Contains(out, `"typing":true`)
	}, "muxward who says that carol types")
	alice.WaitFor("typing []") // a while later
	h.Reload("grants.yaml", `grants:
  - {who: mwbob, role: viewer, on: mwalice/work, reason: he watches}
  - {who: mwcarol, role: viewer, on: mwalice/work, reason: she watches}
  - {who: root, role: admin, on: "*", reason: runs it}
`)
	alice.WaitFor("with [mwalice* mwbob mwcarol] typing []")
	bob.Type("\x02d")
	alice.WaitFor("with [mwalice* mwcarol] typing []")
	for _, x := range []*tmuxtest.Terminal{carol, alice} {
		x.Type("\x02d")
		x.ExitCode()
	}
	options := func() bool { return strings.Contains(s.Run("show-options", "-t", "work"), "@muxward") }
	tmuxtest.Eventually(t, func() bool { return !options() }, "nothing is told of a session where nobody is")

	alice = h.Terminal(host.Alice, tmuxtest.TerminalConfig{Cols: 100, Rows: 24}, "attach", "-t", "work")
	alice.WaitFor("with [mwalice*]")
	h.Stop()
	if options() {
		t.Error("muxward has ended, and its options are there")
	}
}
