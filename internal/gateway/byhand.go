package gateway

import (
	"context"
	"errors"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
)

// errHand is what is said of an answer that may be somebody else's.
var errHand = errors.New("whoever may type into a pane, or use your key there, could have asked this: " +
	"answer in a terminal of your own that is no pane, or by the key in your own display if it is configured")

// errDetached is what is said of an answer that comes from no terminal.
var errDetached = errors.New("this comes from no terminal, or from one that its program has left, so nobody can tell whose hand it was: " +
	"answer in a terminal of your own (by ssh: ssh -t), or by the key in your own display if it is configured")

// errKeyed is what is said of what takes a key in a person's own display.
var errKeyed = errors.New("this is done by a key in your own display, in a terminal that is no pane, and by no command")

// byHand refuses what a person has to do with their own hand where it cannot be told
// whose hand it was. It is asked before anything is looked up.
func (g *Gateway) byHand(ctx context.Context, req Request) error {
	switch {
	case req.Act == nil:
		return nil
	case req.Act.Keyed && (req.Display == "" || !keyHand(req.Identity)):
		return g.writeRefusal(ctx, req, nil, access.Decision{Rule: "own hand"}, errKeyed)
	case !req.Act.Hand || ownHand(req.Identity):
		return nil
	}
	why := errHand
	if _, local := req.Identity.UID(); local && req.Identity.Inside() == "" {
		why = errDetached
	}
	return g.writeRefusal(ctx, req, nil, access.Decision{Rule: "own hand"}, why)
}

// OwnHand reports whether somebody may do from here what takes their own hand.
func OwnHand(who identity.Identity) bool { return ownHand(who) }

// KeyHand reports whether what somebody presses in a display of theirs is their own, as far
// as what they type there is: in a display inside a pane it may be that of whoever types
// into the pane. Who comes by ssh has no other hand.
func KeyHand(who identity.Identity) bool { return keyHand(who) }

func pressing(who identity.Identity) bool {
	_, local := who.UID()
	return holderHand(who) && (!local || !who.Detached())
}

// handed reports whether an identity comes from where its person types, as far as can be
// told: from a terminal of this host that is no pane, and by a door that could tell.
// Whoever may type where somebody's key lies comes in at the others. A program that makes
// itself a terminal is not found out. A forced command has none of muxward's commands.
func handed(who identity.Identity) bool {
	_, local := who.UID()
	return local && who.Inside() == "" && !who.Detached() && !who.OnlyStreams()
}
