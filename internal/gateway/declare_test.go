package gateway

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/tmux"
)

func sessionsOf(list ...tmux.Session) *tmux.Snapshot { return &tmux.Snapshot{Sessions: list} }

// TestMadeSession: what is declared as a session is made is on that one: where its maker
// is, or the one that is new. Where that cannot be told it is on none.
func TestMadeSession(t *testing.T) {
	work, play, other := tmux.Session{ID: 1, Name: "work"}, tmux.Session{ID: 2, Name: "play"}, tmux.Session{ID: 3, Name: "other"}
	at := func(s tmux.Session) *tmux.Found { return &tmux.Found{Session: &s} }
	for what, tc := range map[string]struct {
		name          string
		before, after *tmux.Snapshot
		current       *tmux.Found
		want          string
	}{
		"the new one":               {"", sessionsOf(work), sessionsOf(work, play), nil, "play"},
		"by its name":               {"play", sessionsOf(work), sessionsOf(work, play, other), nil, "play"},
		"one of two":                {"", sessionsOf(work), sessionsOf(work, play, other), nil, ""},
		"where its maker is":        {"", sessionsOf(work), sessionsOf(work, play, other), at(other), "other"},
		"where it was before":       {"", sessionsOf(work), sessionsOf(work, play), at(work), ""},
		"its maker is gone from it": {"", sessionsOf(work), sessionsOf(work), at(play), ""},
		"another name":              {"play", sessionsOf(work), sessionsOf(work, other), nil, ""},
		"none":                      {"", sessionsOf(work), sessionsOf(work), nil, ""},
		"the same name, not new":    {"work", sessionsOf(work), sessionsOf(work), nil, ""},
		"the first of a server":     {"", nil, sessionsOf(work), nil, "work"},
	} {
		got := ""
		if s := madeSession(tc.name, tc.before, tc.after, tc.current); s != nil {
			got = s.Name
		}
		if got != tc.want {
			t.Errorf("%s: %q, want %q", what, got, tc.want)
		}
	}
}

// declares is what was declared, as a test has it.
type declares struct {
	Declarations
	list  []grants.Grant
	ended []int64
}

func (k *declares) Declared(access.Object) []grants.Grant { return k.list }

func (k *declares) Withdraw(_ context.Context, _ identity.Identity, list []grants.Grant) error {
	for _, g := range list {
		k.ended = append(k.ended, g.ID)
	}
	return nil
}

// TestWithdraw: what is said again stays, what it was decided to end ends, and nothing
// that came between.
func TestWithdraw(t *testing.T) {
	on := access.Object{Kind: access.Session, Owner: "alice", Session: access.SessionRef{ID: 1, Name: "work"}}
	view := access.SetOf(access.View)
	had := func(id int64, who, giver string) grants.Grant {
		return grants.Grant{ID: id, Who: who, Verbs: view, On: on, Giver: identity.Subject{Person: giver}}
	}
	says := func(who string) Declared {
		return Declared{Declared: grants.Declared{Who: who, Verbs: view}, On: on}
	}
	k := &declares{list: []grants.Grant{had(1, "carol", "bob"), had(2, "dave", "bob"), had(3, "erin", "alice")}}
	g := &Gateway{Parts: Parts{Declarations: k}}
	d := &Declaration{On: on, Entries: []Declared{says("carol"), says("erin"), says("frank")}, Ends: []int64{2, 3}}
	left, err := g.withdraw(t.Context(), bob(t), d)
	if err != nil || len(left) != 2 || left[0].Who != "erin" || left[1].Who != "frank" {
		t.Errorf("what is left is %+v, %v", left, err)
	}
	if len(k.ended) != 2 || k.ended[0] != 2 || k.ended[1] != 3 {
		t.Errorf("%v ended", k.ended)
	}
	k.ended, k.list = nil, append(k.list, had(4, "grace", "alice"))
	if _, err := g.withdraw(t.Context(), bob(t), d); err == nil || len(k.ended) > 0 {
		t.Errorf("alice has declared something meanwhile: %v, ended %v", err, k.ended)
	}
}

// TestTurns: on one server people declare one after the other, on others meanwhile; who
// waits ends with their context.
func TestTurns(t *testing.T) {
	var all turns
	leave, err := all.take(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	other, err := all.take(t.Context(), "bob")
	if err != nil {
		t.Fatal(err)
	}
	other()
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("gone")
	cancel(gone)
	if _, err := all.take(ctx, "alice"); !errors.Is(err, gone) {
		t.Errorf("the turn is taken: %v", err)
	}
	got := make(chan error, 1)
	go func() {
		next, err := all.take(t.Context(), "alice")
		if err == nil {
			next()
		}
		got <- err
	}()
	leave()
	select {
	case err := <-got:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("nobody has the turn after it was left")
	}
}
