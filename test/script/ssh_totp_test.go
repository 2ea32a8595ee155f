package script

import (
	"encoding/json"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

const aliceSecret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"

// TestSSHSecondFactor: alice has a second factor and is asked for it behind her key,
// as often as OpenSSH asks. The policy wants one for whoever types; bob, who has
// none, is not asked, and only looks on, until he is given one.
func TestSSHSecondFactor(t *testing.T) {
	h := host.Start(t, host.Config{SSH: byKey, TOTP: map[string]string{host.Alice: aliceSecret}, Policy: map[string]string{
		"grants.yaml": "grants:\n  - {who: mwbob, role: typist, on: mwalice/work, reason: pairs}\n  - {who: root, role: admin, on: \"*\", reason: runs it}\n"}})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "cat")
	h.Reload("mfa.cedar", "@reason(\"typing needs a second factor\")\nforbid (principal, action == Action::\"type\", resource) unless { context.mfa };\n")
	open := func(who string, args ...string) *tmuxtest.Terminal {
		t.Helper()
		base := slices.DeleteFunc(h.SSHArgs(h.KeyOf(who)), func(a string) bool { return a == "BatchMode=yes" })
		for i, a := range base { // its -o goes, too
			if a == "-o" && i+1 < len(base) && base[i+1] == "-o" {
				base = slices.Delete(base, i, i+1)
				break
			}
		}
		return tmuxtest.Open(t, tmuxtest.TerminalConfig{Env: []string{"LANG=C.UTF-8"}}, "ssh", append(append(base, "-tt"), args...)...)
	}

	if r := h.SSH(host.Alice, "-b", "127.0.0.9", "x@127.0.0.1", "ls"); r.Code != 255 {
		t.Errorf("with her key alone: %+v", r)
	}
	a := open(host.Alice, "work@127.0.0.1")
	a.WaitFor("Code:")
	a.Type("000 wrong\r")
	tmuxtest.Eventually(t, func() bool { return strings.Count(strings.Join(a.Screen(), "\n"), "Code:") == 2 }, "she is asked again")
	a.Type(h.Code(aliceSecret, 0) + "\r")
	a.WaitFor("[work]")
	a.Type("by-alice")
	a.WaitFor("by-alice")

	const locally = "typing needs a second factor"
	if r := h.Exec(host.Alice, nil, "tmux", "send-keys", "-t", "work", "x"); r.Code == 0 || !strings.Contains(r.Err, locally) {
		t.Errorf("at the tmux door, which asks for none: %+v", r)
	}
	if r := h.SSH(host.Bob, "x@127.0.0.1", "tmux send-keys -t mwalice/work y"); r.Code == 0 || !strings.Contains(r.Err, locally) {
		t.Errorf("bob types without one: %+v", r)
	}
	if r := h.SSH(host.Bob, "x@127.0.0.1", "tmux ls"); r.Code != 0 || !strings.Contains(r.Out, "work") {
		t.Errorf("bob looks: %+v", r)
	}

	// bob is given one, and is asked from then on.
	r := h.Muxward("", "ssh-totp", "add", "--json", host.Bob)
	var made struct{ URL string }
	if err := json.Unmarshal([]byte(r.Out), &made); err != nil || r.Code != 0 {
		t.Fatalf("%+v: %v", r, err)
	}
	at, err := url.Parse(made.URL)
	if err != nil || at.Scheme != "otpauth" || at.Host != "totp" || at.Query().Get("secret") == "" {
		t.Fatalf("%q: %v", made.URL, err)
	}
	if r := h.Muxward("", "ssh-totp", "add", host.Bob); r.Code != 1 || !strings.Contains(r.Err, "--replace") || strings.Contains(r.Out, "otpauth") {
		t.Errorf("once more: %+v", r)
	}
	if info, err := os.Stat(h.Base + "/totp"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the secrets: %v %v", info, err)
	}
	tmuxtest.Eventually(t, func() bool {
		r := h.SSH(host.Bob, "-b", "127.0.0.10", "x@127.0.0.1", "ls")
		return r.Code == 255 && strings.Contains(r.Err, "keyboard-interactive")
	}, "bob is asked")
	b := open(host.Bob, "mwalice/work@127.0.0.1")
	b.WaitFor("Code:")
	b.Type(h.Code(at.Query().Get("secret"), 0) + "\r")
	b.WaitFor("[work]")
	b.Type("by-bob")
	a.WaitFor("by-bob")

	// What he came in with is taken away.
	if r := h.Muxward("", "ssh-totp", "remove", host.Bob); r.Code != 0 {
		t.Errorf("%+v", r)
	}
	tmuxtest.Eventually(t, b.Exited, "bob's connection ends")
	if a.Exited() {
		t.Error("alice's ends, too")
	}
	if r := h.SSH(host.Bob, "x@127.0.0.1", "tmux ls"); r.Code != 0 {
		t.Errorf("bob is asked no more: %+v", r)
	}
	logged := func(who, reason, key string) bool {
		return slices.ContainsFunc(h.Audit(), func(e host.Event) bool {
			return e.Door == "ssh" && e.Person == who && strings.Contains(e.Reason, reason) && strings.Contains(e.Key, key)
		})
	}
	tmuxtest.Eventually(t, func() bool {
		return logged(host.Alice, "", ", and a second factor") && logged(host.Bob, locally, "SHA256:") &&
			logged(host.Bob, "the key of mwbob was proved, and not their second factor", "SHA256:")
	}, "the log tells of each")
}
