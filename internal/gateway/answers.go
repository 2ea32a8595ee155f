package gateway

import (
	"context"
	"errors"

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

// Gate is to be made before a request is handled: it lets the answer through as long as
// nobody has had this person decided anew since. What others are given, or lose, keeps
// nothing back: there is always somebody for whom rights change.
func (a Answers) Gate() Gate {
	at := a.Mark()
	return func(deliver func() error) error {
		a.l.gate.RLock()
		defer a.l.gate.RUnlock()
		switch {
		case a.l.ended != nil:
			return a.l.ended
		case a.Mark() != at:
			return errKeptBack
		}
		return deliver()
	}
}

// Mark is another one whenever gates that were made before let nothing through any more.
func (a Answers) Mark() uint64 { return a.l.anew.Load() }

// errKeptBack is in the place of an answer to what may have been done.
var errKeptBack = errors.New("rights have changed meanwhile, and what was printed is kept back; it may have been done: look before you ask again")

// Telling is to be called before it is found out what somebody is told. Its gate is for that one answer,
// and a revocation waits while it is written. release ends it. An act that calls it was decided before, and
// whoever takes that right away may have looked who is there before this: nothing is told of an act that was stopped.
func (g *Gateway) Telling(ctx context.Context, who identity.Identity) (gate Gate, release func()) {
	a := g.Answers(ctx, who, func(context.Context) error { return nil })
	let := a.Gate()
	act, _ := ctx.Value(liveKey{}).(*Live)
	if act == nil {
		return let, a.Release
	}
	return func(deliver func() error) error {
		act.gate.RLock()
		defer act.gate.RUnlock()
		if act.ended != nil {
			return act.ended
		}
		return let(deliver)
	}, a.Release
}

// Release ends it: nothing is let through any more.
func (a Answers) Release() {
	a.l.End(ErrEnded)
	a.l.Release()
}
