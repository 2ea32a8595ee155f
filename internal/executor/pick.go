package executor

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/chooser"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
)

// picks: a command by which somebody chooses where to go, and says nothing of
// what is to be listed or done there.
func picks(inv *tmux.Invocation) bool {
	offered := ""
	switch inv.Row.Name {
	case "choose-tree":
		offered = "GNrswZ"
	case "switch-client":
		offered = "EZ"
	default:
		return false
	}
	return inv.HasOnly(offered) && len(inv.Args) == 0
}

// goal is what a line of the chooser stands for: a session, or a window in it.
type goal struct {
	session tmux.SessionID
	window  tmux.WindowID
	inside  bool // it is a window
}

// target is the goal by its ids.
func (g goal) target() string {
	if g.inside {
		return g.session.String() + ":" + g.window.String()
	}
	return g.session.String()
}

// pick has the person choose among what they may view of this server. To go there
// is a request of theirs like any other.
func (e *errand) pick(ctx context.Context, inv *tmux.Invocation) error {
	s := e.k.s
	if err := e.locate(ctx); err != nil {
		return err
	}
	if e.current == nil {
		return errNowhere
	}
	ctx, cancel := context.WithTimeout(ctx, keyTime)
	defer cancel()
	var needs []gateway.Need
	r, err := s.act(ctx, e.current, "choose", nil, access.View, func(ctx context.Context, on access.Object) (gateway.Result, error) {
		sight, err := s.e.Gateway().Sight(ctx, s.live.Who(), s.server.Owner())
		needs = append([]gateway.Need{{Verb: access.View, Object: on}}, sight.Needs...)
		for _, told := range sight.Told {
			needs = append(needs, told...)
		}
		return gateway.Result{Value: sight}, err
	})
	if err != nil {
		return err
	}
	sight, ok := r.Value.(gateway.Sight)
	if !ok {
		return errors.New("there is nothing to choose from; this is a fault of muxward")
	}
	windows := inv.Row.Name == "choose-tree" && !inv.Has('s')
	list, goals := e.goals(sight, windows)
	sh := &sheet{list: list, chosen: func(ctx context.Context, at int) error { return e.k.goTo(ctx, goals[at]) }}
	return e.k.open(ctx, sh, needs)
}

// goals lists where the person may choose to go. What they may do there is said of
// the session.
func (e *errand) goals(sight gateway.Sight, windows bool) (*chooser.List, []goal) {
	s := e.k.s
	l := &chooser.List{
		Title: " where to? what you may see of " + s.server.Owner() + "'s", Foot: "Enter goes there, / finds, q leaves",
		Choose: true,
	}
	var goals []goal
	add := func(g goal, text string) {
		l.Items, goals = append(l.Items, chooser.Item{Text: text}), append(goals, g)
	}
	here := 0
	for _, t := range sight.Visible.Sessions {
		if t.ID == e.current.Session.ID {
			here = len(goals)
		}
		held := s.e.Gateway().Holds(s.live.Who(), s.sessionObject(t))
		add(goal{session: t.ID}, fmt.Sprintf("%s: %s%s", t.Name, held.Brief(), attendance(sight.People[t.ID])))
		if !windows {
			continue
		}
		for _, link := range t.Links {
			w := sight.Visible.Window(link.Window)
			if w == nil {
				continue
			}
			current := ""
			if link.Index == t.Current {
				current = "*"
			}
			if t.ID == e.current.Session.ID && w.ID == e.current.Window.ID {
				here = len(goals)
			}
			add(goal{t.ID, w.ID, true}, fmt.Sprintf("  %s:%d %s%s", t.Name, link.Index, w.Name, current))
		}
	}
	if sight.More > 0 {
		l.Items = append(l.Items, chooser.Item{Text: fmt.Sprintf("and %d more windows", sight.More), Fixed: true})
	}
	l.Mark(here)
	return l, goals
}

// attendance says who is at a session.
func attendance(people []gateway.Present) string {
	if len(people) == 0 {
		return ""
	}
	var all []string
	for _, p := range people {
		all = append(all, p.Person+typist(p))
	}
	return "; here: " + strings.Join(all, ", ")
}

// goTo does what brings the person there, by what tmux has for it: as if they had
// pressed a key that is bound to it.
func (k *keyboard) goTo(ctx context.Context, g goal) error {
	e := &errand{k: k, key: "Enter", opts: k.s.reading(), author: person}
	err := k.s.typedFirst(ctx)
	if err == nil {
		err = e.locate(ctx)
	}
	if err == nil && e.current == nil {
		err = errNowhere
	}
	if err != nil {
		k.s.att.Notice(e.told("", err))
		return nil
	}
	name := "switch-client"
	if g.session == e.current.Session.ID {
		if !g.inside {
			return nil // they are there
		}
		name = "select-window"
	}
	inv := &tmux.Invocation{Row: tmux.FindCommand(name), Typed: name}
	inv.Set('t', g.target())
	return e.carryOut(ctx, []*tmux.Invocation{inv})
}
