package attack

import (
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Bob may look, and his terminal is small. He wants everybody else's picture
// to be as small. Whoever may not resize does not, also where nobody else is
// attached whose size would count.
func TestTM12SizeOfAViewer(t *testing.T) {
	row{loose: everyVerb, attack: func(w *world) {
		size := func() string {
			return w.server.Run("display-message", "-p", "-t", "shared", "#{window_width}x#{window_height}")
		}
		before := size()
		bob := w.attach(viewer, tmuxtest.TerminalConfig{Cols: 41, Rows: 11}, "attach", "-t", "mwalice/shared")
		soon(func() bool { return len(bob.Bytes()) > 0 })
		bob.Resize(120, 50)
		if soonIf(w.control, func() bool { return size() != before }) {
			w.gain("the window was %s and is %s", before, size())
		}
	}}.run(t)
}
