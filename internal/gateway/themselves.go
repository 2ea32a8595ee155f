package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/teeth"
	"github.com/muxward/muxward/internal/tmux"
)

// This file is about servers on which not every pane runs as the same account. A new one
// runs as the account that is found here for who asks, and by nobody's word but that. It
// is that account's for as long as it is there; where that is a person's own, nobody else
// types there.

// Accounted is a [Server] whose panes run as other accounts than its tmux.
type Accounted interface {
	// RunsAs gives the account that a pane runs as which somebody makes in a session; none
	// where root's configuration alone has it, one for all. The error says why they make none.
	RunsAs(ctx context.Context, who identity.Identity, session string) (identity.Account, error)
	// Differ reports whether panes may be of more than one account.
	Differ() bool
	// PaneAccount gives the account of a pane. It has none yet by [ErrNoSession], and by any
	// other error it cannot be told. Nobody is asked.
	PaneAccount(pane tmux.PaneID) (PaneAccount, error)
}

// ErrNoSession is the error of a pane in which nobody's session runs.
var ErrNoSession = errors.New("the pane has no session yet")

// PaneAccount is the account that a pane runs as, which has no name where root's
// configuration alone has it, one for all.
type PaneAccount struct {
	Name string
	UID  uint32
	// Person is whose own account it is, "" for one that is shared.
	Person string
}

// RuleTheirs is the rule of decisions that keep a person's own pane theirs.
const RuleTheirs = "a person's own pane"

// unknownFor is how long it is not asked again whose a pane is: its session is just beginning.
const unknownFor = 20 * time.Millisecond

// accounted gives a server whose panes run as other accounts than its tmux, nil if it is none.
func accounted(s Server) Accounted {
	a, ok := s.(Accounted)
	if !ok || !isolated(s) || teeth.Out(teeth.Theirs) {
		return nil
	}
	return a
}

// theirs refuses, of what is permitted, to type into another person's own pane, unless they
// gave it themselves, on that very pane. Whoever types there does so as that person.
func (g *Gateway) theirs(who identity.Identity, n Need, d access.Decision, now time.Time) access.Decision {
	if n.Object.Kind != access.Pane || !n.verbs().Has(access.Type) || g.Servers == nil {
		return d
	}
	server := accounted(g.Servers.Server(n.Object.Owner))
	if server == nil {
		return d
	}
	no := access.Decision{Rule: RuleTheirs}
	account, err := server.PaneAccount(tmux.PaneID(n.Object.Pane.ID))
	switch {
	case errors.Is(err, ErrNoSession) && !server.Differ(): // what begins there can be but one account's
		if soon := now.Add(unknownFor); d.Expires.IsZero() || soon.Before(d.Expires) {
			d.Expires = soon
		}
		return d
	case err != nil: // it may be a person's that is left of when they did differ
		no.Reason, no.Expires = "it is not known which account this pane runs as", now.Add(unknownFor)
		return no
	case account.Person == "", account.Person == who.Person():
		return d
	}
	given, limit := g.Policy.GivenBy(who.Subject(), account.Person, access.Type, n.Object, now)
	if !limit.IsZero() && (d.Expires.IsZero() || limit.Before(d.Expires)) {
		d.Expires = limit
	}
	if given {
		return d
	}
	no.Reason = fmt.Sprintf("this pane runs as %s: only %s types there, and who was given it on this very pane by %s, who alone can approve that",
		tmux.Clean(account.Name), account.Person, account.Person)
	no.Expires = d.Expires
	return no
}

// runsAs finds out which account a pane is to run as, and keeps a pane from becoming
// another account's.
func (r *resolver) runsAs(ctx context.Context) error {
	server, ok := r.plan.Server.(Accounted)
	name := r.plan.Invocation.Row.Name
	if !ok || r.plan.Found.Session == nil {
		return nil
	}
	account, err := server.RunsAs(ctx, r.req.Identity, r.plan.Found.Session.Name)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if account.Name == "" {
		return nil
	}
	r.plan.RunAs = &account
	switch {
	case name == "respawn-window" && server.Differ():
		return errors.New("respawn-window: the panes here may be of several accounts; name one, with respawn-pane")
	case name == "respawn-window":
		return r.respawnsAll(server, account)
	case name == "respawn-pane":
		return r.respawns(server, account)
	}
	return nil
}

// respawns lets a program be started anew only in a pane of that account: what ran there
// before is run again if nothing else is named, and was chosen by who had that account.
func (r *resolver) respawns(server Accounted, account identity.Account) error {
	p := r.plan.Found.Pane
	if p == nil {
		return errors.New("respawn-pane: name the pane with -t")
	}
	if err := again(server, p.ID, account); err != nil {
		return fmt.Errorf("respawn-pane: %w", err)
	}
	r.plan.Respawns = p.ID.String()
	return nil
}

// respawnsAll is respawns for the panes of a window, on a server whose panes are one account's
// but for those that are left of when they were not.
func (r *resolver) respawnsAll(server Accounted, account identity.Account) error {
	w := r.plan.Found.Window
	if w == nil {
		return errors.New("respawn-window: name the window with -t")
	}
	for _, id := range w.Panes {
		if err := again(server, id, account); err != nil {
			return fmt.Errorf("respawn-window: %w", err)
		}
	}
	return nil
}

// again refuses to start anew what runs, or has run, as another account than this one.
func again(server Accounted, pane tmux.PaneID, account identity.Account) error {
	is, err := server.PaneAccount(pane)
	switch {
	case errors.Is(err, ErrNoSession) && !server.Differ(), teeth.Out(teeth.Theirs):
		return nil
	case err != nil:
		return errors.New("it is not known which account this pane ran as; close it, and make a new one")
	case is.UID != account.UID:
		return fmt.Errorf("this pane runs as %s, and what you start as %s; make a pane of your own", tmux.Clean(is.Name), account.Name)
	}
	return nil
}

// runsAs names the account of a pane that the plan makes, "" if it makes none, or as
// whatever tmux runs as.
func (p *Plan) runsAs() string {
	if p == nil || p.RunAs == nil {
		return ""
	}
	return p.RunAs.Name
}

// accountsIn gives the accounts of the panes in a session, as far as somebody may view them.
func (g *Gateway) accountsIn(who identity.Identity, owner string, session tmux.SessionID) (names []string) {
	s := g.Servers.Server(owner)
	server, ok := s.(Accounted)
	if !ok || !isolated(s) {
		return nil
	}
	snap := s.Known()
	if snap == nil || snap.Session(session) == nil {
		return nil
	}
	for _, l := range snap.Session(session).Links {
		w := snap.Window(l.Window)
		if w == nil {
			continue
		}
		for _, id := range w.Panes {
			account, err := server.PaneAccount(id)
			if err != nil || account.Name == "" || slices.Contains(names, account.Name) {
				continue
			}
			if o, ok := PaneObject(owner, s.Incarnation(), snap, session, id); ok && g.viewedAt(who, o, g.Time()) {
				names = append(names, account.Name)
			}
		}
	}
	slices.Sort(names)
	return names
}
