package script

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// TestLosingOneVerb: who loses a part of what they hold goes on watching what
// is left to them, from one frame to the next, also while their screen is full
// of output: by a revocation elsewhere on the server, and when a grant on top
// of a standing one runs out.
func TestLosingOneVerb(t *testing.T) {
	const stands = "grants:\n  - {who: mwbob, role: typist, on: mwalice/work, reason: he works there}\n" +
		"  - {who: root, role: admin, on: \"*\", reason: runs it}\n"
	helps := func(until string) string {
		return stands + "  - {who: mwbob, role: owner, on: mwalice, reason: he helps" + until + "}\n"
	}
	h := host.Start(t, host.Config{Policy: map[string]string{"grants.yaml": helps("")}})
	h.Must(host.Alice, "new-session", "-d", "-x", "80", "-y", "23", "-s", "work", "n=0; while :; do n=$((n+1)); echo line $n; done")
	h.Must(host.Alice, "new-session", "-d", "-s", "other", "cat")
	server := h.Server(host.Alice)
	b := h.Terminal(host.Bob, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/work")
	b.WaitFor("line")
	becomes := func(mode string) {
		t.Helper()
		var who host.Result
		tmuxtest.Eventually(t, func() bool {
			who = h.Muxward("root", "who", "--json")
			return strings.Contains(who.Out, `"`+mode+`"`) || b.Exited()
		}, "bob's input is %s", mode)
		word := fmt.Sprintf("now-%d", time.Now().UnixNano()%1e9)
		server.Run("rename-window", "-t", "work:0", word)
		tmuxtest.Eventually(t, func() bool { return b.Contains(word) || b.Exited() }, "bob sees what is there now")
		if b.Exited() {
			t.Fatalf("bob was thrown out instead of being %s: %q\n%s", mode, b.Screen(), who.Out)
		}
	}
	becomes("direct")
	for range 5 {
		if r := h.Muxward("root", "revoke", host.Bob, "-t", "mwalice/other"); r.Code != 0 {
			t.Fatalf("%+v", r)
		}
		becomes("addressed")
		if r := h.Muxward("root", "revoke", "--undo", host.Bob, "-t", "mwalice/other"); r.Code != 0 {
			t.Fatalf("%+v", r)
		}
		becomes("direct")
	}
	h.Reload("grants.yaml", helps(", until: "+time.Now().Add(4*time.Second).UTC().Format(time.RFC3339)))
	becomes("addressed")
	b.Type("\x02d")
	if code := b.ExitCode(); code != 0 {
		t.Errorf("exit %d: %s", code, b.Screen())
	}
}
