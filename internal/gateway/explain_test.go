package gateway

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/tmux"
)

// asks is a policy that permits one verb, and knows bob on one pane only.
type asks struct {
	rules
	verb access.Verb
	pane uint32
}

func (a *asks) Decide(q access.Question) access.Decision {
	return access.Decision{Allow: q.Verb == a.verb && q.Object.Kind == access.Pane, Rule: "test", Reason: "because"}
}

func (a *asks) Holds(_ identity.Subject, o access.Object, _ time.Time) access.VerbSet {
	if o.Kind == access.Pane && o.Pane.ID == a.pane {
		return access.SetOf(a.verb)
	}
	return 0
}

func (a *asks) Covers(identity.Subject, access.VerbSet, access.Object, time.Time) access.Decision {
	return access.Decision{Rule: "test"}
}

// TestExplainOnlyTells: what is explained, for bob himself or somebody supposed,
// is decided need by need; nothing is carried out, nothing is written.
func TestExplainOnlyTells(t *testing.T) {
	g, servers, exe, log, _ := guestGateway(t, &asks{verb: access.Type, pane: 3})
	for _, who := range []identity.Identity{bob(t), identity.Supposed(identity.Subject{Person: "carol", UID: -1})} {
		for range 3 {
			servers.give <- struct{}{}
		}
		e, err := g.Explain(t.Context(), Request{Identity: who}, []string{"send", "-t", "alice/work:0.0", "x", ";", "kill-pane", "-t", "alice/%3", ";", "send", "-t", "alice/%4", "x"})
		if err != nil || len(e.Commands) != 3 || e.Person != who.Person() {
			t.Fatalf("%+v, %v", e, err)
		}
		typed, kill, lost := e.Commands[0], e.Commands[1], e.Commands[2]
		if typed.Verdict != WouldRun || len(typed.Needs) != 1 || typed.Words[0] != "send-keys" {
			t.Errorf("to type: %+v", typed)
		}
		if n := typed.Needs[0]; n.Object != "alice/work:0.0" || n.ID != "alice/$1:@2.%3" || n.Verb != "type" || !n.Allowed || n.Rule != "test" {
			t.Errorf("to type needs %+v", n)
		}
		if kill.Verdict != WouldNotRun || !slices.ContainsFunc(kill.Needs, func(n NeedShown) bool { return n.Verb == "close-pane" && !n.Allowed && n.Reason == "because" }) {
			t.Errorf("to kill: %+v", kill)
		}
		if lost.Verdict != WouldNotRun || lost.Why != "can't find pane: %4" || len(lost.Needs) != 0 {
			t.Errorf("what is not there: %+v", lost)
		}
		if e.Verdict != WouldNotRun || e.Why != kill.Why {
			t.Errorf("all of it: %s, %s", e.Verdict, e.Why)
		}
	}
	if len(exe.begun) != 0 || len(log.events) != 0 || len(g.lives) != 0 {
		t.Errorf("%d carried out, %d written, %d permits", len(exe.begun), len(log.events), len(g.lives))
	}
}

// TestNothingForTheSupposed: whoever was only supposed to be here gets nothing
// done, whatever they may.
func TestNothingForTheSupposed(t *testing.T) {
	r := &rules{}
	r.allow.Store(true)
	g, servers, exe, _, _ := guestGateway(t, r)
	inv, perr := tmux.ParseArgv([]string{"kill-pane", "-t", "alice/work"}, tmux.ParseOptions{})
	if perr != nil {
		t.Fatal(perr)
	}
	servers.give <- struct{}{}
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	done := make(chan error, 1)
	go func() {
		_, err := g.Handle(ctx, Request{Identity: identity.Supposed(bob(t).Subject()), Invocation: inv[0]})
		done <- err
	}()
	select {
	case err := <-done:
		if !errors.Is(err, errSupposed) {
			t.Error(err)
		}
	case <-exe.begun:
		t.Error("it went to tmux")
		leave()
		<-done
	}
}

