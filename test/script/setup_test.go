package script

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// TestSetup: root prepares a tree that stands for a host, with the accounts of this one; only
// root can write there, and the policy is for nobody else to read. A second setup does
// nothing. A muxward is started by what setup wrote, as an account without root's rights, and alice is at home in it. Then people
// have changed the policy: uninstall keeps that and the state, and says so; with --purge
// the state goes, too, and without what people wrote there is no trace of anything.
func TestSetup(t *testing.T) {
	bob := tmuxtest.As(t, host.Bob)
	root, ward := emptyHost(t), strconv.Itoa(int(tmuxtest.As(t, host.Ward).GID))
	before := names(t, root)
	must := func(args ...string) string {
		t.Helper()
		out, err := tmuxtest.Output(tmuxtest.Account{}.Command(host.Build(t, ""), append(args, "--root", root)...))
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return out
	}
	if out := must("setup", "--dry-run", "--admin", host.Alice); !strings.Contains(out, "nothing was done") || names(t, root) != before {
		t.Fatalf("a dry run did something:\n%s\n%s", out, names(t, root))
	}
	must("setup", "--admin", host.Alice, "--account", host.Ward)
	for path, want := range map[string]string{
		"etc/muxward":                        "40755 0:0",
		"etc/muxward/muxward.yaml":           "100644 0:0",
		"etc/muxward/policy":                 "40750 0:ward",
		"etc/muxward/policy/people.yaml":     "100640 0:ward",
		"etc/pam.d/muxward":                  "100644 0:0",
		"etc/systemd/system/muxward.service": "100644 0:0",
		"etc/tmpfiles.d/muxward.conf":        "100644 0:0",
		"var/lib/muxward":                    "40711 0:0",
		"var/lib/muxward-keys":               "40700 0:0",
		"var/lib/muxward-host":               "40700 0:0",
	} {
		if got := strings.ReplaceAll(of(t, root, path), ":"+ward, ":ward"); got != want {
			t.Errorf("%s is %s, not %s", path, got, want)
		}
	}
	for _, c := range []string{"cat etc/muxward/policy/people.yaml", "touch etc/muxward/x", "cat var/lib/muxward-host/ledger.json"} {
		cmd := bob.Command("sh", "-c", "cd "+root+" && "+c)
		if out, err := tmuxtest.Output(cmd); err == nil {
			t.Errorf("bob can %s: %s", c, out)
		}
	}
	if out := must("setup", "--admin", host.Alice, "--account", host.Ward); !strings.Contains(out, "everything is as it should be") {
		t.Errorf("a second setup says:\n%s", out)
	}

	h := host.Prepare(t, host.Config{Account: host.Ward, State: root + "/var/lib/muxward", Change: bySetup(root)})
	h.Run()
	if r := h.Exec(host.Alice, nil, "tmux", "-f", "/dev/null", "new-session", "-d", "-s", "work", "cat"); r.Code != 0 {
		t.Fatalf("alice is not at home: %+v", r)
	}
	if r := h.Exec(host.Alice, nil, "tmux", "ls"); !strings.Contains(r.Out, "work:") {
		t.Errorf("alice sees %+v", r)
	}
	if r := h.Exec(host.Bob, nil, "tmux", "attach", "-t", host.Alice+"/work"); r.Code == 0 {
		t.Errorf("bob is let in: %+v", r)
	}
	if r := h.Muxward("root", "status", "--sandbox"); r.Code != 0 || !strings.Contains(r.Out, "holds  runs as an account without root's rights") || strings.Contains(r.Out, "NOT") {
		t.Errorf("%+v", r)
	}
	if out := must("setup", "--admin", host.Alice, "--account", host.Ward); !strings.Contains(out, "everything is as it should be") {
		t.Errorf("a setup of one that has served says:\n%s", out)
	}
	h.Stop()

	people := root + "/etc/muxward/policy/people.yaml"
	theirs := string(read(t, people)) + "# theirs\n"
	if err := os.WriteFile(people, []byte(theirs), 0o640); err != nil {
		t.Fatal(err)
	}
	out := must("uninstall")
	for _, want := range []string{"keep file /etc/muxward/policy/people.yaml", "keep directory /var/lib/muxward\n", "keep directory /var/lib/muxward-keys\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("uninstall does not say %q:\n%s", want, out)
		}
	}
	if got := string(read(t, people)); got != theirs || len(read(t, root+"/var/lib/muxward-keys/audit.key")) == 0 {
		t.Error("uninstall took what is people's, or the state")
	}
	if _, err := os.Lstat(root + "/etc/systemd"); err == nil {
		t.Error("a directory that setup made is left")
	}
	must("uninstall", "--purge")
	if left, err := filepath.Glob(root + "/var/lib/muxward*"); err != nil || len(left) > 1 { // the records
		t.Errorf("the state is left: %q, %v", left, err)
	}
	if err := os.Remove(people); err != nil {
		t.Fatal(err)
	}
	if out := must("uninstall"); !strings.Contains(out, "all of it is gone") || names(t, root) != before {
		t.Errorf("a trace is left:\n%s\n%s", out, names(t, root))
	}
}

