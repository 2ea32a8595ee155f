package script

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// TestLockdownStaysAtAnOwnPlace: bob has a place of his own in alice's session. Of a
// lockdown of what he is not shown he is told nothing; one of a pane in front of him stays
// on his last line, whatever is drawn, until it is lifted.
func TestLockdownStaysAtAnOwnPlace(t *testing.T) {
	h := host.Start(t, host.Config{Policy: map[string]string{"grants.yaml": `grants:
  - {who: mwbob, verbs: [view, type, navigate], on: "mwalice/work:1", reason: a window}
`}})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "-x", "80", "-y", "23", "cat")
	h.Must(host.Alice, "new-window", "-d", "-t", "work:1", "-n", "w", "cat")
	h.Must(host.Alice, "split-window", "-d", "-t", "work:1", "cat")
	bob := h.Terminal(host.Bob, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/work")
	bob.WaitFor("1:w*  for mwbob")
	lock := func(act string, args ...string) {
		t.Helper()
		if r := h.Muxward(host.Alice, append([]string{act, "-t"}, args...)...); r.Code != 0 {
			t.Fatalf("%s %q: %+v", act, args, r)
		}
	}
	last := func() string { rows := bob.Screen(); return rows[len(rows)-1] }

	lock("lockdown", "work:0", "--reason", "elsewhere")
	lock("lockdown", "work:1.1", "--reason", "in front")
	bob.Type("here")
	bob.WaitFor("here") // the other pane is not locked down; and a key takes a notice away
	tmuxtest.Eventually(t, func() bool { return strings.HasPrefix(last(), " locked down by mwalice: in front") }, "a lockdown is on the last line")
	if out, err := h.Server(host.Alice).Try("rename-window", "-t", "work:1", "named"); err != nil {
		t.Fatal(out, err)
	}
	bob.Type("-and-there")
	bob.WaitFor("here-and-there")
	tmuxtest.Eventually(t, func() bool { return strings.HasPrefix(last(), " locked down by mwalice: in front") }, "it is on the last line still")
	// What is not in front of him any more goes, and nobody says that it is unlocked.
	real := h.Server(host.Alice)
	if out, err := real.Try("resize-pane", "-Z", "-t", "work:1.0"); err != nil {
		t.Fatal(out, err)
	}
	bob.WaitGone("locked down")
	bob.Type("-alone")
	bob.WaitFor("here-and-there-alone")
	if out, err := real.Try("resize-pane", "-Z", "-t", "work:1.0"); err != nil {
		t.Fatal(out, err)
	}
	bob.WaitFor(" locked down by mwalice: in front")
	if strings.Contains(string(bob.Bytes()), "unlocked") {
		t.Error("bob is told that what is locked down is unlocked")
	}
	lock("unlock", "work:1.1")
	bob.WaitFor("1:named*  for mwbob")
	bob.WaitGone("locked down")
	if strings.Contains(string(bob.Bytes()), "elsewhere") {
		t.Error("bob is told of what he may not view")
	}
}
