package hostcheck

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// write writes files into a new directory.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// What tmux would complain about when it starts is told before it is anywhere.
func TestTmux(t *testing.T) {
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Fatal("these tests need tmux")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, c := range []struct{ name, text, want string }{
		{"good", "# a comment\nset -s set-clipboard external\nset -gq allow-passthrough off\nset -g update-environment \"\"\nbind X lock-session\n", ""},
		{"empty", "", ""},
		{"later version", "set -gq an-option-of-next-year on\n", ""},
		{"unknown command", "\n\nfrobnicate\n", "unknown command: frobnicate"},
		{"unknown option", "set -g histroy-limit 5\n", "invalid option: histroy-limit"},
		{"value", "set -g history-limit many\n", "value is invalid: many"},
		{"word", "set -s set-clipboard maybe\n", "maybe"},
		{"block", "bind X {\n", "line:"},
		{"ends the server", "kill-server\n", "a server that has read it ends"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := write(t, map[string]string{"x.conf": c.text})
			err := Tmux(ctx, "", []string{filepath.Join(dir, "x.conf")}, "", func(line string) { t.Log(line) })
			switch {
			case c.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "x.conf: ")):
				t.Errorf("error %v, want one that says %q", err, c.want)
			}
		})
	}
}

// A file that has tmux wait is given up when the time is over, and nothing of it is left.
func TestTmuxWaits(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	dir := write(t, map[string]string{"x.conf": "wait-for never\n"})
	if err := Tmux(ctx, "", []string{filepath.Join(dir, "x.conf")}, "", func(line string) { t.Log(line) }); err == nil {
		t.Error("it is taken")
	}
}

func TestPolicy(t *testing.T) {
	people, grants := "people:\n  alice: {}\n  bob: {}\n", "grants:\n  - {who: bob, role: viewer, on: alice/work, reason: x}\n"
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"good", map[string]string{"people.yaml": people, "grants.yaml": grants, "a.test.yaml": "tests:\n  - {who: bob, verb: view, on: alice/work, allow: true}\n"}, ""},
		{"broken", map[string]string{"people.yaml": people, "grants.yaml": "grants:\n  - {who: bob, rloe: viewer, on: alice, reason: x}\n"}, "grants.yaml:2:"},
		{"missing", map[string]string{"people.yaml": people}, "grants.yaml"},
		{"fails its tests", map[string]string{"people.yaml": people, "grants.yaml": grants, "a.test.yaml": "tests:\n  - {who: bob, verb: type, on: alice/work, allow: true}\n"},
			"1 of its 1 tests fail:\na.test.yaml:2: bob type alice/work: it is denied"},
	} {
		err := Policy(write(t, c.files))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
}

// A policy has to have those who may start what muxward is to offer, and the isolated servers by their accounts: with
// another one muxward does not begin.
func TestOffers(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"people.yaml": "people: {alice: {}}\nservers: {prod: {account: mw-prod}}\n", "grants.yaml": "grants: []\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	profile := func(who string) map[string]config.Profile {
		return map[string]config.Profile{"psql": {Account: "mw-psql", As: "psql", Who: []string{who}}}
	}
	isolated := func(name, account string) map[string]config.Isolated {
		return map[string]config.Isolated{name: {Account: account, RunAs: "work"}}
	}
	for what, c := range map[string]struct {
		err  error
		want string
	}{
		"a person":            {Offers(dir, nil, profile("alice")), ""},
		"nobody":              {Offers(dir, nil, profile("bob")), `there is no person "bob"`},
		"a server":            {Offers(dir, isolated("prod", "mw-prod"), nil), ""},
		"one of another name": {Offers(dir, isolated("test", "mw-prod"), nil), "is not among the servers"},
		"of another account":  {Offers(dir, isolated("prod", "mw-test"), nil), "is not among the servers"},
		"both":                {Offers(dir, isolated("prod", "mw-prod"), profile("alice")), ""},
	} {
		if (c.err == nil) != (c.want == "") || c.err != nil && !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", what, c.err, c.want)
		}
	}
}

// Here an sshd is a script that takes what it is given, or does not; one that is real is
// tried where there is one.
func TestSSHD(t *testing.T) {
	dir := write(t, map[string]string{
		"good": "Match User work\n    AuthorizedKeysFile none\nMatch all\n", "bad": "Frobnicate yes\n",
	})
	try := func(what string) {
		t.Helper()
		if err := SSHD(t.Context(), filepath.Join(dir, "good")); err != nil {
			t.Errorf("%s: refused: %v", what, err)
		}
		if err := SSHD(t.Context(), filepath.Join(dir, "bad")); err == nil || !strings.Contains(err.Error(), "Frobnicate") {
			t.Errorf("%s: error %v", what, err)
		}
	}
	if err := SSHD(t.Context(), filepath.Join(dir, "good")); !errors.Is(err, ErrNoSSHD) {
		try("the real one")
	}
	script := "#!/bin/sh\n[ \"$1 $2\" = '-t -f' ] || exit 9\nfile=$(sed -n 's/^Include //p' \"$3\")\n! grep Frobnicate \"$file\"\n"
	if err := tmuxtest.WriteProgram(filepath.Join(dir, "sshd"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	try("a script")
	t.Setenv("PATH", dir) // there is no ssh-keygen: then it was not checked, and that is no good sign
	if err := SSHD(t.Context(), filepath.Join(dir, "good")); err == nil || errors.Is(err, ErrNoSSHD) {
		t.Errorf("without ssh-keygen: %v", err)
	}
}

// What the configuration starts ends with its trial, also what has left its session.
func TestTmuxLeavesNothing(t *testing.T) {
	if os.Geteuid() != 0 {
		tmuxtest.Skip(t, "only root can have it end")
	}
	const mark = "86399.25"
	dir := write(t, map[string]string{"x.conf": "run-shell '(setsid sleep " + mark + " </dev/null >/dev/null 2>&1 &)'\n"})
	if err := Tmux(t.Context(), "", []string{filepath.Join(dir, "x.conf")}, "", func(line string) { t.Log(line) }); err != nil {
		t.Error(err)
	}
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		if said, err := os.ReadFile(name); err == nil && string(said) == "sleep\x00"+mark+"\x00" {
			t.Errorf("%s goes on", filepath.Dir(name))
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// What is tried is other people's, and may put links where the next file would be written, or
// look for the terminal that this runs on.
func TestTmuxKeptAway(t *testing.T) {
	victim := filepath.Join(t.TempDir(), "victim")
	if err := os.WriteFile(victim, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	hostile := ""
	for _, place := range []string{"$HOME", "$HOME/.."} {
		for _, name := range []string{"1.conf", "host.conf"} {
			hostile += "run-shell 'ln -sf " + victim + " " + place + "/" + name + " || true'\n"
		}
	}
	dir := write(t, map[string]string{"a.conf": hostile, "b.conf": "set -g history-limit 5\n"})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	// What is said of it does not matter here.
	_ = Tmux(ctx, "", []string{filepath.Join(dir, "a.conf"), filepath.Join(dir, "b.conf")}, "set -g history-limit 6\n", func(line string) { t.Log(line) })
	if got, err := os.ReadFile(victim); err != nil || string(got) != "mine" {
		t.Errorf("the file of somebody else is %q now (%v)", got, err)
	}
	tr := &trial{program: "tmux", home: dir, socket: filepath.Join(dir, "s")}
	if !tr.command(ctx).SysProcAttr.Setsid {
		t.Error("it runs in our session, and reaches our terminal")
	}
}
