package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/muxward/muxward/internal/hostconf"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/packaging"
)

// setupTree is a tree that stands for a host.
func setupTree(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{"etc/passwd": "root:x:0:0::/root:/bin/sh\n", "etc/group": "root:x:0:\n", "etc/shadow": "", "etc/gshadow": "", "etc/pam.d/common-account": ""} {
		at := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// runSetup runs a command line of setup or uninstall.
func runSetup(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cmd := newRoot()
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	err := cmd.ExecuteContext(context.Background())
	return out.String(), err
}

// Each thing that setup makes says what it is good for, and has an id of its own kind.
func TestSetupItems(t *testing.T) {
	s, err := setupItems(setupWish{account: "muxward", program: "/opt/muxward/bin/muxward", admin: "root", pam: true, logins: true, config: packaging.Config("muxward")})
	if err != nil {
		t.Fatal(err)
	}
	id := regexp.MustCompile(`^MW-H0[0-9]{2}$`)
	guide, err := os.ReadFile("../../docs/guide/install.md")
	if err != nil {
		t.Fatal(err)
	}
	unit := false
	for _, it := range s.Items {
		if !id.MatchString(it.ID) || it.Why == "" {
			t.Errorf("%+v", it)
		}
		if !bytes.Contains(guide, []byte(it.ID)) {
			t.Errorf("docs/guide/install.md does not have %s", it.ID)
		}
		if it.Kind == hostconf.File && it.Content == "" {
			t.Errorf("%s is empty", it.Path)
		}
		if it.Path == "/etc/systemd/system/muxward.service" {
			unit = strings.Contains(it.Content, "\nExecStart=/opt/muxward/bin/muxward serve ")
		}
		if strings.Contains(it.Content, "/usr/bin/muxward") {
			t.Errorf("%s names another program", it.Path)
		}
	}
	if !unit {
		t.Error("the unit does not start the program")
	}
	if _, err := setupItems(setupWish{account: "muxward", program: "/opt/a b/muxward"}); err == nil {
		t.Error("a path with a blank gets into a unit")
	}
}

// Of the starter policy people may remove what they do not want: it does not come back, and a
// policy that was there before is left alone. What was asked for once stays asked for.
func TestSetupAgain(t *testing.T) {
	root := setupTree(t)
	setup := func(args ...string) string {
		t.Helper()
		out, err := runSetup(t, append([]string{"setup", "--root", root, "--admin", "root"}, args...)...)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return out
	}
	has := func(path string) bool {
		_, err := os.Lstat(filepath.Join(root, path))
		return err == nil
	}
	setup("--doors-for-logins")
	if err := os.Remove(root + setupPolicy + "/starter.test.yaml"); err != nil {
		t.Fatal(err)
	}
	setup()
	if has(setupPolicy+"/starter.test.yaml") || !has(setupPolicy+"/people.yaml") || !has(setupProfile) {
		t.Error("a second setup brings back what people have removed, or removes what was asked for")
	}
	setup("--doors-for-logins=false")
	if has(setupProfile) {
		t.Error("the doors are still for logins")
	}

	root = setupTree(t)
	if err := os.MkdirAll(root+setupPolicy, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"people.yaml": "people: {me: {}}\n", "grants.yaml": "grants: []\n"} {
		if err := os.WriteFile(root+setupPolicy+"/"+name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	setup()
	if entries, err := os.ReadDir(root + setupPolicy); err != nil || len(entries) != 2 {
		t.Errorf("a policy that was there has got more: %v, %v", entries, err)
	}
}

// A policy that is there counts from then on. It is nobody's but root's, and it loads.
func TestSetupTakesNoPolicy(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(policy string) error
		want string
		root bool
	}{
		{"a file that others write", func(p string) error { return os.Chmod(p+"/grants.yaml", 0o666) }, "grants.yaml (0666 root) may have been written", false},
		{"a file of somebody", func(p string) error { return os.Chown(p+"/grants.yaml", 4242, 0) }, "grants.yaml (0644 4242) may have been written", true},
		{"a directory of somebody", func(p string) error { return os.Chown(p, 4242, 0) }, "policy (0755 4242) may have been written", true},
		{"a symlink", func(p string) error {
			return errors.Join(os.Remove(p+"/grants.yaml"), os.Symlink("people.yaml", p+"/grants.yaml"))
		}, "neither a file nor", false},
		{"a broken one", func(p string) error { return os.WriteFile(p+"/grants.yaml", []byte("grants: [{}]\n"), 0o644) }, "grants.yaml:1", false},
	} {
		if c.root && os.Geteuid() != 0 {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			root := setupTree(t)
			p := root + setupPolicy
			err := errors.Join(os.MkdirAll(p, 0o755), os.WriteFile(p+"/people.yaml", []byte("people: {me: {}}\n"), 0o644),
				os.WriteFile(p+"/grants.yaml", []byte("grants: []\n"), 0o644), c.do(p))
			if err != nil {
				t.Fatal(err)
			}
			out, err := runSetup(t, "setup", "--root", root, "--admin", "root")
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q\n%s", err, c.want, out)
			}
			if _, err := os.Lstat(root + setupConfig); err == nil {
				t.Error("something was done")
			}
		})
	}
}

// A directory that was somebody's is only taken over if nothing is in it.
func TestSetupTakesNoDirectory(t *testing.T) {
	if os.Geteuid() != 0 {
		tmuxtest.Skip(t, "files of others are root's to make")
	}
	for _, mine := range []func(at string) error{
		func(at string) error { return os.Chown(at, 4242, 4242) },
		func(at string) error { return os.Chmod(at, 0o777) },
	} {
		root := setupTree(t)
		if err := errors.Join(os.MkdirAll(root+setupState, 0o755), os.WriteFile(root+setupState+"/key", nil, 0o600), mine(root+setupState)); err != nil {
			t.Fatal(err)
		}
		out, err := runSetup(t, "setup", "--root", root, "--admin", "root")
		if err == nil || !strings.Contains(err.Error(), "such as key: look at all that is in it") {
			t.Errorf("%v\n%s", err, out)
		}
		if err := os.Remove(root + setupState + "/key"); err != nil {
			t.Fatal(err)
		}
		if out, err := runSetup(t, "setup", "--root", root, "--admin", "root"); err != nil {
			t.Errorf("an empty one: %v\n%s", err, out)
		}
	}
}

// The state of a muxward with an account of its own is that account's, and stays so.
func TestSetupOfAccount(t *testing.T) {
	if os.Geteuid() != 0 {
		tmuxtest.Skip(t, "owners are root's to give")
	}
	root := setupTree(t)
	if out, err := runSetup(t, "setup", "--root", root); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	uid, err := hostconf.AccountOf("muxward", hostconf.Options{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(root + setupConfig)
	gid := int(uid) // useradd --user-group
	if st, serr := os.Stat(root + setupPolicy); serr == nil {
		gid = int(st.Sys().(*syscall.Stat_t).Gid)
	}
	if !bytes.Contains(text, []byte("\naccount: muxward\n")) {
		t.Fatalf("muxward is to run as root:\n%s", text)
	}
	if err := errors.Join(err,
		os.WriteFile(root+setupState+"/key", nil, 0o600), os.Chown(root+setupState, int(uid), gid)); err != nil {
		t.Fatal(err)
	}
	if out, err := runSetup(t, "setup", "--root", root); err != nil || !strings.Contains(out, "everything is as it should be") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := runSetup(t, "setup", "--root", root, "--separated=false", "--dry-run"); err != nil || !strings.Contains(out, "first the state in /var/lib/muxward") || !strings.Contains(out, "change file /etc/muxward/muxward.yaml") {
		t.Errorf("what giving it back is like: %v\n%s", err, out)
	}
	if err := os.WriteFile(root+setupConfig, []byte(packaging.Config("")), 0o644); err != nil { // and back to root
		t.Fatal(err)
	}
	if out, err := runSetup(t, "setup", "--root", root); err == nil || !strings.Contains(err.Error(), "such as key") {
		t.Errorf("what the account may have left is root's then: %v\n%s", err, out)
	}
}

// What root's muxward has left is handed over by muxward-helper, which keeps the keys back: setup
// leaves the state root's until then. The account may have a group of any name.
func TestSetupHandsNothingOver(t *testing.T) {
	if os.Geteuid() != 0 {
		tmuxtest.Skip(t, "owners are root's to give")
	}
	root := setupTree(t)
	f, err := os.OpenFile(root+"/etc/passwd", os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString("svc:x:4242:100::/:/sbin/nologin\n")
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	if out, err := runSetup(t, "setup", "--root", root); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := errors.Join(os.WriteFile(root+setupConfig, []byte(packaging.Config("svc")), 0o644), os.WriteFile(root+setupState+"/key", nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, uid := range []int{0, 4242} {
		if err := os.Chown(root+setupState, uid, uid/42); err != nil {
			t.Fatal(err)
		}
		out, err := runSetup(t, "setup", "--root", root)
		st, serr := os.Stat(root + setupState)
		if err != nil || serr != nil || st.Sys().(*syscall.Stat_t).Uid != uint32(uid) || !strings.Contains(out, "everything is as it should be") {
			t.Errorf("it was uid %d's: %v, %v\n%s", uid, err, serr, out)
		}
	}
}

// Who calls setup again is not who the policy begins with: what they are called is no matter.
func TestSetupAgainBySomebody(t *testing.T) {
	root := setupTree(t)
	if out, err := runSetup(t, "setup", "--root", root); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := runSetup(t, "setup", "--root", root, "--admin", "mallory"); err != nil || !strings.Contains(out, "everything is as it should be") {
		t.Errorf("%v\n%s", err, out)
	}
}

// A state that setup has not made is not removed by uninstall, and a dry run says what --purge
// would do.
func TestPurgeOfOthers(t *testing.T) {
	root := setupTree(t)
	if err := errors.Join(os.MkdirAll(root+setupState, 0o755), os.WriteFile(root+setupState+"/key", nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	out, err := runSetup(t, "uninstall", "--root", root, "--purge")
	if _, there := os.Stat(root + setupState + "/key"); err == nil || there != nil {
		t.Errorf("%v, %v\n%s", err, there, out)
	}
	root = setupTree(t)
	if out, err := runSetup(t, "setup", "--root", root); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.WriteFile(root+setupState+"/key", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{"keep directory /var/lib/muxward\n": nil, "remove directory /var/lib/muxward\n": {"--purge"}} {
		if out, err := runSetup(t, append([]string{"uninstall", "--root", root, "--dry-run"}, args...)...); err != nil || !strings.Contains(out, want) {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
}

// A state that was there before setup, and that setup has only put right, stays, too.
func TestPurgeOfMended(t *testing.T) {
	root := setupTree(t)
	if err := errors.Join(os.MkdirAll(root+setupState, 0o700), os.Chmod(root+setupState, 0o755), os.WriteFile(root+setupState+"/key", nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if out, err := runSetup(t, "setup", "--root", root); err != nil || !strings.Contains(out, "change directory /var/lib/muxward") {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := runSetup(t, "uninstall", "--root", root, "--purge")
	if _, there := os.Stat(root + setupState + "/key"); err == nil || there != nil || !strings.Contains(err.Error(), "nothing has changed") {
		t.Errorf("%v, %v\n%s", err, there, out)
	}
}

// A relative --root is where the caller is, for the checks, too.
func TestSetupRelativeRoot(t *testing.T) {
	root := setupTree(t)
	t.Chdir(filepath.Dir(root))
	for range 2 {
		if out, err := runSetup(t, "setup", "--root", filepath.Base(root)); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if err := os.Remove(root + setupTmp); err != nil { // else the second one has nothing to check
			t.Fatal(err)
		}
	}
}

// What is no file of a policy does not stand for one.
func TestSetupPolicyOfOtherFiles(t *testing.T) {
	root := setupTree(t)
	err := os.MkdirAll(root+setupPolicy, 0o755)
	for _, name := range []string{"README", ".gitkeep", "muxward-1-9-kept~"} {
		err = errors.Join(err, os.WriteFile(filepath.Join(root+setupPolicy, name), nil, 0o644))
	}
	if err != nil {
		t.Fatal(err)
	}
	if out, err := runSetup(t, "setup", "--root", root); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if _, err := os.Lstat(root + setupPolicy + "/people.yaml"); err != nil {
		t.Error(err)
	}
}

// A configuration that people have broken holds everything up.
func TestSetupBrokenConfiguration(t *testing.T) {
	root := setupTree(t)
	if out, err := runSetup(t, "setup", "--root", root, "--admin", "root"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.WriteFile(root+setupConfig, []byte("statt: /x\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(root + setupTmp); err != nil {
		t.Fatal(err)
	}
	out, err := runSetup(t, "setup", "--root", root, "--admin", "root")
	if err == nil || !strings.Contains(err.Error(), "statt") || !strings.Contains(err.Error(), "nothing has changed") {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := os.Lstat(root + setupTmp); err == nil {
		t.Error("something was done")
	}
}

// --json is a plan, or what was done; --purge removes the state, and nothing that a symlink in it
// leads to.
func TestUninstallPurge(t *testing.T) {
	root := setupTree(t)
	out, err := runSetup(t, "setup", "--root", root, "--admin", "root", "--dry-run", "--json")
	var plan hostconf.Plan
	if err != nil || json.Unmarshal([]byte(out), &plan) != nil || len(plan.Changes) < 10 {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err = runSetup(t, "setup", "--root", root, "--admin", "root", "--json")
	var res hostconf.Result
	if err != nil || json.Unmarshal([]byte(out), &res) != nil || len(res.Done) < 10 {
		t.Fatalf("%v\n%s", err, out)
	}
	victim := filepath.Join(t.TempDir(), "kept")
	if err := os.WriteFile(victim, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(root+setupState+"/audit", 0o700); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"dir": filepath.Dir(victim), "audit/file": victim} {
		if err := os.Symlink(to, filepath.Join(root, setupState, name)); err != nil {
			t.Fatal(err)
		}
	}
	if out, err = runSetup(t, "uninstall", "--root", root); err != nil || !strings.Contains(out, "keep directory /var/lib/muxward\n") {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = runSetup(t, "uninstall", "--root", root, "--purge")
	if err != nil || !strings.Contains(out, "all of it is gone") {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := os.Stat(victim); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(root + setupState); err == nil {
		t.Error("the state is left")
	}
}

// Mistakes in the command line are told as such.
func TestSetupUsage(t *testing.T) {
	root := setupTree(t)
	for _, args := range [][]string{
		{"setup", "--root", root + "/none"},
		{"setup", "--root", root, "--admin", "no-such-account"},
		{"setup", "--root", root, "--program", "relative"},
		{"setup", "--root", root, "--program", "/a b"},
		{"setup", "--root", "//", "--dry-run", "--program", root + "/none"}, // it is the machine
		{"setup", "--program", root},                                        // no program; and without root, the host is not for us
	} {
		out, err := runSetup(t, args...)
		if _, ok := err.(usageError); !ok {
			t.Errorf("%q: %v\n%s", args, err, out)
		}
	}
}

// With --root the policy begins with an account of the image, not with who has that name
// here, or who called sudo here.
func TestSetupAdminOfImage(t *testing.T) {
	people := func(root string) string {
		t.Helper()
		text, err := os.ReadFile(root + setupPolicy + "/people.yaml")
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	root := setupTree(t)
	passwd := "root:x:0:0::/root:/bin/sh\ndaemon:x:4321:4321::/home/d:/bin/sh\n" // here it is another one
	if err := os.WriteFile(root+"/etc/passwd", []byte(passwd), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := runSetup(t, "setup", "--root", root, "--admin", "daemon"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if text := people(root); !strings.Contains(text, "uid: 4321") {
		t.Errorf("the policy begins with another one:\n%s", text)
	}

	t.Setenv("SUDO_USER", "daemon")
	root = setupTree(t)
	if out, err := runSetup(t, "setup", "--root", root); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if text := people(root); !strings.Contains(text, "account: \"root\"") || strings.Contains(text, "daemon") {
		t.Errorf("who called sudo here has rights there:\n%s", text)
	}
	if out, err := runSetup(t, "setup", "--root", setupTree(t), "--admin", "daemon"); err == nil || !strings.Contains(out+err.Error(), "no such account") {
		t.Errorf("an account that the image does not have: %v\n%s", err, out)
	}
}

// A setup that was broken off with half a policy is taken back before the next one looks what
// the host has: that one makes all of the policy.
func TestSetupAfterBrokenOff(t *testing.T) {
	root := setupTree(t)
	f := setupFlags{root: root, account: "muxward", admin: "root"}
	o := hostconf.Options{Root: root, NoOwners: os.Geteuid() != 0}
	o.Tell = func(line string) {
		if strings.HasSuffix(line, setupPolicy+"/people.yaml") {
			panic("broken off")
		}
	}
	func() {
		defer func() { _ = recover() }()
		_, err := hostconf.Apply(context.Background(), f.wish(o, new(setupWish)), o)
		t.Errorf("it was not broken off: %v", err)
	}()
	if there, err := os.ReadDir(root + setupPolicy); err != nil || len(there) == 0 {
		t.Fatalf("there is no half policy: %v", err)
	}
	out, err := runSetup(t, "setup", "--root", root, "--admin", "root")
	if err != nil || !strings.Contains(out, "taken back") {
		t.Errorf("%v\n%s", err, out)
	}
	if err := policyHolds(root + setupPolicy); err != nil {
		t.Errorf("there is no policy: %v", err)
	}
}

// Uninstall tells of what host apply had made, too.
func TestUninstallApplied(t *testing.T) {
	b := newHostBed(t)
	b.on(exitOK, "applied: ", "apply")
	out, err := runSetup(t, "uninstall", "--root", b.root, "--applied")
	if err != nil || !strings.Contains(out, "remove file /etc/muxward/muxward.yaml") || !strings.Contains(out, "all of it is gone") {
		t.Errorf("%v\n%s", err, out)
	}
}

// While systemd is to listen for muxward, which is not setup's doing, uninstall takes nothing away.
func TestUninstallSocket(t *testing.T) {
	root := setupTree(t)
	if out, err := runSetup(t, "setup", "--root", root); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	units := filepath.Join(root, setupUnits)
	if _, err := os.Stat(units + "/muxward.socket"); err != nil {
		t.Fatal(err)
	}
	wants := units + "/sockets.target.wants"
	if err := os.Mkdir(wants, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(setupUnits+"/muxward.socket", wants+"/muxward.socket"); err != nil {
		t.Fatal(err)
	}
	_, err := runSetup(t, "uninstall", "--root", root)
	if err == nil || !strings.Contains(err.Error(), "systemctl --root="+root+" disable muxward.socket first; nothing has changed") {
		t.Errorf("it is enabled: %v", err)
	}
	if _, err := os.Stat(units + "/muxward.service"); err != nil {
		t.Errorf("something was taken away: %v", err)
	}
	if err := os.RemoveAll(wants); err != nil {
		t.Fatal(err)
	}
	out, err := runSetup(t, "uninstall", "--root", root)
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := os.Stat(units + "/muxward.socket"); err == nil {
		t.Error("the unit is left")
	}
}
