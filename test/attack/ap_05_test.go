package attack

import (
	"strings"
	"testing"
)

// Carol asks to type into a pane of bob's. Before he answers, his server ends, and
// another pane has the ids, the name and the place of that one. In the control run the
// ids are believed.
func TestAP05AnotherPaneByThen(t *testing.T) {
	t.Parallel()
	const looks = standardGrants + "  - {who: mwcarol, role: viewer, on: mwbob/rv, reason: looks}\n"
	row{grants: looks, teeth: asking, restless: true, attack: func(w *world) {
		a := seekers{w}
		const ids = "#{session_id}#{window_id}#{pane_id}"
		begin := func() string { return w.Must(viewer, "new-session", "-d", "-s", "rv", "-P", "-F", ids, "cat") }
		was := begin()
		id := a.ask(carol, "type", "-t", "mwbob/rv:0.0")
		w.Must(viewer, "kill-server")
		if now := begin(); now != was {
			w.t.Fatalf("the ids are %s and were %s: this is no test", now, was)
		}
		r := w.Muxward(viewer, "approve", id)
		if a.types(carol, "mwbob/rv:0.0") {
			w.gain("carol types into what has the ids now: %s", r.Out)
		}
		if !w.control && (r.Code == 0 || !strings.Contains(r.Err, "has gone, or has another name or place")) {
			w.t.Errorf("bob is told %+v", r)
		}
		if out := w.Muxward(viewer, "approvals", "--json").Out; !w.control && out != "[]\n" {
			w.t.Errorf("it is open still: %s", out)
		}
		w.Must(viewer, "kill-server") // as it was before
	}}.run(t)
}
