package policy

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
)

// brokenDirs are the ways in which a policy directory goes bad (CF-01).
func brokenDirs() map[string]func(dir string) error {
	write := func(name, text string) func(string) error {
		return func(dir string) error { return os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644) }
	}
	return map[string]func(string) error{
		"syntax error":         write("r.cedar", "permit (principal, action resource);\n"),
		"half-written cedar":   write("r.cedar", "forbid (principal, action, resource);\nforbid (princ"),
		"half-written yaml":    write(grantsFile, "grants:\n  - {who: bob, role: viewer, on: alice, reason: x}\n  - who: b"),
		"cut at a line's end":  write(grantsFile, "grants:\n  - {who: bob, role: viewer, on: alice,\n"),
		"0-byte cedar":         write("r.cedar", ""),
		"0-byte grants":        write(grantsFile, ""),
		"0-byte people":        write(peopleFile, ""),
		"blank people":         write(peopleFile, "\n\n"),
		"a grant to nobody":    write(grantsFile, "grants: [{who: zed, role: viewer, on: alice, reason: x}]\n"),
		"empty directory":      func(dir string) error { return errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o755)) },
		"deleted directory":    os.RemoveAll,
		"deleted people":       func(dir string) error { return os.Remove(filepath.Join(dir, peopleFile)) },
		"deleted grants":       func(dir string) error { return os.Remove(filepath.Join(dir, grantsFile)) },
		"a file instead of it": func(dir string) error { return errors.Join(os.RemoveAll(dir), os.WriteFile(dir, []byte("x\n"), 0o644)) },
	}
}

// CF-01: a reload of a bad policy leaves the good one in force and says why;
// at the first start a bad policy is refused.
func TestReloadKeepsTheLastGoodPolicy(t *testing.T) {
	good := map[string]string{grantsFile: someGrants, "r.cedar": "forbid (principal, action == Action::\"execute\", resource) unless { context.own };\n"}
	for name, spoil := range brokenDirs() {
		t.Run(name, func(t *testing.T) {
			dir := writeDir(t, good)
			e, err := NewEngine(dir)
			if err != nil {
				t.Fatal(err)
			}
			if e.Generation() != 1 || e.Broken() != nil {
				t.Fatalf("generation %d, broken %v at first", e.Generation(), e.Broken())
			}
			if err := spoil(dir); err != nil {
				t.Fatal(err)
			}
			var ps Problems
			if err := e.Reload(dir); !errors.As(err, &ps) || e.Broken() == nil || e.Generation() != 1 {
				t.Errorf("reload: %v; broken %v; generation %d", err, e.Broken(), e.Generation())
			}
			if d := e.Decide(ask(t, "bob view alice/work")); !d.Allow || d.Generation != 1 {
				t.Errorf("after the refused reload: %+v", d)
			}
			if first, err := NewEngine(dir); err == nil || first != nil {
				t.Error("a first start took the broken policy")
			}
			os.RemoveAll(dir)
			if err := os.Rename(writeDir(t, map[string]string{}), dir); err != nil {
				t.Fatal(err)
			}
			if err := e.Reload(dir); err != nil || e.Broken() != nil || e.Generation() != 2 {
				t.Errorf("reload of a good one: %v; broken %v; generation %d", err, e.Broken(), e.Generation())
			}
			if d := e.Decide(ask(t, "bob view alice/work")); d.Allow || d.Generation != 2 {
				t.Errorf("after the good reload: %+v", d)
			}
		})
	}
}

// Bump makes kept answers stale and changes none.
func TestBump(t *testing.T) {
	e := EngineOf(mustLoad(t, map[string]string{grantsFile: someGrants}))
	d := e.Decide(ask(t, "bob view alice/work"))
	e.Bump()
	if e.Generation() != 2 || d.Fresh(e.Generation(), noon) {
		t.Errorf("generation %d, decision of %d", e.Generation(), d.Generation)
	}
	if again := e.Decide(ask(t, "bob view alice/work")); !again.Allow || again.Generation != 2 {
		t.Errorf("after Bump: %+v", again)
	}
}

