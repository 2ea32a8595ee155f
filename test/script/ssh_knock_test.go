package script

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// Bob and carol knock by ssh: bob by a command, who is put where he was let in, carol in
// her list, where what she is given appears. Who hangs up knocks no more.
func TestSSHKnock(t *testing.T) {
	h := host.Start(t, host.Config{SSH: byKey})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "echo in-work; cat")
	r := h.Muxward(host.Alice, "share", "--role", "typist", "--uses", "3", "--approve", "--json")
	var made struct{ Code string }
	if err := json.Unmarshal([]byte(r.Out), &made); r.Code != 0 || err != nil {
		t.Fatalf("share: %+v", r)
	}
	// knock waits until somebody knocks, and gives the name of that.
	knock := func(who string) (id string) {
		t.Helper()
		tmuxtest.Eventually(t, func() bool {
			found := regexp.MustCompile(`(?m)^(\S+)\t` + who + `\t`).FindStringSubmatch(h.Muxward(host.Alice, "approvals").Out)
			if found == nil {
				return false
			}
			id = found[1]
			return true
		}, who+" knocks")
		return id
	}
	letIn := func(who string) {
		t.Helper()
		if r := h.Muxward(host.Alice, "approve", knock(who)); r.Code != 0 {
			t.Fatalf("alice lets %s in: %+v", who, r)
		}
	}
	b := h.SSHTerminal(host.Bob, tmuxtest.TerminalConfig{}, "127.0.0.1", "join", made.Code)
	b.WaitFor("you have knocked")
	if b.Contains("work") {
		t.Errorf("bob is told what is behind the door:\n%s", strings.Join(b.Screen(), "\n"))
	}
	b.Type("typed-early\r") // it has come when what follows it has
	x := h.SSHTerminal(host.Mallory, tmuxtest.TerminalConfig{}, "127.0.0.1", "join", made.Code)
	x.WaitFor("you have knocked")
	_ = knock(host.Mallory)
	x.Type("\x03")
	gone := func() bool { // as alice is told: what fails tells of nobody
		r := h.Muxward(host.Alice, "approvals")
		return r.Code == 0 && !strings.Contains(r.Out, host.Mallory)
	}
	tmuxtest.Eventually(t, gone, "mallory has typed Ctrl-C, and does not knock any more")
	letIn(host.Bob)
	b.WaitFor("in-work")
	b.Type("from-bob\r")
	b.WaitFor("from-bob")
	if pane := h.Tmux(host.Alice, "capture-pane", "-p", "-t", "work").Out; strings.Contains(pane, "typed-early") {
		t.Errorf("what bob typed before he was let in has come into the pane:\n%s", pane)
	}

	c := h.SSHTerminal(host.Carol, tmuxtest.TerminalConfig{}, "127.0.0.1")
	c.WaitFor("join CODE uses an invite")
	c.Type("join " + made.Code + "\r")
	c.WaitFor("you have knocked")
	letIn(host.Carol)
	c.WaitFor("1  mwalice/work")

	m := h.SSHTerminal(host.Mallory, tmuxtest.TerminalConfig{}, "127.0.0.1", "join", made.Code)
	m.WaitFor("you have knocked")
	_ = knock(host.Mallory)
	m.HangUp()
	tmuxtest.Eventually(t, gone, "mallory has hung up, and does not knock any more")

	// Nor does who hangs up and whose client lives on: it has nothing more to say.
	m = tmuxtest.Open(t, tmuxtest.TerminalConfig{Env: []string{"LANG=C.UTF-8"}}, "sh", append([]string{"-c", `trap "" HUP; exec ssh "$@"`, "sh"},
		append(h.SSHArgs(h.KeyOf(host.Mallory)), "-tt", "127.0.0.1", "join", made.Code)...)...)
	m.WaitFor("you have knocked")
	_ = knock(host.Mallory)
	m.HangUp()
	tmuxtest.Eventually(t, gone, "mallory's terminal is gone, and she does not knock any more")
}
