package attack

import (
	"strings"
	"testing"
)

// Carol looks at what bob suggests. Before she presses the key everything is revoked from
// him, or what he was given is taken back. In the control run an author who may suggest no
// more is not asked about.
func TestSG04AuthorHasLostIt(t *testing.T) {
	t.Parallel()
	const given = `grants:
  - {who: mwbob, role: viewer, on: mwalice/shared, reason: looks}
  - {who: mwcarol, role: viewer, on: mwalice/shared, reason: looks}
  - {who: mwcarol, role: typist, on: "mwalice/shared:0.0", reason: types}
  - {who: root, role: admin, on: "*", reason: runs it}
`
	row{grants: given, settings: byKey, teeth: "teeth_author", restless: true, gains: 2, attack: func(w *world) {
		w.anyInput = true
		s := suggestions{w}
		x := s.at(typist)
		must := func(who string, args ...string) {
			w.t.Helper()
			if r := w.Muxward(who, args...); r.Code != 0 {
				w.t.Fatalf("%s: %q: %+v", who, args, r)
			}
		}
		tries := func(word string, lose func()) {
			w.t.Helper()
			id := s.suggest(viewer, suggestedIn, word)
			s.open(x, suggestedIn)
			lose()
			if got := s.answer(viewer, id); !w.control && got != "void" {
				w.t.Errorf("%s: it is %q when he has lost it", word, got)
			}
			x.Type("y")
			if w.control {
				if w.soon(func() bool { return s.arrives(word) }) {
					w.gain("%s is typed", word)
				}
				return
			}
			x.WaitTold("not run: ")
			if s.arrives(word) {
				w.gain("%s is typed", word)
			}
			x.WaitGone("would have this typed in")
		}
		must(owner, "grant", viewer, "suggester", "-t", suggestedIn)
		tries("taken-back", func() { must(owner, "grants", "take-back", "1") })
		must(owner, "grant", viewer, "suggester", "-t", suggestedIn)
		tries("revoked", func() { must(root, "revoke", viewer) })
	}}.run(t)
}

// Carol takes what bob suggests. Her key is decided and recorded, and it is seen that he may
// suggest still; then everything is revoked from him, before any of the line is on its way.
// Who revokes is told that it is not confirmed, and the line is never typed. In the control
// run an author who may suggest no more is not asked about.
func TestSG04AuthorLosesItMeanwhile(t *testing.T) {
	t.Parallel()
	row{grants: suggesters, settings: byKey, teeth: "teeth_author", paused: true, restless: true, attack: func(w *world) {
		w.anyInput = true
		s := suggestions{w}
		x := s.at(typist)
		id := s.suggest(viewer, suggestedIn, "meanwhile")
		s.open(x, suggestedIn)
		w.between("seat-line", func() { x.Type("y") }, func() {
			r := w.Muxward(root, "revoke", viewer)
			if !w.control && (r.Code == 0 || !strings.Contains(r.Out+r.Err, "not confirmed")) {
				w.gain("it is confirmed while the line is on its way: %+v", r)
			}
		})
		if w.control {
			if w.soon(func() bool { return s.arrives("meanwhile") }) {
				w.gain("it is typed")
			}
			return
		}
		x.WaitTold("not run: ")
		if s.arrives("meanwhile") {
			w.gain("it is typed")
		}
		for _, ev := range w.AuditKind("suggest") {
			if ev.Answer == "run" {
				w.gain("suggestion %s was run by the log", id)
			}
		}
	}}.run(t)
}