// TestNothingOfTheUnseen: of what bob may not know of he is told that it is
// there, as by a refusal, and nothing else, however much there is of it.
func TestNothingOfTheUnseen(t *testing.T) {
	whole := tmux.NewSnapshot(tmux.Snapshot{
		Sessions: []tmux.Session{{ID: 1, Name: "work", Links: []tmux.Winlink{{Index: 0, Window: 2}, {Index: 4, Window: 5}}}, {ID: 6, Name: "secret"}},
		Windows:  []tmux.Window{{ID: 2, Panes: []tmux.PaneID{3, 7}}, {ID: 5, Panes: []tmux.PaneID{8}}},
		Panes:    []tmux.Pane{{ID: 3, Window: 2}, {ID: 7, Window: 2, Index: 1}, {ID: 8, Window: 5}},
	})
	at := func(kind access.Kind, session uint32, index int, window, pane uint32) Need {
		return Need{Verb: access.View, Object: access.Object{
			Kind: kind, Owner: "alice", Session: access.SessionRef{ID: session, Name: "secret", Index: index},
			Window: access.WindowRef{ID: window}, Pane: access.PaneRef{ID: pane},
		}}
	}
	p := &Plan{Visible: whole.Visible(func(_ *tmux.Session, _ *tmux.Winlink, p *tmux.Pane) bool { return p.ID == 3 })}
	for _, n := range []Need{
		at(access.Session, 6, 0, 0, 0), at(access.Window, 1, 4, 5, 0), at(access.Window, 6, 0, 2, 0), at(access.Window, 1, 4, 2, 0),
		at(access.Pane, 1, 0, 2, 7), at(access.Pane, 1, 4, 5, 8), at(access.Pane, 1, 0, 5, 3),
	} {
		want := NeedShown{Verb: "view", Object: "(a " + n.Object.Kind.String() + " you may not see)"}
		if s := p.show(n, access.Decision{Rule: "secret.cedar:1", Reason: "through secret"}); !reflect.DeepEqual(s, want) {
			t.Errorf("%s is told as %+v", n.Object, s)
		}
	}
	for _, n := range []Need{at(access.Server, 0, 0, 0, 0), at(access.Session, 1, 0, 0, 0), at(access.Window, 1, 0, 2, 0), at(access.Pane, 1, 0, 2, 3)} {
		if s := p.show(n, access.Decision{}); s.ID != n.Object.String() {
			t.Errorf("%s is told as %+v", n.Object, s)
		}
	}
}

// TestOneRefusalIsTold: bob, who sees one pane and may close none, is told the
// same whether others are in its window or not: he is not told what would close
// along.
func TestOneRefusalIsTold(t *testing.T) {
	var told []Explained
	for _, others := range [][]tmux.PaneID{nil, {4}} {
		g, _, _, _, _ := guestGateway(t, &asks{verb: access.Type, pane: 3})
		panes := []tmux.Pane{{ID: 3, Window: 2}}
		for _, id := range others {
			panes = append(panes, tmux.Pane{ID: id, Window: 2, Index: 1})
		}
		g.Servers = still{tmux.NewSnapshot(tmux.Snapshot{
			Sessions: []tmux.Session{{ID: 1, Name: "work", Links: []tmux.Winlink{{Window: 2}}}},
			Windows:  []tmux.Window{{ID: 2, Panes: append([]tmux.PaneID{3}, others...), Active: 3, HasActive: true}}, Panes: panes,
		})}
		e, err := g.Explain(t.Context(), Request{Identity: bob(t)}, []string{"kill-pane", "-t", "alice/%3"})
		if err != nil || len(e.Commands) != 1 || e.Verdict != WouldNotRun {
			t.Fatalf("%+v, %v", e, err)
		}
		told = append(told, e.Commands[0])
	}
	if !reflect.DeepEqual(told[0], told[1]) {
		t.Errorf("alone in its window: %+v; with others: %+v", told[0], told[1])
	}
}
