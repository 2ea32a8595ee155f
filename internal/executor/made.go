package executor

import (
	"context"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
)

// madeBy names the panes that are new where a command makes one. Somebody else may
// have made one there meanwhile, or it has gone again: the log says what there was.
func (e *Executor) madeBy(ctx context.Context, p *gateway.Permit) []string {
	plan := p.Plan()
	if !tellsMade || plan.Invocation == nil || plan.Server == nil || plan.Snapshot == nil || !makes(plan.Invocation.Row.Name) {
		return nil
	}
	after, err := plan.Server.Snapshot(ctx, tmux.Core)
	if err != nil {
		return nil // nothing is claimed then
	}
	var names []string
	for _, pane := range made(plan, plan.Snapshot, after) {
		o := access.Object{
			Kind: access.Pane, Owner: plan.Server.Owner(), Incarnation: plan.Server.Incarnation(),
			Window: access.WindowRef{ID: uint32(pane.Window)}, Pane: access.PaneRef{ID: uint32(pane.ID), Index: pane.Index},
		}
		for _, s := range after.SessionsOf(pane.Window) {
			o.Session = access.SessionRef{ID: uint32(s.ID), Name: s.Name}
		}
		names = append(names, o.String())
	}
	return names
}
