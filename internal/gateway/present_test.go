package gateway

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/tmux"
)

// halves is alice's server with two sessions, of which bob may see one, and one
// window of the other's two.
func halves() *tmux.Snapshot {
	return tmux.NewSnapshot(tmux.Snapshot{
		Sessions: []tmux.Session{
			{ID: 1, Name: "open", Links: []tmux.Winlink{{Index: 0, Window: 2}, {Index: 1, Window: 9}}, Current: 0},
			{ID: 6, Name: "shut", Links: []tmux.Winlink{{Index: 0, Window: 5}}},
		},
		Windows: []tmux.Window{
			{ID: 2, Panes: []tmux.PaneID{3, 7}, Active: 7, HasActive: true}, {ID: 5, Panes: []tmux.PaneID{8}, Active: 8, HasActive: true},
			{ID: 9, Panes: []tmux.PaneID{4}, Active: 4, HasActive: true},
		},
		Panes: []tmux.Pane{{ID: 3, Window: 2}, {ID: 4, Window: 9}, {ID: 7, Window: 2, Index: 1}, {ID: 8, Window: 5}},
	})
}

// parts is a policy by which somebody may view one pane, or all that are not in
// session 6, and holds a verb on some sessions. Everybody may type.
type parts struct {
	asks
	all bool
	on  map[uint32]access.Verb
}

func (p *parts) Holds(who identity.Subject, o access.Object, at time.Time) access.VerbSet {
	if verb, ok := p.on[o.Session.ID]; ok && o.Kind == access.Session {
		return access.SetOf(verb)
	}
	if p.all && o.Kind == access.Pane && o.Session.ID != 6 {
		return access.SetOf(access.View)
	}
	return p.asks.Holds(who, o, at)
}

func (p *parts) Decide(q access.Question) access.Decision {
	return access.Decision{Allow: q.Verb == access.Type, Rule: "test"}
}

// kept has somebody attached to a session.
func kept(t *testing.T, g *Gateway, person, owner, session string) *Live {
	t.Helper()
	l, _ := g.begin(t.Context(), bob(t))
	if err := l.Keep(func(context.Context, string) error { return nil }, Attached{Person: person, Owner: owner, Session: session}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Release)
	return l
}

// TestSightIsWhatIsSeen: bob, who may see one pane, is told of its window and its
// session and of nothing else, and there of himself only. Who else is there he is
// told once he holds a verb on the session, as `muxward who` does; and that they may
// type, or do, only of what he may view.
func TestSightIsWhatIsSeen(t *testing.T) {
	for what, c := range map[string]struct {
		pane uint32
		on   map[uint32]access.Verb
		want []Present
		rest []access.Kind
	}{
		"a pane":              {3, nil, []Present{{Person: "bob"}}, []access.Kind{access.Pane}},
		"the pane in use":     {7, nil, []Present{{Person: "bob", MayType: true}}, []access.Kind{access.Pane, access.Pane}},
		"another session":     {3, map[uint32]access.Verb{6: access.View}, []Present{{Person: "bob"}}, []access.Kind{access.Pane}},
		"the session, a part": {3, map[uint32]access.Verb{1: access.Type}, []Present{{Person: "at$1"}, {Person: "bob"}}, []access.Kind{access.Pane, access.Session}},
		"the session": {
			7, map[uint32]access.Verb{1: access.View}, []Present{{Person: "at$1", MayType: true}, {Person: "bob", MayType: true}},
			[]access.Kind{access.Pane, access.Session, access.Pane},
		},
		"all of it": {
			0, map[uint32]access.Verb{1: access.View}, []Present{{Person: "at$1", MayType: true, Typing: true}, {Person: "bob", MayType: true}},
			[]access.Kind{access.Pane, access.Pane, access.Session, access.Pane},
		},
	} {
		g, _, _, _, _ := guestGateway(t, &parts{asks{verb: access.View, pane: c.pane}, c.pane == 0, c.on})
		g.Servers = still{halves()}
		kept(t, g, "at$1", "alice", "$1").typedLately()
		kept(t, g, "at$6", "alice", "$6").typedLately()
		kept(t, g, "bob", "alice", "$1")
		s, err := g.Sight(t.Context(), bob(t), "alice")
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Visible.Sessions) != 1 || s.Visible.Sessions[0].Name != "open" || c.pane != 0 && len(s.Visible.Windows) != 1 || s.Visible.Windows[0].ID != 2 {
			t.Errorf("%s: he sees %+v, %+v", what, s.Visible.Sessions, s.Visible.Windows)
		}
		if len(s.People) != 1 || !slices.Equal(s.People[1], c.want) {
			t.Errorf("%s: he is told of %+v, want %+v", what, s.People, c.want)
		}
		var rest []access.Kind
		for _, n := range append(s.Needs, s.Told[1]...) {
			rest = append(rest, n.Object.Kind)
		}
		if !slices.Equal(rest, c.rest) {
			t.Errorf("%s: it rests on %+v", what, s.Needs)
		}
		var who []string
		for _, a := range g.WhoFor(bob(t)) {
			who = append(who, a.Person)
		}
		for _, p := range s.People[1] {
			if !slices.Contains(who, p.Person) {
				t.Errorf("%s: he is told of %s here, and otherwise of %v", what, p.Person, who)
			}
		}
	}
}

