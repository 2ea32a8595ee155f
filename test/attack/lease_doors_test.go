package attack

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Bob is at two doors, with his account and with his key, and wants to type by one of them
// what he may not by the other. The keyboard is his at both or at neither. Who sits where
// his key lies lets it go for him, and does not say to whom it goes. When he is revoked it
// is nobody's. In the control run a lease keeps nobody from typing.
func TestLeaseAtTwoDoors(t *testing.T) {
	t.Parallel()
	row{grants: typists, settings: "answer_key: true\n", teeth: "teeth_lease", ssh: true, restless: true, gains: 2, attack: func(w *world) {
		w.anyInput = true // what arrives is looked at here
		k := keyboards{w}
		wide := tmuxtest.TerminalConfig{Cols: 100, Rows: 24}
		x, near := k.at(carol), k.at(viewer)
		far := w.attachSSH(viewer, wide, "mwalice/shared@127.0.0.1")
		far.WaitFor("[shared]")
		arrives := func(word string) func() bool {
			return func() bool { return strings.Contains(string(w.rec.Bytes()), word) }
		}
		typed := func(y *tmuxtest.Terminal, word string, his bool) {
			w.t.Helper()
			y.Type(word)
			switch {
			case his && !soon(arrives(word)):
				w.t.Errorf("bob has the keyboard, and %q does not arrive: %q", word, w.rec.Bytes())
			case !his && soonIf(w.control, arrives(word)):
				w.gain("bob types %q without having the keyboard", word)
			}
		}
		k.lease(owner, "on", "-t", leasedPane, "--for", carol)
		typed(near, "near-1", false)
		typed(far, "far-1", false)
		if w.control {
			return
		}
		far.WaitTold("has the keyboard here; M-a asks")
		k.lease(carol, "hand", viewer)
		typed(near, "near-2", true)
		typed(far, "far-2", true)
		k.lease(carol, "ask", "-t", leasedPane)
		tmuxtest.Eventually(w.t, func() bool {
			if far.Contains("these ask for your answer") {
				return true
			}
			far.Type("\x1ba")
			return false
		}, "bob is asked at the door to which he came with his key")
		tmuxtest.Eventually(w.t, func() bool { // what is typed right behind the list's opening is dropped
			if far.Contains("y approves") {
				far.Type("y")
			}
			return k.told().Holder == ""
		}, "bob has let it go")
		typed(near, "near-3", false)
		typed(far, "far-3", false)
		k.lease(viewer, "ask", "-t", leasedPane)
		typed(far, "far-4", true)
		if r := w.Muxward(root, "revoke", viewer); r.Code != 0 {
			w.t.Fatalf("revoke: %+v", r)
		}
		if who := k.told().Holder; who != "" {
			w.t.Errorf("bob is revoked, and the keyboard is %q's", who)
		}
		near.ExitCode()
		far.ExitCode()
		k.lease(carol, "ask", "-t", leasedPane)
		x.Type("carol-1")
		if !soon(arrives("carol-1")) {
			w.t.Errorf("carol has the keyboard, and does not type: %q", w.rec.Bytes())
		}
	}}.run(t)
}
