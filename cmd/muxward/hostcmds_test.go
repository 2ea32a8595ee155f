package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/hostconf"
	"github.com/muxward/muxward/internal/hostconf/bundle"
)

// hostBed is a directory of hosts, and a tree that stands for a host.
type hostBed struct {
	t         *testing.T
	dir, root string
}

func newHostBed(t *testing.T) *hostBed {
	t.Helper()
	b := &hostBed{t: t, dir: filepath.Join(t.TempDir(), "hosts"), root: setupTree(t)}
	if err := os.Chmod(b.root, 0o755); err != nil {
		t.Fatal(err)
	}
	b.says(exitOK, "sudo muxward host plan", "init", b.dir, "--me", "alice")
	return b
}

// says runs `muxward host ARGS`, and wants an exit code and a text in what is printed.
func (b *hostBed) says(code int, want string, args ...string) string {
	b.t.Helper()
	var buf bytes.Buffer
	root := newRoot()
	root.SetOut(&buf)
	root.SetErr(&buf)
	root.SetArgs(append([]string{"host"}, args...))
	err := root.ExecuteContext(b.t.Context())
	out := buf.String()
	if err != nil {
		out += err.Error()
	}
	if got := exitCode(err); got != code || !strings.Contains(out, want) {
		b.t.Errorf("host %v: exit code %d, want %d and %q:\n%s", args, got, code, want, out)
	}
	return buf.String()
}

// on is says for a command that looks at the tree.
func (b *hostBed) on(code int, want, what string, more ...string) string {
	b.t.Helper()
	args := []string{what, b.dir, "--host", "any", "--root", b.root}
	if what == "undo" {
		args = []string{what, "--root", b.root}
	}
	if os.Geteuid() != 0 {
		args = append(args, "--no-owners")
	}
	return b.says(code, want, append(args, more...)...)
}

// change replaces a text of a file of the directory of hosts.
func (b *hostBed) change(name, from, to string) {
	b.t.Helper()
	at := filepath.Join(b.dir, name)
	data, err := os.ReadFile(at)
	if err != nil || !strings.Contains(string(data), from) {
		b.t.Fatalf("%s has no %q: %v", name, from, err)
	}
	put(b.t, b.dir, name, strings.ReplaceAll(string(data), from, to))
}

// A session profile has a file of its own: an example of init's that is renamed counts, a mistake in it has
// its place, and there is a schema for it.
func TestHostProfileFiles(t *testing.T) {
	b := newHostBed(t)
	if out := b.on(exitDrift, "MW-H101", "plan"); strings.Contains(out, "MW-H200") {
		t.Errorf("examples count:\n%s", out)
	}
	at := filepath.Join(b.dir, "profiles/prod-psql.yaml")
	if err := os.Rename(at+".example", at); err != nil {
		t.Fatal(err)
	}
	b.says(exitUsage, `the profile prod-psql: who: there is no group "dba"`, "check", b.dir)
	b.on(exitFailure, `there is no group "dba"`, "apply")
	b.change("policy/people.yaml", "\n  oncall:", "\n  dba:\n  oncall:")
	b.says(exitOK, "good any: host.yaml, profiles/prod-psql.yaml", "check", b.dir)
	b.on(exitDrift, "+    prod-psql:\n", "plan")
	b.on(exitDrift, "MW-H200 make /etc/muxward/profiles.yaml", "plan")
	if os.Geteuid() == 0 {
		b.on(exitFailure, "the profile prod-psql runs as psql: ", "apply")
		passwd, err := os.ReadFile(b.root + "/etc/passwd")
		if err != nil {
			t.Fatal(err)
		}
		put(t, b.root, "etc/passwd", string(passwd)+"psql:x:997:997::/:/bin/sh\n")
		b.on(exitOK, "MW-H200 make /etc/muxward/profiles.yaml", "apply")
	}
	b.change("profiles/prod-psql.yaml", "run_as:", "runas:")
	b.says(exitUsage, `profiles/prod-psql.yaml:6:1: unknown key "runas" in profiles.prod-psql (did you mean run_as?)`, "check", b.dir)
	var schema struct{ Title string }
	if err := json.Unmarshal([]byte(b.says(exitOK, "run_as", "schema", "--profile")), &schema); err != nil || schema.Title != "muxward: profiles/NAME.yaml" {
		t.Errorf("the schema: %+v, %v", schema, err)
	}
}

