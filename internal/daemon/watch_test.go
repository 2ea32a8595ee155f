package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/nss"
	"github.com/muxward/muxward/internal/policy"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// TestReloadOnce: what has changed is put in force once, whoever finds it and however
// many do at the same time, and is in force for each of them when they are done; what is
// in force is left alone; and what is broken is read again by who asks for that.
func TestReloadOnce(t *testing.T) {
	d := granter(t)
	dir := t.TempDir()
	d.config.Policy = dir
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var early atomic.Int32
	loads := func(asked ...bool) int32 {
		before := d.policy.Generation()
		var loaded atomic.Int32
		var wg sync.WaitGroup
		for _, asked := range asked {
			wg.Go(func() {
				if d.reload(t.Context(), asked) {
					loaded.Add(1)
				}
				if d.policy.Generation() == before {
					early.Add(1)
				}
			})
		}
		wg.Wait()
		return loaded.Load()
	}
	write("people.yaml", "people:\n  alice: {}\n  bob: {}\n")
	for i := range 20 {
		write("grants.yaml", "grants: []\n"+strings.Repeat("# changed\n", i+1))
		early.Store(0)
		if n := loads(true, false, true, false); n != 1 || early.Load() != 0 {
			t.Fatalf("a change was loaded %d times, and %d were done before", n, early.Load())
		}
		before := d.policy.Generation()
		if n := loads(true, false); n != 0 || d.policy.Generation() != before {
			t.Fatalf("what is in force was loaded %d times", n)
		}
	}
	write("grants.yaml", "grants: [{}]\n")
	if n := loads(false); n != 0 || d.policy.Broken() == nil {
		t.Fatalf("a broken policy was loaded %d times: %v", n, d.policy.Broken())
	}
	if n := loads(false); n != 0 {
		t.Fatal("what is broken was read again without being asked for")
	}
	write("grants.yaml", "grants: []\n")
	if n := loads(false); n != 1 || d.policy.Broken() != nil {
		t.Errorf("the mended policy was loaded %d times: %v", n, d.policy.Broken())
	}
}

// TestReloadOfWhatWasRead: what counts is what was read, and not what was there just before.
// What could not be read for a while is read again by itself, and what was not confirmed is
// decided once more by who asks.
func TestReloadOfWhatWasRead(t *testing.T) {
	d := granter(t)
	dir := t.TempDir()
	d.config.Policy = dir
	write := func(text string) {
		t.Helper()
		for name, text := range map[string]string{"people.yaml": "people:\n  alice: {}\n", "grants.yaml": text} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	write("grants: []\n")
	if !d.reload(t.Context(), false) || d.policy.Digest() != policy.Digest(dir) {
		t.Fatal("what was read is not what is there")
	}
	write("grants: []\n# another\n")
	if err := d.policy.Reload(dir); err != nil { // as if it was read while it was written
		t.Fatal(err)
	}
	write("grants: []\n")
	if !d.reload(t.Context(), false) {
		t.Error("what was there before it was read is taken for what was read")
	}

	if err := os.Rename(dir+"/grants.yaml", dir+"/away"); err != nil {
		t.Fatal(err)
	}
	if d.reload(t.Context(), false) || d.policy.Broken() == nil {
		t.Fatal("half a policy is in force")
	}
	if err := os.Rename(dir+"/away", dir+"/grants.yaml"); err != nil {
		t.Fatal(err)
	}
	if !d.retry(t.Context()) || d.policy.Broken() != nil {
		t.Errorf("it was not read again: %v", d.policy.Broken())
	}

	if d.reload(t.Context(), true) {
		t.Error("what is in force and confirmed was decided anew")
	}
	d.unsure = true
	if d.reload(t.Context(), false) || !d.reload(t.Context(), true) || d.unsure {
		t.Error("what was not confirmed was not decided anew by who asks, or by who does not")
	}
}

// TestReloadUnsureOfSuggestions: a reload that could not see a suggestion end, whose author
// may not suggest any more, is not confirmed: who asks has it done again.
func TestReloadUnsureOfSuggestions(t *testing.T) {
	d := granter(t)
	d.config.Policy = t.TempDir()
	for name, text := range map[string]string{"people.yaml": "people:\n  alice: {}\n", "grants.yaml": "grants: []\n"} {
		if err := os.WriteFile(filepath.Join(d.config.Policy, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	v, err := d.keyboards.Suggestions.Put(grants.Suggestion{
		Who: identity.Supposed(identity.Subject{Person: "bob", UID: -1, Door: "ssh"}),
		On:  access.Object{Kind: access.Pane, Owner: "alice", Incarnation: "1"}, Text: "make", Until: time.Now().Add(time.Hour),
	}, func(grants.Suggestion) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	answering, answered := make(chan struct{}), make(chan struct{})
	d.wg.Go(func() {
		_, _ = d.keyboards.Suggestions.Change(d.ctx, v.ID, func(v grants.Suggestion) (grants.Suggestion, error) {
			close(answering)
			<-answered
			return v, nil
		})
	})
	<-answering
	if !d.reload(t.Context(), false) || !d.unsure {
		t.Error("nobody knows whether it ends, and the reload is taken for done")
	}
	close(answered)
	if !d.reload(t.Context(), true) || d.unsure {
		t.Error("who asks again does not have it done")
	}
	if v, open := d.keyboards.Suggestions.Find(v.ID); open && v.Answer == grants.Open {
		t.Errorf("it waits still: %+v", v)
	}
}

// Of a uid that no file has it is not known which groups it is in: a group of the same number is not
// taken for one of them.
func TestAccountOrUID(t *testing.T) {
	const uid = 61099
	if a, err := accountOrUID("ghost", uid); err != nil || a.UID != uid || a.GID != noGroup || len(a.Groups) != 0 {
		t.Errorf("%+v, %v", a, err)
	}
	if a, err := accountOrUID("ghost", accounts.NoID); err == nil {
		t.Errorf("%+v", a)
	}
	if a, err := accountOrUID("root", 0); err != nil || a.Name != "root" {
		t.Errorf("%+v, %v", a, err)
	}
}

// With a directory the hands in our own process have the account be what the directory says at that moment, and
// nobody else start or hold anything; without a name there is a door at which nobody is let in.
func TestAccountOfADirectory(t *testing.T) {
	dir, err := os.MkdirTemp("", "mwnss") // which others may reach
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	script := "#!/bin/sh\ncase $1-$2 in\npasswd-70001|passwd-dora) echo dora:x:70001:70100::/home/dora:/bin/sh ;;\ninitgroups-*) echo dora 70200 ;;\n*) exit 2 ;;\nesac\n"
	if err := tmuxtest.WriteProgram(dir+"/getent", []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	o := nss.System()
	o.Getent = dir + "/getent"
	d := &daemon{directory: nss.New(o)}
	t.Cleanup(d.directory.Close)
	if a, err := d.account(t.Context(), "dora", 70001); err != nil || a.GID != 70100 || len(a.Groups) != 1 {
		t.Errorf("%+v, %v", a, err)
	}
	if a, err := d.account(t.Context(), "70002", 70002); err != nil || a.GID != noGroup {
		t.Errorf("a door of a number: %+v, %v", a, err)
	}
	if a, err := d.account(t.Context(), "root", 0); err != nil || a.Name != "root" {
		t.Errorf("%+v, %v", a, err)
	}
	for name, uid := range map[string]uint32{"erin": 70001, "fred": 70002} {
		if a, err := d.account(t.Context(), name, uid); err == nil {
			t.Errorf("%+v", a)
		}
	}
}
