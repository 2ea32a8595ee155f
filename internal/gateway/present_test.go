package gateway

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
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

// TestSightIsWhatIsSeen: bob, who may see one pane, is told of its window and its
// session, of who is there, and of nothing and nobody else; all that rests on the
// right to that pane.
func TestSightIsWhatIsSeen(t *testing.T) {
	g, _, _, _, _ := guestGateway(t, &asks{verb: access.View, pane: 3})
	g.Servers = still{halves()}
	for _, at := range []string{"$1", "$6"} {
		l, _ := g.begin(t.Context(), bob(t))
		if err := l.Keep(func(context.Context, string) error { return nil }, Attached{Person: "at" + at, Owner: "alice", Session: at}); err != nil {
			t.Fatal(err)
		}
		defer l.Release()
	}
	s, err := g.Sight(t.Context(), bob(t), "alice")
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Visible.Sessions) != 1 || s.Visible.Sessions[0].Name != "open" || len(s.Visible.Windows) != 1 || s.Visible.Windows[0].ID != 2 {
		t.Errorf("he sees %+v, %+v", s.Visible.Sessions, s.Visible.Windows)
	}
	if len(s.People) != 1 || len(s.People[1]) != 1 || s.People[1][0].Person != "at$1" {
		t.Errorf("he is told of %+v", s.People)
	}
	if len(s.Needs) != 1 || s.Needs[0].Verb != access.View || s.Needs[0].Object.Pane.ID != 3 {
		t.Errorf("it rests on %+v", s.Needs)
	}
}

// TestPresentOnce: who is attached twice is told of once, with what they may by
// the pane that is active, and that they type until they have not for a while.
func TestPresentOnce(t *testing.T) {
	g, _, _, _, _ := guestGateway(t, &asks{verb: access.Type, pane: 7})
	keep := func(person, owner, session string) *Live {
		l, _ := g.begin(t.Context(), bob(t))
		if err := l.Keep(func(context.Context, string) error { return nil }, Attached{Person: person, Owner: owner, Session: session}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(l.Release)
		return l
	}
	keep("carol", "alice", "$1")
	second := keep("bob", "alice", "$1")
	keep("bob", "alice", "$1")
	keep("bob", "dave", "$1")
	keep("gone", "alice", "$44")
	keep("strange", "alice", "%x")
	second.Typed()
	want := []Present{{Person: "bob", MayType: true, Typing: true}, {Person: "carol", MayType: true}}
	if all := g.Present("alice", "", halves()); len(all) != 1 || !slices.Equal(all[1], want) {
		t.Errorf("%+v, want %+v", all, want)
	}
	for _, a := range g.Who() {
		if a.Typing != (a.Typed != nil) {
			t.Errorf("%+v", a)
		}
	}
	second.typed.Store(time.Now().Add(-2 * TypingFor).UnixNano())
	want[0].Typing = false
	if all := g.Present("alice", "", halves()); !slices.Equal(all[1], want) {
		t.Errorf("later it is %+v, want %+v", all, want)
	}
}

// TestPermittedOnlyTells: of each request it is told what would be decided, with
// what that rests on; nothing is carried out, and nothing written.
func TestPermittedOnlyTells(t *testing.T) {
	g, _, exe, log, _ := guestGateway(t, &asks{verb: access.Type, pane: 3})
	g.Servers = still{halves()}
	var reqs []Request
	for _, argv := range [][]string{{"send-keys", "-t", "%3", "x"}, {"kill-pane", "-t", "%3"}, {"send-keys", "-t", "%8", "x"}, {"run-shell", "id"}} {
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
		if p.Allowed != (i == 0) {
			t.Errorf("%q: %+v", reqs[i].Invocation.Words(), p)
		}
	}
	if n := all[0].Needs; len(n) != 1 || n[0].Verb != access.Type || n[0].Object.Pane.ID != 3 {
		t.Errorf("it rests on %+v", n)
	}
	if len(exe.begun) != 0 || len(log.events) != 0 || len(g.lives) != 0 {
		t.Errorf("%d carried out, %d written, %d permits", len(exe.begun), len(log.events), len(g.lives))
	}
}
