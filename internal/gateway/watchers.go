package gateway

import (
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/teeth"
)

// somebodyElse reports whether a watcher is another person than who is watched.
func somebodyElse(watcher, watched identity.Identity) bool {
	return watcher.Person() != watched.Person() || teeth.Out(teeth.Watcher)
}

// onScreen reports whether a watcher is shown what they watch.
func onScreen(shown bool) bool { return shown || teeth.Out(teeth.Watcher) }

// holdsApprove reports whether a watcher holds approve.
func holdsApprove(held bool) bool { return held || teeth.Out(teeth.Watcher) }

// handOf reports whether a watcher comes from a terminal of their own, as far as can be
// told.
func handOf(who identity.Identity) bool { return ownHand(who) || teeth.Out(teeth.Watcher) }
