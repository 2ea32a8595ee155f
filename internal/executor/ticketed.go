package executor

import (
	"context"
	"fmt"
	"strings"

	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/pane"
	"github.com/muxward/muxward/internal/tmux"
)

// ticketer is a server whose panes run as the account that a ticket is for.
type ticketer interface {
	gateway.Accounted
	Ticket(ctx context.Context, a identity.Account, pane, person string) (string, error)
	Back(ctx context.Context, ticket string) error
	AwaitPane(ctx context.Context, pane tmux.PaneID) error
}

// tickets gives the server of a plan that makes a pane as an account that tmux would not
// have it run as by itself; nil if there is none. A plan that has an account is not carried out
// where nothing can be asked for its ticket: the pane would be another account's.
func tickets(plan *gateway.Plan, server Server) (ticketer, error) {
	if plan.RunAs == nil {
		return nil, nil
	}
	t, ok := server.(ticketer)
	if !ok {
		return nil, fmt.Errorf("%s's server gives no pane to %s; nothing was done", server.Owner(), plan.RunAs.Name)
	}
	if !t.Differ() {
		return nil, nil
	}
	return t, nil
}

// ticketed gives the command with a ticket for the account that was decided. It is made
// for this one command, in the name of this one person, and tmux hands it to nothing but
// the pane.
func ticketed(ctx context.Context, t ticketer, p *gateway.Permit, inv *tmux.Invocation) (*tmux.Invocation, error) {
	plan := p.Plan()
	ticket, err := t.Ticket(ctx, *plan.RunAs, plan.Respawns, p.Request().Identity.Person())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", inv.Row.Name, err)
	}
	inv = inv.Clone()
	inv.Flags = append(inv.Flags, tmux.FlagValue{Letter: 'e', HasValue: true, Value: pane.TicketVariable + "=" + ticket})
	return inv, nil
}

// refused gives the ticket back of a command that tmux has refused: else it would take up the
// room of others' until its time is over, which it does where this fails.
func refused(ctx context.Context, t ticketer, inv *tmux.Invocation) {
	for _, f := range inv.Flags {
		if ticket, ok := strings.CutPrefix(f.Value, pane.TicketVariable+"="); ok && f.Letter == 'e' {
			_ = t.Back(ctx, ticket)
		}
	}
}

// begun waits until a pane that was made has its session.
func begun(ctx context.Context, t ticketer, plan *gateway.Plan, m *gateway.Made) error {
	if m == nil || plan.Respawns != "" {
		return nil // tmux has not said which one it is, or it was its account's before
	}
	return t.AwaitPane(ctx, tmux.PaneID(m.Pane.Pane.ID))
}
