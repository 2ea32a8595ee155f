package daemon

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/audit"
	"github.com/muxward/muxward/internal/executor"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/given"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/guard"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/policy"
	"github.com/muxward/muxward/internal/server/ctld"
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
	d := &daemon{guard: new(guard.Guard)}
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
	if d.given, err = given.Open(d.ctx, filepath.Join(state, "grants.db"), grants.ClockAt(time.Now())); err != nil {
		t.Fatal(err)
	}
	leases, err := grants.OpenLeases(filepath.Join(state, "leases.json"))
	if err != nil {
		t.Fatal(err)
	}
	d.gateway = gateway.New(gateway.Parts{Policy: d.policy, Log: d.log, Denials: d.denials, Servers: &hostServers{d}})
	d.executor = &executor.Executor{} // with nobody to tell
	d.assembleKeyboards(leases)
	d.assembleRequests()
	d.assembleGiven()
	t.Cleanup(func() {
		d.stop()
		d.wg.Wait()
		d.given.Close(context.Background())
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
	g, err := d.given.Give(context.Background(), grants.Grant{
		Who: "bob", What: "viewer", Verbs: access.SetOf(access.View, access.Scroll), Target: "alice",
		Giver: identity.Subject{Person: "alice", UID: -1, Door: "ctl"}, At: d.gateway.Time(),
	}, o)
	if err != nil {
		t.Fatal(err)
	}
	d.given.Move()
	return g
}

func (d *daemon) bobLooks() bool {
	return d.policy.Decide(access.Question{
		Who: identity.Subject{Person: "bob", UID: -1, Door: "ctl"}, Verb: access.View,
		Object: access.Object{Kind: access.Server, Owner: "alice"}, At: d.gateway.Time(),
	}).Allow
}

// takesBack has alice take back what she gave.
func (d *daemon) takesBack(g grants.Grant) error {
	a, err := d.given.TakeBackAct(alices(-1), ctld.Call{ID: g.ID})
	if err != nil {
		return err
	}
	_, err = a.Do(context.Background(), g.On)
	return err
}

// invites has alice invite to her server, as who came by an account, and gives the code.
func (d *daemon) invites(t *testing.T, uid int64) string {
	t.Helper()
	a, err := d.given.ShareAct(alices(uid), ctld.Call{Role: "viewer", Target: "alice", For: "1h", Uses: 2})
	if err != nil {
		t.Fatal(err)
	}
	r, err := a.Do(context.Background(), access.Object{Kind: access.Server, Owner: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	return r.Value.(acts.Shared).Code
}

// opens says why a code opens nothing for somebody.
func (d *daemon) opens(who identity.Identity, code string) error {
	a, err := d.given.JoinAct(who, code)
	if err != nil {
		return err
	}
	return a.Admits()
}

func alices(uid int64) identity.Identity {
	return identity.Supposed(identity.Subject{Person: "alice", Account: "alice", UID: uid, Door: "ctl"})
}
