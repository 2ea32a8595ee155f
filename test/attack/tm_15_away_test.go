package attack

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// outing is a pane that is now in the session that bob may look at, and now is not.
type outing struct {
	w    *world
	l    *host.Lines
	pane string
	said int
}

// out makes an outing, of which bob's client in control mode has heard.
func (w *world) out() *outing {
	w.t.Helper()
	w.anyInput = true // the owner types, past muxward
	o := &outing{w: w, pane: w.server.Run("new-window", "-d", "-t", "shared:7", "-P", "-F", "#{pane_id}", "cat")}
	w.server.Run("new-window", "-d", "-t", "secret:7", "cat")
	o.l = w.lines(viewer, "attach-session", "-t", "mwalice/shared")
	o.l.Wait("%session-changed $0 mwalice/shared")
	o.heard()
	return o
}

// say has the pane draw a word that is said once.
func (o *outing) say(word string) string {
	o.w.t.Helper()
	o.said++
	word = fmt.Sprintf("%s-%d.", word, o.said)
	o.w.server.Run("send-keys", "-t", o.pane, "-l", word)
	tmuxtest.Eventually(o.w.t, func() bool {
		return strings.Contains(o.w.server.Run("capture-pane", "-p", "-J", "-t", o.pane), word)
	}, "%s is drawn", word)
	return word
}

// heard waits until bob hears the pane: what it draws when it has just come back he may miss.
func (o *outing) heard() {
	o.w.t.Helper()
	tmuxtest.Eventually(o.w.t, func() bool {
		word := o.say("here")
		return within(time.Second, func() bool { return o.l.Has(word) })
	}, "bob hears what is drawn in his session")
}

// told waits until bob's client was told something else, by which muxward has looked.
func (o *outing) told() {
	o.w.t.Helper()
	o.said++
	word := fmt.Sprintf("tick-%d.", o.said)
	o.w.server.Run("rename-window", "-t", "shared:0", word)
	o.l.Wait(word)
}

// home ends bob's client.
func (o *outing) home() {
	o.w.t.Helper()
	o.l.Close()
	o.l.Code()
}

// A pane of the session that bob looks at, in control mode, is somewhere else for a
// while: moved, swapped, linked. Bob, who is there when it is back, wants to be told
// what it has drawn meanwhile, which nobody showed him.
func TestTM15PaneAway(t *testing.T) {
	t.Parallel()
	row{teeth: "teeth_away", gains: 3, restless: true, attack: func(w *world) {
		o := w.out()
		for _, way := range []struct{ out, back []string }{
			{[]string{"swap-pane", "-d", "-s", "shared:7", "-t", "secret:7"}, nil},
			{[]string{"swap-window", "-d", "-s", "shared:7", "-t", "secret:7"}, nil},
			{[]string{"move-window", "-d", "-s", "shared:7", "-t", "secret:8"}, []string{"move-window", "-d", "-s", "secret:8", "-t", "shared:7"}},
			{[]string{"join-pane", "-d", "-s", "shared:7", "-t", "secret:7"}, []string{"break-pane", "-d", "-s", o.pane, "-t", "shared:7"}},
		} {
			if way.back == nil {
				way.back = way.out
			}
			w.server.Run(way.out...)
			o.told()
			word := o.say("away")
			w.server.Run(way.back...)
			o.heard()
			if o.l.Has(word) {
				w.gain("%s: bob is told what was drawn while the pane was away", way.out[0])
			}
		}
		o.home()
	}}.run(t)
}

// Nothing else happens in the session meanwhile, and nobody is told that windows were
// swapped: muxward looks by itself.
func TestTM15PaneAwayUntold(t *testing.T) {
	t.Parallel()
	row{teeth: "teeth_away", restless: true, waits: true, attack: func(w *world) {
		o := w.out()
		swap := func() { w.server.Run("swap-window", "-d", "-s", "shared:7", "-t", "secret:7") }
		missed := w.soon(func() bool {
			swap()
			time.Sleep(3 * time.Second)
			word := o.say("away")
			swap()
			o.heard()
			return !o.l.Has(word)
		})
		if !missed {
			w.gain("bob is told what was drawn while the pane was away")
		}
		o.home()
	}}.run(t)
}

// A window that is linked elsewhere, too, goes and comes back at once, and of all that the client is told meanwhile
// nothing is for bob.
func TestTM15PaneAwayBriefly(t *testing.T) {
	t.Parallel()
	row{teeth: "teeth_away", gains: 1, restless: true, attack: func(w *world) {
		o := w.out()
		w.server.Run("link-window", "-d", "-s", "shared:7", "-t", "secret:8")
		o.heard()
		trials := 1
		if w.control {
			trials = 50 // it ends with the first in which muxward has not looked in between by itself
		}
		for range trials {
			w.server.Run("unlink-window", "-t", "shared:7")
			word := o.say("away")
			w.server.Run("link-window", "-d", "-s", "secret:8", "-t", "shared:7")
			o.heard()
			if o.l.Has(word) {
				w.gain("bob is told what was drawn while the pane was away")
				break
			}
		}
		o.home()
	}}.run(t)
}

// The owner swaps it away and back by two commands, one behind the other.
func TestTM15PaneAwayForAMoment(t *testing.T) {
	t.Parallel()
	row{teeth: "teeth_away", gains: 1, restless: true, attack: func(w *world) {
		o := w.out()
		swap := func() { w.Must(owner, "swap-window", "-d", "-s", "shared:7", "-t", "secret:7") }
		trials := 3 // muxward may look in between by itself
		if w.control {
			trials = 50 // it ends with the first in which it has not
		}
		for range trials {
			swap()
			word := o.say("away")
			swap()
			o.heard()
			if o.l.Has(word) {
				w.gain("bob is told what was drawn while the pane was away")
				break
			}
		}
		o.home()
	}}.run(t)
}