// emptyHost is a tree with this host's accounts, and nothing of muxward.
func emptyHost(t *testing.T) string {
	t.Helper()
	root := tmuxtest.Dir(t, tmuxtest.Account{}) + "/root"
	for _, dir := range []string{"etc/pam.d"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		"passwd": string(read(t, "/etc/passwd")), "group": string(read(t, "/etc/group")), "shadow": "", "gshadow": "",
		"login.defs": "SYS_UID_MAX 999\nSYS_GID_MAX 999\n", "pam.d/common-account": "account required pam_unix.so\n",
	} {
		if err := os.WriteFile(filepath.Join(root, "etc", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// names lists a tree, without what shadow's programs leave behind.
func names(t *testing.T, root string) string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		if err == nil && !strings.HasSuffix(path, "-") && filepath.Base(path) != ".pwd.lock" {
			all = append(all, strings.TrimPrefix(path, root))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, "\n")
}

// of gives type, mode and owners of a file.
func of(t *testing.T, root, path string) string {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(filepath.Join(root, path), &st); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return fmt.Sprintf("%o %d:%d", st.Mode, st.Uid, st.Gid)
}

// bySetup has a muxward start by what setup has written.
func bySetup(root string) func(*exec.Cmd) {
	return func(cmd *exec.Cmd) {
		for i, arg := range cmd.Args {
			switch arg {
			case "--config":
				cmd.Args[i+1] = root + "/etc/muxward/muxward.yaml"
			case "--policy":
				cmd.Args[i+1] = root + "/etc/muxward/policy"
			}
		}
	}
}

// TestSetupChangesOver: a host was set up to have muxward run as root, and people have a session
// there. It is changed over: muxward runs without root's rights, with the same log and the
// same sessions. And back again: setup does not take a state for root's that is not, until
// muxward-helper has given it back.
func TestSetupChangesOver(t *testing.T) {
	if os.Getenv("MUXWARD_TEST_ACCOUNT") != "" {
		tmuxtest.Skip(t, "it takes a muxward that runs as root")
	}
	tmuxtest.As(t, host.Ward) // skips where there are no accounts
	root := emptyHost(t)
	try := func(args ...string) (string, error) {
		return tmuxtest.Output(tmuxtest.Account{}.Command(host.Build(t, ""), append(args, "--root", root, "--account", host.Ward)...))
	}
	must := func(args ...string) {
		t.Helper()
		if out, err := try(args...); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	state, doors := root+"/var/lib/muxward", ""
	same := "" // the log's key
	serves := func(account, mode string) {
		t.Helper()
		h := host.Prepare(t, host.Config{Account: account, State: state, Doors: doors, Change: bySetup(root)})
		doors = h.Doors
		h.Run()
		var s struct{ Mode string }
		if r := h.Muxward("root", "status", "--json"); json.Unmarshal([]byte(r.Out), &s) != nil || s.Mode != mode {
			t.Errorf("it is to run in %s mode: %+v", mode, r)
		}
		if same == "" {
			same = string(read(t, state+"/audit.pub"))
			if r := h.Exec(host.Alice, nil, "tmux", "-f", "/dev/null", "new-session", "-d", "-s", "work", "cat"); r.Code != 0 {
				t.Fatalf("alice is not at home: %+v", r)
			}
		}
		if r := h.Exec(host.Alice, nil, "tmux", "ls"); !strings.Contains(r.Out, "work:") {
			t.Errorf("in %s mode alice sees %+v", mode, r)
		}
		if r := h.Muxward("root", "audit", "verify"); r.Code != 0 || string(read(t, state+"/audit.pub")) != same {
			t.Errorf("in %s mode it is another log: %+v", mode, r)
		}
		h.Stop()
	}
	must("setup", "--admin", host.Alice, "--separated=false")
	serves("", "root")
	must("setup", "--separated")
	serves(host.Ward, "separated")
	if out, err := try("setup", "--separated=false"); err == nil || !strings.Contains(out+err.Error(), "look at all that is in it") {
		t.Errorf("a state of the account's is taken for root's: %v\n%s", err, out)
	}
	giveBack := func() (string, error) {
		return tmuxtest.Output(tmuxtest.Account{}.Command(filepath.Join(filepath.Dir(host.Build(t, "")), "muxward-helper"), "give-back",
			"--config", root+"/etc/muxward/muxward.yaml", "--state", state, "--policy", root+"/etc/muxward/policy", "--doors", doors))
	}
	out, err := giveBack()
	// Tests of other packages, which run beside this one, have that account, too.
	for end := time.Now().Add(2 * time.Minute); err != nil && strings.Contains(out+err.Error(), "end it first") && time.Now().Before(end); out, err = giveBack() {
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	must("setup", "--separated=false")
	serves("", "root")
}
