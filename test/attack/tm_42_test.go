package attack

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Bob may view a session of alice's but for one pane, and is at a place of his own
// there. He wants to see what that pane shows: while it is beside what he looks at,
// while he goes about, and while alice moves it to where he is, in every way that
// panes and windows move. Not one byte of it comes to his terminal.
func TestTM42PlaceOfOnesOwn(t *testing.T) {
	t.Parallel()
	sees := standardGrants + "  - {who: mwbob, verbs: [view, scroll, navigate], on: mwalice/place, reason: most of it}\n"
	moves := [][]string{
		{"swap-pane", "-d", "-s", "HIDDEN", "-t", "place:0.0"},
		{"swap-pane", "-d", "-s", "HIDDEN", "-t", "place:0.1"},
		{"resize-pane", "-Z", "-t", "HIDDEN"},
		{"resize-pane", "-Z", "-t", "HIDDEN"},
		{"break-pane", "-d", "-s", "HIDDEN", "-t", "place:7"},
		{"join-pane", "-d", "-s", "HIDDEN", "-t", "place:1"},
		{"rotate-window", "-t", "place:1"},
		{"swap-window", "-d", "-s", "place:0", "-t", "place:1"},
		{"join-pane", "-h", "-s", "HIDDEN", "-t", "place:1.0"},
		{"select-layout", "-t", "place:1", "even-vertical"},
		{"move-pane", "-d", "-s", "HIDDEN", "-t", "elsewhere:0"},
		{"link-window", "-s", "elsewhere:0", "-t", "place:5"},
		{"select-window", "-t", "place:5"},
		{"respawn-pane", "-k", "-t", "place:0.0", "exec cat"},
		{"kill-pane", "-t", "place:0.0"},
	}
	row{grants: sees, teeth: "teeth_view,teeth_given", restless: true, gains: 3, attack: func(w *world) {
		w.anyInput = true
		word := func(at string, n int) string { return fmt.Sprintf("%s-%d-", at, n) }
		w.server.Run("new-session", "-d", "-x", "80", "-y", "23", "-s", "elsewhere", "cat", ";",
			"new-session", "-d", "-x", "80", "-y", "23", "-s", "place", "cat", ";", "split-window", "-d", "-t", "place", "cat",
			";", "new-window", "-d", "-t", "place:1", "cat", ";", "split-window", "-d", "-t", "place:1", "cat")
		hidden := w.server.Run("display-message", "-p", "-t", "place:0.1", "#{pane_id}")
		if r := w.Muxward(root, "revoke", viewer, "-t", "mwalice/place:0.1"); r.Code != 0 {
			w.t.Fatalf("revoke: %+v", r)
		}
		bob := w.attach(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/place")
		bob.WaitFor("for mwbob alone")
		for i, move := range moves {
			move = slices.Clone(move) // the control run has panes of its own
			for j, word := range move {
				if word == "HIDDEN" {
					move[j] = hidden
				}
			}
			bob.Type([]string{"\x02n", "\x02o", "\x02l", "\x020", "\x02;"}[i%5])
			w.server.Run(move...)
			w.server.Run("send-keys", "-t", hidden, word("HIDDEN", i), "Enter")
			for pane := range strings.FieldsSeq(w.server.Run("list-panes", "-s", "-t", "place", "-F", "#{pane_id}")) {
				if pane != hidden {
					w.server.Run("send-keys", "-t", pane, word("there", i), "Enter")
				}
			}
			if move[0] != "resize-pane" { // zoomed, there is nothing that he may view
				bob.WaitFor(word("there", i)) // drawn after that was there
			}
		}
		got := string(bob.Bytes())
		for i := range moves {
			if strings.Contains(got, word("HIDDEN", i)) {
				w.gain("bob is shown the pane, about %q", moves[i])
			}
		}
		leave(bob)
	}}.run(t)
}

// Bob looks at a pane of alice's at a place of his own. It is taken from him
// between the moment at which his picture of it was captured and that at which it
// is decided. He wants to be shown that picture.
func TestTM42TakenWhileDrawn(t *testing.T) {
	t.Parallel()
	takenAt(t, "own-captured", "teeth_view,teeth_given")
}

// Bob looks at a pane of alice's at a place of his own. It is taken from him when his
// picture of it is about to be given to his terminal. He wants to be given it still.
func TestTM42TakenWhileGiven(t *testing.T) {
	t.Parallel()
	takenAt(t, "seat-output", "teeth_given")
}

// takenAt has a pane taken while a picture of it has come to a failpoint.
func takenAt(t *testing.T, point, teeth string) {
	row{grants: seesWindow, teeth: teeth, restless: true, paused: true, attack: func(w *world) {
		w.anyInput = true
		w.place("cat")
		bob := w.attach(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/place")
		bob.WaitFor("for mwbob alone")
		w.between(point, func() { w.server.Run("send-keys", "-t", "place:0.1", "PICTURED", "Enter") }, func() {
			if r := w.Muxward(root, "revoke", viewer, "-t", "mwalice/place:0.1"); r.Code != 0 {
				w.t.Errorf("revoke: %+v", r)
			}
		})
		w.server.Run("send-keys", "-t", "place:0.0", "at-the-end", "Enter")
		bob.WaitFor("at-the-end")
		if strings.Contains(string(bob.Bytes()), "PICTURED") {
			w.gain("bob is shown what was drawn before")
		}
		leave(bob)
	}}.run(t)
}

// seesWindow has bob see one of the two windows of session place.
const seesWindow = standardGrants + "  - {who: mwbob, verbs: [view], on: \"mwalice/place:0\", reason: a window}\n"

// place makes session place: a window with two panes, in the second of which a command
// runs, and another window.
func (w *world) place(command string) {
	w.t.Helper()
	w.server.Run("new-session", "-d", "-x", "80", "-y", "23", "-s", "place", "cat", ";", "split-window", "-d", "-t", "place", command,
		";", "new-window", "-d", "-t", "place:1", "cat")
}

// Bob looks at a pane of alice's that prints all the time, at a place of his own. It
// is taken from him. He wants to see what it prints after the revocation has returned.
func TestTM42TakenWhileBusy(t *testing.T) {
	t.Parallel()
	row{grants: seesWindow, teeth: "teeth_view,teeth_given", restless: true, attack: func(w *world) {
		w.anyInput = true
		w.place("i=0; while :; do i=$((i+1)); echo PRINTS-$i-; sleep 0.02; done")
		pane := w.server.Run("display-message", "-p", "-t", "place:0.1", "#{pane_id}")
		last := func(screen string) (n int) {
			for _, line := range strings.Split(screen, "\n") {
				var k int
				if _, err := fmt.Sscanf(line, "PRINTS-%d-", &k); err == nil {
					n = max(n, k)
				}
			}
			return n
		}
		bob := w.attach(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/place")
		for trial := range soak.N(100, 3) {
			bob.WaitFor("PRINTS-")
			if r := w.Muxward(root, "revoke", viewer, "-t", "mwalice/place:0.1"); r.Code != 0 {
				w.t.Fatalf("revoke: %+v", r)
			}
			at := last(w.server.Run("capture-pane", "-p", "-t", pane))
			shown := 0
			w.soon(func() bool {
				shown = last(strings.Join(bob.Screen(), "\n"))
				return shown > at || last(w.server.Run("capture-pane", "-p", "-t", pane)) > at+20
			})
			if shown > at {
				w.gain("trial %d: bob is shown %d, and it was revoked at %d", trial, shown, at)
			}
			w.server.Run("send-keys", "-t", "place:0.0", fmt.Sprintf("trial-%d", trial), "Enter")
			bob.WaitFor(fmt.Sprintf("trial-%d", trial)) // he is shown the rest
			if r := w.Muxward(root, "revoke", "--undo", viewer, "-t", "mwalice/place:0.1"); r.Code != 0 {
				w.t.Fatalf("undo: %+v", r)
			}
		}
		leave(bob)
	}}.run(t)
}
