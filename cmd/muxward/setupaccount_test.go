package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/hostconf/proof"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/packaging"
)

// configOf reads the configuration of a tree.
func configOf(t *testing.T, root string) config.Config {
	t.Helper()
	c, err := config.Load(root + setupConfig)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// On an empty host muxward is to run as its account, unless that is not wanted. A host that was
// set up before stays as it is, and is told; asked for, it changes over and back, and
// what people have written there stays, also when all of it is taken away.
func TestSetupSeparated(t *testing.T) {
	root := setupTree(t)
	setup := func(want string, args ...string) string {
		t.Helper()
		out, err := runSetup(t, append([]string{"setup", "--root", root}, args...)...)
		if err != nil || !strings.Contains(out, want) {
			t.Fatalf("%q: %v, want %q\n%s", args, err, want, out)
		}
		return out
	}
	account := func(want string) {
		t.Helper()
		if got := configOf(t, root).Account; got != want {
			t.Errorf("muxward runs as %q, not %q", got, want)
		}
	}
	setup("make file /etc/muxward/muxward.yaml", "--account", "mwone")
	account("mwone")
	setup("everything is as it should be") // and not another account's policy, which that could not read
	root = setupTree(t)
	if out := setup("make file", "--separated=false"); strings.Contains(out, "needs none of root's rights") {
		t.Errorf("who asks for it is told what they know:\n%s", out)
	}
	account("")

	// One that was set up by an older muxward, and changed by people since.
	theirs := "# ours\nstate: /var/lib/muxward\naccounts: [root]\npolicy: /etc/muxward/policy"
	if err := os.WriteFile(root+setupConfig, []byte(theirs), 0o644); err != nil {
		t.Fatal(err)
	}
	setup("needs none of root's rights: muxward setup --separated")
	account("")
	if out := setup("+account: muxward", "--separated", "--dry-run"); !strings.Contains(out, "change file /etc/muxward/muxward.yaml") {
		t.Errorf("%s", out)
	}
	account("")
	setup("systemctl restart muxward: it then runs as muxward", "--separated")
	account("muxward")
	if c := configOf(t, root); !slices.Equal(c.Accounts, []string{"root"}) {
		t.Errorf("%+v", c)
	}
	if out := setup("everything is as it should be"); strings.Contains(out, "as root") {
		t.Errorf("%s", out)
	}
	setup("everything is as it should be", "--separated")
	setup("it runs as root", "--separated=false")
	account("")
	setup("change file", "--separated")
	out, err := runSetup(t, "uninstall", "--root", root)
	if text, rerr := os.ReadFile(root + setupConfig); err != nil || rerr != nil || !strings.HasPrefix(string(text), theirs) || !strings.Contains(out, "keep file /etc/muxward/muxward.yaml") {
		t.Errorf("what people have written is gone: %v, %v, %s\n%s", err, rerr, text, out)
	}
}

// What setup has written itself it takes away again, also once it has changed it over.
func TestSetupSeparatedLeavesNothing(t *testing.T) {
	root := setupTree(t)
	for _, args := range [][]string{{"setup", "--separated=false"}, {"setup", "--separated"}, {"uninstall"}} {
		if out, err := runSetup(t, append(args, "--root", root)...); err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
	}
	if _, err := os.Lstat(root + setupEtc); err == nil {
		t.Error("/etc/muxward is left")
	}
}

// A muxward.yaml of muxward host is not setup's to change.
func TestSetupSeparatedOfHost(t *testing.T) {
	b := newHostBed(t)
	b.on(exitOK, "applied: ", "apply")
	if got := configOf(t, b.root).Account; got != "muxward" {
		t.Errorf("a new host's muxward runs as %q", got)
	}
	out, err := runSetup(t, "setup", "--root", b.root, "--separated=false")
	if _, ok := err.(usageError); !ok || !strings.Contains(err.Error(), "is from muxward host") || configOf(t, b.root).Account != "muxward" {
		t.Errorf("%v\n%s", err, out)
	}
}

// An account that muxward host has made stays with the state that is its own: its number would be
// given to somebody else, with the log. With nothing of its own there it goes.
func TestAccountStaysWithState(t *testing.T) {
	if os.Geteuid() != 0 {
		tmuxtest.Skip(t, "owners are root's to give")
	}
	for state, want := range map[bool]string{true: "keep account muxward", false: "remove account muxward"} {
		b := newHostBed(t)
		b.on(exitOK, "applied: ", "apply")
		if state {
			a, err := accountIn(b.root, "muxward")
			if err := errors.Join(err, os.MkdirAll(b.root+setupState, 0o711), os.Chown(b.root+setupState, int(a.UID), int(a.GID))); err != nil {
				t.Fatal(err)
			}
		}
		if out, err := runSetup(t, "uninstall", "--applied", "--root", b.root); err != nil || !strings.Contains(out, want) {
			t.Errorf("%v, want %q\n%s", err, want, out)
		}
	}
}

// doctor asks the kernel as whom muxward runs, and not muxward.
func TestDoctorTellsRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		tmuxtest.Skip(t, "processes of others are root's to start")
	}
	cmd := exec.Command("sleep", "600")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65533, Gid: 65533}}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for pid, want := range map[int]proof.Outcome{os.Getpid(): proof.Broken, cmd.Process.Pid: proof.Holds, 1 << 30: proof.Unknown} {
		if p := rightsOf(pid); p.Outcome != want || want == proof.Broken && !strings.Contains(p.Lost, "setup --separated") {
			t.Errorf("process %d: %+v", pid, p)
		}
	}
	// One that has ended is nobody's number.
	f := verifyFlags{state: t.TempDir()}
	if err := (config.Serving{PID: os.Getpid(), Ctl: f.state + "/ctl", Account: "muxward"}).Save(f.state); err != nil {
		t.Fatal(err)
	}
	if p, serves := f.rightsOf(t.Context(), nil); serves {
		t.Errorf("of one that does not answer: %+v", p)
	}
}

