package script

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// TestClockSetBack: the clock of the host is set back an hour while bob, whose
// grant ends in a moment, is attached. He has to go at that moment all the
// same, and does not come back; carol, who has longer, stays and types. Then
// it is set forward a year: nobody has longer than was granted. The log goes
// on in its order, whatever the times in it, and verifies, also across a
// restart.
//
// It is a build of muxward whose clock a file sets: nothing else lets one
// process have a time of its own.
func TestClockSetBack(t *testing.T) {
	dir := tmuxtest.Dir(t, tmuxtest.Account{})
	set := func(by string) {
		t.Helper()
		err := os.WriteFile(dir+"/clock.new", []byte(by), 0o644)
		if err == nil {
			err = os.Rename(dir+"/clock.new", dir+"/clock")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	until := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339) }
	h := host.Start(t, host.Config{Build: "failpoints", Env: []string{"MUXWARD_FAILPOINTS=" + dir}})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "cat")
	grants := func(bobs time.Duration) string {
		return fmt.Sprintf(`grants:
  - {who: mwbob, role: viewer, on: mwalice/work, until: %s, reason: for a moment}
  - {who: mwcarol, role: typist, on: mwalice/work, until: %s, reason: for an hour}
  - {who: root, role: admin, on: "*", reason: runs it}
`, until(bobs), until(time.Hour))
	}
	h.Reload("grants.yaml", grants(time.Hour))
	b := h.Terminal(host.Bob, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/work")
	c := h.Terminal(host.Carol, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/work")
	b.WaitFor("[work]")
	c.WaitFor("[work]")
	last := len(h.Audit())
	h.Reload("grants.yaml", grants(6*time.Second)) // less what that takes

	set("-1h")
	if b.Exited() {
		t.Fatal("bob went before his time: the machine is too slow for this test")
	}
	if code := b.ExitCode(); code != 1 {
		t.Errorf("bob's client exits %d", code)
	}
	b.WaitTold("may not view this any more")
	if r := h.Tmux(host.Bob, "ls"); r.Code == 0 {
		t.Errorf("bob comes back: %q", r.Out)
	}
	c.Type("carol types on\r")
	c.WaitFor("carol types on")
	h.Must(host.Alice, "rename-window", "-t", "work", "in-the-past")

	set("8760h")
	if r := h.Tmux(host.Carol, "ls"); r.Code == 0 {
		t.Errorf("carol's hour lasts for a year: %q", r.Out)
	}
	set("0s")
	if r := h.Tmux(host.Carol, "ls"); r.Code == 0 {
		t.Errorf("and is given back: %q", r.Out)
	}
	h.VerifyAudit()
	set("-1h")
	h.Kill()
	h.Run()
	h.Must(host.Alice, "rename-window", "-t", "work", "after-a-restart")
	h.VerifyAudit()

	events, back := h.Audit(), false
	var seq uint64
	var when time.Time
	for i, e := range events {
		if e.Seq <= seq {
			t.Errorf("after record %d comes %d", seq, e.Seq)
		}
		seq = e.Seq
		back = back || i > last && e.Time.Before(when)
		when = e.Time
	}
	if !back {
		t.Error("control run: no time in the log goes back: the clock was not set")
	}
	all := h.Muxward("", "audit", "query", "--state", h.State).Out
	for _, name := range []string{"in-the-past", "after-a-restart"} {
		if !strings.Contains(all, name) {
			t.Errorf("the log has no %s", name)
		}
	}
}
