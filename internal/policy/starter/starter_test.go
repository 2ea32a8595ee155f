package starter_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/policy"
	"github.com/muxward/muxward/internal/policy/starter"
)

// The starter policy is a good policy, and says what its tests say, also for somebody who is
// called as an example is.
func TestStarterPasses(t *testing.T) {
	for _, me := range []string{"alice", "bob", "carol", "mallory", "ben"} {
		t.Run(me, func(t *testing.T) { passes(t, me) })
	}
}

func passes(t *testing.T, me string) {
	dir := filepath.Join(t.TempDir(), "new", "policy")
	written, err := starter.Write(dir, me, me, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if len(written) != 4 {
		t.Errorf("wrote %v", written)
	}
	set, err := policy.Load(dir)
	if err != nil {
		t.Fatalf("the starter policy is broken:\n%v", err)
	}
	cases, err := policy.LoadCases(dir, set)
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) < 15 {
		t.Errorf("only %d cases", len(cases))
	}
	for _, r := range set.RunCases(cases, time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC)) {
		if !r.Pass {
			t.Errorf("%s:%d %s %s %s: got %v by %s: %s", r.File, r.Line, r.Who, r.Verb, r.On, r.Got, r.Rule, r.Reason)
		}
	}
	if name, err := set.PersonOf(1000, me); name != me || err != nil {
		t.Errorf("uid 1000 is %q, %v", name, err)
	}
}

func TestStarterOverwritesNothing(t *testing.T) {
	dir := t.TempDir()
	keep := filepath.Join(dir, "people.yaml")
	if err := os.WriteFile(keep, []byte("mine\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := starter.Write(dir, "alice", "alice", 1000); !errors.Is(err, starter.ErrNotEmpty) {
		t.Fatalf("error %v, want ErrNotEmpty", err)
	}
	if text, _ := os.ReadFile(keep); string(text) != "mine\n" {
		t.Errorf("people.yaml is %q now", text)
	}
	for _, me := range []string{"Alice", "", "a b", `x"`} {
		if _, err := starter.Write(filepath.Join(t.TempDir(), "p"), me, "x", 1); err == nil {
			t.Errorf("%q was taken for a name", me)
		}
	}
}

// Where the examples do not count, nobody but who starts has anything by the policy, and it
// is a good policy all the same, for somebody called bob, too.
func TestStarterOnlyMe(t *testing.T) {
	for _, me := range []string{"alice", "bob"} {
		dir := t.TempDir()
		files, err := starter.Files(me, me, 1000, starter.OnlyMe)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if err := os.WriteFile(filepath.Join(dir, f.Name), f.Text, 0o644); err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(f.Text)) {
				about, _, _ := strings.Cut(line, "#")
				if me == "alice" && f.Name != "starter.test.yaml" && (strings.Contains(about, "bob") || strings.Contains(about, "carol") || strings.Contains(about, "ops*")) {
					t.Errorf("%s: an example counts: %s", f.Name, line)
				}
				if strings.HasPrefix(line, "#EXAMPLES") || strings.HasPrefix(line, "#END") {
					t.Errorf("%s: a mark is left", f.Name)
				}
			}
		}
		set, err := policy.Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		cases, err := policy.LoadCases(dir, set)
		if err != nil || len(cases) < 3 {
			t.Fatalf("%d cases, %v", len(cases), err)
		}
		for _, r := range set.RunCases(cases, time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC)) {
			if !r.Pass {
				t.Errorf("%s:%d %s %s %s: %s", r.File, r.Line, r.Who, r.Verb, r.On, r.Reason)
			}
		}
	}
}