// TestSightIsBounded: of very many windows the first are told of, and how many others
// there are; that rests on as many rights.
func TestSightIsBounded(t *testing.T) {
	var snap tmux.Snapshot
	for id := range tmux.SessionID(5) {
		session := tmux.Session{ID: id}
		for n := range 300 {
			w := tmux.WindowID(300*int(id) + n)
			session.Links = append(session.Links, tmux.Winlink{Index: n, Window: w})
			snap.Windows = append(snap.Windows, tmux.Window{ID: w, Panes: []tmux.PaneID{tmux.PaneID(w)}})
			snap.Panes = append(snap.Panes, tmux.Pane{ID: tmux.PaneID(w), Window: w})
		}
		snap.Sessions = append(snap.Sessions, session)
	}
	g, _, _, _, _ := guestGateway(t, &parts{all: true})
	g.Servers = still{tmux.NewSnapshot(snap)}
	s, err := g.Sight(t.Context(), bob(t), "alice")
	if err != nil || len(s.Visible.Sessions) != 4 || len(s.Visible.Sessions[3].Links) != 100 || len(s.Needs) != maxSight || s.More != 500 {
		t.Errorf("%d sessions by %d rights, %d more, %v", len(s.Visible.Sessions), len(s.Needs), s.More, err)
	}
}

// typedLately has them have typed in the step that is over.
func (l *Live) typedLately() { l.typed.Store(uint64(l.g.typingStep() - 1)) }

// TestPresentOnce: who is attached twice is told of once, with what they may by
// the pane that is active, and that they type: not when,
// but in which steps.
func TestPresentOnce(t *testing.T) {
	g, _, _, _, _ := guestGateway(t, &asks{verb: access.Type, pane: 7})
	keep := func(person, owner, session string) *Live { t.Helper(); return kept(t, g, person, owner, session) }
	keep("carol", "alice", "$1")
	second := keep("bob", "alice", "$1")
	keep("bob", "alice", "$1")
	keep("bob", "dave", "$1")
	keep("gone", "alice", "$44")
	keep("strange", "alice", "%x")
	now := g.Time().Truncate(TypingStep)
	g.clock = newClock(func() time.Time { return now })
	g.clock.passed = func() time.Duration { return 0 }
	second.Typed()
	if all := g.Present("alice", "", halves()); all[1][0].Typing {
		t.Error("it is told when he types")
	}
	now = now.Add(TypingStep)
	second.Typed() // the one before is told all the same
	want := []Present{{Person: "bob", MayType: true, Typing: true}, {Person: "carol", MayType: true}}
	if all := g.Present("alice", "", halves()); len(all) != 1 || !slices.Equal(all[1], want) {
		t.Errorf("%+v, want %+v", all, want)
	}
	now = now.Add(2*TypingStep - time.Nanosecond)
	if all := g.Present("alice", "", halves()); !slices.Equal(all[1], want) {
		t.Errorf("in the next step it is %+v, want %+v", all, want)
	}
	now = now.Add(time.Nanosecond)
	want[0].Typing = false
	if all := g.Present("alice", "", halves()); !slices.Equal(all[1], want) {
		t.Errorf("later it is %+v, want %+v", all, want)
	}
}

// counting is a server that counts how often it is asked for its state, and by what.
type counting struct {
	still
	asked *[]string
}

func (c counting) Owners() []string { return []string{"alice", "bob"} }

func (c counting) Server(owner string) Server {
	return asking{c.still, owner, c.asked}
}

type asking struct {
	still
	owner string
	asked *[]string
}

func (a asking) Owner() string { return a.owner }

func (a asking) Snapshot(ctx context.Context, d tmux.Detail) (*tmux.Snapshot, error) {
	*a.asked = append(*a.asked, fmt.Sprint(a.owner, d))
	return a.still.Snapshot(ctx, d)
}

// TestPermittedOnlyTells: of each request it is told what would be decided, with
// what that rests on; nothing is carried out, and nothing written.
func TestPermittedOnlyTells(t *testing.T) {
	g, _, exe, log, _ := guestGateway(t, &asks{verb: access.Type, pane: 3})
	var asked []string
	g.Servers = counting{still{halves()}, &asked}
	var reqs []Request
	for _, argv := range [][]string{{"send-keys", "-t", "%3", "x"}, {"kill-pane", "-t", "%3"}, {"send-keys", "-t", "%8", "x"}, {"run-shell", "id"}, {"list-sessions"}, {"list-panes", "-a"}, {"display-message", "-p", "-t", "%3", "x"}} {
		invs, perr := tmux.ParseArgv(argv, tmux.ParseOptions{})
		if perr != nil {
			t.Fatal(perr)
		}
		reqs = append(reqs, Request{Identity: bob(t), Invocation: invs[0], Here: "alice", Bound: true})
	}
	all, err := g.Permitted(t.Context(), reqs)
	if err != nil || len(all) != len(reqs) {
		t.Fatalf("%+v, %v", all, err)
	}
	for i, p := range all {
		if p.Allowed != (i == 0 || reqs[i].Invocation.Row.Name == "list-sessions") && i < 5 {
			t.Errorf("%q: %+v", reqs[i].Invocation.Words(), p)
		}
	}
	if n := all[0].Needs; len(n) != 1 || n[0].Verb != access.Type || n[0].Object.Pane.ID != 3 {
		t.Errorf("it rests on %+v", n)
	}
	if !slices.Equal(asked, []string{fmt.Sprint("alice", tmux.Core)}) {
		t.Errorf("for it these were asked: %v", asked)
	}
	if len(exe.begun) != 0 || len(log.events) != 0 || len(g.lives) != 0 {
		t.Errorf("%d carried out, %d written, %d permits", len(exe.begun), len(log.events), len(g.lives))
	}
}
