package gateway

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/tmux"
)

// alices is a host with one server, alice's, whose state is given when a test
// lets it.
type alices struct {
	asked chan struct{} // one for each time that the state was asked for
	give  chan struct{} // one lets one answer go

	aliases []tmux.CommandAlias
	known   *tmux.Snapshot
}

func (a *alices) Owners() []string         { return []string{"alice"} }
func (a *alices) IsOwner(name string) bool { return name == "alice" || name == "bob" }
func (a *alices) Owner() string            { return "alice" }
func (a *alices) Known() *tmux.Snapshot    { return a.known }
func (a *alices) Incarnation() string      { return tmux.Incarnation{}.String() }

func (a *alices) Server(owner string) Server {
	if owner == "alice" {
		return a
	}
	return nil
}

func (a *alices) Snapshot(ctx context.Context, detail tmux.Detail) (*tmux.Snapshot, error) {
	a.asked <- struct{}{}
	select {
	case <-a.give:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return tmux.NewSnapshot(tmux.Snapshot{
		Detail:   detail,
		Options:  tmux.Options{Aliases: a.aliases},
		Sessions: []tmux.Session{{ID: 1, Name: "work", Links: []tmux.Winlink{{Index: 0, Window: 2}}}},
		Windows:  []tmux.Window{{ID: 2, Panes: []tmux.PaneID{3}, Active: 3, HasActive: true}},
		Panes:    []tmux.Pane{{ID: 3, Window: 2}},
	}), nil
}

// slow is an executor that is as slow as the server of a test.
type slow struct {
	begun chan struct{}
	done  atomic.Int64 // what was carried out to its end
	took  atomic.Pointer[Plan]
}

func (s *slow) Execute(ctx context.Context, p *Permit) (Result, error) {
	s.took.Store(p.Plan())
	s.begun <- struct{}{}
	<-ctx.Done()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return Result{}, cause
	}
	s.done.Add(1)
	return Result{}, nil
}

// paper is a log that keeps what is written.
type paper struct{ events chan access.Event }

func (p paper) Append(_ context.Context, _ access.Class, ev access.Event) (uint64, error) {
	p.events <- ev
	return 1, nil
}

// guestGateway is a gateway of which bob, who holds every verb as r says, asks
// for a listing of alice's server by a format of his own.
func guestGateway(t *testing.T, r Policy) (*Gateway, *alices, *slow, paper, func(context.Context) error) {
	t.Helper()
	d, err := grants.OpenDenials(filepath.Join(t.TempDir(), "revocations.json"))
	if err != nil {
		t.Fatal(err)
	}
	servers := &alices{asked: make(chan struct{}, 8), give: make(chan struct{}, 8)}
	exe, log := &slow{begun: make(chan struct{}, 8)}, paper{make(chan access.Event, 64)}
	g := New(Parts{Policy: r, Denials: d, Servers: servers, Executor: exe, Log: log})
	who := bob(t)
	inv, perr := tmux.ParseArgv([]string{"list-windows", "-t", "alice/work", "-F", "#{pid}"}, tmux.ParseOptions{})
	if perr != nil {
		t.Fatal(perr)
	}
	return g, servers, exe, log, func(ctx context.Context) error {
		_, err := g.Handle(ctx, Request{Identity: who, Invocation: inv[0]})
		return err
	}
}

