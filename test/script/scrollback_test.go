package script

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// TestLookBackInOnePane: of two panes side by side carol looks back in one. What
// is around it stands as it was, the owner's picture goes on, and when carol is
// back her screen is what the owner's is, cursor and all.
func TestLookBackInOnePane(t *testing.T) {
	h := host.Start(t, host.Config{Policy: map[string]string{"grants.yaml": `grants:
  - {who: mwcarol, role: operator, on: mwalice/work, reason: she helps}
  - {who: root, role: admin, on: "*", reason: runs it}
`}})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "-x", "80", "-y", "24", "exec cat")
	s := h.Server(host.Alice)
	s.Run("set-option", "-g", "status-position", "top", ";", "set-option", "-g", "mode-keys", "vi", ";",
		"set-option", "-g", "status-right", "", ";", "set-option", "-g", "automatic-rename", "off")
	right := s.Run("split-window", "-h", "-t", "work", "-P", "-F", "#{pane_id}", "seq -f 'right %g' 100; printf '\\033[?25l'; exec cat")
	tmuxtest.Eventually(t, func() bool { return strings.Contains(s.Run("capture-pane", "-p", "-t", right), "right 100") }, "the pane has printed")
	h.Must(host.Alice, "send-keys", "-t", "work:0.0", "left-pane", "Enter")

	alice := h.Terminal(host.Alice, tmuxtest.TerminalConfig{}, "attach", "-t", "work")
	alice.WaitFor("right 100")
	carol := h.Terminal(host.Carol, tmuxtest.TerminalConfig{Term: "xterm-256color"}, "attach", "-t", "mwalice/work")
	carol.WaitFor("right 100")
	tmuxtest.Eventually(t, func() bool { return slices.Equal(alice.Screen(), carol.Screen()) }, "they see the same")
	before := carol.Screen()

	carol.Type("\x02[g")
	tmuxtest.Eventually(t, func() bool { return strings.HasSuffix(carol.Screen()[1], "[78/78]") }, "carol looks back; she sees\n%v", carol)
	h.Must(host.Alice, "send-keys", "-t", right, "goes-on", "Enter")
	alice.WaitFor("goes-on")
	now := carol.Screen()
	for y := range now {
		if y == 0 || y == 1 { // the status line, and the position
			continue
		}
		left, in, _ := strings.Cut(now[y], "│")
		was, _, _ := strings.Cut(before[y], "│")
		if left != was {
			t.Errorf("row %d is %q, was %q", y, now[y], before[y])
		}
		if want := "right " + []string{"", "1", "2", "3", "4", "5", "6", "7", "8", "9"}[min(y, 9)]; y < 10 && in != want {
			t.Errorf("row %d of the pane is %q, want %q", y, in, want)
		}
	}
	if now[0] != before[0] {
		t.Errorf("the status line is %q, was %q", now[0], before[0])
	}
	if mode := s.Run("display-message", "-p", "-t", right, "#{pane_in_mode}"); strings.TrimSpace(mode) != "0" {
		t.Errorf("the pane is in a mode: %q", mode)
	}

	// A resize ends it, as does q.
	carol.Resize(90, 30)
	tmuxtest.Eventually(t, func() bool { return carol.Contains("goes-on") && !carol.Contains("[78/78]") }, "the new size is drawn; carol sees\n%v", carol)
	carol.Resize(80, 24)
	tmuxtest.Eventually(t, func() bool {
		return strings.Count(s.Run("list-clients", "-t", "work", "-F", "#{client_width}x#{client_height}\n"), "80x24") == 2
	}, "carol's display has the size of her terminal")
	tmuxtest.Eventually(t, func() bool { return slices.Equal(alice.Screen(), carol.Screen()) }, "they see the same again")
	carol.Type("kkk") // for what she did not leave herself: typed to nobody
	carol.WaitTold("you do not look back any more")
	tmuxtest.Eventually(t, func() bool { return slices.Equal(alice.Screen(), carol.Screen()) }, "the notice has gone")
	carol.Type("\x02[/right 100\rw e\r")
	text := "\x1b]52;c;" + base64.StdEncoding.EncodeToString([]byte("100")) + "\x07"
	tmuxtest.Eventually(t, func() bool { return strings.Contains(string(carol.Bytes()), text) }, "carol's clipboard is told; she sees\n%v\nand alice\n%v", carol, alice)
	tmuxtest.Eventually(t, func() bool { return slices.Equal(alice.Screen(), carol.Screen()) }, "they see the same in the end")
	if strings.Contains(string(alice.Bytes()), "\x1b]52;c;") {
		t.Error("alice's clipboard is told of carol's")
	}
	last := func(b []byte) string {
		on, off := strings.LastIndex(string(b), "\x1b[?25h"), strings.LastIndex(string(b), "\x1b[?25l")
		if on > off {
			return "shown"
		}
		return "hidden"
	}
	tmuxtest.Eventually(t, func() bool { return last(carol.Bytes()) == "hidden" }, "the cursor is hidden as the pane has it")
	h.VerifyAudit()
	var acts []string
	for _, e := range h.Audit() {
		if e.Person == host.Carol && e.Kind == "intent" && len(e.Asked) > 1 && e.Asked[0] == "muxward" {
			acts = append(acts, e.Asked[1])
		}
	}
	if text := s.Run("capture-pane", "-p", "-t", right); strings.Contains(text, "k") {
		t.Errorf("a key was typed into the pane:\n%s", text)
	}
	if !slices.Equal(acts, []string{"look-back", "look-back", "copy"}) {
		t.Errorf("the log has carol's acts as %q", acts)
	}
}
