package gateway

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/tmux"
)

func sessionsOf(list ...tmux.Session) *tmux.Snapshot { return &tmux.Snapshot{Sessions: list} }

// TestMadeSession: what is declared as a session is made is on that one: it has the name,
// was not there before, and its maker is there if they are anywhere. Where that cannot be
// told it is on none.
func TestMadeSession(t *testing.T) {
	work, play, other := tmux.Session{ID: 1, Name: "work"}, tmux.Session{ID: 2, Name: "play"}, tmux.Session{ID: 3, Name: "other"}
	at := func(s tmux.Session) *tmux.Found { return &tmux.Found{Session: &s} }
	for what, tc := range map[string]struct {
		name          string
		before, after *tmux.Snapshot
		current       *tmux.Found
		want          string
	}{
		"the new one":              {"play", sessionsOf(work), sessionsOf(work, play, other), nil, "play"},
		"where its maker is":       {"other", sessionsOf(work), sessionsOf(work, play, other), at(other), "other"},
		"its maker is elsewhere":   {"play", sessionsOf(work), sessionsOf(work, play), at(work), ""},
		"it is gone":               {"play", sessionsOf(work), sessionsOf(work), at(play), ""},
		"it is gone, another came": {"play", sessionsOf(work), sessionsOf(work, other), nil, ""},
		"none":                     {"play", sessionsOf(work), sessionsOf(work), nil, ""},
		"it was there":             {"work", sessionsOf(work), sessionsOf(work), nil, ""},
		"the first of a server":    {"work", nil, sessionsOf(work), nil, "work"},
		"beside what a file made":  {"work", nil, sessionsOf(work, other), nil, "work"},
		"gone, a file made others": {"work", nil, sessionsOf(other), nil, ""},
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
	// Alice has declared something meanwhile. Who does not hold kick ends what was said
	// and does not get any further; who does ends that, too.
	k.ended, k.list = nil, append(k.list, had(4, "grace", "alice"))
	if _, err := g.withdraw(t.Context(), bob(t), d); err == nil || !slices.Equal(k.ended, []int64{2, 3}) {
		t.Errorf("bob does not hold kick: %v, ended %v", err, k.ended)
	}
	k.ended = nil
	if _, err := g.withdraw(t.Context(), bob(t), &Declaration{On: on, Kick: true}); err != nil || !slices.Equal(k.ended, []int64{1, 2, 3, 4}) {
		t.Errorf("bob holds kick: %v, ended %v", err, k.ended)
	}
}

// agrees is an executor for which nothing is left to do.
type agrees struct{}

func (agrees) Execute(context.Context, *Permit) (Result, error) { return Result{}, nil }

// TestEndingWaitsForNobody: what somebody declares no more has ended also while others have
// the turn, and they go on.
func TestEndingWaitsForNobody(t *testing.T) {
	on := access.Object{Kind: access.Session, Owner: "alice", Session: access.SessionRef{ID: 1, Name: "work"}}
	k := &declares{list: []grants.Grant{{ID: 7, On: on, Giver: identity.Subject{Person: "carol"}}}}
	g := &Gateway{Parts: Parts{Declarations: k, Executor: agrees{}}}
	leave, err := g.declaring.take(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	defer leave()
	p := &Permit{request: Request{Identity: bob(t)}, plan: &Plan{Declares: &Declaration{On: on, Kick: true}}}
	if _, err := g.carryOut(t.Context(), p); err != nil || !slices.Contains(k.ended, 7) {
		t.Errorf("%v, ended %v", err, k.ended)
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

// guests is a policy by which nobody holds anything.
type guests struct{ rules }

func (*guests) Holds(identity.Subject, access.Object, time.Time) access.VerbSet { return 0 }

// TestDeclaringIsPaced: who declares much, again and again, waits, and is refused then;
// who ends something never is, nor are others.
func TestDeclaringIsPaced(t *testing.T) {
	g := newGateway(t, &guests{})
	refused := 0
	for range 4 {
		if err := g.pacedDeclaring(t.Context(), bob(t), 64); err != nil {
			refused++
		}
	}
	if refused == 0 || refused == 4 {
		t.Errorf("%d of 4 were refused", refused)
	}
	if err := g.pacedDeclaring(t.Context(), bob(t), 0); err != nil {
		t.Errorf("to end something: %v", err)
	}
}
