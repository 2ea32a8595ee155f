package script

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// TestBannerLeavesTheSize: alice has a display without a status line, on which a lockdown
// stays. All is drawn anew when the pane moves it up, and tmux takes that for no new size: by
// one, it would take the display for the one that was used last, and run a hook.
func TestBannerLeavesTheSize(t *testing.T) {
	h := host.Start(t, host.Config{})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "printf IN-WORK; cat")
	real := h.Server(host.Alice)
	do := func(args ...string) string {
		t.Helper()
		out, err := real.Try(args...)
		if err != nil {
			t.Fatal(args, out, err)
		}
		return strings.TrimSpace(out)
	}
	do("set-option", "-g", "status", "off")
	alice := h.Terminal(host.Alice, tmuxtest.TerminalConfig{}, "attach", "-t", "work")
	alice.WaitFor("IN-WORK") // else her terminal itself echoes what she types
	alice.Type("here\r")
	alice.WaitFor("here")
	if r := h.Muxward(host.Alice, "lockdown", "-t", "work", "--reason", "stays"); r.Code != 0 {
		t.Fatalf("lockdown: %+v", r)
	}
	alice.WaitFor("locked down by mwalice: stays")
	do("set-option", "-g", "@sized", "no")
	do("set-hook", "-g", "client-resized", "set-option -g @sized yes")
	do("respawn-pane", "-k", "-t", "work:", `i=0; while [ $i -lt 60 ]; do i=$((i+1)); echo row-$i; sleep 0.03; done; cat`)
	alice.WaitFor("row-60")
	tmuxtest.Eventually(t, func() bool { // what was moved up has gone: it was drawn anew
		n := 0
		for _, row := range alice.Screen() {
			if strings.Contains(row, "stays") {
				n++
			}
		}
		return n == 1
	}, "one banner")
	if got := do("show-options", "-gv", "@sized"); got != "no" {
		t.Errorf("tmux was told a size: %q", got)
	}
	do("set-hook", "-gu", "client-resized")
}
