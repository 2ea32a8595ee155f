package given

import (
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
)

// A grant is said to count from its beginning to its end, and not until somebody has taken it off the list.
func TestCountsInItsTime(t *testing.T) {
	denials, err := grants.OpenDenials(filepath.Join(t.TempDir(), "denials.json"))
	if err != nil {
		t.Fatal(err)
	}
	b := &Book{Revoked: denials.Revoked}
	at := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	g := grants.Grant{Who: "bob", On: access.Object{Kind: access.Server, Owner: "alice"}, NotBefore: at, Until: at.Add(time.Hour)}
	for when, want := range map[time.Duration]bool{-1: false, 0: true, time.Hour - 1: true, time.Hour: false} {
		if got := b.counts(g, at.Add(when)); got != want {
			t.Errorf("%v after its beginning: %v", when, got)
		}
	}
	if g.Until = (time.Time{}); !b.counts(g, at.Add(1e6*time.Hour)) {
		t.Error("without an end it counts no more")
	}
}

// What rests on a grant whose time is over meanwhile is not told, and that of others is.
func TestToldBehindTheTime(t *testing.T) {
	d := granter(t)
	var ahead atomic.Int64
	d.Gateway = gateway.New(gateway.Parts{Policy: d.policy, Log: d.log, Denials: d.denials,
		Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
	const last = 20 * time.Second
	if _, err := d.Give(t.Context(), grants.Grant{
		Who: "bob", What: "viewer", Verbs: access.SetOf(access.View), Target: "alice", Until: d.Gateway.Time().Add(last),
		Giver: identity.Subject{Person: "alice", UID: -1, Door: "ctl"}, Source: commandLine, At: d.Gateway.Time(),
	}, access.Object{Kind: access.Server, Owner: "alice"}); err != nil {
		t.Fatal(err)
	}
	d.Move()
	if !d.bobLooks() {
		t.Fatal("what was given does not count")
	}
	gates := map[string]gateway.Gate{}
	for _, who := range []string{"bob", "alice"} {
		gate, release := d.Gateway.Telling(t.Context(), identity.Supposed(identity.Subject{Person: who, UID: -1}))
		defer release()
		gates[who] = gate
	}
	// Not by a second at a time, or the clock counts as set, and all are decided anew.
	for d.lately = d.now(); ahead.Load() < int64(last); d.mindTime() {
		ahead.Add(int64(time.Second * 3 / 4))
	}
	if d.bobLooks() || len(d.all()) > 0 {
		t.Fatal("the time is not over")
	}
	for who, gate := range gates {
		if err := gate(func() error { return nil }); (err == nil) != (who == "alice") {
			t.Errorf("%s: %v", who, err)
		}
	}
}

// What was given by who had an account that is another's by now counts for nothing, while that is so; the rest does.
func TestMovedWithoutWhoHasGone(t *testing.T) {
	gave := func(id int64, uid int64) *grants.Grant {
		return &grants.Grant{ID: id, Who: "bob", Verbs: access.SetOf(access.View), Giver: identity.Subject{Person: "carol", Account: "carol", UID: uid}}
	}
	list := []*grants.Grant{gave(1, 1003), gave(2, 1013), gave(3, -1)}
	away := func(by identity.Subject) bool { return by.UID == 1003 } // that is dave's
	var m moved
	for _, c := range []struct {
		away func(identity.Subject) bool
		want []string
	}{{nil, []string{"1", "2", "3"}}, {away, []string{"2", "3"}}, {away, []string{"2", "3"}}, {nil, []string{"1", "2", "3"}}} {
		got := m.of(list, c.away)
		if len(got) != len(c.want) {
			t.Fatalf("%d are in force, want %q", len(got), c.want)
		}
		for i, id := range c.want {
			if got[i].ID != id {
				t.Errorf("grant %s is in force, want %s", got[i].ID, id)
			}
		}
	}
}
