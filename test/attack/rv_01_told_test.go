package attack

import (
	"bytes"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// Carol is revoked while her screen is drawn, and what is drawn finds that out before she is
// looked at. She hopes to be shown it. She is not, and is told the same as always: that she may
// not view this any more, and why. In the control run nobody looks at her, and what a right was
// found to be stays so.
func TestRV01ToldByWhatIsDrawn(t *testing.T) {
	t.Parallel()
	toldByWhatIsDrawn(t, "gateway-again")
}

// The same before it is forgotten what her right was found to be last: she is told no other way.
func TestRV01ToldBeforeItIsForgotten(t *testing.T) {
	t.Parallel()
	toldByWhatIsDrawn(t, "denied")
}

func toldByWhatIsDrawn(t *testing.T, point string) {
	row{teeth: "teeth_revoke,teeth_parts", restless: true, paused: true, attack: func(w *world) {
		x := w.attach(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
		x.WaitFor("[shared]")
		revoked := make(chan host.Result, 1)
		w.between(point, func() {
			go func() { revoked <- w.Muxward(root, "revoke", typist, "--reason", "enough") }()
		}, func() {
			w.Must(owner, "rename-window", "-t", "shared", "drawn-behind-it")
			if soonIf(w.control, func() bool { return bytes.Contains(x.Bytes(), []byte("drawn-behind-it")) }) {
				w.gain("carol is shown what was drawn when her right was gone: %q", x.Screen())
			}
			if !w.control {
				x.WaitTold("muxward: you may not view this any more: revoked by root: enough")
			}
		})
		if r := <-revoked; r.Code != 0 {
			w.t.Errorf("revoke: %+v", r)
		}
		if w.control {
			leave(x)
			return
		}
		if code, text := x.ExitCode(), string(x.Bytes()); code != 1 || strings.Count(text, "you may not view this any more") != 1 {
			w.t.Errorf("carol's client exits %d, and she was told: %q", code, clip(x.Bytes()))
		}
	}}.run(t)
}
