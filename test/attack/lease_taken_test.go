package attack

import (
	"bytes"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Carol types at 200 keys a second while the keyboard is taken from her, or she hands it
// over, and hopes that some of it still slips through. When that has returned, not one
// more byte of hers reaches the pane, whether her keys are addressed to one pane or, with
// every verb, go to a display of her own. To whom she hands it over, who types all the
// time, none of hers comes behind his first. In the control run a lease keeps nobody from
// typing.
func TestLeaseTakenWhileTyping(t *testing.T) {
	t.Parallel()
	const base = standardGrants + "  - {who: mwcarol, role: viewer, on: mwalice/rv, reason: looks}\n" +
		"  - {who: mwbob, role: typist, on: mwalice/rv, reason: pairs}\n"
	for _, c := range []struct{ mode, grants string }{
		{"addressed", base + "  - {who: mwcarol, role: typist, on: \"mwalice/rv:0.0\", reason: types}\n"},
		{"direct", base + "  - {who: mwcarol, role: owner, on: mwalice, reason: every verb}\n"},
	} {
		t.Run(c.mode, row{grants: c.grants, teeth: "teeth_lease", restless: true, attack: func(w *world) {
			w.anyInput = true // what arrives is looked at here
			rv, k := newRevocation(w, c.mode, ""), keyboards{w}
			const pane = "mwalice/rv:0.0"
			mark := func(text string) { // past muxward, while others look on
				w.server.Run("set-buffer", "-b", "mark", text, ";", "paste-buffer", "-d", "-b", "mark", "-t", rv.pane)
			}
			y := w.attach(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/rv")
			y.WaitFor("recording")
			for i := range soak.N(500, 4) {
				x := w.attach(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/rv")
				x.WaitFor("recording")
				k.lease(owner, "on", "-t", pane, "--for", typist)
				if who := w.Muxward(root, "who", "--json"); i == 0 && !strings.Contains(who.Out, `"`+c.mode+`"`) {
					w.t.Errorf("carol's input is not %s: %+v", c.mode, who)
				}
				rv.rec.Reset()
				keys, his := typeAlong(x), pressAlong(y, "b")
				tmuxtest.Eventually(w.t, func() bool { return rv.rec.Len() > 4+i%13 }, "carol's keys reach the pane")
				if i%2 == 0 {
					k.lease(owner, "take", "-t", pane)
				} else {
					k.hand(carol, viewer, pane)
				}
				mark("|") // what comes behind it came later
				before := keys.pressed.Load()
				tmuxtest.Eventually(w.t, func() bool { return keys.pressed.Load() > before+8 }, "carol goes on typing")
				for _, typing := range []*typing{keys, his} {
					close(typing.stop)
					<-typing.stopped
				}
				mark("!") // one more round trip through the server: what was on its way is there
				var late []byte
				tmuxtest.Eventually(w.t, func() bool {
					_, late, _ = bytes.Cut(rv.rec.Bytes(), []byte("|"))
					return bytes.IndexByte(late, '!') >= 0
				}, "the owner's marks")
				if n := bytes.Count(late, []byte("k")); n > 0 {
					w.gain("trial %d: %d keys reached the pane after the keyboard was taken", i, n)
				}
				if mixed := bytes.Trim(bytes.TrimLeft(rv.rec.Bytes(), "k"), "b|!"); len(mixed) > 0 {
					w.gain("trial %d: carol's bytes are between bob's: %q", i, rv.rec.Bytes())
				}
				k.lease(owner, "off", "-t", pane)
				x.HangUp()
				x.ExitCode()
			}
			leave(y)
		}}.run)
	}
}
