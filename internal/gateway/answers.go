package gateway

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/muxward/muxward/internal/identity"
)

// Answers is a permit for what a door still has to write of answers whose
// requests are over: a revocation waits for what of it is being written, and
// lets nothing through that was asked for before.
type Answers struct{ l *Live }

// Answers begins one for a person. Release ends it. settle waits until what was let
// through is the person's, or will never be.
func (g *Gateway) Answers(ctx context.Context, who identity.Identity, settle func(context.Context) error) Answers {
	l, _ := g.begin(ctx, who)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watch = func(ctx context.Context, _ string) error { return errors.Join(l.Pass(ctx), settle(ctx)) }
	return Answers{l}
}

// Gate is to be made before a request is handled: it lets the answer through as
// long as no right has changed since.
func (a Answers) Gate() Gate { return a.since(a.l.Generation()) }

func (a Answers) since(gen uint64) Gate {
	return a.l.unless(func() bool { return a.l.Generation() != gen })
}

// unless is the gate of what is told by a permit: it lets it through while that has not ended, nor what is told is old.
func (l *Live) unless(old func() bool) Gate {
	return func(deliver func() error) error {
		l.gate.RLock()
		defer l.gate.RUnlock()
		switch {
		case l.ended != nil:
			return l.ended
		case old():
			return errKeptBack
		}
		return deliver()
	}
}

// errKeptBack is in the place of an answer to what may have been done.
var errKeptBack = errors.New("rights have changed meanwhile, and what was printed is kept back; it may have been done: look before you ask again")

// Since is to be called before requests are handled. Its gate is for the one answer
// that is written when they are over: it lets that through as long as no right has
// changed since, and a revocation waits while it is written.
func (g *Gateway) Since(ctx context.Context, who identity.Identity) Gate {
	gen := g.generation()
	return func(deliver func() error) error {
		a := g.Answers(ctx, who, func(context.Context) error { return nil })
		defer a.Release()
		return a.since(gen)(deliver)
	}
}

// Telling is to be called before it is found out what somebody is told. Its gate is for that one answer: it lets
// it through as long as nobody had this person decided anew since, and a revocation waits while it is
// written. What others are given, or lose, keeps nothing back: there is always somebody for whom rights change.
// release ends it.
func (g *Gateway) Telling(ctx context.Context, who identity.Identity) (gate Gate, release func()) {
	l, _ := g.begin(ctx, who)
	var old atomic.Bool
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watch = func(ctx context.Context, _ string) error {
		old.Store(true)
		return l.Pass(ctx)
	}
	return l.unless(old.Load), Answers{l}.Release
}

// Release ends it: nothing is let through any more.
func (a Answers) Release() {
	a.l.End(ErrEnded)
	a.l.Release()
}
