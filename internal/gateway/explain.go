package gateway

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/tmux"
)

// Verdict says what would become of a command line, or of a command of it.
type Verdict string

// The verdicts.
const (
	// WouldRun is permitted.
	WouldRun Verdict = "allowed"
	// WouldNotRun is refused.
	WouldNotRun Verdict = "refused"
	// DecidedLater is about something that is not there yet: a command before
	// it may make that, and it is decided when its turn comes.
	DecidedLater Verdict = "later"
)

// Explanation says what would be decided for a whole command line.
type Explanation struct {
	// Person is for whom it is explained.
	Person   string      `json:"person"`
	Commands []Explained `json:"commands"`
	Verdict  Verdict     `json:"verdict"`
	// Why is what the person would be told, unless it is all allowed.
	Why string `json:"why,omitempty"`
}

// Explained is one command of the line.
type Explained struct {
	// Words is the command with its full name.
	Words   []string    `json:"words"`
	Needs   []NeedShown `json:"needs"`
	Verdict Verdict     `json:"verdict"`
	Why     string      `json:"why,omitempty"`
	// RunAs is the account of the pane that it would make on an isolated server.
	RunAs string `json:"run_as,omitempty"`
	// Starts is the session of a profile that is started for it.
	Starts string `json:"starts,omitempty"`
}

// NeedShown is one need of a command with its answer. Of an object that the
// person may not know of nothing is said but its kind.
type NeedShown struct {
	// Verb is "" for what needs no right in particular.
	Verb string `json:"verb,omitempty"`
	// Object names it as people do, ID by ids.
	Object  string     `json:"object"`
	ID      string     `json:"id,omitempty"`
	Allowed bool       `json:"allowed"`
	Rule    string     `json:"rule,omitempty"`
	Reason  string     `json:"reason,omitempty"`
	Expires *time.Time `json:"expires,omitempty"`
	// Requires is what there has to be for it: a watcher. Watchers are those who watch
	// it now.
	Requires string   `json:"requires,omitempty"`
	Watchers []string `json:"watchers,omitempty"`
}

// Explain says what would be decided, now, for the argument vector of a tmux
// client, and does nothing. It tells no more than the person of base would hear
// if they ran it; base's identity may be a supposed one.
func (g *Gateway) Explain(ctx context.Context, base Request, argv []string) (Explanation, error) {
	e := Explanation{Person: base.Identity.Person(), Commands: []Explained{}, Verdict: WouldRun}
	reqs, refused, err := g.read(ctx, base, argv)
	if err != nil {
		return Explanation{}, err
	}
	if refused != nil {
		e.Verdict, e.Why = WouldNotRun, refused.Error()
		return e, nil
	}
	for i, req := range reqs {
		c := g.explain(ctx, req, i > 0)
		if err := context.Cause(ctx); err != nil {
			return Explanation{}, err
		}
		if e.Verdict == WouldRun || e.Verdict == DecidedLater && c.Verdict == WouldNotRun {
			e.Verdict, e.Why = c.Verdict, c.Why
		}
		e.Commands = append(e.Commands, c)
	}
	return e, nil
}

// ExplainActs is Explain for acts: one after the other, each decided by itself.
func (g *Gateway) ExplainActs(ctx context.Context, base Request, acts []*Act) (Explanation, error) {
	e := Explanation{Person: base.Identity.Person(), Commands: []Explained{}, Verdict: WouldRun}
	for _, a := range acts {
		req := base
		req.Act = a
		c := g.explain(ctx, req, false)
		if err := context.Cause(ctx); err != nil {
			return Explanation{}, err
		}
		if e.Verdict == WouldRun {
			e.Verdict, e.Why = c.Verdict, c.Why
		}
		e.Commands = append(e.Commands, c)
	}
	return e, nil
}

// words is what a request asks for, with the full name of a command.
func (r *Request) words() []string {
	if r.Act != nil {
		return append([]string{r.Act.Name}, r.Act.Args...)
	}
	return r.Invocation.Words()
}