// TestEveryVerbIsDecidedAgain: a command that may go to tmux only because bob
// holds every verb does not go there once that was taken from him, though it
// needs nothing else: neither if he loses it while the server is looked at,
// nor while the command runs.
func TestEveryVerbIsDecidedAgain(t *testing.T) {
	take := func(g *Gateway) Report {
		if err := g.Denials.Add(grants.Denial{Person: "bob", By: "root"}); err != nil {
			t.Error(err)
		}
		return g.Reconsider(context.Background(), "bob", "")
	}
	handled := func(handle func(context.Context) error) (chan error, context.CancelFunc) {
		ctx, leave := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- handle(ctx) }()
		return done, leave
	}
	check := func(when string, exe *slow, err error) {
		t.Helper()
		var refused *Refused
		if !errors.As(err, &refused) || exe.done.Load() != 0 {
			t.Errorf("%s: %v; %d carried out", when, err, exe.done.Load())
		}
	}
	t.Run("looking", func(t *testing.T) {
		r := &rules{}
		r.allow.Store(true)
		g, servers, exe, _, handle := guestGateway(t, r)
		done, leave := handled(handle)
		defer leave()
		<-servers.asked
		if rep := take(g); len(rep.Unconfirmed) > 0 {
			t.Error(rep)
		}
		servers.give <- struct{}{}
		select {
		case err := <-done:
			check("while the server was looked at", exe, err)
		case <-exe.begun:
			t.Error("it went to tmux")
		}
	})
	t.Run("running", func(t *testing.T) {
		r := &rules{}
		r.allow.Store(true)
		g, servers, exe, log, handle := guestGateway(t, r)
		servers.give <- struct{}{}
		done, leave := handled(handle)
		<-exe.begun
		if ev := <-log.events; len(ev.Verbs) != 1 || ev.Verbs[0] != "every verb" || ev.Rule != "test" {
			t.Errorf("the log says %v by %q", ev.Verbs, ev.Rule)
		}
		if rep := take(g); len(rep.Unconfirmed) > 0 || rep.Touched != 1 {
			t.Error(rep)
		}
		leave() // which it has done already
		check("while it ran", exe, <-done)
		if ev := <-log.events; ev.Exit == nil || *ev.Exit != 1 || ev.Reason == "" {
			t.Errorf("the log says that it ended with %+v", ev)
		}
	})
}

// TestListingOfOthersIsDecidedAgain: what a listing shows beside what its needs
// are about is as old as those who asked may see it.
func TestListingOfOthersIsDecidedAgain(t *testing.T) {
	r := &rules{}
	r.allow.Store(true)
	g := newGateway(t, r)
	l, _ := g.begin(context.Background(), bob(t))
	defer l.Release()
	l.look()
	g.Reconsider(context.Background(), "bob", "")
	own := Everything(access.Object{Kind: access.Server, Owner: "bob"})
	if d := l.decide(&Plan{Needs: []Need{own}, Elsewhere: []Place{{Owner: "alice"}}}); d.Allow {
		t.Error("an old sight of others was shown")
	}
	if d := l.decide(&Plan{Needs: []Need{own}}); !d.Allow {
		t.Errorf("what rests on its needs alone: %+v", d)
	}
}

// timed is a policy that permits all for a second from when it is first asked.
type timed struct {
	rules
	first sync.Once
	until time.Time
}

func (p *timed) answer(at time.Time) access.Decision {
	p.first.Do(func() { p.until = at.Add(time.Second) })
	if !at.Before(p.until) {
		return access.Decision{Rule: "default", Reason: "nothing permits it"}
	}
	return access.Decision{Allow: true, Rule: "test", Expires: p.until}
}

func (p *timed) Decide(q access.Question) access.Decision { return p.answer(q.At) }

func (p *timed) Covers(_ identity.Subject, _ access.VerbSet, _ access.Object, at time.Time) access.Decision {
	return p.answer(at)
}

// TestATimeLimitEndsWhatRuns: a command that waits, such as for more of its
// input, does not outlast the grant that it began under.
func TestATimeLimitEndsWhatRuns(t *testing.T) {
	begun := func() bool {
		g, servers, exe, _, handle := guestGateway(t, &timed{})
		servers.give <- struct{}{}
		done := make(chan error, 1)
		ctx, leave := context.WithTimeout(t.Context(), 30*time.Second)
		defer leave()
		go func() { done <- handle(ctx) }()
		var refused *Refused
		if err := <-done; !errors.As(err, &refused) {
			t.Errorf("it ended with %v", err)
		}
		if rep := g.Reconsider(context.Background(), "", ""); rep.Touched != 0 {
			t.Errorf("%d permits are left", rep.Touched)
		}
		return len(exe.begun) > 0
	}
	for tries := 1; !begun(); tries++ { // its time was over before it began
		if tries == 5 {
			t.Fatal("it never began")
		}
	}
}
