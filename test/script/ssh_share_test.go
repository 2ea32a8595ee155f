package script

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// alice shares, and bob and carol come by ssh: bob with the line that alice was shown,
// which puts him there; carol types the code into her list. Nothing of a code is in
// the log, whatever is typed around it.
func TestSSHJoin(t *testing.T) {
	h := host.Start(t, host.Config{SSH: byKey})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "echo in-work; cat")
	r := h.Muxward(host.Alice, "share", "--role", "typist", "--uses", "2", "--json", "--host", "127.0.0.1")
	var made struct{ Code, SSH string }
	if err := json.Unmarshal([]byte(r.Out), &made); r.Code != 0 || err != nil {
		t.Fatalf("share: %+v", r)
	}
	line := strings.Fields(made.SSH) // ssh -t -p PORT HOST join CODE
	if len(line) != 7 || line[4] != "127.0.0.1" || line[5] != "join" || line[6] != made.Code {
		t.Fatalf("the line is %q", made.SSH)
	}
	typo := made.Code[:len(made.Code)-1] + ";"
	if r := h.SSH(host.Bob, "127.0.0.1", "join", typo); r.Code == 0 || !strings.Contains(r.Err, "no shell runs here") {
		t.Errorf("mistyped: %+v", r)
	}
	if r := h.SSH(host.Bob, "127.0.0.1", "join", made.Code[:len(made.Code)-1]); r.Code == 0 || !strings.Contains(r.Err, "this is no code") {
		t.Errorf("cut short: %+v", r)
	}
	for _, line := range []string{
		"muxward join CODE --json", "muxward join --json CODE", "join CODE please", "'join' CODE x", `jo"in" CODE x`, "tmux -u join CODE x",
		"tmux -C join CODE", `join CODE \; list-sessions`, `list-sessions \; join CODE`, "join $CODE", "tmux -L x join CODE",
	} {
		line = strings.ReplaceAll(line, "CODE", made.Code)
		if r := h.SSH(host.Bob, "127.0.0.1", line); r.Code == 0 || strings.Contains(r.Out, "you are") {
			t.Errorf("%s: %+v", line, r)
		}
	}
	b := h.SSHTerminal(host.Bob, tmuxtest.TerminalConfig{}, line[4:]...)
	b.WaitFor("in-work")
	b.Type("from-bob\r")
	b.WaitFor("from-bob")
	for _, line := range []string{"join " + strings.ReplaceAll(made.Code, "-", " "), "tmux join " + made.Code} {
		if r := h.SSH(host.Bob, "127.0.0.1", line); r.Code != 0 || !strings.Contains(r.Out, "you are typist on mwalice/work") {
			t.Errorf("%s: %+v", line, r)
		}
	}

	c := h.SSHTerminal(host.Carol, tmuxtest.TerminalConfig{}, "127.0.0.1")
	c.WaitFor("join CODE uses an invite")
	c.Type("join 1-0000-0000-0000-0000\r")
	c.WaitFor("this code opens nothing")
	c.Type("join " + made.Code + "\r")
	c.WaitFor("you are typist on mwalice/work")
	c.WaitFor("1  mwalice/work")
	if r := h.Muxward(host.Alice, "invite", "revoke", "1"); r.Code != 0 {
		t.Errorf("revoke: %+v", r)
	}
	tmuxtest.Eventually(t, b.Exited, "bob is out")
	tmuxtest.Eventually(t, func() bool { return !c.Contains("1  mwalice/work") }, "it is not in carol's list")
	c.Type("q\r")
	if code := c.ExitCode(); code != 0 {
		t.Errorf("carol's ssh exits %d: %q", code, c.Screen())
	}
	checkHushed(t, h, made.Code)
}

// checkHushed looks for a code in the log, however it is written there.
func checkHushed(t *testing.T, h *host.Host, code string) {
	t.Helper()
	plain := strings.NewReplacer("-", "", " ", "")
	_, secret, _ := strings.Cut(code, "-")
	secret = plain.Replace(secret)
	for _, e := range h.Audit() {
		if text := strings.Join(append(e.Asked, e.Reason, e.Note), " "); strings.Contains(plain.Replace(text), secret[:len(secret)-1]) {
			t.Errorf("in the log: %q", text)
		}
	}
}
