package requests

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/policy"
	"github.com/muxward/muxward/internal/server/ctld"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// notes are what was done for a request, in its order: they are the grants, the log and the displays.
type notes struct {
	all   []string
	fails error // when something is to be given
	ended func() bool
}

func (n *notes) note(what string) {
	if n.ended() {
		what += ", and its asker has heard"
	}
	n.all = append(n.all, what)
}

func (n *notes) Usable() error                 { return nil }
func (n *notes) MayKnock(grants.Request) error { return nil }
func (n *notes) Knock()                        {}

func (n *notes) Give(_ context.Context, g grants.Grant, _ access.Object) (grants.Grant, error) {
	n.note("given to " + g.Who + " by " + g.Giver.Person)
	g.ID = 7
	return g, n.fails
}

func (n *notes) InForce(context.Context, grants.Grant) { n.note("in force") }

func (n *notes) Admit(_ context.Context, r grants.Request, lasts time.Duration) (grants.Grant, error) {
	n.note("let in for " + lasts.String())
	return grants.Grant{ID: 8, Who: r.Who.Person()}, n.fails
}

func (n *notes) Shown(id int64) (acts.ShownGrant, bool) { return acts.ShownGrant{}, id != 0 }

func (n *notes) Append(_ context.Context, _ access.Class, e access.Event) (uint64, error) {
	if e.Person == "alice" {
		n.all = append(n.all, "recorded")
	}
	return 0, nil
}

func person(name string) identity.Identity {
	return identity.Supposed(identity.Subject{Person: name, UID: -1, Door: "ctl"})
}

// asked is a request of bob's for view on the host, by an invite or without, which alice may approve.
func asked(t *testing.T, n *notes, invite int64) (*Requests, Begun) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"people.yaml": "people:\n  alice: {}\n  bob: {}\n", "grants.yaml": `grants:
- {who: alice, role: admin, on: "*", reason: runs it}
- {who: bob, verbs: view, on: "*", reason: looks}
`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	engine, err := policy.NewEngine(dir)
	if err != nil {
		t.Fatal(err)
	}
	denials, err := grants.OpenDenials(filepath.Join(t.TempDir(), "revocations.json"))
	if err != nil {
		t.Fatal(err)
	}
	n.ended = func() bool { return false }
	q := &Requests{
		Gateway: gateway.New(gateway.Parts{Policy: engine, Log: n, Denials: denials}), Policy: engine, Log: n, Grants: n, Displays: n, Ctx: t.Context(),
		Strangers: func(identity.Identity) error { return nil }, Complain: func(what string) { t.Error(what) },
	}
	now := q.Gateway.Time()
	b, err := q.ask(t.Context(), grants.Request{
		Who: person("bob"), What: "viewer", Verbs: access.SetOf(access.View, access.Scroll), For: time.Hour, At: now, Until: now.Add(time.Hour), Invite: invite,
	})
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		_, _ = b.ending(t.Context()) // looked at by ended
	}()
	n.ended = func() bool {
		select {
		case <-heard:
			return true
		case <-time.After(50 * time.Millisecond): // long enough to be heard, if it could be
			return false
		}
	}
	return q, b
}

// approves has alice say yes.
func approves(t *testing.T, q *Requests, id string) error {
	t.Helper()
	a, err := q.AnswerAct(person("alice"), ctld.Call{Act: "approve", Request: id})
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.Do(t.Context(), access.Object{})
	return err
}

// What is approved is given, then in force, and then its asker hears of it; with a knock likewise. What could not be given
// waits on, and nobody hears of an end.
func TestGivenBeforeItIsHeard(t *testing.T) {
	for name, c := range map[string]struct {
		invite int64
		given  string
	}{"a request": {0, "given to bob by alice"}, "a knock": {3, "let in for 1h0m0s"}} {
		t.Run(name, func(t *testing.T) {
			n := &notes{fails: errors.New("the disk is full")}
			q, b := asked(t, n, c.invite)
			if err := approves(t, q, b.ID); !errors.Is(err, n.fails) {
				t.Fatalf("nothing could be given: %v", err)
			}
			if r, open := q.Waiting.Find(b.ID); !open || r.Answer != grants.Open || len(r.Yes) > 0 || !slices.Equal(n.all, []string{c.given}) {
				t.Errorf("it does not wait on as it was: %+v; %q", r, n.all)
			}
			n.all, n.fails = nil, nil
			if err := approves(t, q, b.ID); err != nil {
				t.Fatal(err)
			}
			if want := []string{c.given, "in force", "recorded"}; !slices.Equal(n.all, want) {
				t.Errorf("what was done is %q, want %q", n.all, want)
			}
			v, err := b.Ends(t.Context())
			if r, ok := v.(acts.ShownRequest); err != nil || !ok || r.Answer != grants.Approved || r.By != "alice" || r.Grant == 0 {
				t.Errorf("bob hears %+v, %v", v, err)
			}
		})
	}
}

// hears is how a request has ended for its asker, who waits for that.
func hears(t *testing.T, b Begun) grants.Request {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), tmuxtest.Patience)
	defer cancel()
	r, err := b.ending(ctx)
	if err != nil {
		t.Fatalf("its asker hears nothing: %v", err)
	}
	return r
}

// Who has knocked hears at once that what becomes of it cannot be recorded, and is not let in. Who asks for something
// beside what they have waits on: their time may be a day.
func TestUnrecordedKnockEnds(t *testing.T) {
	denied := func(what string, r grants.Request) {
		t.Helper()
		if r.Answer != grants.Denied || r.By != "muxward" || !strings.Contains(r.Why, "cannot be recorded") || r.Grant != 0 {
			t.Errorf("%s: %+v", what, r)
		}
	}
	stays := func(q *Requests, b Begun) {
		t.Helper()
		if r, open := q.Waiting.Find(b.ID); !open || r.Answer != grants.Open {
			t.Errorf("a request does not wait on: %+v", r)
		}
	}
	full := fmt.Errorf("the disk is full: %w", grants.ErrUnwritten)
	n := &notes{fails: full}
	q, b := asked(t, n, 3)
	if err := approves(t, q, b.ID); !errors.Is(err, full) {
		t.Errorf("who answers hears %v", err)
	}
	denied("what was given could not be", hears(t, b))
	if slices.Contains(n.all, "in force") {
		t.Errorf("it was given: %q", n.all)
	}
	n = &notes{fails: full}
	q, b = asked(t, n, 0)
	if err := approves(t, q, b.ID); !errors.Is(err, full) {
		t.Errorf("who answers hears %v", err)
	}
	stays(q, b)
	for _, invite := range []int64{0, 3} {
		q, b := asked(t, &notes{}, invite)
		ctx, cancel := context.WithCancel(t.Context())
		asks := make(chan bool, 100)
		q.Ctx, q.Draining = ctx, func() bool { return false }
		q.Unrecorded = func() error { asks <- true; return full }
		minds := make(chan struct{})
		go func() { defer close(minds); q.Mind() }()
		if invite != 0 {
			denied("nobody can answer it", hears(t, b))
		} else {
			<-asks
			<-asks // it was looked at
			stays(q, b)
		}
		cancel()
		<-minds
	}
}
