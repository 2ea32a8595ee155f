package policy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
)

// noon is when the questions of these tests are asked.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// writeDir writes a policy directory. Files whose text is "-" are left out.
func writeDir(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	all := map[string]string{
		peopleFile: "people: {alice: {}, bob: {groups: [oncall]}, carol: {}}\ngroups:\n  oncall:\n  all: [\"@oncall\", carol]\n",
		grantsFile: "grants: []\n",
	}
	for n, text := range files {
		all[n] = text
	}
	for n, text := range all {
		if text == "-" {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, n), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func mustLoad(t testing.TB, files map[string]string) *Set {
	t.Helper()
	s, err := Load(writeDir(t, files))
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return s
}

// ask makes a question from words: "bob type alice/work:1.2".
func ask(t testing.TB, words string) access.Question {
	t.Helper()
	f := strings.Fields(words)
	v, err := access.ParseVerb(f[1])
	if err != nil {
		t.Fatal(err)
	}
	sel, err := ParseSelector(f[2])
	if err != nil {
		t.Fatal(err)
	}
	return access.Question{Who: identity.Subject{Person: f[0], UID: -1, Door: "tmux"}, Verb: v, Object: sel.Object(), At: noon}
}

const someGrants = `grants:
  - {who: bob, role: viewer, on: alice/work, reason: pairing}
  - {who: carol, role: typist, on: "alice/work:1.2", reason: pairing, until: 2026-11-23T13:00:00Z}
  - {who: carol, role: viewer, on: "alice/work:1", reason: late, until: 2026-11-23T11:00:00Z}
  - {who: "@oncall", verbs: [kick, audit], on: "*", reason: on call, record: must}
  - {who: bob, verbs: spawn, on: alice/lab*, reason: lab}
  - {who: "*", verbs: [copy], on: carol, reason: open desk}
`

func TestDecideGrants(t *testing.T) {
	s := mustLoad(t, map[string]string{grantsFile: someGrants})
	for _, c := range []struct {
		ask   string
		allow bool
		rule  string
	}{
		{"bob view alice/work", true, "grants.yaml:2 bob:viewer"},
		{"bob view alice/work:7.3", true, "grants.yaml:2 bob:viewer"},
		{"bob type alice/work:7.3", false, Default},
		{"bob view alice/works", false, Default},
		{"bob view alice", false, Default},
		{"bob view *", false, Default},
		{"bob kick *", true, "grants.yaml:5 @oncall:kick,audit"},
		{"bob audit carol/x:1.1", true, "grants.yaml:5 @oncall:kick,audit"},
		{"carol kick *", false, Default},
		{"carol type alice/work:1.2", true, "grants.yaml:3 carol:typist"},
		{"carol type alice/work:1.3", false, Default},
		{"carol view alice/work:1", false, Default},
		{"carol view alice/work", false, Default},
		{"bob spawn alice/lab", true, "grants.yaml:6 bob:spawn"},
		{"bob spawn alice/lab-2:1", true, "grants.yaml:6 bob:spawn"},
		{"bob spawn alice/la", false, Default},
		{"alice execute alice", true, "builtin owner"},
		{"alice kick alice/work:1.1", true, "builtin owner"},
		{"alice view *", false, Default},
		{"mallory copy carol/x", true, "grants.yaml:7 *:copy"},
		{"mallory view carol/x", false, Default},
	} {
		d := s.Decide(ask(t, c.ask))
		if d.Allow != c.allow || d.Rule != c.rule {
			t.Errorf("%s: %v by %q (%s), want %v by %q", c.ask, d.Allow, d.Rule, d.Reason, c.allow, c.rule)
		}
	}
}
