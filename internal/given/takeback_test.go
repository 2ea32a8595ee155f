package given

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/audit"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/policy"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// toy is a book with a line, a policy and a log that are real, and no servers.
type toy struct {
	*Book
	policy  *policy.Engine
	log     *audit.Log
	denials *grants.Denials
}

// granter is such a book.
func granter(t *testing.T) *toy {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"people.yaml": "people:\n  alice: {}\n  bob: {}\n", "grants.yaml": "grants: []\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	d := &toy{}
	var err error
	if d.policy, err = policy.NewEngine(dir); err != nil {
		t.Fatal(err)
	}
	state := t.TempDir()
	if d.log, err = audit.Open(ctx, audit.Options{Dir: filepath.Join(state, "audit")}); err != nil {
		t.Fatal(err)
	}
	if d.denials, err = grants.OpenDenials(filepath.Join(state, "revocations.json")); err != nil {
		t.Fatal(err)
	}
	if d.Book, err = Open(ctx, filepath.Join(state, "grants.db"), grants.ClockAt(time.Now())); err != nil {
		t.Fatal(err)
	}
	d.Gateway = gateway.New(gateway.Parts{Policy: d.policy, Log: d.log, Denials: d.denials})
	d.Policy, d.Log, d.Revoked, d.Locked = d.policy, d.log, d.denials.Revoked, d.denials.Locked
	d.Strangers = func(identity.Identity) error { return nil }
	d.Away = func() func(identity.Subject) bool { return nil }
	d.Void = func(context.Context) error { return nil }
	d.Complain = func(what string) { t.Log(what) }
	d.Ctx, d.Go = ctx, wg.Go
	t.Cleanup(func() {
		stop()
		wg.Wait()
		d.Close(context.Background())
		if err := d.log.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return d
}

// gives has alice give bob the right to look at her server.
func (d *toy) gives(t *testing.T) grants.Grant {
	t.Helper()
	o := access.Object{Kind: access.Server, Owner: "alice"}
	g, err := d.Give(context.Background(), grants.Grant{
		Who: "bob", What: "viewer", Verbs: access.SetOf(access.View, access.Scroll), Target: "alice",
		Giver: identity.Subject{Person: "alice", UID: -1, Door: "ctl"}, Source: commandLine, At: d.Gateway.Time(),
	}, o)
	if err != nil {
		t.Fatal(err)
	}
	d.Move()
	return g
}

func (d *toy) bobLooks() bool {
	return d.policy.Decide(access.Question{
		Who: identity.Subject{Person: "bob", UID: -1, Door: "ctl"}, Verb: access.View,
		Object: access.Object{Kind: access.Server, Owner: "alice"}, At: d.Gateway.Time(),
	}).Allow
}

// TestTakenBackBeforeTheDisk: while others write, or the disk takes long, a grant is
// taken back all the same; it is found in no list and taken back once; and it is
// written when that can be done. Who gives something does not wait for ever.
func TestTakenBackBeforeTheDisk(t *testing.T) {
	d := granter(t)
	g := d.gives(t)
	if !d.bobLooks() {
		t.Fatal("what was given does not count")
	}
	d.granting <- struct{}{} // as by who writes
	answer := make(chan error, 1)
	go func() {
		_, err := d.takeBack(context.Background(), g, "alice", "done")
		answer <- err
	}()
	tmuxtest.Eventually(t, func() bool { return !d.bobLooks() }, "bob looks no more")
	if _, err := d.takeBack(context.Background(), g, "alice", "again"); err == nil || !strings.Contains(err.Error(), "no grant") {
		t.Errorf("taken back twice: %v", err)
	}
	if _, ok := d.Find(g.ID); ok || len(d.all()) != 0 {
		t.Error("it is listed still")
	}
	if _, ok := d.store.Find(g.ID); !ok {
		t.Error("it was written without a turn: this test shows nothing")
	}
	d.Move() // as somebody else's grant does
	if d.bobLooks() {
		t.Error("bob looks again")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := d.Give(ctx, g, g.On); err == nil || !strings.Contains(err.Error(), "nothing was given") {
		t.Errorf("given out of turn: %v", err)
	}
	select {
	case err := <-answer:
		t.Errorf("it was not written, and nothing was said: %v", err)
	default:
	}
	d.granting.Leave()
	if err := <-answer; err != nil {
		t.Errorf("taken back: %v", err)
	}
	if _, ok := d.store.Find(g.ID); ok || len(d.taken) != 0 || d.bobLooks() {
		t.Error("it was not written")
	}
	again := d.gives(t)
	if again.ID == g.ID || !d.bobLooks() {
		t.Errorf("what is given then does not count: %+v", again)
	}
}
