//go:build !teeth_watcher

package gateway

import "github.com/muxward/muxward/internal/identity"

// The build tag teeth_watcher takes these checks out, for the control runs of
// test/attack: of whoever is attached, each watches everything for everybody.

// somebodyElse reports whether a watcher is another person than who is watched.
func somebodyElse(watcher, watched identity.Identity) bool {
	return watcher.Person() != watched.Person()
}

// onScreen reports whether a watcher is shown what they watch.
func onScreen(shown bool) bool { return shown }

// holdsApprove reports whether a watcher holds approve.
func holdsApprove(held bool) bool { return held }

// handOf reports whether a watcher comes from a terminal of their own, as far as can be
// told.
func handOf(who identity.Identity) bool { return ownHand(who) }
