package script

import (
	"slices"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// TestListsOnASmallTerminal: by ssh, on a terminal of 40 by 12, with names in wide
// characters, and on one that has no other characters than ASCII: the lists fit,
// and the display is what it was when they are left.
func TestListsOnASmallTerminal(t *testing.T) {
	h := host.Start(t, host.Config{SSH: []string{host.Bob}, Policy: map[string]string{"grants.yaml": `grants:
  - {who: mwbob, role: viewer, on: mwalice, reason: he watches}
  - {who: root, role: admin, on: "*", reason: runs it}
`}})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "-n", "first", "-x", "40", "-y", "11", "echo in-the-pane; exec cat") // it is named: tmux would name it anew when cat runs
	s := h.Server(host.Alice)
	s.Run("set-option", "-g", "status-right", "|END")
	for range 12 {
		s.Run("new-window", "-d", "-t", "work", "-n", "日本語の長い名前が四十桁に収まらない", "exec cat")
	}
	small := tmuxtest.TerminalConfig{Cols: 40, Rows: 12}
	plain := small
	plain.Env = []string{"LC_ALL=C", "LANG=C"}
	for what, x := range map[string]*tmuxtest.Terminal{
		"ssh": h.SSHTerminal(host.Bob, small, "mwalice/work@127.0.0.1"), "plain": h.Terminal(host.Bob, plain, "-u", "attach", "-t", "mwalice/work"),
		"ascii": h.Terminal(host.Bob, plain, "attach", "-t", "mwalice/work"),
	} {
		x.WaitFor("in-the-pane")
		tmuxtest.Eventually(t, func() bool { return strings.HasSuffix(x.Screen()[11], "|END") }, "%s: all is drawn, the status line last; there is\n%v", what, x)
		before := x.Screen()
		x.Type("\x02w")
		x.WaitFor("where to?")
		x.Type("G")
		name := "日本語の長い名前"
		if what == "ascii" {
			name = "________"
		}
		x.WaitFor("work:12 " + name)
		tmuxtest.Eventually(t, func() bool {
			rows := x.Screen()
			return len(rows) == 12 && strings.HasPrefix(rows[11], "Enter goes there")
		}, "%s: the last line tells of keys in\n%v", what, x)
		x.Type("q")
		tmuxtest.Eventually(t, func() bool { return slices.Equal(x.Screen(), before) }, "%s: the display is back; it is\n%v", what, x)
		x.Type("\x02?")
		x.WaitFor("for mwbob: view")
		x.Type("G")
		x.WaitFor(" of ")
		x.Type("g/other")
		x.WaitFor("/other_")
		x.Resize(44, 13) // which ends it
		tmuxtest.Eventually(t, func() bool { return !x.Contains("/other_") && x.Contains("in-the-pane") }, "%s: it has ended; there is\n%v", what, x)
		x.Type("k")
		x.WaitTold("the list is not shown any more")
	}
}
