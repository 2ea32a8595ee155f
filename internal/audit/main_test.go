package audit

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// TestMain runs a test's child (see childEnv) or the tests.
func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(child(os.Getenv(childEnv)))
	}
	os.Exit(tmuxtest.Accounts(tmuxtest.LeakChecked{Runner: m}))
}

// childEnv makes this binary a child of a test: its value says which.
const childEnv = "MUXWARD_AUDIT_CHILD"

// self gives a command that runs this binary as the child of that name.
func self(t testing.TB, name string, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, args...)
	cmd.Env = append(os.Environ(), childEnv+"="+name)
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// newDir gives a directory for a log, with the key beside it.
func newDir(t testing.TB) string { return filepath.Join(t.TempDir(), "audit") }

// open opens a log that is closed at the end of the test.
func open(t testing.TB, opt Options) *Log {
	t.Helper()
	if opt.probe == 0 {
		opt.probe = 10 * time.Millisecond
	}
	l, err := Open(context.Background(), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, l) })
	return l
}

// shut closes a log, which may already be closed.
func shut(t testing.TB, l *Log) {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), 20*time.Second)
	defer stop()
	if err := l.Close(ctx); err != nil {
		t.Logf("close: %v", err)
	}
}

// must appends a must-record event, best a best-effort one.
func must(t testing.TB, l *Log, ev access.Event) uint64 {
	t.Helper()
	return put(t, l, access.MustRecordClass, ev)
}

func best(t testing.TB, l *Log, ev access.Event) uint64 {
	t.Helper()
	return put(t, l, access.BestEffortClass, ev)
}

func put(t testing.TB, l *Log, class access.Class, ev access.Event) uint64 {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), 20*time.Second)
	defer stop()
	seq, err := l.Append(ctx, class, ev)
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

func intent(request uint64, asked ...string) access.Event {
	return access.Event{Kind: access.EventIntent, Request: request, Person: "bob", Allowed: true, Asked: asked}
}

// all reads the whole log.
func all(t testing.TB, dir string, f Filter) []Record {
	t.Helper()
	var out []Record
	for rec, err := range Query(context.Background(), dir, f) {
		if err != nil {
			t.Fatal(err)
		}
		rec.Line = append([]byte(nil), rec.Line...)
		out = append(out, rec)
	}
	return out
}

// publicKey reads the key beside the log.
func publicKey(t testing.TB, dir string) note.Verifier {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(filepath.Dir(dir), pubFile))
	if err != nil {
		t.Fatal(err)
	}
	key, err := ParseVerifier(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// proved verifies the log, which must be whole.
func proved(t testing.TB, dir string) Report {
	t.Helper()
	rep, err := Verify(context.Background(), dir, publicKey(t, dir), VerifyOptions{})
	if err != nil {
		t.Fatalf("verify: %v\n%+v", err, rep)
	}
	return rep
}

// eventually waits until ok, and fails with what it waited for.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("still waiting for: %s", what)
		}
	}
}

// notes gives the notes of all records of a kind.
func notes(t testing.TB, dir string, kind access.EventKind) []string {
	var out []string
	for _, rec := range all(t, dir, Filter{Kind: kind}) {
		out = append(out, rec.Note)
	}
	return out
}
