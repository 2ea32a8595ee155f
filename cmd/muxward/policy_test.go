package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/muxward/muxward/internal/audit"
	"github.com/muxward/muxward/internal/tmux"
)

// policyRun runs `muxward ARGS` in this process and gives what it printed,
// its error and its exit code.
func policyRun(t *testing.T, args ...string) (out string, err error, code int) {
	t.Helper()
	root := &cobra.Command{Use: "muxward", SilenceUsage: true, SilenceErrors: true}
	root.SetFlagErrorFunc(newRoot().FlagErrorFunc())
	root.AddCommand(newPolicyCmd(), newInitCmd())
	var buf bytes.Buffer
	root.SetOut(&buf)
	root.SetErr(&buf)
	root.SetArgs(args)
	err = root.Execute()
	var u usageError
	switch {
	case err == nil:
		code = exitOK
	case errors.As(err, &u):
		code = exitUsage
	default:
		code = exitFailure
	}
	return buf.String(), err, code
}

// starterDir writes a starter policy with `muxward init`.
func starterDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "policy")
	if out, err, code := policyRun(t, "init", dir, "--me", "alice"); code != exitOK {
		t.Fatalf("init: %v\n%s", err, out)
	}
	return dir
}

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A story: init, check, test, explain; then a change, and what it changes.
func TestPolicyStory(t *testing.T) {
	dir := starterDir(t)
	expect := func(code int, want string, args ...string) {
		t.Helper()
		out, err, got := policyRun(t, args...)
		text := out
		if err != nil {
			text += err.Error()
		}
		if got != code || !strings.Contains(text, want) {
			t.Errorf("%v: exit %d, want %d, and %q in\n%s", args, got, code, want, text)
		}
		if strings.Contains(text, "\x1b") {
			t.Errorf("%v: colours without a terminal:\n%q", args, text)
		}
	}
	expect(exitOK, "good: 3 people, 2 groups, 4 grants, 1 policy, ", "policy", "check", dir)
	expect(exitOK, "\"good\": true,\n  \"people\": 3,", "policy", "check", "--json", dir)
	expect(exitOK, "ok 1", "policy", "test", "--policy", dir)
	expect(exitOK, "starter.test.yaml:", "policy", "test", dir, "--verbose")
	expect(exitOK, "grants.yaml:", "policy", "explain", "--policy", dir, "--who", "bob", "--verb", "view", "--on", "alice/demo:0.1")
	expect(exitFailure, "deny: bob type alice/demo:0.1\n  rule    default", "policy", "explain", "--policy", dir, "--who", "bob", "--verb", "type", "--on", "alice/demo:0.1")
	private := starterDir(t)
	put(t, private, "private.cedar", "@id(\"private\")\nforbid (principal, action, resource in Session::\"alice/private\") unless { context.own };\n")
	expect(exitFailure, "private.cedar:1 private", "policy", "explain", "--policy", private, "--who", "bob", "--verb", "view", "--on", "alice/private:0")
	expect(exitFailure, "gives view,scroll, not type", "policy", "explain", "--policy", dir, "--who", "bob", "--verb", "type", "--on", "alice/demo:0")
	expect(exitOK, "builtin owner", "policy", "explain", "--policy", dir, "--who", "alice", "--verb", "kick", "--on", "alice")
	expect(exitFailure, "builtin inside", "policy", "explain", "--policy", dir, "--who", "alice", "--verb", "kick", "--on", "alice", "--inside")
	expect(exitUsage, "already", "init", dir)

	changed := starterDir(t)
	put(t, changed, "grants.yaml", "grants:\n  - {who: bob, role: typist, on: \"alice/demo:0\", reason: promoted}\n")
	expect(exitOK, "bob on alice/demo:0: +suggest,type\n", "policy", "diff", dir, changed)
	expect(exitOK, "carol on alice/demo:0.0: -view,scroll,suggest,type\n", "policy", "diff", dir, changed)
	expect(exitOK, "nobody gains or loses anything\n", "policy", "diff", dir, dir)
	expect(exitFailure, "wanted deny, got allow by grants.yaml:2 bob:typist", "policy", "test", changed)
}

// What is wrong with files and command lines ends with 2 and says where.
func TestPolicyUsage(t *testing.T) {
	dir := starterDir(t)
	bad := starterDir(t)
	put(t, bad, "grants.yaml", "grants:\n  - {who: bbo, role: viewr, on: alice, reason: x}\n")
	badTest := starterDir(t)
	put(t, badTest, "x.test.yaml", "tests: [{who: bob, verb: veiw, on: alice, allow: true}]\n")
	none := starterDir(t)
	if err := os.Remove(filepath.Join(none, "starter.test.yaml")); err != nil {
		t.Fatal(err)
	}
	explain := []string{"policy", "explain", "--policy", dir}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"policy", "check", bad}, bad + "/grants.yaml:2:11: there is no person \"bbo\" in people.yaml (did you mean bob?)\n" + bad + "/grants.yaml:2:22: there is no role \"viewr\" (did you mean viewer?)"},
		{[]string{"policy", "test", bad}, "cannot be used"},
		{[]string{"policy", "test", badTest}, badTest + "/x.test.yaml:1:26: there is no verb \"veiw\" (did you mean view?)"},
		{[]string{"policy", "check", badTest}, "did you mean view?"},
		{[]string{"policy", "test", none}, "has no tests"},
		{[]string{"policy", "check", filepath.Join(dir, "nowhere")}, "no such file or directory (muxward init DIR"},
		{[]string{"policy", "diff", dir}, "give two policy directories"},
		{[]string{"policy", "diff", dir, bad}, "cannot be used"},
		{[]string{"policy", "chekc"}, `there is no command "chekc" (did you mean check?)`},
		{[]string{"policy", "check", "--polcy", dir}, "unknown flag"},
		{[]string{"init"}, "give the directory to write"},
		{[]string{"init", filepath.Join(t.TempDir(), "x"), "--me", "Alice"}, "cannot name you"},
		{explain, "give --who, --verb and --on"},
		{append(explain, "--who", "Bob", "--verb", "view", "--on", "alice"), "--who"},
		{append(explain, "--who", "bob", "--verb", "look", "--on", "alice"), "unknown verb"},
		{append(explain, "--who", "bob", "--verb", "view", "--on", "work:1"), "write OWNER/work:1"},
		{append(explain, "--who", "bob", "--verb", "view", "--on", "alice/*"), "name one session"},
		{append(explain, "--who", "bob", "--verb", "view", "--on", "alice", "--at", "now"), "--at"},
	} {
		out, err, code := policyRun(t, c.args...)
		if code != exitUsage || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: exit %d, %v\n%s\nwant %q", c.args, code, err, out, c.want)
		}
	}
}

