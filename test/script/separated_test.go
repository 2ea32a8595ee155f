package script

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// daemonOf gives muxward itself of a host that was started by muxward-helper.
func daemonOf(t *testing.T, h *host.Host) (s struct {
	PID  int
	Mode string
}) {
	t.Helper()
	if r := h.Muxward("root", "status", "--json"); json.Unmarshal([]byte(r.Out), &s) != nil || s.PID == 0 {
		t.Fatalf("%+v", r)
	}
	return s
}

// A muxward without rights of root's serves the accounts of the host: alice works, bob
// watches and types where he may, and what is taken from him is. The daemon is killed, and
// its helper, and each time the other ends, the sessions go on, and are taken up.
func TestSeparated(t *testing.T) {
	t.Parallel()
	h := host.Start(t, host.Config{Account: host.Ward, SSH: []string{host.Bob}, SSHMore: "account_keys: true", Policy: map[string]string{
		"grants.yaml": "grants:\n  - {who: mwbob, role: operator, on: mwalice/*, reason: helps}\n  - {who: root, role: admin, on: \"*\", reason: runs it}\n",
	}})
	rec := tmuxtest.NewRecorder(t)
	h.Must(host.Alice, "new-session", "-d", "-s", "work", rec.Command())
	rec.WaitReady()
	if s := daemonOf(t, h); s.Mode != "separated" || s.PID == h.PID() {
		t.Errorf("%+v", s)
	}
	server := h.Must(host.Alice, "display-message", "-p", "#{pid}")
	typed := ""
	attach := func(word string) *tmuxtest.Terminal {
		b := h.Terminal(host.Bob, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/work")
		b.WaitFor("recording")
		b.Type(word)
		typed += word
		rec.WaitLen(len(typed))
		if got := string(rec.Bytes()); got != typed {
			t.Errorf("%q was typed, not %q", got, typed)
		}
		return b
	}
	b := attach("first")
	for what, kill := range map[string]func(){
		"the daemon": func() { _ = syscall.Kill(daemonOf(t, h).PID, syscall.SIGKILL) },
		"the helper": func() { _ = syscall.Kill(h.PID(), syscall.SIGKILL) },
	} {
		pid := daemonOf(t, h).PID
		kill()
		h.Stopped()
		tmuxtest.Eventually(t, func() bool { return syscall.Kill(pid, 0) == syscall.ESRCH }, what+" was killed, and muxward has ended")
		tmuxtest.Eventually(t, b.Exited, "bob has gone")
		h.Run()
		if is := h.Must(host.Alice, "display-message", "-p", "#{pid}"); is != server {
			t.Errorf("%s was killed: alice's server is %s, and was %s", what, is, server)
		}
		b = attach(what)
	}
	if r := h.Muxward("root", "revoke", host.Bob, "-t", "mwalice/work", "--reason", "enough"); r.Code != 0 {
		t.Errorf("%+v", r)
	}
	tmuxtest.Eventually(t, b.Exited, "bob has gone")
	if r := h.Tmux(host.Bob, "ls"); strings.Contains(r.Out, "work") {
		t.Errorf("%+v", r)
	}
	h.Stop()
	if code := h.Stopped(); code != 0 {
		t.Errorf("asked to end, it ends with %d", code)
	}
}

// What muxward gives up beside its helper holds, as it finds by trying.
func TestSeparatedSandbox(t *testing.T) {
	t.Parallel()
	h := host.Start(t, host.Config{Account: host.Ward})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "cat")
	var s struct {
		Sandbox []struct {
			What, By     string
			Holds, Tried bool
		}
	}
	if r := h.Muxward("root", "status", "--sandbox", "--json"); json.Unmarshal([]byte(r.Out), &s) != nil || len(s.Sandbox) < 8 {
		t.Fatalf("%+v", r)
	}
	for _, p := range s.Sandbox {
		if !p.Holds && (p.Tried || !strings.Contains(p.By, "keeps everybody from it")) {
			t.Errorf("%+v", p)
		}
	}
	if r := h.Muxward("root", "status", "--sandbox"); !strings.Contains(r.Out, "holds  starts no program (seccomp)") || strings.Contains(r.Out, "NOT") {
		t.Errorf("%+v", r)
	}
	none := host.Start(t, host.Config{Account: host.Ward})
	if r := none.Muxward("root", "status", "--sandbox"); !strings.Contains(r.Out, "not tried  reaches guarded sockets") {
		t.Errorf("there is no server: %+v", r)
	}
	if r := h.Muxward(host.Alice, "status", "--sandbox"); strings.Contains(r.Out, "holds") {
		t.Errorf("%+v", r)
	}
}

