package script

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// TestPasteRules: whoever keeps muxward has said how large a guest's paste may be,
// and that they are asked before more than two lines are pasted. Bob pastes into
// alice's pane: what is short goes there at once, what has three lines when he
// says yes, and what is too large not at all; he is told, and alice's screen shows
// nothing of it. A paste goes into one pane, whole, marks and NUL bytes taken out.
func TestPasteRules(t *testing.T) {
	r := tmuxtest.NewRecorder(t)
	h := host.Start(t, host.Config{
		Settings: "paste_limit: 1000\npaste_confirm_lines: 2\n",
		Policy: map[string]string{
			"grants.yaml": "grants:\n  - {who: mwbob, role: typist, on: mwalice/work, reason: types}\n",
		},
	})
	h.Must(host.Alice, "new-session", "-d", "-x", "80", "-y", "24", "-s", "work", "printf '\\033[?2004h'; "+r.Command())
	r.WaitReady()
	a := h.Terminal(host.Alice, tmuxtest.TerminalConfig{}, "attach", "-t", "work")
	b := h.Terminal(host.Bob, tmuxtest.TerminalConfig{Cols: 140, Rows: 24}, "attach", "-t", "mwalice/work")
	a.WaitFor("recording")
	b.WaitFor("recording")
	const begin, end = "\x1b[200~", "\x1b[201~"
	for _, c := range []struct{ paste, asks, answer, want string }{
		{"one\rtwo\r", "", "", begin + "one\rtwo\r" + end},
		{"one\rtwo\rthree", "Paste 3 lines? (y/n)", "y", begin + "one\rtwo\rthree" + end},
		{"one\rtwo\rthree", "Paste 3 lines? (y/n)", "n", ""},
		{strings.Repeat("x", 1001), "the paste is larger than 1000 bytes and was not sent", "", ""},
		{strings.Repeat("x", 1000), "", "", begin + strings.Repeat("x", 1000) + end},
		{"a\x00b\xff\x1b[A\tc", "", "", begin + "ab\xff\x1b[A\tc" + end},
	} {
		r.Reset()
		b.Type(begin + c.paste + end)
		if c.asks != "" {
			b.WaitFor(c.asks)
			if a.Contains(c.asks) {
				t.Errorf("%q: alice sees it", c.paste)
			}
			b.Type(c.answer)
			b.WaitGone(c.asks)
		} else {
			r.WaitLen(len(c.want))
		}
		b.Type("#")
		tmuxtest.Eventually(t, func() bool { return strings.HasSuffix(string(r.Bytes()), "#") }, "what is typed behind %.40q", c.paste)
		if got := string(r.Bytes()); got != c.want+"#" {
			t.Errorf("%.40q: the pane got %q, want %q", c.paste, got, c.want+"#")
		}
	}
	// Alice goes to another pane while he is asked: it is pasted into neither.
	r.Reset()
	b.Type(begin + "one\rtwo\rthree" + end)
	b.WaitFor("Paste 3 lines? (y/n)")
	other := tmuxtest.NewRecorder(t)
	h.Must(host.Alice, "split-window", "-t", "work", "printf 'other pane\n'; "+other.Command())
	b.WaitFor("other pane")
	other.WaitReady()
	b.Type("y")
	b.WaitTold("nothing was pasted: another pane is active than when you were asked")
	b.Type("#")
	other.WaitLen(1)
	if got := string(r.Bytes()) + string(other.Bytes()); got != "#" {
		t.Errorf("the panes got %q", got)
	}
	if left := h.Must(host.Alice, "list-buffers"); left != "" {
		t.Errorf("buffers are left: %s", left)
	}
	h.VerifyAudit()
}
