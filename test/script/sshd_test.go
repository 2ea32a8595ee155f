package script

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// ticketed is an sshd that asks muxward whose keys are.
const ticketed = `AuthorizedKeysCommand $BIN keys --state $STATE %u %t %k
AuthorizedKeysCommandUser ` + host.KeysUser + `
AuthorizedKeysFile none
`

// TestSSHDTickets: there is an sshd on the host, and an account that everybody logs in
// to. Who is at the other end muxward knows all the same, by the key: carol helps,
// mallory has nothing, and what ssh is given comes back as from muxward's own door.
func TestSSHDTickets(t *testing.T) {
	h := host.Start(t, host.Config{SSH: byKey, SSHMore: "keys_user: " + host.KeysUser, Policy: map[string]string{"grants.yaml": shared +
		"  - {who: mwcarol, role: operator, on: mwalice/work, reason: she helps}\n"}})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "echo in-work; cat")
	h.Must(host.Alice, "new-session", "-d", "-s", "secret", "cat")
	s := h.StartSSHD(ticketed + "SetEnv EDITOR=another-accounts COLORTERM=truecolor\n")
	const at = "mwbob@127.0.0.1"
	for _, c := range []struct {
		line     string
		out, err string
		code     int
	}{
		{`tmux list-sessions -F '#{session_name}'`, "mwalice/work\n", "", 0},
		{`tmux display-message -p -t mwalice/work "a  b" \; display -p -t mwalice/work c`, "a  b\nc\n", "", 0},
		{`has -t mwalice/work`, "", "", 0},
		{`tmux has-session -t nowhere`, "", "no server running on ", 1},
		{`tmux nonsense`, "", "unknown command: nonsense\n", 1},
		{`tmux -L other ls`, "", "tmux -L is not offered over ssh", 1},
		{`ls; id`, "", "no shell runs here", 1},
		{`/bin/sh -c id`, "", "unknown command: /bin/sh", 1},
		{`tmux attach -t mwalice/work`, "", "open terminal failed: not a terminal", 1},
		{``, "mwalice/work\tview, type\n", "", 0},
	} {
		args := []string{at}
		if c.line != "" {
			args = append(args, c.line)
		}
		r := s.Run(h.KeyOf(host.Carol), args...)
		if r.Out != c.out || r.Code != c.code || !strings.Contains(r.Err, c.err) || c.err == "" && r.Err != "" {
			t.Errorf("%s: %+v", c.line, r)
		}
	}
	// Her own server is her account's, and what is written in her commands is not
	// written with the rights of the account that everybody has.
	const own = `tmux new-session -d -s mine cat \; set-buffer -b x hello`
	if r := s.Run(h.KeyOf(host.Carol), at, own); r.Code != 0 {
		t.Fatalf("carol's own server: %+v", r)
	}
	if out := h.Must(host.Carol, "list-sessions", "-F", "#{session_name}"); !strings.Contains(out, "mine") {
		t.Errorf("at the tmux door carol sees %q", out)
	}
	mine := h.Server(host.Carol)
	if path := mine.Run("display-message", "-p", "-t", "mine", "#{session_path}"); path != tmuxtest.As(t, host.Carol).Home {
		t.Errorf("her session begins in %q", path)
	}
	for _, show := range []string{"-g", "-t mine"} {
		if env := mine.Run(append([]string{"show-environment"}, strings.Fields(show)...)...); strings.Contains(env, "another-accounts") {
			t.Errorf("her server has what another account's programs are told:\n%s", env)
		}
	}
	home := tmuxtest.As(t, host.Bob).Home
	for _, line := range []string{"save-buffer -b x " + home + "/canary", "load-buffer /etc/hostname", "source-file /etc/hostname"} {
		if r := s.Run(h.KeyOf(host.Carol), at, line); r.Code != 1 || !strings.Contains(r.Err, "ermitted") {
			t.Errorf("%s: %+v", line, r)
		}
	}
	if _, err := os.Stat(home + "/canary"); err == nil {
		t.Error("a file was written")
	}
	if r := s.Run(h.KeyOf(host.Carol), "-T", at, "tmux -C attach -t mwalice/work"); r.Code != 0 || !strings.Contains(r.Out, "%begin ") || !strings.Contains(r.Out, "%exit") {
		t.Errorf("in control mode: %+v", r)
	}
	if r := s.Run(h.KeyOf(host.Mallory), "-T", at); r.Code != 0 || r.Out != "no session is here for you\n" {
		t.Errorf("mallory: %+v", r)
	}
	if r := s.Run(h.NewKey("nobodys"), at, "ls"); r.Code != 255 {
		t.Errorf("a key that is nobody's: %+v", r)
	}
	phone := h.NewKey("phone") // from= is for sshd to check
	h.AllowKey(host.Alice, phone, `from="127.0.0.9" `)
	h.Signal(syscall.SIGHUP)
	tmuxtest.Eventually(t, func() bool { return s.Run(phone, "-b", "127.0.0.9", at, "has -t work").Code == 0 }, "alice comes from where her key may be")
	if r := s.Run(phone, at, "has -t work"); r.Code != 255 {
		t.Errorf("from elsewhere: %+v", r)
	}
	c := s.Terminal(h.KeyOf(host.Carol), tmuxtest.TerminalConfig{}, at, "attach", "-t", "mwalice/work")
	c.WaitFor("in-work")
	c.Type("carol-types\r\x02\x1a") // there is no shell to go back to
	c.WaitFor("carol-types")
	if r := h.Muxward("root", "who"); !strings.Contains(r.Out, "mwcarol") || !strings.Contains(r.Out, "sshd") {
		t.Errorf("who: %+v", r)
	}
	h.AllowKey(host.Carol, h.NewKey("carols-next"), "")
	h.Signal(syscall.SIGHUP)
	if code := c.ExitCode(); code == 0 || !c.Contains("not taken any more") {
		t.Errorf("her key was replaced; ssh exits %d: %q", code, c.Screen())
	}
	found := false
	for _, e := range h.Audit() {
		found = found || e.Kind == "door" && e.Door == "sshd" && e.Person == host.Carol && e.Allowed && strings.HasPrefix(e.Key, "SHA256:")
		if e.Person == host.Bob && e.Kind == "intent" && e.Door == "tmux" {
			t.Errorf("somebody is bob: %+v", e)
		}
	}
	if !found {
		t.Error("the log does not say that carol came in")
	}
	h.VerifyAudit()
}

