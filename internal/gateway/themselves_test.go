package gateway

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/tmux"
)

// shared is an isolated server: %1 is a shared account's, %2 carol's own, %3 has not begun, and
// of %4 it cannot be told.
type shared struct {
	Server
	same bool
}

func (s shared) Isolated() bool    { return true }
func (s shared) Differ() bool      { return !s.same }
func (shared) Incarnation() string { return "" }
func (s shared) RunsAs(context.Context, identity.Identity, string) (identity.Account, error) {
	return identity.Account{Name: "svc", UID: 1}, nil
}

func (s shared) PaneAccount(pane tmux.PaneID) (PaneAccount, error) {
	switch pane {
	case 1:
		return PaneAccount{Name: "svc", UID: 1}, nil
	case 2:
		return PaneAccount{Name: "carol", UID: 2, Person: "carol"}, nil
	case 3:
		return PaneAccount{}, ErrNoSession
	}
	return PaneAccount{}, errors.New("nobody knows")
}

// only is the one server of a host.
type only struct{ s Server }

func (o only) Owners() []string         { return []string{"prod"} }
func (o only) IsOwner(name string) bool { return name == "prod" }
func (o only) Server(name string) Server {
	if name == "prod" {
		return o.s
	}
	return nil
}

// givers is a policy that permits all, by which carol may have given her pane.
type givers struct {
	rules
	given bool
	until time.Time
}

func (g *givers) GivenBy(_ identity.Subject, giver string, v access.Verb, _ access.Object, _ time.Time) (bool, time.Time) {
	return g.given && giver == "carol" && v == access.Type, g.until
}

// A person's own pane is typed into by them alone, and by whom they have given it to; all
// else there is as anywhere.
func TestTheirs(t *testing.T) {
	pane := func(id uint32) access.Object {
		return access.Object{Kind: access.Pane, Owner: "prod", Pane: access.PaneRef{ID: id}}
	}
	session := access.Object{Kind: access.Session, Owner: "prod"}
	elsewhere := access.Object{Kind: access.Pane, Owner: "alice", Pane: access.PaneRef{ID: 2}}
	limit := time.Now().Add(time.Hour)
	for what, c := range map[string]struct {
		who   string
		need  Need
		given bool
		same  bool
		want  bool
	}{
		"a shared one":                {"alice", Need{Verb: access.Type, Object: pane(1)}, false, false, true},
		"another's":                   {"alice", Need{Verb: access.Type, Object: pane(2)}, false, false, false},
		"another's, given":            {"alice", Need{Verb: access.Type, Object: pane(2)}, true, false, true},
		"one's own":                   {"carol", Need{Verb: access.Type, Object: pane(2)}, false, false, true},
		"not begun":                   {"carol", Need{Verb: access.Type, Object: pane(3)}, true, false, false},
		"nobody knows whose":          {"carol", Need{Verb: access.Type, Object: pane(4)}, true, false, false},
		"another's, to be given":      {"alice", Need{Whole: true, Verbs: access.SetOf(access.View, access.Type), Object: pane(2), Apart: true}, false, false, false},
		"another's, every verb":       {"alice", Everything(pane(2)), false, false, false},
		"another's, to look":          {"alice", Need{Verb: access.View, Object: pane(2)}, false, false, true},
		"another's, to close":         {"alice", Need{Verb: access.ClosePane, Object: pane(2)}, false, false, true},
		"the session":                 {"alice", Need{Verb: access.Type, Object: session}, false, false, true},
		"another server's":            {"alice", Need{Verb: access.Type, Object: elsewhere}, false, false, true},
		"left of when they differed":  {"alice", Need{Verb: access.Type, Object: pane(2)}, false, true, false},
		"left, nobody knows whose":    {"alice", Need{Verb: access.Type, Object: pane(4)}, false, true, false},
		"where all are one account's": {"alice", Need{Verb: access.Type, Object: pane(3)}, false, true, true},
	} {
		p := &givers{given: c.given, until: limit}
		p.allow.Store(true)
		g := newGateway(t, p)
		g.Servers = only{shared{same: c.same}}
		who := identity.Supposed(identity.Subject{Person: c.who, UID: -1})
		d := g.ask(nil, who, c.need, 1, time.Now())
		if d.Allow != c.want || !d.Allow && (d.Rule != RuleTheirs || d.Reason == "") {
			t.Errorf("%s: %+v", what, d)
		}
		if c.given && d.Allow && !d.Expires.Equal(limit) {
			t.Errorf("%s: it expires at %v", what, d.Expires)
		}
		if c.need.Verb == access.Type && !c.need.Whole && g.Holds(who, c.need.Object).Has(access.Type) != c.want {
			t.Errorf("%s: what is held is another thing", what)
		}
	}
}

