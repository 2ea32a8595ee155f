package gateway

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/tmux"
)

// offers is a host with one profile, prod.
type offers struct{}

func (offers) Names() []string { return []string{"prod"} }
func (offers) Session(profile, person string) (string, bool, bool) {
	return person, false, profile == "prod"
}
func (offers) Gone(string) bool                            { return false }
func (offers) Start(context.Context, string, string) error { return nil }

// hides is a policy by which mallory knows of nothing.
type hides struct{ rules }

func (*hides) Blind(who identity.Subject, _ access.Object, _ time.Time) bool {
	return who.Person == "mallory"
}

// What mallory does by the name of a profile that she may not know of comes to the same as by a
// name that means nothing: also what governs, and what holds for servers that are not there.
func TestProfilesHaveNoNameForOthers(t *testing.T) {
	g := newGateway(t, &hides{})
	g.Servers, g.Profiles = only{shared{}}, offers{}
	find := func(person, target string, act Act) (access.Object, string) {
		t.Helper()
		act.Target = target
		who := identity.Supposed(identity.Subject{Person: person, UID: -1})
		p, err := g.resolveAct(t.Context(), nil, Request{Identity: who, Act: &act})
		text := ""
		if err != nil {
			text = strings.ReplaceAll(err.Error(), target, "NAME")
		}
		return p.Object, text
	}
	for what, act := range map[string]Act{
		"lock": {Verb: access.Lock}, "unlock": {Verb: access.Lock, Lasting: true, Open: true},
		"revoke": {Verb: access.Kick, Lasting: true}, "kick": {Verb: access.Kick, Urgent: true},
	} {
		there, said := find("mallory", "prod", act)
		not, says := find("mallory", "none", act)
		if !reflect.DeepEqual(there, not) || said != says {
			t.Errorf("%s: mallory is told %q of a profile, and %q of nothing (%+v, %+v)", what, said, says, there, not)
		}
		if is, _ := find("alice", "prod", act); is.Owner != "prod" {
			t.Errorf("%s: alice finds %+v", what, is)
		}
	}
}

// starting is a host with one profile, prod, of which nothing runs, and notes what is started.
type starting struct {
	offers
	started []string
}

func (s *starting) Start(_ context.Context, profile, session string) error {
	s.started = append(s.started, tmux.JoinOwner(profile, session))
	return nil
}

// none is a host on which no server runs.
type none struct{ only }

func (none) Owners() []string     { return nil }
func (none) Server(string) Server { return nil }

// notStarted is a gateway to it, for all of whom the policy permits all but to mallory.
func notStarted(t *testing.T) (*Gateway, *starting) {
	p := new(hides)
	p.allow.Store(true)
	g, s := newGateway(t, p), new(starting)
	g.Servers, g.Profiles, g.Log, g.Executor = none{}, s, mute{}, acting{}
	return g, s
}

// acting carries out acts alone.
type acting struct{}

func (acting) Execute(ctx context.Context, p *Permit) (Result, error) {
	if act := p.Request().Act; act != nil {
		return act.Do(ctx, p.Plan().Object)
	}
	return Result{}, errors.New("there is no tmux")
}

func invoked(t *testing.T, argv ...string) *tmux.Invocation {
	t.Helper()
	all, perr := tmux.ParseArgv(argv, tmux.ParseOptions{})
	if perr != nil {
		t.Fatal(perr)
	}
	return all[0]
}

