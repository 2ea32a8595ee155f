package script

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// TestSSHDTickets: there is an sshd on the host, and an account that everybody logs in
// to. Who is at the other end muxward knows all the same, by the key: carol helps,
// mallory has nothing, and what ssh is given comes back as from muxward's own door.
func TestSSHDTickets(t *testing.T) {
	h := host.Start(t, host.Config{SSH: byKey, SSHMore: host.Lends, Policy: map[string]string{
		"grants.yaml": shared + "  - {who: mwcarol, role: operator, on: mwalice/work, reason: she helps}\n",
		// The account is lent to all of them, and says nothing of anybody.
		"account.cedar": `permit (principal, action, resource) when { context.account == "` + host.Work + `" };` + "\n"}})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "echo in-work; cat")
	h.Must(host.Alice, "new-session", "-d", "-s", "secret", "cat")
	s := h.StartSSHD(host.Ticketed + "SetEnv EDITOR=another-accounts COLORTERM=truecolor\n")
	const at = host.Work + "@127.0.0.1"
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
	home := tmuxtest.As(t, host.Work).Home
	for _, line := range []string{"save-buffer -b x " + home + "/canary", "load-buffer /etc/hostname", "source-file /etc/hostname"} {
		if r := s.Run(h.KeyOf(host.Carol), at, line); r.Code != 1 || !strings.Contains(r.Err, "ermitted") {
			t.Errorf("%s: %+v", line, r)
		}
	}
	// In control mode her server opens files itself, with her rights: the account's are
	// nobody's to use.
	if err := os.WriteFile(home+"/theirs", []byte("kill-server\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	lines := "load-buffer -b y " + home + "/theirs\nsource-file " + home + "/theirs\nsave-buffer -b x " + home + "/canary\ndisplay-message -p all-said\ndetach-client\n"
	if r := s.RunInput(h.KeyOf(host.Carol), []byte(lines), "-T", at, "tmux -C attach -t mine"); !strings.Contains(r.Out, "all-said") {
		t.Errorf("files in control mode: %+v", r)
	}
	if names := mine.Run("list-buffers", "-F", "#{buffer_name}"); names != "x" {
		t.Errorf("a file of the account was read: %q", names)
	}
	d := s.Terminal(h.KeyOf(host.Carol), tmuxtest.TerminalConfig{}, at, "attach", "-t", "mine")
	d.WaitFor("[mine]")
	mine.Run("detach-client", "-s", "mine", "-E", "touch "+home+"/canary")
	d.ExitCode()
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
	c.Type("and-goes-on\r")
	c.WaitFor("and-goes-on")
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
		if e.Person == host.Work || e.Person == host.KeysUser {
			t.Errorf("somebody is an account that is lent: %+v", e)
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

// TestSSHDLentAccount: an account that people are lent is nobody by itself, whatever runs
// as it; and who came by it is here as long as their ssh connection.
func TestSSHDLentAccount(t *testing.T) {
	h := host.Start(t, host.Config{SSH: byKey, SSHMore: host.Lends, Policy: map[string]string{"grants.yaml": shared}})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "cat")
	s := h.StartSSHD(host.Ticketed)
	const at = host.Work + "@127.0.0.1"
	nobody := func() {
		t.Helper()
		for _, args := range [][]string{{"ls"}, {"new-session", "-d", "cat"}, {"capture-pane", "-p", "-t", "mwalice/work"}} {
			if r := h.Tmux(host.Work, args...); r.Code != 1 || !strings.Contains(r.Err, "log in again") {
				t.Errorf("%q: %+v", args, r)
			}
		}
		for _, args := range [][]string{{"attach"}, {"ls"}, {"status"}, {"attach", "--ticket", strings.Repeat("A", 64)}} {
			if r := h.Exec(host.Work, nil, s.Bin, append(args, "--state", h.State)...); r.Code != 1 || !strings.Contains(r.Err, "log in again") {
				t.Errorf("muxward %q: %+v", args, r)
			}
		}
	}
	nobody()
	// Carol's client goes, and what it began on her own server waits for ever: sshd
	// leaves a command alone that has no terminal.
	if r := s.Run(h.KeyOf(host.Carol), at, "new-session -d -s mine cat"); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	waits := func(kind string) bool {
		var began uint64
		for _, e := range h.Audit() {
			if e.Person != host.Carol || e.Kind != "intent" && e.Kind != "outcome" {
				continue
			}
			if strings.HasPrefix(strings.Join(e.Asked, " "), "wait-for") {
				began = e.Seq
			}
			if began != 0 && e.Kind == kind && (kind == "intent" || e.Seq > began) {
				return true
			}
		}
		return false
	}
	cmd := exec.Command("ssh", append(s.Args(h.KeyOf(host.Carol)), "-T", at, "wait-for never")...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tmuxtest.Eventually(t, func() bool { return waits("intent") }, "carol waits")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	tmuxtest.Eventually(t, func() bool { return waits("outcome") }, "what waits is ended")
	// Another muxward knows nobody who came before it, and whoever logs in again.
	h.Stop()
	h.Run()
	nobody()
	if r := s.Run(h.KeyOf(host.Carol), at, "has -t mwalice/work"); r.Code != 0 {
		t.Errorf("after a restart carol logs in again: %+v", r)
	}
	// The account becomes a person's, whose programs run in it: nobody else is who they
	// are there.
	const look = "has -t mwalice/work"
	people := func(mallorys string) string {
		return "people:\n  mwalice: {}\n  mwbob: {}\n  mwcarol: {}\n  mwmallory: {account: " + mallorys + "}\n  root: {uid: 0}\n"
	}
	h.Reload("people.yaml", people(host.Work))
	tmuxtest.Eventually(t, func() bool { return alarmed(h, "mwmallory's own") }, "it is told whose the account is")
	if r := s.Run(h.KeyOf(host.Carol), at, look); r.Code != 255 {
		t.Errorf("by an account of mallory's carol comes in: %+v", r)
	}
	h.Reload("people.yaml", people(host.Mallory))
	if r := s.Run(h.KeyOf(host.Carol), at, look); r.Code != 0 {
		t.Errorf("and when it is nobody's again: %+v", r)
	}
}

// alarmed reports whether the administrator is told so.
func alarmed(h *host.Host, what string) bool {
	for _, e := range h.AuditKind("alarm") {
		if strings.Contains(e.Note, what) {
			return true
		}
	}
	return false
}

// TestSSHDLentServerRuns: what an account was used for before people are lent it goes on,
// and what runs in it could be any of them: the administrator is told.
func TestSSHDLentServerRuns(t *testing.T) {
	h := host.Prepare(t, host.Config{SSH: byKey, SSHMore: host.Lends, Policy: map[string]string{
		"people.yaml": "people:\n  mwalice: {}\n  " + host.Work + ": {}\n"}})
	config := h.Base + "/muxward.yaml"
	lends, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	before := strings.NewReplacer(host.Lends, "", "accounts: [mwalice", "accounts: ["+host.Work+", mwalice").Replace(string(lends))
	if err := os.WriteFile(config, []byte(before), 0o644); err != nil {
		t.Fatal(err)
	}
	h.Run()
	h.Must(host.Work, "new-session", "-d", "cat")
	h.Must(host.Alice, "new-session", "-d", "cat")
	h.Stop()
	if err := os.WriteFile(config, lends, 0o644); err != nil {
		t.Fatal(err)
	}
	h.WritePolicy("people.yaml", "people:\n  mwalice: {}\n")
	h.Run()
	tmuxtest.Eventually(t, func() bool { return alarmed(h, host.Work+"'s tmux server runs as "+host.Work) }, "it is told of the server")
	if alarmed(h, "mwalice's tmux server") {
		t.Error("it is told of a server that is its owner's alone")
	}
}

// TestSSHDTicketsAreFor: muxward does not start where tickets would prove nothing.
func TestSSHDTicketsAreFor(t *testing.T) {
	for _, c := range []struct{ user, ssh, want string }{
		{host.Alice, host.Lends, "needs muxward to run as root"},
		{"", "keys_user: mwnobody, keys_accounts: [mwwork]", "keys_user"},
		{"", "keys_user: root, keys_accounts: [mwwork]", "keys_user is root"},
		{"", "keys_user: daemon", "go together"},
		{"", "keys_accounts: [mwwork]", "go together"},
		{"", "keys_user: daemon, keys_accounts: [mwwork, daemon]", "nobody is to log in"},
		{"", "keys_user: daemon, keys_accounts: [root]", "is root"},
		{"", "keys_user: daemon, keys_accounts: [mwwork, mwbob]", "mwbob's own"},
		{"", "keys_user: daemon, keys_accounts: [mwnobody]", "no such account"},
	} {
		h := host.Prepare(t, host.Config{User: c.user, Settings: "ssh: {" + c.ssh + "}\n"})
		if err := h.TryRun(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("as %q with %s: %v", c.user, c.ssh, err)
		}
	}
}
