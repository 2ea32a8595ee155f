package attack

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// Bob has the keyboard of a pane, and is to lose it. He hands it over just then, and hopes
// that alice comes too late; he has what he does not end, and hopes that nobody then has
// it but he, when muxward starts again at the latest. Carol looks on, and hopes that it
// goes to nobody as long as it is she who does not end. In the control run a lease keeps
// nobody from typing.
func TestLeasePassedOn(t *testing.T) {
	t.Parallel()
	row{grants: typists, teeth: "teeth_lease", restless: true, paused: true, attack: func(w *world) {
		w.anyInput = true // what arrives is looked at here
		k := keyboards{w}
		x, y := k.at(carol), k.at(viewer)
		types := func(word string) {
			w.t.Helper()
			y.Type(word)
			if soonIf(w.control, func() bool { return strings.Contains(string(w.rec.Bytes()), word) }) {
				w.gain("bob types without having the keyboard: %q", w.rec.Bytes())
			}
		}
		k.lease(owner, "on", "-t", leasedPane, "--for", viewer, "--grace", "5m")
		if w.control {
			k.lease(owner, "take", "-t", leasedPane)
			types("bob-0")
			leave(x, y)
			return
		}
		hand, take := make(chan host.Result, 1), make(chan host.Result, 1)
		w.between("gateway-again", func() {
			go func() { hand <- w.Muxward(viewer, "lease", "hand", carol) }()
		}, func() {
			go func() { take <- w.Muxward(owner, "lease", "take", "-t", leasedPane) }()
			tmuxtest.Eventually(w.t, func() bool { return k.told().Next == owner }, "alice is the next one")
		})
		handed, taken := <-hand, <-take
		if who := k.told().Holder; taken.Code != 0 || who != owner {
			w.gain("alice takes the keyboard, and it is %q's: %+v, %+v", who, handed, taken)
		}
		types("bob-1")

		k.lease(owner, "hand", viewer)
		w.unsure(owner, "take", "-t", leasedPane)
		w.unsure(carol, "ask", "-t", leasedPane) // he has not ended yet
		k.lease(carol, "ask", "-t", leasedPane)
		if who := k.told().Holder; who != carol {
			w.t.Errorf("bob has ended, and carol does not have the keyboard, but %q", who)
		}
		types("bob-2")

		leave(x)
		x.ExitCode()
		tmuxtest.Eventually(w.t, func() bool { return k.told().Left != "" }, "it is seen that carol has left")
		w.arm("gateway-again", "hang") // for bob, if he is waited for
		k.lease(owner, "take", "-t", leasedPane)
		if err := os.Remove(w.points + "/gateway-again"); err != nil {
			w.t.Errorf("somebody was waited for from whom nothing was taken: %v", err)
		}
		if got := string(w.rec.Bytes()); strings.Contains(got, "bob-") {
			w.gain("what arrived is %q", got)
		}
		leave(y)
	}}.run(t)
}

// unsure has somebody do something about the lease while what its last holder does is not
// known to have ended: nobody has the keyboard then, nor in the next life of muxward.
func (w *world) unsure(who string, args ...string) {
	w.t.Helper()
	w.arm("gateway-again", "hang")
	r := w.Muxward(who, append([]string{"lease"}, args...)...)
	if r.Code == 0 || !strings.Contains(r.Err, "not confirmed") || !strings.Contains(r.Err, "nobody has the keyboard") {
		w.t.Errorf("%s: lease %q: %+v", who, args, r)
	}
	if now := (keyboards{w}).told().Holder; now != "" {
		w.gain("the keyboard is %q's, and bob's bytes may still arrive", now)
	}
	kept, err := grants.OpenLeases(filepath.Join(w.State, "leases.json"))
	if err != nil || len(kept.List()) != 1 || kept.List()[0].Holder != "" {
		w.gain("in the next life of muxward somebody has the keyboard: %v, %+v", err, kept)
	}
}

// Carol has the keyboard, and what she has typed is still under way when she hands it to
// bob. He types at once, and hopes that his comes before hers. In the control run a lease
// keeps nobody from typing.
func TestLeaseInOrder(t *testing.T) {
	t.Parallel()
	row{grants: typists, teeth: "teeth_lease", restless: true, paused: true, attack: func(w *world) {
		w.anyInput = true // what arrives is looked at here
		k := keyboards{w}
		x, y := k.at(carol), k.at(viewer)
		k.lease(owner, "on", "-t", leasedPane, "--for", carol)
		hand := make(chan host.Result, 1)
		w.between("seat-decided", func() { x.Type("c") }, func() {
			go func() { hand <- w.Muxward(carol, "lease", "hand", viewer) }()
			tmuxtest.Eventually(w.t, func() bool { return k.told().Holder != carol }, "the keyboard is on its way")
			y.Type("b")
			if soonIf(w.control, func() bool { return w.rec.Len() > 0 }) {
				w.gain("before carol's there is %q", w.rec.Bytes())
				return
			}
			y.WaitTold("not typed: nobody has the keyboard here now")
		})
		<-hand // where all is slow it may not be confirmed, and bob does not have it
		if got := string(w.rec.Bytes()); !w.control && strings.Trim(got, "c") != "" {
			w.gain("bob's arrived, which he typed before he had the keyboard: %q", got)
		}
		leave(x, y)
	}}.run(t)
}