// The line goes to where it is, or was taken out, or to the end; what setup cannot change it leaves.
func TestWithAccount(t *testing.T) {
	for _, c := range []struct{ text, account, want string }{
		{"state: /x\n", "mw", "state: /x\naccount: mw\n"},
		{"state: /x", "mw", "state: /x\naccount: mw\n"},
		{"account: \"\"\nstate: /x\n", "mw", "account: mw\nstate: /x\n"},
		{"state: /x\naccount: mw # as root said\nuser: false\n", "", "state: /x\nuser: false\n"},
		{packaging.Config(""), "muxward", packaging.Config("muxward")},
		{"{state: /x}\n", "mw", ""},
		{"{account: mw}\n", "", ""},
		{"state: |\n  account: mw\n", "mw", "state: |\n  account: mw\naccount: mw\n"},
		{"isolated: {a: {account: b, run_as: c}}\n\"account\": mw\n", "", ""},
	} {
		got, err := withAccount(c.text, c.account)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%q as %q: %q, %v; not %q", c.text, c.account, got, err, c.want)
		}
	}
}

// A muxward that could not read what it goes by would not begin, and its doors stay shut: setup says so
// before anything moves. The control run has the account read it.
func TestSetupUnreadable(t *testing.T) {
	if os.Geteuid() != 0 {
		tmuxtest.Skip(t, "owners are root's to give")
	}
	root := setupTree(t)
	if out, err := runSetup(t, "setup", "--root", root, "--separated=false"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	secret, keys := "/etc/muxward/totp", "/etc/muxward/keys"
	text := packaging.Config("") + "ssh: {listen: ':2222', totp: " + secret + ", keys: " + keys + "}\n"
	err := errors.Join(os.WriteFile(root+setupConfig, []byte(text), 0o644), os.WriteFile(root+secret, nil, 0o600), os.Mkdir(root+keys, 0o755),
		os.WriteFile(root+keys+"/bob.keys", nil, 0o640))
	if err != nil {
		t.Fatal(err)
	}
	out, err := runSetup(t, "setup", "--root", root, "--separated")
	if err == nil || !strings.Contains(err.Error(), "chown muxward "+secret) || !strings.Contains(err.Error(), "chgrp muxward "+keys+"/bob.keys") || configOf(t, root).Account != "" {
		t.Errorf("%v\n%s", err, out)
	}
	a, err := accountIn(root, "muxward")
	if err := errors.Join(err, os.Chown(root+secret, 0, int(a.GID)), os.Chmod(root+secret, 0o640)); err != nil {
		t.Fatal(err)
	}
	if out, err := runSetup(t, "setup", "--root", root, "--separated"); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a secret that others can read, which muxward does not take: %v\n%s", err, out)
	}
	if err := errors.Join(err, os.Chmod(root+secret, 0o600), os.Chown(root+secret, int(a.UID), 0), os.Chown(root+keys+"/bob.keys", 0, int(a.GID))); err != nil {
		t.Fatal(err)
	}
	if out, err := runSetup(t, "setup", "--root", root, "--separated"); err != nil || configOf(t, root).Account != "muxward" {
		t.Errorf("%v\n%s", err, out)
	}
	if err := os.Chmod(root+setupPolicy+"/people.yaml", 0o600); err != nil {
		t.Fatal(err)
	}
	if err := readable(root, configOf(t, root), map[string]string{"grants.yaml": ""}); err == nil || !strings.Contains(err.Error(), "people.yaml") {
		t.Errorf("a file of the policy that is not setup's: %v", err)
	}
	if err := os.Chmod(filepath.Join(root, "etc"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := readable(root, configOf(t, root), nil); err == nil || !strings.Contains(err.Error(), "/etc cannot be read") {
		t.Errorf("a directory on the way: %v", err)
	}
}

// Back again: what is the account's root's muxward takes from nobody.
func TestSetupTakesFromRootAlone(t *testing.T) {
	if os.Geteuid() != 0 {
		tmuxtest.Skip(t, "owners are root's to give")
	}
	file := filepath.Join(t.TempDir(), "totp")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var c config.Config
	c.SSH.TOTP = file
	if err := takes(c); err != nil {
		t.Error(err)
	}
	if err := os.Chown(file, 65533, 65533); err != nil {
		t.Fatal(err)
	}
	if err := takes(c); err == nil || !strings.Contains(err.Error(), "chown root "+file) {
		t.Errorf("%v", err)
	}
	c.SSH.TOTP = strings.TrimPrefix(file, "/") // as it is to the unit, which begins in /
	if err := takes(c); err == nil || !strings.Contains(err.Error(), "chown root "+file) {
		t.Errorf("of a relative path: %v", err)
	}
	if c.Account = "muxward"; takes(c) != nil {
		t.Error("it is asked of one that is to run as an account")
	}
}

// A secret that others may read is named before muxward is to run as an account, also by a path as the unit has it.
func TestSetupKeepsSecrets(t *testing.T) {
	root := setupTree(t)
	put(t, root, "etc/totp", "")
	for _, path := range []string{"/etc/totp", "etc/totp"} {
		var c config.Config
		c.Account, c.SSH.TOTP = "muxward", path
		if err := readable(root, c, map[string]string{}); err == nil || !strings.Contains(err.Error(), "/etc/totp may be read by others than muxward") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// People who have a door of root's muxward, and none beside muxward-helper, are named.
func TestSetupDoorless(t *testing.T) {
	root := setupTree(t)
	passwd := "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/:/bin/sh\ndaemon:x:7:7::/:/bin/sh\n"
	people := "people:\n  root: {}\n  alice: {}\n  d: {account: daemon}\n  ldap: {uid: 70000}\n  far: {}\n"
	err := errors.Join(os.WriteFile(root+"/etc/passwd", []byte(passwd), 0o644), os.MkdirAll(root+setupPolicy, 0o755),
		os.WriteFile(root+setupPolicy+"/people.yaml", []byte(people), 0o644), os.WriteFile(root+setupPolicy+"/grants.yaml", []byte("grants: []\n"), 0o644))
	if err != nil {
		t.Fatal(err)
	}
	out, err := runSetup(t, "setup", "--root", root)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for who, want := range map[string]bool{"root (root is not": true, "d (daemon is not": true, "ldap (uid 70000 is no account": true, "for alice": false, "for far": false} {
		if strings.Contains(out, who) != want {
			t.Errorf("%q: %v\n%s", who, !want, out)
		}
	}
}
