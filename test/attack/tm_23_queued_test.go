package attack

import (
	"bytes"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Carol holds every verb of alice's. A key runs something for some seconds, and tmux comes to what
// she types behind it when that is over. Meanwhile one verb is taken from her. She hopes that the
// rest is typed when she is told that this is done. Where tmux holds nothing of hers she goes on,
// to one pane. In the control run nothing is decided anew.
func TestTM23KeysBehindACommand(t *testing.T) {
	t.Parallel()
	row{grants: tm23Every, teeth: "teeth_revoke", restless: true, attack: func(w *world) {
		w.anyInput = true
		x := w.attach(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
		x.WaitFor("recording")
		mode := func(is string) {
			w.t.Helper()
			tmuxtest.Eventually(w.t, func() bool { return strings.Contains(w.Muxward(root, "who", "--json").Out, `"`+is+`"`) }, "carol's input is %s", is)
		}
		mode("direct")
		there := w.rec.Len()
		x.Type("a")
		w.rec.WaitLen(there + 1)
		if !w.control {
			w.reloaded(tm23ButOne)
			mode("addressed")
			x.Type("b")
			w.rec.WaitLen(there + 2)
			w.reloaded(tm23Every)
			mode("direct")
		}
		w.server.Run("bind-key", "-n", "F5", "run-shell", "sleep 4")
		typed := w.keyBytes()
		x.Type("\x1b[15~")
		tmuxtest.Eventually(w.t, func() bool { return w.keyBytes() >= typed+5 }, "the key is in the log")
		x.Type("Q")
		tmuxtest.Eventually(w.t, func() bool { return w.keyBytes() >= typed+6 }, "and the one behind it")
		w.reloaded(tm23ButOne)
		before := bytes.Count(w.rec.Bytes(), []byte("Q"))
		w.server.Run("run-shell", "-d", "5", "true") // the key's command is done by then
		if bytes.Count(w.rec.Bytes(), []byte("Q")) > before {
			w.gain("what was typed behind the key is typed behind that: %q", clip(w.rec.Bytes()))
		}
	}}.run(t)
}