// Whoever hands a request to the line need not know of profiles: what attaches has the session
// start, and what does not is about one that runs or fails. A key is about the server it is
// pressed at.
func TestTheLineStartsProfiles(t *testing.T) {
	for _, c := range []struct {
		argv, started string
		here          string
		bound         bool
	}{
		{argv: "attach-session -t prod", started: "prod/bob"},
		{argv: "attach-session -t prod/bob", started: "prod/bob"},
		{argv: "attach-session -t prod:1.0", started: "prod/bob"},
		{argv: "new-session -t prod", started: "prod/bob"},
		{argv: "new-session -d -s prod", started: "prod/bob"},
		{argv: "switch-client -t prod", started: "prod/bob"},
		{argv: "attach-session -t prod", started: "prod/bob", here: "alice"},
		{argv: "attach-session -t prod", started: "prod/bob", here: "prod", bound: true},
		{argv: "attach-session -t prod", here: "alice", bound: true},
		{argv: "new-session -t prod", here: "alice", bound: true},
		{argv: "attach-session -t prod/alice"},
		{argv: "has-session -t prod"},
		{argv: "send-keys -t prod x"},
	} {
		g, s := notStarted(t)
		req := Request{Identity: bob(t), Here: c.here, Bound: c.bound, Invocation: invoked(t, strings.Fields(c.argv)...)}
		_, err := g.Handle(t.Context(), req)
		if err == nil || strings.Join(s.started, " ") != c.started {
			t.Errorf("%s at %q: starts %q, want %q; then %v", c.argv, c.here, s.started, c.started, err)
		}
	}
	g, s := notStarted(t)
	if err := g.Preview(t.Context(), Request{Identity: bob(t), Invocation: invoked(t, "attach-session", "-t", "prod")}); err != nil || s.started != nil {
		t.Errorf("a preview: %v, and starts %q", err, s.started)
	}
}

// As a command line is read it is about the session, and a second time comes to the same.
func TestProfilesAreReadOnce(t *testing.T) {
	g, s := notStarted(t)
	reqs, err := g.Parse(t.Context(), Request{Identity: bob(t)}, []string{"new-session", "-d", "-t", "prod"})
	if err != nil || len(reqs) != 1 || strings.Join(reqs[0].Invocation.Words(), " ") != "has-session -t prod/bob" || s.started != nil {
		t.Fatalf("%v, %v, starts %q", reqs, err, s.started)
	}
	if _, err = g.HandleAll(t.Context(), reqs); err == nil || !slices.Equal(s.started, []string{"prod/bob"}) {
		t.Errorf("starts %q; then %v", s.started, err)
	}
}

// What is explained is decided as it would be: to start it, and to look at it.
func TestExplainStartsProfiles(t *testing.T) {
	for _, argv := range [][]string{{"attach-session", "-t", "prod"}, {"new-session", "-d", "-s", "prod"}} {
		g, s := notStarted(t)
		e, err := g.Explain(t.Context(), Request{Identity: bob(t)}, argv)
		if err != nil || e.Verdict != WouldRun || len(e.Commands) != 1 || s.started != nil {
			t.Fatalf("%+v, %v, starts %q", e, err, s.started)
		}
		c := e.Commands[0]
		if c.Starts != "prod/bob" || len(c.Needs) != 2 || c.Needs[0].Verb != "spawn" || c.Needs[1].Verb != "view" || c.Needs[0].Object != "prod/bob" || c.Needs[0].ID != "" {
			t.Errorf("%+v", c)
		}
	}
	g, _ := notStarted(t)
	mallory := identity.Supposed(identity.Subject{Person: "mallory", UID: -1})
	known, err := g.Explain(t.Context(), Request{Identity: mallory}, []string{"attach-session", "-t", "prod"})
	other, err2 := g.Explain(t.Context(), Request{Identity: mallory}, []string{"attach-session", "-t", "none"})
	for i := range min(len(known.Commands), len(other.Commands)) {
		known.Commands[i].Words, other.Commands[i].Words = nil, nil
	}
	if err != nil || err2 != nil || !reflect.DeepEqual(known, other) {
		t.Errorf("mallory is told %+v, and of nothing %+v", known, other)
	}
}

// Whoever knows of a profile that they may not start has no session of their own by its name: it
// would be taken for the other. Mallory, who knows of none, has.
func TestNoOwnSessionByAProfilesName(t *testing.T) {
	g, s := notStarted(t)
	if err := g.Denials.Add(grants.Denial{Lock: true, Scope: access.Object{Kind: access.Server, Owner: "prod"}, Target: "prod", By: "root"}); err != nil {
		t.Fatal(err)
	}
	for _, argv := range [][]string{{"new-session", "-t", "prod"}, {"new-session", "-d", "-s", "prod", "cat"}} {
		var no *Refused
		if _, err := g.Parse(t.Context(), Request{Identity: bob(t)}, argv); !errors.As(err, &no) || no.Need.Verb != access.Spawn {
			t.Errorf("bob, %q: %v", argv, err)
		}
		mallory := identity.Supposed(identity.Subject{Person: "mallory", UID: -1})
		reqs, err := g.Parse(t.Context(), Request{Identity: mallory}, argv)
		if err != nil || !slices.Equal(reqs[0].Invocation.Words(), invoked(t, argv...).Words()) {
			t.Errorf("mallory, %q: %v, %v", argv, reqs, err)
		}
	}
	if s.started != nil {
		t.Errorf("it starts %q", s.started)
	}
}

