package attack

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Bob wants the keyboard that carol has. He comes again and again, by a second door, too,
// and asks; carol leaves for a moment, and comes back. When he has it, she comes again,
// to have it once more. In the control run a lease keeps nobody from typing.
func TestLeaseStolenByComingBack(t *testing.T) {
	t.Parallel()
	row{grants: typists, teeth: "teeth_lease", restless: true, gains: 3, attack: func(w *world) {
		w.anyInput = true // what arrives is looked at here
		k := keyboards{w}
		typed := func(x *tmuxtest.Terminal, who, word string) {
			w.t.Helper()
			x.Type(word)
			if soonIf(w.control, func() bool { return strings.Contains(string(w.rec.Bytes()), word) }) {
				w.gain("%s types without having the keyboard: %q", who, w.rec.Bytes())
			}
		}
		x, y := k.at(carol), k.at(viewer)
		k.lease(owner, "on", "-t", leasedPane, "--for", carol, "--grace", "5m")
		k.lease(viewer, "ask", "-t", leasedPane)
		leave(y)
		y.ExitCode()
		y, again := k.at(viewer), k.at(viewer)
		k.lease(viewer, "ask", "-t", leasedPane)
		typed(again, "bob, who has come again,", "bob-1")
		leave(x)
		x.ExitCode()
		tmuxtest.Eventually(w.t, func() bool { return k.told().Left != "" }, "it is seen that carol has left")
		k.lease(viewer, "ask", "-t", leasedPane)
		typed(y, "bob, while carol is away for a moment,", "bob-2")
		x = k.at(carol)
		tmuxtest.Eventually(w.t, func() bool { return k.told().Left == "" }, "it is seen that carol is back")
		x.Type("carol-1")
		if !soon(func() bool { return strings.HasSuffix(string(w.rec.Bytes()), "carol-1") }) {
			w.t.Errorf("carol is back, and does not type: %q", w.rec.Bytes())
		}
		k.lease(carol, "hand", viewer)
		leave(x)
		x.ExitCode()
		x = k.at(carol)
		k.lease(carol, "ask", "-t", leasedPane)
		typed(x, "carol, who has handed it over,", "carol-2")
		for _, args := range [][]string{{"take", "-t", leasedPane}, {"hand", carol, "-t", leasedPane}, {"free", "-t", leasedPane}, {"off", "-t", leasedPane}} {
			if r := w.Muxward(carol, append([]string{"lease"}, args...)...); r.Code == 0 {
				w.t.Errorf("carol: lease %q: %s", args, r.Out)
			}
		}
		y.Type("bob-3")
		if !soon(func() bool { return strings.HasSuffix(string(w.rec.Bytes()), "bob-3") }) {
			w.t.Errorf("bob has the keyboard, and does not type: %q", w.rec.Bytes())
		}
		for _, word := range []string{"bob-1", "bob-2", "carol-2"} { // it was not just slow
			if !w.control && strings.Contains(string(w.rec.Bytes()), word) {
				w.gain("%s has come after all: %q", word, w.rec.Bytes())
			}
		}
		leave(x, y, again)
	}}.run(t)
}