// A state directory that root's muxward has used is handed over with all that is in it. One
// in which there is something else is refused, and nothing of that is given to anybody.
func TestSeparatedState(t *testing.T) {
	t.Parallel()
	if os.Getenv("MUXWARD_TEST_ACCOUNT") != "" {
		tmuxtest.Skip(t, "it takes a muxward that runs as root")
	}
	before := host.Start(t, host.Config{})
	before.Must(host.Alice, "new-session", "-d", "-s", "work", "cat")
	before.Stop()
	other := filepath.Join(before.Base, "other")
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h := host.Prepare(t, host.Config{Account: host.Ward, State: before.State, Doors: before.Doors})
	for name, add := range map[string]func(string) error{
		"names":          func(path string) error { return os.Link(other, path) },
		"neither a file": func(path string) error { return os.Symlink(other, path) },
	} {
		path := filepath.Join(before.State, "audit", "zz")
		if err := add(path); err != nil {
			t.Fatal(err)
		}
		if err := h.TryRun(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if st, err := os.Stat(other); err != nil || st.Sys().(*syscall.Stat_t).Uid != 0 {
		t.Error(st, err)
	}
	h.Run()
	if got := h.Must(host.Alice, "ls", "-F", "#S"); got != "work" {
		t.Errorf("%q", got)
	}
	ward := tmuxtest.As(t, host.Ward)
	err := filepath.Walk(before.State, func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Sys().(*syscall.Stat_t).Uid != ward.UID {
			err = fmt.Errorf("%s is not handed over", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// A configuration that does not go without root's rights, or is not root's alone, is refused.
func TestSeparatedRefusals(t *testing.T) {
	t.Parallel()
	for settings, want := range map[string]string{
		"":             "",
		"user: true\n": "contradict",
	} {
		h := host.Prepare(t, host.Config{Account: host.Ward, Settings: settings})
		if want == "" {
			if err := os.Chmod(h.Base+"/muxward.yaml", 0o666); err != nil {
				t.Fatal(err)
			}
			want = "may be written by others"
		}
		if err := h.TryRun(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", settings, err)
		}
	}
	for account, want := range map[string]string{"root": "root's", "mwnobody": "useradd", host.Carol: "may log in"} {
		h := host.Prepare(t, host.Config{Account: account})
		if err := h.TryRun(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", account, err)
		}
	}
	person := host.Prepare(t, host.Config{Account: host.Ward, Policy: map[string]string{"people.yaml": "people:\n  mwward: {}\n"}})
	if err := person.TryRun(); err == nil || !strings.Contains(err.Error(), "people.yaml") {
		t.Errorf("a person's account: %v", err)
	}
	h := host.Prepare(t, host.Config{Account: host.Ward})
	data, err := os.ReadFile(h.Base + "/muxward.yaml")
	if err != nil || !bytes.Contains(data, []byte("account: mwward")) {
		t.Fatal(err)
	}
	alice := tmuxtest.As(t, host.Alice)
	out, err := tmuxtest.Output(alice.Command(h.Bin(), "serve", "--config", h.Base+"/muxward.yaml"))
	if err == nil || !strings.Contains(string(out)+err.Error(), "started as root") {
		t.Errorf("%s %v", out, err)
	}
}

// A muxward that runs already is not disturbed by a helper that is started beside it: its state
// and keys stay where they are.
func TestSeparatedBeside(t *testing.T) {
	t.Parallel()
	if os.Getenv("MUXWARD_TEST_ACCOUNT") != "" {
		tmuxtest.Skip(t, "it takes a muxward that runs as root")
	}
	h := host.Start(t, host.Config{})
	second := host.Prepare(t, host.Config{Account: host.Ward, State: h.State, Doors: h.Doors})
	if err := second.TryRun(); err == nil || !strings.Contains(err.Error(), "another muxward") {
		t.Errorf("a second one: %v", err)
	}
	for _, path := range []string{h.State, h.State + "/audit.key"} {
		if st, err := os.Stat(path); err != nil || st.Sys().(*syscall.Stat_t).Uid != 0 {
			t.Errorf("%s is not root's any more: %v", path, err)
		}
	}
}

// Somebody who came by an sshd of the host, and of whom muxward knows nothing any more as it
// began anew, is nobody: also where muxward cannot see the mark that `muxward attach` left with
// other accounts' processes.
func TestSeparatedForced(t *testing.T) {
	t.Parallel()
	h := host.Start(t, host.Config{Account: host.Ward})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "cat")
	if r := h.Exec(host.Alice, nil, "env", "MUXWARD_FORCED=1", "tmux", "ls"); r.Code == 0 || !strings.Contains(r.Err+r.Out, "began anew") {
		t.Errorf("with the mark: %+v", r)
	}
	if r := h.Exec(host.Alice, nil, "env", "MUXWARD_UNFORCED=1", "tmux", "ls"); r.Code != 0 || !strings.Contains(r.Out, "work") {
		t.Errorf("control run: %+v", r)
	}
}

// Where a hostile muxward is to be found is not believed of it by anybody else: what its account
// writes in the state directory has root and others ask nobody else, and write nowhere else.
func TestSeparatedBelieves(t *testing.T) {
	t.Parallel()
	h := host.Start(t, host.Config{Account: host.Ward, SSH: []string{host.Bob}})
	told := func() string {
		t.Helper()
		return h.Muxward("root", "ssh-config").Out + h.Muxward(host.Alice, "env").Out
	}
	before := told()
	if !strings.Contains(before, "ssh-ed25519") || !strings.Contains(before, h.Doors) {
		t.Fatalf("%q", before)
	}
	evil := filepath.Join(h.Base, "evil")
	lie := fmt.Sprintf(`{"pid":1,"ctl":"%[1]s/ctl","doors":"%[2]s","policy":"/","ssh":{"addr":"10.0.0.1:1","host_key":"ssh-ed25519 EVIL","totp":"%[1]s"}}`, evil, h.Doors)
	ward := tmuxtest.As(t, host.Ward)
	if err := os.WriteFile(h.State+"/serve.json", []byte(lie), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(h.State+"/serve.json", int(ward.UID), int(ward.UID)); err != nil {
		t.Fatal(err)
	}
	if after := told(); after != before {
		t.Errorf("it says\n%s\nand said\n%s", after, before)
	}
	if r := h.Muxward("root", "ssh-totp", "add", host.Bob); r.Code != 2 {
		t.Errorf("%+v", r)
	}
	if _, err := os.Lstat(evil); err == nil {
		t.Error("root writes where muxward's account says")
	}
	if r := h.Muxward("root", "status"); r.Code != 0 {
		t.Errorf("%+v", r)
	}
}