// Questions and reloads at once: run with -race.
func TestEngineAtOnce(t *testing.T) {
	dir := writeDir(t, map[string]string{grantsFile: someGrants, "r.cedar": "permit (principal in Group::\"all\", action, resource) when { context.door == \"tmux\" };\n"})
	e, err := NewEngine(dir)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 300 {
				if d := e.Decide(ask(t, "bob view alice/work:1.1")); !d.Allow {
					t.Errorf("denied: %+v", d)
				}
				e.Holds(identity.Subject{Person: "carol", UID: -1}, access.Object{Kind: access.Server, Owner: "alice"}, noon)
			}
		})
	}
	for range 10 {
		if err := e.Reload(dir); err != nil {
			t.Error(err)
		}
		e.Bump()
	}
	wg.Wait()
	if e.Generation() != 21 {
		t.Errorf("generation %d", e.Generation())
	}
}

// AU-06: uid and account must both be what the people file says.
func TestPersonOf(t *testing.T) {
	s := mustLoad(t, map[string]string{peopleFile: `people:
  alice: {uid: 1000}
  bob: {uid: [1001, 0], account: [bsmith, root]}
  carol: {account: DOMAIN\carol}
  dave: {}
`})
	for _, c := range []struct {
		uid     uint32
		account string
		want    string // "" is a refusal that says why
		why     []string
	}{
		{1000, "alice", "alice", nil},
		{1000, "eve", "", []string{"uid 1000 is alice", `the system calls it "eve"`, "write the account there"}},
		{1000, "", "", []string{"uid 1000 is alice", "there is no account of that number now"}},
		{2000, "alice", "", []string{`the account "alice" is alice in people.yaml, with the uid 1000, but this is uid 2000`}},
		{1001, "bsmith", "bob", nil},
		{0, "root", "bob", nil},
		{1001, "bob", "", []string{"uid 1001 is bob"}},
		{5000, "bob", "", []string{`the account "bob" (uid 5000) is not the person bob`, "bsmith or root"}},
		{5000, "root", "", []string{"with the uid 1001 or 0, but this is uid 5000"}},
		{1002, `DOMAIN\carol`, "carol", nil},
		{1003, "carol", "", []string{"is not the person carol"}},
		{1004, "dave", "dave", nil},
		{1005, "erin", "erin", nil},
		{1006, "Erin", "", []string{`the account "Erin" (uid 1006) cannot be a person`}},
		{1006, "erin ", "", []string{"cannot be a person"}},
		{1006, "aliсe", "", []string{"cannot be a person"}},
		{1006, `Person::"alice"`, "", []string{"cannot be a person"}},
		{1006, strings.Repeat("a", 300), "", []string{"cannot be a person"}},
		{1006, "", "", []string{"uid 1006 has no account"}},
		{65534, "nobody", "", []string{"uid 65534 names nobody"}},
		{4294967295, "erin", "", []string{"names nobody"}},
	} {
		got, err := s.PersonOf(c.uid, c.account)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%d %q: %q, %v; want %q", c.uid, c.account, got, err, c.want)
		}
		for _, w := range c.why {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%d %q: %v; want %q in it", c.uid, c.account, err, w)
			}
		}
	}
}

// A person who is no longer who they were when they came in loses everything
// at the next question.
func TestImpostorsAreRefused(t *testing.T) {
	people := "people: {alice: {}, bob: {uid: 1001}, carol: {}}\n"
	grants := "grants: [{who: bob, role: viewer, on: alice, reason: x}]\n"
	s := mustLoad(t, map[string]string{peopleFile: people, grantsFile: grants})
	q := ask(t, "bob view alice/work:1.1")
	for _, c := range []struct {
		uid     int64
		account string
		allow   bool
	}{
		{1001, "bob", true}, {-1, "", true},
		{1002, "bob", false}, {1001, "eve", false}, {1005, "mallory", false}, {1 << 33, "bob", false}, {65534, "bob", false},
	} {
		q.Who.UID, q.Who.Account = c.uid, c.account
		if d := s.Decide(q); d.Allow != c.allow || d.Reason == "" {
			t.Errorf("uid %d account %q: %+v", c.uid, c.account, d)
		}
		if held := s.Holds(q.Who, q.Object, q.At); (held != 0) != c.allow {
			t.Errorf("uid %d account %q holds %v", c.uid, c.account, held)
		}
		if s.Sees(q.Who, q.At, q.Object) != c.allow || s.Blind(q.Who, access.Object{Kind: access.Server, Owner: "alice"}, q.At) == c.allow {
			t.Errorf("uid %d account %q: Sees and Blind do not fit", c.uid, c.account)
		}
	}
}
