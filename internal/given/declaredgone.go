package given

import (
	"context"
	"slices"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/tmux"
)

// KeepDeclared ends what was declared on what has gone, until the end. It waits for tmux
// servers, which their owners may have stopped, and so nothing else waits for it.
func (b *Book) KeepDeclared() {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	silent := silences{}
	for {
		select {
		case <-b.Ctx.Done():
			return
		case <-tick.C:
			b.endDeclared(silent)
		}
	}
}

// endDeclared ends what was declared on sessions, and panes, that are not there any more:
// their numbers come again in no life of their server, and people may make many.
func (b *Book) endDeclared(silent silences) {
	gone := map[string][]grants.Grant{}
	for _, g := range b.all() {
		if g.Source != grants.Declaration {
			continue
		}
		if s := b.Servers.Server(g.On.Owner); s != nil && !isThere(*g, s.Incarnation(), s.Known()) {
			gone[g.On.Owner] = append(gone[g.On.Owner], *g)
		}
	}
	silent.round(gone)
	// What is known may be from before something was declared.
	var ended []grants.Grant
	for owner, now := range b.askEach(gone) {
		if now.snap == nil {
			silent.note(owner)
			continue
		}
		silent.forget(owner)
		ended = append(ended, slices.DeleteFunc(gone[owner], func(g grants.Grant) bool { return isThere(g, now.life, now.snap) })...)
	}
	if len(ended) == 0 {
		return
	}
	if err := (declarations{b}).end(b.Ctx, ended, "muxward", "what it was on has ended"); err != nil {
		b.Complain("end what was declared: " + err.Error())
	}
}

// isThere reports whether something that was declared is on what is there, by the state of
// a life of its server, or that cannot be told: the store ends what was on a server that
// has ended.
func isThere(g grants.Grant, life string, snap *tmux.Snapshot) bool {
	if life != g.On.Incarnation || snap == nil {
		return true
	}
	return snap.Session(tmux.SessionID(g.On.Session.ID)) != nil &&
		(g.On.Kind < access.Pane || snap.Pane(tmux.PaneID(g.On.Pane.ID)) != nil)
}

// answer is the state of a server in a life of it, nil if it did not say so soon.
type answer struct {
	life string
	snap *tmux.Snapshot
}

// askEach asks each server for its state, all at the same time: one that does not answer
// costs no more than one look.
func (b *Book) askEach(owners map[string][]grants.Grant) map[string]answer {
	ctx, cancel := context.WithTimeout(b.Ctx, lookTime)
	defer cancel()
	type reply struct {
		owner string
		answer
	}
	replies := make(chan reply, len(owners))
	for owner := range owners {
		b.Go(func() {
			r := reply{owner: owner}
			if s := b.Servers.Server(owner); s != nil {
				r.life = s.Incarnation()
				if snap, err := s.Snapshot(ctx, tmux.Core); err == nil {
					r.snap = snap
				}
			}
			replies <- r
		})
	}
	all := map[string]answer{}
	for range owners {
		r := <-replies // each has the deadline of ctx
		all[r.owner] = r.answer
	}
	return all
}

// silences are the servers that have not answered, and for how many rounds each is not
// asked again.
type silences map[string]*silence

type silence struct{ last, left int }

// longestSilence is for how many rounds, at most, a server is not asked that does not answer.
const longestSilence = 64

// round takes those out who are not asked in this round, and forgets those of whom nothing
// is to be asked any more.
func (all silences) round(ask map[string][]grants.Grant) {
	for owner, s := range all {
		switch {
		case ask[owner] == nil:
			delete(all, owner)
		case s.left > 0:
			s.left--
			delete(ask, owner)
		}
	}
}

// note has a server that did not answer be asked half as often as before.
func (all silences) note(owner string) {
	s := all[owner]
	if s == nil {
		s = &silence{}
		all[owner] = s
	}
	s.last = min(max(1, 2*s.last), longestSilence)
	s.left = s.last
}

func (all silences) forget(owner string) { delete(all, owner) }
