package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/hostconf"
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
	s, err := setupItems(setupWish{account: "muxward", program: "/opt/muxward/bin/muxward", admin: "root", pam: true, logins: true})
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
	if err := os.Remove(root + setupPolicy + "/grants.yaml"); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(root + setupPolicy + "/starter.test.yaml"); err != nil {
		t.Fatal(err)
	}
	setup()
	if has(setupPolicy+"/grants.yaml") || !has(setupPolicy+"/people.yaml") || !has(setupProfile) {
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
	if err := os.WriteFile(root+setupPolicy+"/own.cedar", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	setup()
	if entries, err := os.ReadDir(root + setupPolicy); err != nil || len(entries) != 1 {
		t.Errorf("a policy that was there has got more: %v, %v", entries, err)
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
		{"setup", "--program", root}, // no program; and without root, the host is not for us
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
	w, err := f.wish(o)
	if err != nil {
		t.Fatal(err)
	}
	s, err := setupItems(w)
	if err != nil {
		t.Fatal(err)
	}
	o.Tell = func(line string) {
		if strings.HasSuffix(line, setupPolicy+"/people.yaml") {
			panic("broken off")
		}
	}
	func() {
		defer func() { _ = recover() }()
		_, err = hostconf.Apply(context.Background(), s, o)
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
