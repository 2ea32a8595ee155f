package attack

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// requestKey is the key by which people ask for more.
const requestKey = "\x1b[19~"

// Bob looks at alice's pane, and has a key by which he asks for more. Carol, who may type there, wants
// it asked for in his name: she types the key into the pane, has a program print it, and gives bob
// something to paste. In the control run he presses it.
func TestAP07AskedByAnother(t *testing.T) {
	t.Parallel()
	row{settings: "request_key: F8\n", loose: standardGrants, restless: true, unlogged: true, attack: func(w *world) {
		w.anyInput = true
		x := w.attach(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
		x.WaitFor("[shared]")
		if w.control {
			x.Type(requestKey)
			x.WaitFor("ask for which role")
			x.Type("\r\r\r")
			x.WaitTold("you hear the answer here")
		} else {
			if r := w.try(typist, "send-keys", "-t", "mwalice/shared:0.0", "F8", "Enter", "Enter", "Enter"); r.Code != 0 {
				w.t.Errorf("carol types into the pane: %+v", r)
			}
			w.prints(`$(printf "\\033[19~\\r\\r\\r") printed`)
			x.WaitFor("printed")
			x.Type("\x1b[200~" + requestKey + "\r\r\r\x1b[201~")
		}
		x.Type("\x02d") // when this has been done, so has what came before
		x.ExitCode()
		if out := w.Muxward(root, "audit", "query", "--kind", "request").Out; strings.Contains(out, viewer) {
			w.gain("it is asked for in bob's name: %s", out)
		}
	}}.run(t)
}

// Bob presses the key at one pane, and before he has said what he would have, carol, who may, has another
// in its place: she hopes that alice gives him that. In the control run she leaves it.
func TestAP07AnotherPaneByThen(t *testing.T) {
	t.Parallel()
	const moves = standardGrants + "  - {who: mwcarol, role: operator, on: mwalice/shared, reason: arranges}\n"
	row{grants: moves, settings: "request_key: F8\n", loose: moves, restless: true, attack: func(w *world) {
		w.anyInput = true
		a := seekers{w}
		x := w.attach(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
		x.WaitFor("[shared]")
		x.Type(requestKey)
		x.WaitFor("ask for which role, or verbs, on mwalice/shared:0.0? type")
		if !w.control {
			w.Must(carol, "swap-pane", "-d", "-s", "mwalice/shared:0.0", "-t", "mwalice/shared:0.1")
		}
		x.Type("\r\r\r")
		var open []struct {
			ID string `json:"id"`
		}
		tmuxtest.Eventually(w.t, func() bool {
			out := w.Muxward(owner, "approvals", "--json").Out
			return json.Unmarshal([]byte(out), &open) == nil && len(open) == 1
		}, "alice is asked")
		r := w.Muxward(owner, "approve", open[0].ID)
		if a.types(viewer, "mwalice/shared:0.0") {
			w.gain("bob types into the pane that is there now: %+v", r)
		}
		if !w.control && (r.Code == 0 || !strings.Contains(r.Err, "has another name or place")) {
			w.t.Errorf("alice is told: %+v", r)
		}
		if !w.control {
			w.Must(carol, "swap-pane", "-d", "-s", "mwalice/shared:0.0", "-t", "mwalice/shared:0.1")
		}
	}}.run(t)
}
