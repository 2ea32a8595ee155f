package script

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// The owner's recorded session of a control-mode client says the same by ssh as with
// plain tmux.
func TestSSHControlTranscript(t *testing.T) {
	h := host.Start(t, host.Config{SSH: []string{host.Alice}})
	through := converse(t, h.SSHControl(host.Alice, "x@127.0.0.1", "tmux -C new-session -s work -n main -x 80 -y 24 cat"))
	if straight := transcript(t); through != straight {
		t.Errorf("by ssh:\n%s\nplain:\n%s", through, straight)
	}
}

// bob and carol look at one session each in control mode by ssh. Each hears of theirs
// alone, and asks for no more than they may; revoked, bob's client is ended, and the
// reason stands behind %exit.
func TestSSHControlGuests(t *testing.T) {
	h := host.Start(t, host.Config{SSH: byKey, Policy: map[string]string{"grants.yaml": `grants:
  - {who: mwbob, role: viewer, on: mwalice/work, reason: watches}
  - {who: mwcarol, role: typist, on: mwalice/build, reason: builds}
  - {who: root, role: admin, on: "*", reason: runs it}
`}})
	for _, s := range []string{"work", "build", "secret"} {
		h.Must(host.Alice, "new-session", "-d", "-s", s, "cat")
	}
	b := h.SSHControl(host.Bob, "x@127.0.0.1", "tmux -C attach -t mwalice/work")
	b.Wait("%session-changed $0 mwalice/work")
	c := h.SSHControl(host.Carol, "x@127.0.0.1", "tmux -C attach -t mwalice/build")
	c.Wait("%session-changed $1 mwalice/build")
	for _, s := range []string{"work", "build", "secret"} {
		h.Must(host.Alice, "send-keys", "-t", s, "said-in-"+s, "Enter")
	}
	b.Wait("said-in-work")
	c.Wait("said-in-build")
	if r := strings.Join(b.Ask("send-keys -t mwalice/work x"), "\n"); !strings.Contains(r, "not permitted") {
		t.Errorf("bob typed: %s", r)
	}
	if r := strings.Join(b.Ask("list-sessions"), "\n"); !strings.Contains(r, "mwalice/work: 1 windows") || strings.Contains(r, "build") {
		t.Errorf("bob's list is %s", r)
	}
	c.Ask("send-keys -t mwalice/build carol-types Enter")
	c.Wait("carol-types")
	if r := h.Muxward("root", "revoke", host.Bob, "--reason", "enough"); r.Code != 0 {
		t.Errorf("revoke: %+v", r)
	}
	h.Must(host.Alice, "send-keys", "-t", "work", "said-later", "Enter")
	if code := b.Code(); code != 1 || !b.Has("%exit muxward: you may not view this any more: revoked by root: enough") {
		t.Errorf("bob's client exits with %d:\n%s", code, strings.Join(b.Said(), "\n"))
	}
	if b.Has("said-later") || b.Has("said-in-build") || b.Has("secret") || c.Has("said-in-work") || c.Has("secret") {
		t.Errorf("bob heard:\n%s\ncarol heard:\n%s", strings.Join(b.Said(), "\n"), strings.Join(c.Said(), "\n"))
	}
	c.Ask("refresh-client -f wait-exit")
	c.Say("") // she leaves
	c.Wait("%exit")
	if c.Ended() {
		t.Error("carol was not waited for")
	}
	c.Say("")
	if code := c.Code(); code != 0 {
		t.Errorf("carol's client exits with %d", code)
	}
	h.VerifyAudit()
}

// On a terminal (-CC, as of iTerm) all is in one device control string. Without one
// that mode is refused, and -C is as on a pipe, with the terminal's ends of lines.
func TestSSHControlOnTerminal(t *testing.T) {
	h := host.Start(t, host.Config{SSH: []string{host.Alice}})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "cat")
	for mode, frame := range map[string][2]string{"-CC": {"\x1bP1000p", "%exit\r\n\x1b\\"}, "-C": {"", "%exit\r\n"}} {
		x := h.SSHTerminal(host.Alice, tmuxtest.TerminalConfig{}, "x@127.0.0.1", "tmux", mode, "attach", "-t", "work")
		has := func(text string) {
			t.Helper()
			tmuxtest.Eventually(t, func() bool { return strings.Contains(string(x.Bytes()), text) }, "%q is not in %q", text, x.Bytes())
		}
		has(frame[0] + "%begin ")
		has("%session-changed $0 work\r\n")
		x.Type("display-message -p '#{client_control_mode}:#{session_name}'\r")
		has("\r\n1:work\r\n%end ")
		if mode == "-CC" {
			x.Type("\r")
		} else {
			x.Type("\x03display-message -p never\r")
		}
		if code := x.ExitCode(); code != 0 || !strings.HasSuffix(string(x.Bytes()), frame[1]) || x.Contains("never") {
			t.Errorf("%s: exit %d, %q", mode, code, x.Bytes())
		}
	}
}
