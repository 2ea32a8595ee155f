package script

import (
	"bytes"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// bob's list is open while things change: what is new comes by itself, what is taken
// from him goes. He moves with the arrow keys, and his own session begins there, too.
func TestSSHLobbyLives(t *testing.T) {
	h := host.Start(t, host.Config{SSH: byKey, Policy: map[string]string{"grants.yaml": `grants:
  - {who: mwbob, role: viewer, on: "mwalice/w*", reason: watches}
  - {who: root, role: admin, on: "*", reason: runs it}
`}})
	for _, s := range []string{"w-one", "w-two", "secret"} {
		h.Must(host.Alice, "new-session", "-d", "-s", s, "echo in-"+s+"; cat")
	}
	b := h.SSHTerminal(host.Bob, tmuxtest.TerminalConfig{Cols: 40, Rows: 12}, "127.0.0.1")
	b.WaitFor("2  mwalice/w-two")
	b.Type("\r")
	b.WaitFor("which one? 1 is the first")
	b.Resize(70, 12)
	b.WaitFor("q leaves; C-l shows lines") // which there is no room for in 40
	h.Must(host.Alice, "new-session", "-d", "-s", "w-three", "echo in-w-three; cat")
	b.WaitFor("mwalice/w-three")
	b.Type("\x1b[B\x1b[B\x1b[B\x1b[A\r") // the second by tmux's order: w-one, w-three, w-two or as they came
	tmuxtest.Eventually(t, func() bool { return b.Contains("in-w-t") }, "bob is at the second")
	b.Type("x") // by ssh he has no command to ask by
	b.WaitTold("not permitted: type on pane; ask mwalice for it")
	b.Type("\x02d")
	b.WaitFor("new NAME begins a session")
	if !bytes.Contains(b.Bytes(), []byte("one moment")) {
		t.Error("between a session and the list stood nothing")
	}
	b.Type("new own\r")
	b.WaitFor("[own]")
	b.Type("\x02d")
	b.WaitFor("everything")
	b.Type("new own\r")
	b.WaitFor("duplicate session: own")
	b.Type("\r")
	b.WaitFor("new NAME begins a session")
	if r := h.Muxward("root", "revoke", host.Bob, "-t", "mwalice", "--reason", "enough"); r.Code != 0 {
		t.Errorf("revoke: %+v", r)
	}
	tmuxtest.Eventually(t, func() bool { return b.Contains("own") && !b.Contains("mwalice") }, "what was taken goes")
	b.Type("q\r")
	if code := b.ExitCode(); code != 0 || bytes.Contains(b.Bytes(), []byte("secret")) {
		t.Errorf("bob's ssh exits %d: %q", code, b.Screen())
	}
}

// Where a terminal can only print, or somebody has it read aloud and says so with C-l,
// the list is lines and nothing is drawn over them.
func TestSSHLobbyByLines(t *testing.T) {
	h := host.Start(t, host.Config{SSH: byKey, Policy: map[string]string{"grants.yaml": shared}})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "echo in-work; cat")
	x := h.SSHTerminal(host.Bob, tmuxtest.TerminalConfig{Term: "dumb"}, "127.0.0.1")
	x.WaitFor("1  mwalice/work  view")
	x.Type("zzz\r")
	x.WaitFor("none of your 1 sessions is called so")
	x.Type("q\r")
	if code := x.ExitCode(); code != 0 || bytes.Contains(x.Bytes(), []byte("\x1b")) {
		t.Errorf("bob's ssh exits %d: %q", code, x.Bytes())
	}
	y := h.SSHTerminal(host.Bob, tmuxtest.TerminalConfig{}, "127.0.0.1")
	y.WaitFor("1  mwalice/work  view")
	tmuxtest.Eventually(t, func() bool {
		return strings.HasSuffix(strings.TrimSpace(strings.Join(y.Screen(), "\n")), "\n>")
	}, "all of it is drawn, the question last")
	drawn := len(y.Bytes())
	y.Type("\x0c")
	lines := func() string { return string(y.Bytes()[drawn:]) }
	tmuxtest.Eventually(t, func() bool { return strings.HasSuffix(lines(), "\r\n> ") }, "the list comes by lines: %q", y.Bytes())
	if strings.Contains(lines(), "\x1b[H") {
		t.Errorf("it is drawn: %q", lines())
	}
	y.Type("work\r")
	y.WaitFor("in-work")
	y.Type("\x02d")
	asks := func() bool { return strings.Count(lines(), "number or part of a name; q leaves") == 2 }
	tmuxtest.Eventually(t, asks, "it asks again: %q", lines())
	y.Type("q\r")
	if code := y.ExitCode(); code != 0 {
		t.Errorf("bob's ssh exits %d: %q", code, y.Screen())
	}
}