// JSON is for programs: whole, and a list even if it is empty.
func TestPolicyJSON(t *testing.T) {
	dir := starterDir(t)
	var e struct {
		Allow      bool
		Rule, Why  string
		Verbs      []string
		Considered []struct {
			Rule    string
			Applies bool
		}
	}
	out, _, code := policyRun(t, "policy", "explain", "--policy", dir, "--json", "--who", "bob", "--verb", "view", "--on", "alice/demo:0.1")
	if err := json.Unmarshal([]byte(out), &e); err != nil || code != exitOK || !e.Allow || len(e.Verbs) != 2 || len(e.Considered) < 4 {
		t.Errorf("explain: %v, exit %d, %+v\n%s", err, code, e, out)
	}
	var results []struct {
		File       string
		Line       int
		Pass, Got  bool
		Who, On    string
		Rule, Verb string
	}
	out, _, code = policyRun(t, "policy", "test", "--policy", dir, "--json")
	if err := json.Unmarshal([]byte(out), &results); err != nil || code != exitOK || len(results) < 15 || !results[0].Pass || results[0].Line == 0 {
		t.Errorf("test: %v, exit %d\n%s", err, code, out)
	}
	if out, _, _ = policyRun(t, "policy", "diff", dir, dir, "--json"); strings.TrimSpace(out) != "[]" {
		t.Errorf("diff of equal policies: %s", out)
	}
}

func TestDefaultPolicyDir(t *testing.T) {
	t.Setenv("MUXWARD_POLICY", "/some/where")
	if got := defaultPolicyDir(); got != "/some/where" {
		t.Errorf("with MUXWARD_POLICY: %s", got)
	}
	t.Setenv("MUXWARD_POLICY", "")
	t.Setenv("XDG_CONFIG_HOME", "/conf")
	want := "/conf/muxward/policy"
	if os.Geteuid() == 0 {
		want = "/etc/muxward/policy"
	}
	if got := defaultPolicyDir(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestPolicySchemaIsPrinted(t *testing.T) {
	out, err, code := policyRun(t, "policy", "schema")
	if code != exitOK || err != nil || !strings.Contains(out, "entity Pane in [Window]") || !strings.Contains(out, "// @id(\"inside\")") {
		t.Errorf("exit %d, %v\n%s", code, err, out)
	}
}

func TestShellQuote(t *testing.T) {
	for in, want := range map[string]string{"/a/b": "/a/b", "": "''", "a b": "'a b'", "it's": `'it'\''s'`, "$x": "'$x'"} {
		if got := shellQuote(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

// Whoever looks after a host and has no policy of their own is told where the host's is.
func TestPolicyElsewhere(t *testing.T) {
	base := t.TempDir()
	own, host := base+"/own", base+"/host"
	if got := elsewhere(own, host); got != "" {
		t.Errorf("where the host has none: %q", got)
	}
	put(t, base, "host", "")
	if got := elsewhere(own, host); !strings.Contains(got, host) {
		t.Errorf("it says %q", got)
	}
	if got := elsewhere(host, host) + elsewhere(base, host); got != "" {
		t.Errorf("where it was looked for is one: %q", got)
	}
}

func TestCounted(t *testing.T) {
	if got := counted(0, "policy", "policies") + counted(1, "policy", "policies") + counted(2, "policy", "policies"); got != "0 policies1 policy2 policies" {
		t.Error(got)
	}
}

// What is printed as JSON has nothing that a terminal would obey, and is read back as it was.
func TestJSONObeysNobody(t *testing.T) {
	want := "a\u009b2J\x7f\x1b\u202e\u2066b\u2028\u00e9\n"
	for what, print := range map[string]func(*cobra.Command, string) error{
		"text":   func(cmd *cobra.Command, s string) error { return printJSON(cmd, s) },
		"a line": func(cmd *cobra.Command, s string) error { return printLine(cmd, s) },
		"a report": func(cmd *cobra.Command, s string) error {
			return printReport(cmd.OutOrStdout(), audit.Report{Origin: s}, true)
		},
	} {
		var out bytes.Buffer
		cmd := &cobra.Command{}
		cmd.SetOut(&out)
		if err := print(cmd, want); err != nil {
			t.Fatal(err)
		}
		if text := out.String(); tmux.Clean(text) != text || !strings.Contains(text, "\u00e9") {
			t.Errorf("%s: %q", what, text)
		}
		var got string
		var rep audit.Report
		err := json.Unmarshal(out.Bytes(), &got)
		if what == "a report" {
			err = json.Unmarshal(out.Bytes(), &rep)
			got = rep.Origin
		}
		if err != nil || got != want {
			t.Errorf("%s: %q, %v", what, got, err)
		}
	}
}
