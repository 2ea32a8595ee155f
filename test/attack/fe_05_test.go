package attack

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Bob's key is decided while carol watches, and on its way when she is revoked, or may
// not approve any more: who takes that from her is told that it is done only when his
// key is not under way. In the control run nothing is looked at again.
func TestFE05DecidedUnderEyesThatHaveGone(t *testing.T) {
	t.Parallel()
	const looks = `grants:
  - {who: root, role: admin, on: "*", reason: runs it}
  - {who: mwbob, verbs: [view, type], on: mwalice/shared, requires: watcher, reason: four eyes}
  - {who: mwcarol, verbs: view, on: mwalice/*, reason: looks}
`
	for name, tc := range map[string]struct {
		args []string
		take func(w *world, id string) []string
	}{
		"session": {nil, func(*world, string) []string { return []string{"revoke", carol} }},
		"place":   {[]string{"-f", "independent"}, func(*world, string) []string { return []string{"revoke", carol} }},
		"approve": {nil, func(_ *world, id string) []string { return []string{"grants", "take-back", id} }},
	} {
		t.Run(name, row{grants: looks, teeth: "teeth_revoke", restless: true, paused: true, attack: func(w *world) {
			w.anyInput = true
			a := watchers{w}
			id := lends(w)
			a.watch(carol, append([]string{"attach-session", "-t", "mwalice/shared"}, tc.args...)...)
			b := w.attach(viewer, tmuxtest.TerminalConfig{}, "attach-session", "-t", "mwalice/shared")
			b.WaitFor("[shared]")
			begun := w.rec.Len()
			b.Type("y")
			w.rec.WaitLen(begun + 1)
			args := tc.take(w, id)
			w.between("seat-decided", func() { b.Type("q") }, func() {
				r := w.Muxward(root, args...)
				if r.Code == 0 && !strings.Contains(r.Out+r.Err, "not confirmed") {
					w.gain("%q is done while bob's key is on its way", args)
				}
			})
		}}.run)
	}
}

// lends has alice give carol approve, and gives the number of that grant.
func lends(w *world) string {
	w.t.Helper()
	r := w.Muxward(owner, "grant", carol, "--verbs", "approve", "-t", "shared", "--json")
	var given struct{ ID json.Number }
	if err := json.Unmarshal([]byte(r.Out), &given); r.Code != 0 || err != nil || given.ID == "" {
		w.t.Fatalf("alice gives: %+v, %v", r, err)
	}
	return given.ID.String()
}