// TestSSHDForceCommand: without tickets who logs in to an account is that account, and
// has the tmux client and nothing else: not even the account's files.
func TestSSHDForceCommand(t *testing.T) {
	h := host.Start(t, host.Config{SSH: byKey[:1], Policy: map[string]string{"grants.yaml": shared}})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "echo in-work; cat")
	key := h.NewKey("bobs")
	pub, err := os.ReadFile(key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(h.Base+"/authorized_keys", pub, 0o644); err != nil {
		t.Fatal(err)
	}
	s := h.StartSSHD("StrictModes no\nAuthorizedKeysFile " + h.Base + "/authorized_keys\nForceCommand $BIN attach --state $STATE\n")
	const at = "mwbob@127.0.0.1"
	home := tmuxtest.As(t, host.Bob).Home
	for _, c := range []struct {
		line, out, err string
		code           int
	}{
		{"ls -F '#{session_name}'", "mwalice/work\n", "", 0},
		{"new-session -d -s mine cat \\; set-buffer -b x hello", "", "", 0},
		{"save-buffer -b x " + home + "/canary", "", "ermitted", 1},
		{"save-buffer -b x -", "hello", "", 0},
		{"id", "", "unknown command: id", 1},
		{"tmux -f /etc/passwd ls", "", "is not offered over ssh", 1},
	} {
		if r := s.Run(key, at, c.line); r.Out != c.out || r.Code != c.code || !strings.Contains(r.Err, c.err) || c.err == "" && r.Err != "" {
			t.Errorf("%s: %+v", c.line, r)
		}
	}
	if _, err := os.Stat(home + "/canary"); err == nil {
		t.Error("a file was written")
	}
	if r := s.Run(key, at, "run-shell 'exit 3'"); r.Code != 3 { // not all versions say nothing of it
		t.Errorf("run-shell: %+v", r)
	}
	x := s.Terminal(key, tmuxtest.TerminalConfig{}, at, "attach", "-t", "mine")
	x.WaitFor("[mine]")
	x.Type("\x02d")
	if code := x.ExitCode(); code != 0 || !x.Contains("[detached (from session mine)]") {
		t.Errorf("ssh exits %d: %q", code, x.Screen())
	}
	found := false
	for _, e := range h.Audit() {
		found = found || e.Person == host.Bob && strings.Contains(strings.Join(e.Asked, " "), "-f /etc/passwd") && e.Reason != ""
	}
	if !found {
		t.Error("the log does not tell of what was refused")
	}
}

// TestSSHDTicketsNeedRoot: who cannot see what asks for a ticket gives none.
func TestSSHDTicketsNeedRoot(t *testing.T) {
	for _, c := range []struct{ user, account, want string }{
		{host.Alice, host.KeysUser, "needs muxward to run as root"},
		{"", "mwnobody", "keys_user"},
	} {
		h := host.Prepare(t, host.Config{User: c.user, Settings: "ssh: {keys_user: " + c.account + "}\n"})
		if err := h.TryRun(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("as %q with %s: %v", c.user, c.account, err)
		}
	}
}
