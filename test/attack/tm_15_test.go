package attack

import (
	"bytes"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Carol types while the owner's server detaches, moves and squeezes the
// connection by which muxward speaks to it, again and again. She wants a key
// to be typed twice, or somewhere else. A key whose fate is unknown is given
// up; none is typed twice, and what comes later goes where it should. (In the
// control run each key is sent twice by hand, to see that this is noticed.)
func TestTM15ConnectionTakenAway(t *testing.T) {
	t.Parallel()
	row{restless: true, attack: func(w *world) {
		carol := w.attach(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
		carol.WaitFor("recording")
		w.anyInput = true // what arrived is looked at here
		const letters = "abcdefghijklmnopqrst"
		const marks = "0123456789!?*+-/" // of a trial: others may still come
		trials := soak.N(1000, 12)
		for i := range trials {
			w.rec.Reset()
			mark := marks[i%len(marks) : i%len(marks)+1]
			var typed strings.Builder
			for j := range 20 {
				key := letters[j : j+1]
				carol.Type(key)
				if w.control {
					carol.Type(key)
				}
				typed.WriteString(key)
				if j == 5+i%10 {
					w.disturb(i)
				}
			}
			// Typing works again, and what was given up is not typed later.
			soon(func() bool {
				carol.Type(mark)
				return bytes.Contains(w.rec.Bytes(), []byte(mark))
			})
			got := string(bytes.Map(func(r rune) rune {
				if strings.ContainsRune(marks, r) {
					return -1
				}
				return r
			}, w.rec.Bytes()))
			if !inOrder(got, typed.String()) {
				w.gain("trial %d: typed %q, the pane received %q", i, typed.String(), got)
			}
			if w.control {
				return
			}
		}
		if n := w.side.Len(); n > 0 {
			w.gain("pane b received %d keys", n)
		}
	}}.run(t)
}

// disturb does something to muxward's own client of the owner's server.
func (w *world) disturb(i int) {
	w.t.Helper()
	for _, line := range strings.Split(w.server.Run("list-clients", "-F", "#{client_control_mode} #{client_name}"), "\n") {
		name, ours := strings.CutPrefix(line, "1 ")
		if !ours {
			continue
		}
		what := [][]string{
			{"detach-client", "-t", name}, {"switch-client", "-c", name, "-t", "secret"}, {"refresh-client", "-t", name, "-C", "2x2"},
			{"refresh-client", "-t", name, "-f", "pause-after=1"}, {"switch-client", "-c", name, "-t", "shared"},
		}[i%5]
		_, _ = w.server.Try(what...) // it may have gone by itself
	}
}

// inOrder reports whether got is typed with some keys left out.
func inOrder(got, typed string) bool {
	for _, c := range []byte(got) {
		i := strings.IndexByte(typed, c)
		if i < 0 {
			return false
		}
		typed = typed[i+1:]
	}
	return true
}
