package script

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// TestSSHPasswordBehindKey: alice is to prove the password of her account behind her key, and a
// code of her token, by real modules and OpenSSH's client, which comes by publickey and
// keyboard-interactive then. Neither is enough alone. The policy wants two factors for typing, and
// hears of them. bob, who is not listed, comes by either; that counts as one.
func TestSSHPasswordBehindKey(t *testing.T) {
	t.Parallel()
	if !tmuxtest.PAMModule("pam_oath") {
		tmuxtest.Skip(t, "needs libpam-oath: comes by key, password and code")
	}
	h := host.Prepare(t, host.Config{SSH: byKey, PAM: unixStack(9, "auth requisite pam_oath.so usersfile=$BASE/oath window=3"), SSHMore: "pam_behind_keys: [mwalice]", Policy: map[string]string{
		"grants.yaml": "grants:\n  - {who: mwbob, role: typist, on: mwalice/work, reason: pairs}\n  - {who: root, role: admin, on: \"*\", reason: runs it}\n",
		"mfa.cedar":   "@reason(\"by ssh typing needs a second factor\")\nforbid (principal, action == Action::\"type\", resource) when { context.door == \"ssh\" } unless { context.mfa };\n"}})
	if err := os.WriteFile(h.Base+"/oath", []byte("HOTP/T30/6 mwalice - 3132333435363738393031323334353637383930\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.Run()
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "cat")

	if r := h.SSH(host.Alice, "-b", "127.0.0.9", "x@127.0.0.1", "ls"); r.Code != 255 {
		t.Errorf("with her key alone: %+v", r)
	}
	code := h.Code("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", 0)
	if c, err := h.DialPassword(host.Alice, &host.Talk{From: "127.0.0.8", Answers: []string{host.Password, code}}); err == nil {
		t.Error("with her password and code alone she is let in")
		_ = c.Close()
	}

	args := slices.DeleteFunc(h.SSHArgs(h.KeyOf(host.Alice)), func(a string) bool { return a == "BatchMode=yes" })
	for i := range args { // its -o goes, too
		if args[i] == "-o" && args[i+1] == "-o" {
			args = slices.Delete(args, i, i+1)
			break
		}
	}
	a := tmuxtest.Open(t, tmuxtest.TerminalConfig{Env: []string{"LANG=C.UTF-8"}}, "ssh", append(args, "-tt", "work@127.0.0.1")...)
	a.WaitFor("Password:")
	a.Type("wrong horse\r")
	tmuxtest.Eventually(t, func() bool { return strings.Count(strings.Join(a.Screen(), "\n"), "Password:") == 2 }, "she is asked again")
	a.Type(host.Password + "\r")
	a.WaitFor("One-time password")
	a.Type(h.Code("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", 0) + "\r")
	a.WaitFor("[work]")
	a.Type("by-alice")
	a.WaitFor("by-alice")

	if r := h.SSH(host.Bob, "x@127.0.0.1", "tmux send-keys -t mwalice/work y"); r.Code == 0 || !strings.Contains(r.Err, "needs a second factor") {
		t.Errorf("bob types by his key: %+v", r)
	}
	logged := func(reason, note, key string) bool {
		return slices.ContainsFunc(h.Audit(), func(e host.Event) bool {
			return e.Door == "ssh" && strings.Contains(e.Reason, reason) && strings.Contains(e.Note, note) && strings.Contains(e.Key, key)
		})
	}
	tmuxtest.Eventually(t, func() bool {
		return logged("", `passwords that were not taken before: 1, of "mwalice"`, `, and the password of "mwalice"`) &&
			logged("a password alone is not enough", "", `password of "mwalice"`) && logged("the key of mwalice was proved, and not their second factor", "", "SHA256:")
	}, "the log tells of each: %+v", h.Audit())
	h.ReloadConfig(func(text string) string { return strings.Replace(text, ", pam_behind_keys: [mwalice]", "", 1) })
	tmuxtest.Eventually(t, func() bool { return h.SSH(host.Alice, "-b", "127.0.0.7", "x@127.0.0.1", "ls").Code == 0 }, "she is not asked any more")
	k := tmuxtest.Open(t, tmuxtest.TerminalConfig{Env: []string{"LANG=C.UTF-8"}}, "ssh", append(h.SSHArgs(h.KeyOf(host.Alice)), "-b", "127.0.0.6", "-tt", "work@127.0.0.1")...)
	k.WaitFor("[work]")
	h.ReloadConfig(func(text string) string {
		return strings.Replace(text, "ssh: {", "ssh: {pam_behind_keys: [mwalice, mwalcie], ", 1)
	})
	tmuxtest.Eventually(t, k.Exited, "who is in by her key alone is out when that is not enough any more")
	tmuxtest.Eventually(t, func() bool { return strings.Contains(h.Output(), `there is no person "mwalcie"`) }, "a name that is nobody's is told of: %s", h.Output())
	if a.Exited() {
		t.Error("who has proved more is ended")
	}
}