// inMain is a policy that gives `type` in the session main alone, and all else everywhere.
type inMain struct{ rules }

func (*inMain) Holds(_ identity.Subject, o access.Object, _ time.Time) access.VerbSet {
	if o.Session.Name != "main" {
		return access.AllVerbs &^ access.SetOf(access.Type)
	}
	return access.AllVerbs
}

// Who may type in one session takes no pane there from another one where they may not, whose ever
// it is, and also while that is not known: it may be found out to be a shared one there.
func TestNobodyGainsPanes(t *testing.T) {
	g := newGateway(t, &inMain{})
	g.Servers = only{shared{}}
	for _, id := range []tmux.PaneID{1, 2, 3, 4} {
		snap := &tmux.Snapshot{
			Sessions: []tmux.Session{
				{ID: 1, Name: "main", Links: []tmux.Winlink{{Window: 1}}},
				{ID: 2, Name: "db", Links: []tmux.Winlink{{Window: 2}}},
			},
			Windows: []tmux.Window{{ID: 1, Panes: []tmux.PaneID{9}}, {ID: 2, Panes: []tmux.PaneID{id}}},
			Panes:   []tmux.Pane{{ID: 9, Window: 1}, {ID: id, Window: 2}},
		}
		r := &resolver{g: g, scene: scene{owner: "prod", snap: snap}, req: Request{
			Identity: identity.Supposed(identity.Subject{Person: "bob", UID: -1})}}
		if !r.gains(tmux.Move{Pane: &snap.Panes[1], To: &snap.Windows[0], Index: 1}) {
			t.Errorf("bob comes to type into %v by moving it", id)
		}
	}
}

// What runs, or ran, as another account is not started anew as this one, also where it is left of
// when people's panes ran as themselves: it would be taken for that account's.
func TestNobodyRespawnsAnothers(t *testing.T) {
	for what, c := range map[string]struct {
		command string
		panes   []tmux.PaneID
		differ  bool
		want    bool
	}{
		"shared":                {"respawn-pane", []tmux.PaneID{1}, true, true},
		"carol's":               {"respawn-pane", []tmux.PaneID{2}, true, false},
		"not begun":             {"respawn-pane", []tmux.PaneID{3}, true, false},
		"left, carol's":         {"respawn-pane", []tmux.PaneID{2}, false, false},
		"left, nobody knows":    {"respawn-pane", []tmux.PaneID{4}, false, false},
		"one account's, ended":  {"respawn-pane", []tmux.PaneID{3}, false, true},
		"window":                {"respawn-window", []tmux.PaneID{1}, true, false},
		"left, one is carol's":  {"respawn-window", []tmux.PaneID{1, 2}, false, false},
		"window of one account": {"respawn-window", []tmux.PaneID{1, 3}, false, true},
	} {
		inv := &tmux.Invocation{Row: &tmux.Command{Name: c.command}}
		r := &resolver{plan: &Plan{Server: shared{same: !c.differ}, Invocation: inv, Found: tmux.Found{
			Session: &tmux.Session{Name: "main"}, Window: &tmux.Window{Panes: c.panes}, Pane: &tmux.Pane{ID: c.panes[0]}}}}
		if err := r.runsAs(t.Context()); (err == nil) != c.want {
			t.Errorf("%s: %v", what, err)
		}
	}
}