// meeting is a host whose profiles' servers answer when all of them have been asked, and those
// that are stuck do not.
type meeting struct {
	all   *sync.WaitGroup
	stuck string
}

func (meeting) Owners() []string         { return []string{"a", "b", "c"} }
func (meeting) IsOwner(name string) bool { return slices.Contains(meeting{}.Owners(), name) }
func (m meeting) Server(name string) Server {
	return meets{shared{}, name, m}
}

type meets struct {
	shared
	owner string
	m     meeting
}

func (m meets) Snapshot(ctx context.Context, _ tmux.Detail) (*tmux.Snapshot, error) {
	m.m.all.Done()
	met := make(chan struct{})
	go func() { m.m.all.Wait(); close(met) }()
	select {
	case <-met:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if m.owner == m.m.stuck {
		return nil, errors.New("it does not answer")
	}
	return tmux.NewSnapshot(tmux.Snapshot{Sessions: []tmux.Session{{ID: 1, Name: "bob"}}}), nil
}

// many are the profiles there.
type many struct{ offers }

func (many) Names() []string { return meeting{}.Owners() }
func (many) Session(profile, person string) (string, bool, bool) {
	return person, false, meeting{}.IsOwner(profile)
}

// One server that stands still costs nobody more than its own time, and that it runs is not denied.
func TestOfferedAsksAllAtOnce(t *testing.T) {
	p := new(rules)
	p.allow.Store(true)
	g := newGateway(t, p)
	all := new(sync.WaitGroup)
	all.Add(3)
	g.Servers, g.Profiles = meeting{all, "b"}, many{}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // of waiting for the next one that is never asked
	defer cancel()
	got := g.Offered(ctx, bob(t))
	want := []Offered{{"a", "bob", IsRunning}, {"b", "bob", MayRun}, {"c", "bob", IsRunning}}
	if !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
}

// personal is a server of nobody's profile.
type personal struct{ Server }

func (personal) Incarnation() string { return "" }
func (personal) Owner() string       { return "prod" }
func (personal) Snapshot(context.Context, tmux.Detail) (*tmux.Snapshot, error) {
	return tmux.NewSnapshot(tmux.Snapshot{Sessions: []tmux.Session{{ID: 1, Name: "bob"}}}), nil
}

// A server that has had the name since before there was the profile is not the profile's: what is
// given by that is not had there.
func TestAnotherServerOfThatName(t *testing.T) {
	g, s := notStarted(t)
	g.Servers = only{personal{}}
	for _, argv := range [][]string{{"attach-session", "-t", "prod"}, {"has-session", "-t", "prod/bob"}, {"kill-session", "-t", "prod/bob"}} {
		var no *NotFound
		if _, err := g.Handle(t.Context(), Request{Identity: bob(t), Invocation: invoked(t, argv...)}); !errors.As(err, &no) && !strings.Contains(err.Error(), "no sessions") {
			t.Errorf("%q: %v", argv, err)
		}
	}
	if all := g.Offered(t.Context(), bob(t)); len(all) != 0 || s.started != nil {
		t.Errorf("offered %+v, starts %q", all, s.started)
	}
	if places, err := g.Visible(t.Context(), bob(t)); err != nil || len(places) != 0 {
		t.Errorf("bob sees %+v, %v", places, err)
	}
	if snap, err := g.Viewed(t.Context(), bob(t), "prod"); !errors.Is(err, ErrServerEnded) {
		t.Errorf("bob views %+v, %v", snap, err)
	}
	if o, err := g.Object(t.Context(), "bob", "prod/bob"); err == nil {
		t.Errorf("an act is about %v", o)
	}
}
