package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/guard"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/server/ctld"
	"github.com/muxward/muxward/internal/tmux"
)

// Bounds of clearing: muxward looks before it and after it. The door waits longer than that, and
// the client longer still (risksWait).
const (
	risksTime = 16 * time.Second
	mostIDs   = 2000
)

// risksAct lists what of a tmux server weakens what muxward promises, or clears some of that.
func (d *daemon) risksAct(who identity.Identity, c ctld.Call) (*gateway.Act, error) {
	owner := c.Target
	if owner == "" {
		owner = who.Person()
	}
	if len(c.IDs) > mostIDs || slices.Contains(c.IDs, "") {
		return nil, errors.New("name what is to be cleared by its ids")
	}
	on := access.Object{Kind: access.Server, Owner: owner}
	s, ok := d.guard.Lookup(owner)
	if ok && s != nil {
		on.Incarnation = s.Incarnation()
	}
	a := &gateway.Act{Name: "risks", Args: []string{"-t", owner}, All: &on}
	if len(c.IDs) > 0 {
		a.Args = append(append(a.Args, "--clear"), c.IDs...)
	}
	a.Do = func(ctx context.Context, _ access.Object) (gateway.Result, error) {
		if !ok || s == nil {
			return gateway.Result{}, fmt.Errorf("no tmux server of %s runs", tmux.Clean(owner))
		}
		ctx, cancel := context.WithTimeout(ctx, risksTime)
		defer cancel()
		r, err := d.told(ctx, who, func(ctx context.Context) (any, error) { return risksOf(ctx, s, c.IDs) })
		r.Done = len(c.IDs) > 0
		return r, err
	}
	return a, nil
}

func risksOf(ctx context.Context, s *guard.Server, ids []string) (acts.RiskList, error) {
	l := acts.RiskList{Owner: s.Owner(), Risks: []*acts.RiskLine{}}
	add := func(all []guard.Risk, cleared string) {
		for _, r := range all {
			l.Risks = append(l.Risks, &acts.RiskLine{ID: r.ID, Text: tmux.OneLine(r.Text), Undo: r.Undo, Cleared: cleared})
		}
	}
	if len(ids) > 0 {
		done, left, err := s.Clear(ctx, ids)
		add(done, "yes")
		add(left, "no")
		for _, id := range ids {
			if err == nil && !slices.ContainsFunc(l.Risks, func(r *acts.RiskLine) bool { return r.ID == id }) {
				l.Risks = append(l.Risks, &acts.RiskLine{ID: tmux.OneLine(id), Text: guard.ErrChanged.Error() + ", or it is another one by now", Cleared: "gone"})
			}
		}
		return l, err
	}
	all, more, err := s.Look(ctx)
	add(all, "")
	l.More = more
	if err != nil && len(all) > 0 {
		l.Note, err = tmux.OneLine(err.Error()), nil
	}
	return l, err
}
