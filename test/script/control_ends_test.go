package script

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// Bob holds every verb, and a line of his in control mode waits when one is taken from him. Both his
// line and his client are decided anew then, in any order: one of them is held up, now this one, now the
// other, until his client has ended. He hears the same.
func TestControlToldWhicheverEndsFirst(t *testing.T) {
	dir := tmuxtest.Dir(t, tmuxtest.Account{})
	h := host.Start(t, host.Config{Build: "failpoints", Env: []string{"MUXWARD_FAILPOINTS=" + dir}, Policy: map[string]string{
		"grants.yaml": "grants:\n  - {who: mwbob, role: owner, on: mwalice, reason: helps}\n  - {who: root, role: admin, on: \"*\", reason: runs it}\n",
	}})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "cat")
	point := dir + "/gateway-again"
	arm := func(name, what string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(what), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 8 { // which of the two is held up is chance
		l := h.Control(host.Bob, "attach", "-t", "mwalice/work")
		l.Wait("%session-changed $0 work")
		channel := fmt.Sprintf("go-%d", i)
		l.Say("wait-for " + channel)
		tmuxtest.Eventually(t, func() bool {
			return slices.ContainsFunc(h.AuditKind("intent"), func(e host.Event) bool { return strings.HasSuffix(strings.Join(e.Executed, " "), channel) })
		}, "bob's line waits")
		arm(point, "wait")
		revoked := make(chan host.Result, 1)
		go func() { revoked <- h.Muxward("root", "revoke", host.Bob, "-t", "mwalice/work", "--reason", "enough") }()
		tmuxtest.Eventually(t, l.Ended, "bob's client ends")
		arm(point+".go", "")
		if r := <-revoked; r.Code != 0 {
			t.Errorf("revoke: %+v", r)
		}
		const want = "%exit muxward: you do not hold every verb here any more; attach again: revoked by root: enough"
		if said := l.Said(); len(said) == 0 || said[len(said)-1] != want {
			t.Errorf("bob hears %q, not %q", said, want)
		}
		if r := h.Muxward("root", "revoke", "--undo", host.Bob, "-t", "mwalice/work"); r.Code != 0 {
			t.Fatalf("undo: %+v", r)
		}
	}
}