// Carol may type into a shell of alice's, and alice has the keyboard of pane a. Carol has
// the shell type there as alice, also by what leaves its terminal, hand her the keyboard,
// and let it go. In the control run every hand is the holder's.
func TestLeaseFromAPane(t *testing.T) {
	t.Parallel()
	const hands = typists + `  - {who: mwcarol, role: typist, on: "mwalice/hand:0.0", reason: types there}
  - {who: mwcarol, role: viewer, on: mwalice/hand, reason: looks}
`
	row{grants: hands, teeth: "teeth_lease,teeth_hand", restless: true, gains: 3, attack: func(w *world) {
		w.anyInput = true // what arrives is looked at here
		k := keyboards{w}
		w.Must(owner, "new-session", "-d", "-x", "200", "-y", "50", "-s", "hand", "exec sh")
		wide := tmuxtest.TerminalConfig{Cols: 200, Rows: 50}
		alice := k.at(owner)
		x := w.attach(carol, wide, "attach", "-t", "mwalice/hand")
		x.WaitFor("[hand]")
		k.lease(owner, "on", "-t", leasedPane)
		k.lease(carol, "ask", "-t", leasedPane)
		say := func(line, word string) {
			w.t.Helper()
			x.Type("clear; MUXWARD_STATE=" + w.State + " " + line + "; echo " + word + "\"-\"$?\r")
			x.WaitFor(word + "-")
		}
		types := func(line, word string) {
			w.t.Helper()
			say(line, word)
			if soonIf(w.control, func() bool { return strings.Contains(string(w.rec.Bytes()), word) }) {
				w.gain("from alice's pane: %s: %q", line, w.rec.Bytes())
			}
		}
		types("tmux send-keys -t %0 word-1", "word-1")
		// It goes on when its terminal and its parent are gone, and says when it is done.
		left := func(line, word, ended string) {
			w.t.Helper()
			x.Type("clear; MUXWARD_STATE=" + w.State + " setsid -f sh -c '" + line + "; echo " + word + "\"-left-\"$?'\r")
			x.WaitFor(word + "-left-" + ended)
		}
		left("tmux send-keys -t %0 word-2", "word-2", "")
		if soonIf(w.control, func() bool { return strings.Contains(string(w.rec.Bytes()), "word-2") }) {
			w.gain("from what has left alice's pane: %q", w.rec.Bytes())
		}
		types("tmux if-shell -F 1 'send-keys -t %0 word-3'", "word-3")
		types("tmux set-buffer word-4 \\; paste-buffer -t %0", "word-4")
		for _, what := range []string{"hand mwcarol", "take -t " + leasedPane, "on -t mwalice/hand:0.0", "free", "off -t " + leasedPane} {
			if w.control { // the pane is held by all
				continue
			}
			word := strings.Fields(what)[0]
			say(w.Bin()+" lease "+what, word+"-inside")
			left(w.Bin()+" lease "+what, word, "1")
		}
		if now := k.told(); !w.control && now.Holder != owner {
			w.gain("the keyboard is %q's", now.Holder)
		}
		alice.Type("alice-1")
		if !w.soon(func() bool { return strings.HasSuffix(string(w.rec.Bytes()), "alice-1") }) && !w.control {
			w.t.Errorf("alice has the keyboard, and does not type: %q", w.rec.Bytes())
		}
		leave(x, alice)
	}}.run(t)
}

// Bob has the keyboard of alice's pane. Carol may type into a shell of his, which runs as
// he does, and has it type there, also by what leaves its terminal. In the control run
// every hand is the holder's.
func TestLeaseFromAHoldersPane(t *testing.T) {
	t.Parallel()
	const hands = typists + `  - {who: mwbob, role: owner, on: mwbob, reason: at home}
  - {who: mwcarol, role: typist, on: "mwbob/hand:0.0", reason: types there}
  - {who: mwcarol, role: viewer, on: mwbob/hand, reason: looks}
`
	row{grants: hands, teeth: "teeth_lease", restless: true, gains: 2, attack: func(w *world) {
		w.anyInput = true // what arrives is looked at here
		k := keyboards{w}
		w.Must(viewer, "new-session", "-d", "-x", "200", "-y", "50", "-s", "hand", "exec sh")
		w.settle() // muxward has a connection to his server as well now
		x, y := w.attach(carol, tmuxtest.TerminalConfig{Cols: 200, Rows: 50}, "attach", "-t", "mwbob/hand"), k.at(viewer)
		x.WaitFor("[hand]")
		k.lease(owner, "on", "-t", leasedPane, "--for", viewer)
		for word, line := range map[string]string{"word-1": "", "word-2": "setsid -f "} {
			x.Type("clear; MUXWARD_STATE=" + w.State + " " + line + "sh -c 'tmux send-keys -t " + leasedPane + " " + word + "; echo " + word + "\"-left-\"$?'\r")
			x.WaitFor(word + "-left-")
			if soonIf(w.control, func() bool { return strings.Contains(string(w.rec.Bytes()), word) }) {
				w.gain("from bob's pane: %s: %q", line, w.rec.Bytes())
			}
		}
		y.Type("bob-1")
		if !soon(func() bool { return strings.HasSuffix(string(w.rec.Bytes()), "bob-1") }) {
			w.t.Errorf("bob has the keyboard, and does not type: %q", w.rec.Bytes())
		}
		leave(x, y)
	}}.run(t)
}
