package attack

import "testing"

// Carol may approve, and does so for bob, who asks for what she does not hold herself:
// to type where she looks on, and on all of the session where she types into one pane.
// Mallory, who may do nothing there, approves it. In the control run the policy gives
// both of them every verb.
func TestAP03ApproveMoreThanYouHold(t *testing.T) {
	t.Parallel()
	const some = `grants:
  - {who: root, role: admin, on: "*", reason: runs it}
  - {who: mwbob, role: viewer, on: mwalice/shared, reason: watches}
  - {who: mwcarol, verbs: [view, approve], on: mwalice/shared, reason: answers}
  - {who: mwcarol, verbs: type, on: "mwalice/shared:0.0", reason: types}
`
	const all = some + `  - {who: mwcarol, role: owner, on: mwalice, reason: control run}
  - {who: mwmallory, role: owner, on: mwalice, reason: control run}
`
	row{grants: some, loose: all, restless: true, gains: 3, attack: func(w *world) {
		w.anyInput = true
		a := seekers{w}
		for _, c := range []struct{ by, what, on string }{
			{carol, "type", "mwalice/shared:0.1"},
			{carol, "type", "mwalice/shared"},
			{carol, "kick", "mwalice/shared:0.0"},
			{stranger, "copy", "mwalice/shared:0.0"},
			{viewer, "type", "mwalice/shared:0.0"},
		} {
			if w.control && c.by == viewer {
				continue // he holds it by now
			}
			id := a.ask(viewer, c.what, "-t", c.on)
			if r := w.Muxward(c.by, "approve", id); r.Code == 0 {
				w.gain("%s approves %s on %s", c.by, c.what, c.on)
			}
			if !w.control && a.types(viewer, "mwalice/shared:0.0") {
				w.gain("bob types by %v", c)
			}
		}
		if w.control {
			return
		}
		id := a.ask(viewer, "type", "-t", "mwalice/shared:0.0")
		if r := w.Muxward(carol, "approve", id); r.Code != 0 || !a.types(viewer, "mwalice/shared:0.0") {
			w.t.Errorf("what carol holds she approves: %+v", r)
		}
	}}.run(t)
}
