package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/audit"
)

// auditRun runs `muxward audit ARGS` and gives its output and exit code.
func auditRun(t *testing.T, args ...string) (out, errs string, code int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := newAuditCmd()
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	cmd.SetOut(&stdout)
	cmd.SetErr(&stderr)
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(t.Context())
	var u usageError
	switch {
	case err == nil:
	case errors.As(err, &u):
		code = exitUsage
	default:
		code = exitFailure
	}
	if err != nil {
		stderr.WriteString(err.Error())
	}
	return stdout.String(), stderr.String(), code
}

// auditSample makes a state directory with a log in it.
func auditSample(t *testing.T) string {
	t.Helper()
	state := t.TempDir()
	l, err := audit.Open(t.Context(), audit.Options{Dir: filepath.Join(state, "audit")})
	if err != nil {
		t.Fatal(err)
	}
	exit := 1
	for _, ev := range []access.Event{
		{Kind: access.EventIntent, Request: 1, Person: "bob", Asked: []string{"ls", "\x1b[2J\u202e"}, Verbs: []string{"view"}, Objects: []string{"alice/$1"}, Allowed: true, Rule: "grants.yaml:3"},
		{Kind: access.EventOutcome, Request: 1, Person: "bob", Exit: &exit},
		{Kind: access.EventDenied, Request: 2, Person: "mallory\n9\tforged", Asked: []string{"kill-server"}, Verbs: []string{"close-session"}, Reason: "not permitted"},
		{Kind: access.EventKey, Person: "carol", Bytes: 1, Content: []byte("\x1bx")},
	} {
		if _, err := l.Append(t.Context(), access.MustRecordClass, ev); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	return state
}

func TestAuditCommands(t *testing.T) {
	state := auditSample(t)
	for _, tt := range []struct {
		args  string
		lines int
		has   string
	}{
		{"query", 6, "ls \\x1b[2J\\u202e  [grants.yaml:3]"},
		{"query --who bob", 2, "exit 1"},
		{"query --verb close-session", 1, "DENIED  kill-server  (not permitted)"},
		{"query --on alice", 1, "alice/$1"},
		{"query --denied --since 1h", 1, `mallory\n9\tforged`},
		{"query --until 2020-01-01", 0, ""},
		{"query --kind key", 1, `"\x1bx"`},
		{"query --keys --who carol", 1, "1 bytes"},
		{"query --request 1 --json", 2, `"asked":["ls","\\x1b[2J\\u202e"]`},
		{"tail -n 3 --keys", 3, "closed"},
		{"tail", 6, "closed"},
	} {
		out, errs, code := auditRun(t, append(strings.Fields(tt.args), "--state", state)...)
		if code != 0 || strings.Count(out, "\n") != tt.lines || !strings.Contains(out, tt.has) {
			t.Errorf("audit %s: exit %d, %s\n%s", tt.args, code, errs, out)
		}
		if strings.ContainsAny(out, "\x1b\u202e\r") {
			t.Errorf("audit %s prints what a terminal obeys: %q", tt.args, out)
		}
	}
	t.Setenv("MUXWARD_STATE", state)
	if out, _, code := auditRun(t, "query", "--who", "bob"); code != 0 || out == "" {
		t.Errorf("the state from the environment: exit %d", code)
	}
}

func TestAuditVerify(t *testing.T) {
	state := auditSample(t)
	key, _, code := auditRun(t, "key", "--state", state)
	if code != 0 {
		t.Fatal("no key")
	}
	note, _, code := auditRun(t, "checkpoint", "--state", state)
	if code != 0 {
		t.Fatal("no checkpoint")
	}
	keyFile, noteFile := filepath.Join(t.TempDir(), "key"), filepath.Join(t.TempDir(), "note")
	if os.WriteFile(keyFile, []byte(key), 0o600) != nil || os.WriteFile(noteFile, []byte(note), 0o600) != nil {
		t.Fatal("cannot write")
	}
	for _, args := range [][]string{nil, {"--key", keyFile}, {"--key", strings.TrimSpace(key)}, {"--key", keyFile, "--checkpoint", noteFile}} {
		if out, errs, code := auditRun(t, append([]string{"verify", "--state", state}, args...)...); code != 0 || !strings.HasPrefix(out, "ok:") {
			t.Errorf("verify %v: exit %d, %s\n%s", args, code, errs, out)
		}
	}
	path := filepath.Join(state, "audit", "00000000000000000001.log")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.Replace(data, []byte(`"bob"`), []byte(`"eve"`), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs, code := auditRun(t, "verify", "--state", state)
	if code != exitFailure || !strings.Contains(out, "record 3 was changed") || !strings.Contains(errs, "not what was signed") {
		t.Errorf("a changed log: exit %d, %s\n%s", code, errs, out)
	}
	out, _, code = auditRun(t, "verify", "--state", state, "--json")
	var rep audit.Report
	if err := json.Unmarshal([]byte(out), &rep); err != nil || code != exitFailure || len(rep.Problems) != 1 || rep.Problems[0].Seq != 3 {
		t.Errorf("as JSON: exit %d, %v\n%s", code, err, out)
	}
}

func TestAuditUsageErrors(t *testing.T) {
	state := auditSample(t)
	for _, args := range []string{
		"query --since yesterday", "query --until never", "query --verb fly", "query extra", "tail extra", "verify extra", "verify --key nonsense",
		"verify --key /nonexistent", "verify --checkpoint /nonexistent", "query --state /nonexistent", "key --state /nonexistent", "checkpoint --state /nonexistent",
	} {
		list := strings.Fields(args)
		if !strings.Contains(args, "--state") {
			list = append(list, "--state", state)
		}
		if _, errs, code := auditRun(t, list...); code != exitUsage || errs == "" {
			t.Errorf("audit %s: exit %d, %s", args, code, errs)
		}
	}
	other := auditSample(t)
	key, _, _ := auditRun(t, "key", "--state", other)
	if _, errs, code := auditRun(t, "verify", "--state", state, "--key", strings.TrimSpace(key)); code != exitFailure {
		t.Errorf("verify with another log's key: exit %d, %s", code, errs)
	}
	// A line that is no record is told of, and fails the command.
	path := filepath.Join(state, "audit", "00000000000000000001.log")
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("{\"seq\":8,\"note\":\"\\u001b[2J\"}\nrubbish\x1b[2J\n"); err != nil {
		t.Fatal(err)
	}
	f.Close()
	out, errs, code := auditRun(t, "query", "--state", state)
	if code != exitFailure || strings.Count(out, "\n") != 6 || strings.Contains(out+errs, "\x1b") {
		t.Errorf("rubbish at the end: exit %d, %q\n%s", code, errs, out)
	}
}

// On a shared host the log that people mean is the host's, unless they have one of their own.
func TestWhereLog(t *testing.T) {
	base := t.TempDir()
	own, host := base+"/own", base+"/host"
	for _, tt := range []struct{ make, want string }{{"", own}, {host, host}, {own, own}} {
		if tt.make != "" {
			if err := os.MkdirAll(tt.make+"/audit", 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if got := whereLog(own, host); got != tt.want {
			t.Errorf("with %q made it is %s, want %s", tt.make, got, tt.want)
		}
	}
}

// On a narrow terminal a record goes on below itself, and no line is wider than that.
func TestAuditNarrow(t *testing.T) {
	p := &recordPrinter{cols: 80}
	at := time.Date(2027, 1, 31, 12, 0, 0, 0, time.Local)
	text := p.narrow(&audit.Record{Seq: 9, Event: access.Event{Time: at, Kind: access.EventIntent, Person: "alice", Objects: []string{"alice/$0"},
		Asked: []string{"send-keys", "-t", "alice/work:0.0", strings.Repeat("make ", 12) + "last"}}})
	text += p.narrow(&audit.Record{Seq: 123456, Event: access.Event{Time: at, Kind: access.EventOutcome, Person: "somebody.with.a.long.name"}})
	text += p.narrow(&audit.Record{Seq: 123457, Event: access.Event{Time: at.AddDate(0, 0, 1), Kind: access.EventOutcome, Person: "bob"}})
	for l := range strings.SplitSeq(text, "\n") {
		if len(l) > 80 {
			t.Errorf("%d columns: %s", len(l), l)
		}
	}
	if strings.Count(text, "SEQ") != 1 || strings.Count(text, "2027-01-31") != 1 || strings.Count(text, "2027-02-01") != 1 ||
		!strings.Contains(text, "\n"+strings.Repeat(" ", 36)+"make") || !strings.Contains(text, " last\n") {
		t.Errorf("it is\n%s", text)
	}
}

// A pipe has each record in one line, with tabs between, and a terminal what it has room for.
func TestAuditForWhom(t *testing.T) {
	rec := &audit.Record{Seq: 9, Event: access.Event{Time: time.Now(), Kind: access.EventIntent, Person: "alice", Objects: []string{"alice/$0"}, Asked: []string{"list-keys"}}}
	for cols, want := range map[int][2]string{0: {"\t", "SEQ"}, 80: {"ON, WHAT", "\t"}, wideLog: {"WHAT", "ON, WHAT"}} {
		var out bytes.Buffer
		if err := (&recordPrinter{out: &out, errs: &out, cols: cols}).one(rec); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), want[0]) || strings.Contains(out.String(), want[1]) {
			t.Errorf("in %d columns: %q", cols, out.String())
		}
	}
}
