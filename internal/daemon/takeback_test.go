package daemon

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/audit"
	"github.com/muxward/muxward/internal/ctxlock"
	"github.com/muxward/muxward/internal/executor"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/policy"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// granter is a daemon that has a line and a store of grants, and no doors.
func granter(t *testing.T) *daemon {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"people.yaml": "people:\n  alice: {}\n  bob: {}\n", "grants.yaml": "grants: []\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d := &daemon{granting: ctxlock.NewTurn(), taken: map[int64]bool{}}
	d.ctx, d.stop = context.WithCancel(context.Background())
	var err error
	if d.policy, err = policy.NewEngine(dir); err != nil {
		t.Fatal(err)
	}
	state := t.TempDir()
	if d.log, err = audit.Open(d.ctx, audit.Options{Dir: filepath.Join(state, "audit")}); err != nil {
		t.Fatal(err)
	}
	if d.denials, err = grants.OpenDenials(filepath.Join(state, "revocations.json")); err != nil {
		t.Fatal(err)
	}
	if d.grants, err = grants.OpenStore(d.ctx, filepath.Join(state, "grants.db"), grants.ClockAt(time.Now())); err != nil {
		t.Fatal(err)
	}
	d.gateway = gateway.New(gateway.Parts{Policy: d.policy, Log: d.log, Denials: d.denials})
	d.executor = &executor.Executor{} // with nobody to tell
	d.assembleKeyboards(nil)
	d.assembleRequests()
	t.Cleanup(func() {
		d.stop()
		d.wg.Wait()
		d.closeGrants(context.Background())
		if err := d.log.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return d
}

// gives has alice give bob the right to look at her server.
func (d *daemon) gives(t *testing.T) grants.Grant {
	t.Helper()
	o := access.Object{Kind: access.Server, Owner: "alice"}
	g, err := d.give(context.Background(), grants.Grant{
		Who: "bob", What: "viewer", Verbs: access.SetOf(access.View, access.Scroll), Target: "alice",
		Giver: identity.Subject{Person: "alice", UID: -1, Door: "ctl"}, Source: commandLine, At: d.gateway.Time(),
	}, o)
	if err != nil {
		t.Fatal(err)
	}
	d.moveGrants()
	return g
}

func (d *daemon) bobLooks() bool {
	return d.policy.Decide(access.Question{
		Who: identity.Subject{Person: "bob", UID: -1, Door: "ctl"}, Verb: access.View,
		Object: access.Object{Kind: access.Server, Owner: "alice"}, At: d.gateway.Time(),
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
	if _, ok := d.find(g.ID); ok || len(d.given()) != 0 {
		t.Error("it is listed still")
	}
	if _, ok := d.grants.Find(g.ID); !ok {
		t.Error("it was written without a turn: this test shows nothing")
	}
	d.moveGrants() // as somebody else's grant does
	if d.bobLooks() {
		t.Error("bob looks again")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := d.give(ctx, g, g.On); err == nil || !strings.Contains(err.Error(), "nothing was given") {
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
	if _, ok := d.grants.Find(g.ID); ok || len(d.taken) != 0 || d.bobLooks() {
		t.Error("it was not written")
	}
	again := d.gives(t)
	if again.ID == g.ID || !d.bobLooks() {
		t.Errorf("what is given then does not count: %+v", again)
	}
}
