package executor

import (
	"context"
	"fmt"
	"slices"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/gateway"
)

// record writes which panes a picture shows, before it is shown, unless the one
// before has shown the same. What is at a place of one's own no attachment says: it
// changes as the person goes about, and with what they may view.
func (o *own) record(ctx context.Context, seen []*gateway.Right) error {
	var panes, verbs []string
	class := access.BestEffortClass
	for _, r := range seen {
		panes = append(panes, r.Need().Object.String())
		verbs = append(verbs, access.View.String())
		if r.Decide().Obligations.Has(access.MustRecord) {
			class = access.MustRecordClass
		}
	}
	slices.Sort(panes) // that they change places is no news
	if slices.Equal(panes, o.recorded) {
		return nil
	}
	err := o.s.e.Gateway().Note(ctx, o.s.p, class, func(ev *access.Event) {
		ev.Kind, ev.Objects, ev.Verbs = access.EventShown, panes, verbs
	})
	if err != nil {
		return fmt.Errorf("not shown, because it cannot be recorded: %w", err)
	}
	o.recorded = panes
	return nil
}
