package attack

import (
	"bytes"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Carol types while the connection by which muxward speaks to the owner's
// server is cut under her keys, again and again; her display's own is left
// alone. She wants a key to be typed twice, or somewhere else. A key whose fate
// is unknown is given up and she is told; none is typed twice, and what comes
// later goes where it should. In the control run such a key is sent again.
func TestTM15ConnectionTakenAway(t *testing.T) {
	t.Parallel()
	row{teeth: "teeth_once", restless: true, attack: func(w *world) {
		var carol *tmuxtest.Terminal
		spared := displays(w.t, w.Host, w.server, func() {
			carol = w.attach(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
			carol.WaitFor("recording")
		})
		w.anyInput = true // what arrived is looked at here
		const letters = "abcdefghijklmnopqrst"
		const marks = "0123456789!?*+-/" // of a trial: others may still come
		trials := soak.N(1000, 12)
		if w.control {
			trials = 1000 // until a key was under way
		}
		cuts, given := 0, 0
		for i := range trials {
			w.rec.Reset()
			mark := marks[i%len(marks) : i%len(marks)+1]
			for j := range letters {
				carol.Type(letters[j : j+1])
				if j == 5+i%10 {
					cuts += cut(w.t, w.Host, w.server, spared)
				}
			}
			// Typing works again, and what was given up is not typed later.
			w.soon(func() bool {
				carol.Type(mark)
				return bytes.Contains(w.rec.Bytes(), []byte(mark))
			})
			got := string(bytes.Map(func(r rune) rune {
				if strings.ContainsRune(marks, r) {
					return -1
				}
				return r
			}, w.rec.Bytes()))
			given += len(letters) - len(got)
			if !inOrder(got, letters) {
				w.gain("trial %d: typed %q, the pane received %q", i, letters, got)
			}
			if w.control && len(w.gains) > 0 {
				break
			}
		}
		w.t.Logf("%d connections cut, %d keys given up; %s", cuts, given, strings.Join(w.gains, "; "))
		if cuts == 0 {
			w.t.Error("no connection was cut: this is no test")
		}
		if carol.Exited() {
			w.t.Errorf("carol was thrown out:\n%s", carol.Bytes())
		}
		if n := w.side.Len(); n > 0 {
			w.gain("pane b received %d keys", n)
		}
	}}.run(t)
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