// explain takes the steps of Handle up to the decision. follows is set for a
// command that others come before.
func (g *Gateway) explain(ctx context.Context, req Request, follows bool) Explained {
	live, ctx := g.begin(ctx, req.Identity)
	defer live.end()
	c := Explained{Words: req.words(), Needs: []NeedShown{}, Verdict: WouldNotRun}
	req, begins, err := g.byProfile(ctx, live, req)
	if err != nil {
		c.Why = err.Error()
		return c
	}
	if begins != nil {
		return g.explainBeginning(live, c, begins.Act)
	}
	plan, err := g.resolve(ctx, req)
	if err != nil {
		c.Why = err.Error()
		var nf *NotFound
		if follows && errors.As(err, &nf) && nf.MayAppear {
			c.Verdict = DecidedLater
		}
		return c
	}
	d := live.decide(plan)
	if d.Allow {
		c.Verdict, c.RunAs = WouldRun, plan.runsAs()
	} else {
		c.Why = g.refused(req, plan, d).Error()
	}
	for _, n := range plan.Needs {
		s := plan.show(n, live.Decide(n))
		if s.Requires != "" {
			s.Watchers = live.WatchedBy(n).People
		}
		if !slices.ContainsFunc(c.Needs, func(t NeedShown) bool { return reflect.DeepEqual(s, t) }) {
			c.Needs = append(c.Needs, s)
		}
		if !s.Allowed {
			// A refusal names one need. What else there would be, such as what
			// closes along, can depend on what this person may not see.
			break
		}
	}
	if len(plan.Needs) == 0 {
		c.Needs = append(c.Needs, NeedShown{Object: plan.where(), Allowed: d.Allow, Rule: d.Rule, Reason: d.Reason})
	}
	return c
}

// explainBeginning explains what a profile's session is started for: whether that may be, and
// whether they may look at it then. What else there is to it is decided when it runs.
func (g *Gateway) explainBeginning(live *Live, c Explained, act *Act) Explained {
	o := act.On[0]
	c.Starts = objectName(o)
	for _, verb := range []access.Verb{act.Verb, access.View} {
		n := Need{Verb: verb, Object: o}
		d := live.Decide(n)
		c.Needs = append(c.Needs, NeedShown{Verb: n.word(), Object: c.Starts, Allowed: d.Allow, Rule: d.Rule, Reason: d.Reason})
		if !d.Expires.IsZero() {
			c.Needs[len(c.Needs)-1].Expires = &d.Expires
		}
		if !d.Allow {
			c.Why = g.Refused(live.who, n, d).Error()
			return c
		}
	}
	c.Verdict = WouldRun
	return c
}

// where names the server that a plan is about, "" if it is about several.
func (p *Plan) where() string {
	if p.Server == nil || len(p.Elsewhere) > 0 {
		return ""
	}
	return p.Server.Owner()
}

// show puts a need and its answer into words for the person it is about. What
// they may not know of has no name, no rule and no reason: two of the kind look
// the same.
func (p *Plan) show(n Need, d access.Decision) NeedShown {
	s := NeedShown{Verb: n.word(), Allowed: d.Allow}
	if n.Command {
		s.Verb += " with a command"
	}
	if !p.knows(n.Object) {
		s.Object = fmt.Sprintf("(a %s you may not see)", n.Object.Kind)
		return s
	}
	s.Object, s.ID, s.Rule, s.Reason = objectName(n.Object), n.Object.String(), d.Rule, d.Reason
	if !d.Expires.IsZero() {
		s.Expires = &d.Expires
	}
	if d.Obligations.Has(access.Watched) {
		s.Requires = "watcher"
	}
	return s
}

// knows reports whether an object is among what the person may know of. Who has
// come so far as to be told of needs knows of the server.
func (p *Plan) knows(o access.Object) bool {
	if o.Kind <= access.Server {
		return true
	}
	if p.Visible == nil {
		return false
	}
	t := p.Visible.Session(tmux.SessionID(o.Session.ID))
	if t == nil || o.Kind == access.Session {
		return t != nil
	}
	w, l := p.Visible.Window(tmux.WindowID(o.Window.ID)), t.Link(o.Session.Index)
	if w == nil || l == nil || l.Window != w.ID {
		return false
	}
	return o.Kind == access.Window || slices.Contains(w.Panes, tmux.PaneID(o.Pane.ID))
}

// objectName names an object as people do, such as alice/work:1.2 .
func objectName(o access.Object) string {
	if o.Kind <= access.Server {
		return o.String()
	}
	name := tmux.JoinOwner(o.Owner, o.Session.Name)
	if o.Kind >= access.Window {
		name += fmt.Sprintf(":%d", o.Session.Index)
	}
	if o.Kind == access.Pane {
		name += fmt.Sprintf(".%d", o.Pane.Index)
	}
	return name
}
