package daemon

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/ctxlock"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/pam/pamd"
	"github.com/muxward/muxward/internal/policy"
)

// TestLookUpInTurn: many log in at once, and the accounts are asked for one at a time, of
// all of them: none is refused for the others' sake. Who goes meanwhile waits no longer.
func TestLookUpInTurn(t *testing.T) {
	s := sshPAM{look: ctxlock.NewTurn()}
	var under, most atomic.Int32
	find := func(context.Context, string) (identity.Account, string, error) {
		if n := under.Add(1); n > most.Load() {
			most.Store(n)
		}
		defer under.Add(-1)
		for range 100 {
			runtime.Gosched()
		}
		return identity.Account{Name: "alice"}, "alice", nil
	}
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			if a, person, err := s.lookUp(t.Context(), s.look, "alice", find); err != nil || a.Name != "alice" || person != "alice" {
				t.Error(a, person, err)
			}
		})
	}
	all.Wait()
	if most.Load() != 1 {
		t.Errorf("%d at once", most.Load())
	}
	s.look <- struct{}{} // one hangs
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("gone"))
	if _, _, err := s.lookUp(ctx, s.look, "alice", find); err == nil {
		t.Error("looked up beside one that hangs")
	}
}

// TestServiceUnchanged: a service that was changed while PAM was asked is not the one that was asked.
func TestServiceUnchanged(t *testing.T) {
	dir := t.TempDir()
	there := func(lines string) (fs.FileInfo, error) {
		if err := os.WriteFile(filepath.Join(dir, "muxward"), []byte(lines), 0o644); err != nil {
			t.Fatal(err)
		}
		return pamd.ServiceIn("muxward", dir+"/none", dir)
	}
	first, err := there("auth required pam_deny.so\n")
	if err != nil {
		t.Fatal(err)
	}
	same, err := pamd.ServiceIn("muxward", dir)
	if err != nil || !unchanged(first, same) {
		t.Errorf("what is as it was was changed, %v", err)
	}
	if other, err := there("auth required pam_permit.so\n"); err != nil || unchanged(first, other) {
		t.Errorf("another stack is the same, %v", err)
	}
}

// TestPAMSettings: what PAM cannot be asked by is refused, and what was in force stays.
func TestPAMSettings(t *testing.T) {
	var s sshPAM
	if s.now().Service != "" {
		t.Error("passwords are taken before that is said")
	}
	for _, service := range []string{"../passwd", "no-such-service-here"} {
		if err := s.set(config.SSH{PAM: service}); err == nil || s.now().Service != "" {
			t.Errorf("%s: %v, %+v", service, err, s.now())
		}
	}
	s.rules.Store(&identity.PasswordRules{Service: "muxward", Root: true})
	if err := s.set(config.SSH{PAM: "false"}); err != nil || s.now().Service != "" || s.now().Root {
		t.Errorf("switched off: %v, %+v", err, s.now())
	}
	if _, err := s.login(t.Context(), "muxward", "alice", "", nil); err == nil {
		t.Error("let in with nobody to ask PAM")
	}
}

// TestBehindKeysNames: a name that can be nobody's is refused, and what was in force stays; one that is
// nobody's is told of, at each look, and so is root whose password nobody asks for.
func TestBehindKeysNames(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"people.yaml": "people:\n  alice: {}\n  admin: {account: root}\n", "grants.yaml": "grants: []\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	engine, err := policy.NewEngine(dir)
	if err != nil {
		t.Fatal(err)
	}
	var s sshPAM
	if got := s.behindWrong(engine.Set()); len(got) != 0 {
		t.Errorf("before anything is said: %v", got)
	}
	for _, c := range []struct {
		who   config.Themselves
		root  bool
		wrong []string
	}{
		{config.Themselves{People: []string{"alice"}}, false, nil},
		{config.Themselves{People: []string{"alice", "alcie"}}, false, []string{`"alcie"`}},
		{config.Themselves{People: []string{"alice", "admin"}}, false, []string{"pam_root"}},
		{config.Themselves{All: true}, false, []string{"pam_root"}},
		{config.Themselves{All: true}, true, nil},
	} {
		if err := s.set(config.SSH{PAM: "false", PAMBehindKeys: c.who, PAMRoot: c.root}); err != nil {
			t.Fatal(err)
		}
		got := s.behindWrong(engine.Set())
		if len(got) != len(c.wrong) || len(got) > 0 && !strings.Contains(got[0].Error(), c.wrong[0]) {
			t.Errorf("%+v: %v", c, got)
		}
	}
	for _, name := range []string{"Alice", "", "al/ice"} {
		if err := s.set(config.SSH{PAM: "false", PAMBehindKeys: config.Themselves{People: []string{name}}}); err == nil || s.now().BehindKey(name) != s.now().BehindKey("x") {
			t.Errorf("%q: %v", name, err)
		}
	}
}