// Where the policy is not from the directory of hosts, profiles have to fit that which is there.
func TestHostProfilesOfOthersPolicy(t *testing.T) {
	b := newHostBed(t)
	b.change("host.yaml", "policy:\n  directory: policy\n", "")
	at := filepath.Join(b.dir, "profiles/prod-psql.yaml")
	passwd, err := os.ReadFile(b.root + "/etc/passwd")
	if err := errors.Join(err, os.Rename(at+".example", at)); err != nil {
		t.Fatal(err)
	}
	put(t, b.root, "etc/passwd", string(passwd)+"psql:x:997:997::/:/bin/sh\n")
	for _, dir := range []string{"etc/muxward", "etc/muxward/policy"} {
		if err := os.MkdirAll(filepath.Join(b.root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	put(t, b.root, "etc/muxward/policy/grants.yaml", "grants: []\n")
	put(t, b.root, "etc/muxward/policy/people.yaml", "people:\n  alice: {}\n")
	b.on(exitFailure, `there is no group "dba"`, "apply")
	put(t, b.root, "etc/muxward/policy/people.yaml", "people:\n  alice: {}\ngroups:\n  dba:\n")
	b.on(exitOK, "MW-H200 make /etc/muxward/profiles.yaml", "apply")
}

// A policy that an apply would take away is not there for what is to land: muxward would not begin without one.
func TestHostPolicyGoes(t *testing.T) {
	b := newHostBed(t)
	b.on(exitOK, "applied: ", "apply")
	b.change("host.yaml", "policy:\n  directory: policy\n", "")
	b.on(exitFailure, "without those files of /etc/muxward/policy that go the policy is none", "apply")
	b.change("host.yaml", "\nserve:\n", "\nserve:\n  policy: /etc/muxward/other\n")
	b.on(exitFailure, "the policy in /etc/muxward/policy goes, and there is none in /etc/muxward/other", "apply")
	b.change("host.yaml", "  policy: /etc/muxward/other\n", "")
	put(t, b.root, "etc/muxward/policy/mine.grants.yaml", "grants: []\n")
	b.on(exitFailure, "without those files of /etc/muxward/policy that go the policy is none", "apply")
	put(t, b.root, "etc/muxward/policy/people.yaml", "people:\n  alice: {}\n") // changed by hand: these stay
	b.on(exitFailure, "grants.yaml: the file is missing", "apply")
	b.change("host.yaml", "\nserve:\n", "\nserve:\n  policy: /etc/muxward/other\n")
	if err := os.Mkdir(filepath.Join(b.root, "etc/muxward/other"), 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, b.root, "etc/muxward/other/people.yaml", "people:\n  alice: {}\n")
	b.on(exitFailure, "grants.yaml: the file is missing", "apply")
	b.change("host.yaml", "  policy: /etc/muxward/other\n", "")
	put(t, b.root, "etc/muxward/policy/grants.yaml", "grants: []\n")
	b.on(exitOK, "applied: ", "apply")
}

// A PAM service that the ssh door asks has to be there, or come along: without one muxward would not begin.
func TestHostAsksPAM(t *testing.T) {
	b := newHostBed(t)
	if err := os.MkdirAll(b.root+"/etc/pam.d", 0o755); err != nil {
		t.Fatal(err)
	}
	b.change("host.yaml", "\nserve:\n", "\nserve:\n  ssh: {listen: \":2222\", pam: muxward}\n")
	b.on(exitFailure, "there is no /etc/pam.d/muxward", "apply")
	b.change("host.yaml", "\npam: false", "\npam: true ")
	b.on(exitOK, "applied: ", "apply")
	b.change("host.yaml", "\npam: true ", "\npam: false")
	b.on(exitFailure, "there is no /etc/pam.d/muxward", "apply") // it is there, and would go
	b.change("host.yaml", ", pam: muxward}", "}")
	b.on(exitOK, "remove /etc/pam.d/muxward", "apply")
	b.change("host.yaml", "  ssh: {listen: \":2222\"}\n", "  ssh: {listen: \":2222\", pam: false}\n")
	b.on(exitOK, "", "apply") // what is off is no service
	b.change("host.yaml", "pam: false}", "pam: true}")
	b.on(exitFailure, "there is no /etc/pam.d/muxward", "apply")
	b.change("host.yaml", "  ssh: {listen: \":2222\", pam: true}\n", "  isolated: {ops: {account: ops-tmux, run_as: ops, pam: required}}\n")
	people, err := os.ReadFile(filepath.Join(b.dir, "policy/people.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	put(t, b.dir, "policy/people.yaml", string(people)+"\nservers: {ops: {account: ops-tmux}}\n")
	put(t, b.root, "etc/passwd", "root:x:0:0::/root:/bin/sh\nops-tmux:x:901:901::/:/bin/false\nops:x:902:902::/:/bin/sh\nmuxward:x:903:903::/:/bin/false\n")
	b.on(exitFailure, "ops: pam: required, and there is no /etc/pam.d/muxward", "apply")
	b.change("host.yaml", "\npam: false", "\npam: true ")
	b.on(exitOK, "applied: ", "apply")
	b.change("host.yaml", "\npam: true ", "\npam: false")
	b.on(exitFailure, "ops: pam: required, and there is no /etc/pam.d/muxward", "apply") // it is there, and would go
}

// A story: what init writes is good, and is applied once; a second apply changes nothing;
// what was changed by hand is shown and mended; undo puts all of it back.
func TestHostStory(t *testing.T) {
	b := newHostBed(t)
	b.says(exitOK, "good any: host.yaml", "check", b.dir)
	b.change("policy/people.yaml", "people:", "peeple:")
	b.says(exitUsage, "/policy/people.yaml:", "check", b.dir) // where an editor finds it
	b.change("policy/people.yaml", "peeple:", "people:")
	b.on(exitDrift, "+TMUX_TMPDIR=/run/muxward/doors", "plan")
	b.on(exitOK, "applied: ", "apply")
	b.on(exitOK, "nothing to do", "apply")
	b.on(exitOK, "0 to make, 0 to change", "plan")

	etc := filepath.Join(b.root, "etc")
	put(t, etc, "muxward/policy/left.grants.yaml", "grants: []\n")
	put(t, etc, "profile.d/muxward.sh", "export TMUX_TMPDIR=/tmp/x\n")
	for _, err := range []error{os.Chmod(filepath.Join(etc, "muxward/policy/people.yaml"), 0o666), os.Remove(filepath.Join(etc, "tmux.conf"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	out := b.on(exitDrift, "1 to make, 2 to change, 1 to remove", "plan")
	for _, want := range []string{
		"MW-H110 remove /etc/muxward/policy/left.grants.yaml\n    why: ", "mode: it is 0666, and should be 0640",
		"-export TMUX_TMPDIR=/tmp/x", "MW-H130 make /etc/tmux.conf",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the plan does not say %q:\n%s", want, out)
		}
	}
	var plan planned
	if err := json.Unmarshal([]byte(b.on(exitDrift, "", "plan", "--json")), &plan); err != nil || !plan.Drift || len(plan.Changes) != 4 || plan.Schema != 1 {
		t.Errorf("%+v, %v", plan, err)
	}
	b.on(exitOK, "applied: 4 changes", "apply")
	b.on(exitOK, "nothing to do", "apply") // what was removed does not come back
	b.on(exitOK, "put back: 4 changes", "undo")
	b.on(exitOK, "put back: ", "undo")
	b.on(exitFailure, "nothing to undo", "undo")
}

// What is broken never lands, and the error has its place.
func TestHostNeverLands(t *testing.T) {
	b := newHostBed(t)
	b.on(exitOK, "applied: ", "apply")
	for _, c := range []struct {
		file, from, to string
		code           int
		want           string
	}{
		{"host.yaml", "clipboard: external", "clipbord: external", exitUsage, `host.yaml:31:3: unknown key "clipbord" in tmux (did you mean clipboard?)`},
		{"host.yaml", "schema: 1", "schema: 1\n\tx: 1", exitUsage, "host.yaml:6:1: not YAML"},
		{"host.yaml", "clipboard: external", "clipboard: externel", exitUsage, "(did you mean external?)"},
		{"host.yaml", "lend: false", "lend: true", exitUsage, "needs serve: ssh: keys_user"},
		{"policy/grants.yaml", "role: viewer", "role: viewre", exitFailure, "grants.yaml:34:11: there is no role"},
		{"policy/people.yaml", "people:", "peopel:", exitFailure, "people.yaml"},
		{"policy/starter.test.yaml", "{who: mallory, verb: view, on: \"alice/demo:0.0\", allow: false}", "{who: mallory, verb: view, on: \"alice/demo:0.0\", allow: true}", exitFailure, "1 of its 18 tests fail"},
		{"tmux/site.conf", "history-limit 50000", "histroy-limit 50000", exitFailure, "site.conf: invalid option: histroy-limit"},
		{"tmux/site.conf", "set -g", "sett -g", exitFailure, "unknown command: sett"},
	} {
		was, err := os.ReadFile(filepath.Join(b.dir, c.file))
		if err != nil {
			t.Fatal(err)
		}
		b.change(c.file, c.from, c.to)
		b.says(exitUsage, "the files of 1 of 1 hosts are wrong", "check", b.dir)
		b.on(c.code, c.want, "apply")
		put(t, b.dir, c.file, string(was))
		b.on(exitOK, "0 to make, 0 to change", "plan")
	}
	b.on(exitFailure, "unknown flag", "plan", "--quite") // 2 says that something differs, and nothing else
	b.change("host.yaml", "schema: 1", "shcema: 1")
	b.on(exitFailure, `unknown key "shcema"`, "plan")
	b.change("host.yaml", "shcema: 1", "schema: 1")
	if err := os.Chmod(filepath.Join(b.dir, "host.yaml"), 0o666); err != nil {
		t.Fatal(err)
	}
	b.on(exitUsage, "others may write to it", "apply")
}

// Groups and hosts: each host has its own; a misspelt one has none.
func TestHostOfMany(t *testing.T) {
	b := newHostBed(t)
	put(t, b.dir, "hosts/web1.yaml", "groups: [example]\nserve: {accounts: [alice]}\n")
	put(t, b.dir, "hosts/web2.yaml", "groups: [exmaple]\n")
	out := b.says(exitUsage, "the files of 1 of 2 hosts are wrong", "check", b.dir)
	for _, want := range []string{"good web1: host.yaml, groups/example.yaml, hosts/web1.yaml", "hosts/web2.yaml:1:10: groups.0: there is no groups/exmaple.yaml (did you mean example?)"} {
		if !strings.Contains(out, want) {
			t.Errorf("check does not say %q:\n%s", want, out)
		}
	}
	b.on(exitFailure, "there is no hosts/any.yaml", "plan")
	b.on(exitDrift, "+set -g lock-after-time 900", "plan", "--host", "web1")
}

func TestHostSchema(t *testing.T) {
	b := newHostBed(t)
	var v map[string]any
	if err := json.Unmarshal([]byte(b.says(exitOK, "additionalProperties", "schema")), &v); err != nil {
		t.Error(err)
	}
}

// What setup has made, a directory of hosts takes over; setup lets it be then, and undo gives
// it back.
func TestHostOverSetup(t *testing.T) {
	b := newHostBed(t)
	for name, text := range map[string]string{"passwd": "root:x:0:0:root:/root:/bin/sh\n", "group": "root:x:0:\n", "login.defs": ""} {
		if err := os.MkdirAll(filepath.Join(b.root, "etc"), 0o755); err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(b.root, "etc"), name, text)
	}
	setup := func() {
		t.Helper()
		root := newRoot()
		var out bytes.Buffer
		root.SetOut(&out)
		root.SetArgs([]string{"setup", "--root", b.root, "--admin", "root"})
		if err := root.ExecuteContext(t.Context()); err != nil {
			t.Fatalf("setup: %v\n%s", err, out.String())
		}
	}
	setup()
	b.on(exitOK, "applied: ", "apply")
	b.on(exitOK, "nothing to do", "apply")
	setup()
	b.on(exitOK, "0 to make, 0 to change", "plan")
	b.on(exitOK, "put back: ", "undo")
	setup()
	b.on(exitDrift, "", "plan")
}

// What files say of the tmux that runs, root takes from nobody else: not from where it
// happens to be, and not from files that others may write to.
func TestHostFilesOfOthers(t *testing.T) {
	b := newHostBed(t)
	root := os.Geteuid() == 0
	run := func(args ...string) string {
		t.Helper()
		var buf bytes.Buffer
		cmd := newRoot()
		cmd.SetOut(&buf)
		cmd.SetErr(&buf)
		cmd.SetArgs(append(args, "--host", "any"))
		if err := cmd.ExecuteContext(t.Context()); err != nil {
			buf.WriteString(err.Error())
		}
		return buf.String()
	}
	none := []string{"--state", t.TempDir()}
	if err := os.Chmod(filepath.Join(b.dir, "host.yaml"), 0o666); err != nil {
		t.Fatal(err)
	}
	commands := [][]string{append([]string{"host", "verify", b.dir}, none...), {"host", "plan", b.dir, "--root", b.root, "--no-owners"}}
	if root { // for others it goes on, which takes long
		commands = append(commands, append([]string{"doctor", b.dir}, none...))
	}
	for _, args := range commands {
		if out := run(args...); strings.Contains(out, "others may write to it") != root {
			t.Fatalf("%v, as root %v:\n%s", args, root, out)
		}
	}
	b.change("host.yaml", "schema: 1", "shcema: 1")
	t.Chdir(b.dir)
	if out := run(append([]string{"host", "verify"}, none...)...); strings.Contains(out, "shcema") == root || root && !strings.Contains(out, "MW-V001") {
		t.Errorf("verify without DIR, as root %v:\n%s", root, out)
	}
}

// What has not landed is not what was used last: not its serial, and not its name.
func TestLanding(t *testing.T) {
	root := t.TempDir()
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	b := &bundle.Bundle{Manifest: bundle.Manifest{Name: "prod", Serial: 7}, Digest: "x"}
	land := func(b *bundle.Bundle, raise bool, failed error) *used {
		t.Helper()
		u, err := openUsed(root)
		if err != nil {
			t.Fatal(err)
		}
		l := &landing{used: u, bundle: b, line: useLine{Name: b.Name}}
		l.names, err = u.names()
		if err == nil {
			l.before, err = u.seen(b.Name)
		}
		if err == nil && raise {
			err = l.raise()
		}
		if err == nil {
			err = l.end(failed)
		}
		if err != nil {
			t.Fatal(err)
		}
		if u, err = openUsed(root); err != nil {
			t.Fatal(err)
		}
		return u
	}
	for _, c := range []struct {
		name   string
		b      *bundle.Bundle
		raise  bool
		failed error
		serial uint64
		names  []string
	}{
		{"the first fails its checks", b, false, errProof, 0, nil},
		{"the first is not healthy", b, true, errProof, 0, nil},
		{"it lands", b, true, nil, 7, []string{"prod"}},
		{"there is nothing to do", b, false, nil, 7, []string{"prod"}},
		{"the next is not healthy", &bundle.Bundle{Manifest: bundle.Manifest{Name: "prod", Serial: 9}}, true, errProof, 7, []string{"prod"}},
		{"one of another name is not healthy", &bundle.Bundle{Manifest: bundle.Manifest{Name: "test", Serial: 1}}, true, errProof, 7, []string{"prod"}},
		{"one cannot be put back", &bundle.Bundle{Manifest: bundle.Manifest{Name: "prod", Serial: 10}}, true, hostconf.ErrHalf, 10, []string{"prod"}},
	} {
		u := land(c.b, c.raise, c.failed)
		seen, err := u.seen("prod")
		names, err2 := u.names()
		if err != nil || err2 != nil || seen.Serial != c.serial || !slices.Equal(names, c.names) {
			t.Errorf("%s: serial %d, names %q, %v, %v", c.name, seen.Serial, names, err, err2)
		}
		u.close()
	}
}

// A bundle is not opened with keys that others may write to.
func TestHostBundleKeys(t *testing.T) {
	b := newHostBed(t)
	at := filepath.Join(b.root, "etc/muxward")
	if err := os.MkdirAll(at, 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, at, "bundle.keys", "no key\n")
	args := []string{"apply", "--bundle", filepath.Join(b.dir, "x"), "--root", b.root}
	b.says(exitUsage, "etc/muxward/bundle.keys: ", args...)
	if err := os.Chmod(filepath.Join(at, "bundle.keys"), 0o666); err != nil {
		t.Fatal(err)
	}
	b.says(exitUsage, "chmod go-w", args...)
	b.says(exitUsage, "chmod go-w", append(args, "--bundle-keys", filepath.Join(at, "bundle.keys"))...)
}

// Root that names an account means that account, and not itself by its name.
func TestWhoIsNamed(t *testing.T) {
	mine, uid, err := whoRuns()
	if err != nil {
		t.Fatal(err)
	}
	for _, me := range []string{"", "no-such-account"} {
		if account, n, err := whoIsNamed(me); account != mine || n != uid || err != nil {
			t.Errorf("%q: %s %d %v", me, account, n, err)
		}
	}
	want, wantUID := mine, uid
	if uid == 0 {
		want, wantUID = "nobody", 65534
	}
	if account, n, err := whoIsNamed("nobody"); account != want || n != wantUID || err != nil {
		t.Errorf("nobody: %s %d %v", account, n, err)
	}
}
