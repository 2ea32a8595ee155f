package attack

import (
	"fmt"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Carol types while people are renamed in the policy's files: from now on her name is
// bob's, who may only watch, and his is hers. She goes on under the name that she came
// with. Then a role is renamed that nobody knows, and one is called like everything. In the
// control run nothing that is under way is decided anew.
func TestCF04Renamed(t *testing.T) {
	t.Parallel()
	row{teeth: "teeth_revoke,teeth_roles", restless: true, gains: 4, attack: func(w *world) {
		w.anyInput = true
		x := w.attach(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
		x.WaitFor("recording")
		x.Type("a")
		w.rec.WaitLen(1)
		w.Reload("people.yaml", fmt.Sprintf("people:\n  mwalice: {}\n  mwbob: {uid: %d}\n  mwcarol: {uid: %d}\n  mwmallory: {}\n  root: {uid: 0}\n",
			w.uid(typist), w.uid(viewer)))
		x.Type("STOLEN")
		if soonIf(w.control, func() bool { return strings.Contains(string(w.rec.Bytes()), "S") }) {
			w.gain("carol types by a name that is bob's: %q", w.rec.Bytes())
		}
		if r := w.Tmux(typist, "send-keys", "-t", "mwalice/shared:0.0", "S"); r.Code == 0 {
			w.gain("carol types by her old rights: %+v", r)
		}
		for _, role := range []string{"typewriter", "'*'", "'@all'"} {
			w.WritePolicy("grants.yaml", strings.Replace(standardGrants, "role: viewer", "role: "+role, 1)+
				"  - {who: mwmallory, role: "+role+", on: mwalice, reason: renamed}\n")
			w.Signal(sigHup)
			if w.control {
				if w.soon(func() bool { return w.Tmux(stranger, "has-session", "-t", "mwalice/shared").Code == 0 }) {
					w.gain("mallory is let in by %s", role)
				}
				w.Reload("grants.yaml", standardGrants)
				continue
			}
			tmuxtest.Eventually(w.t, func() bool {
				return strings.Contains(w.Muxward(root, "status").Out+w.Muxward(root, "status").Err, "there is no role")
			}, "it is said that there is no role %s", role)
			if r := w.Tmux(stranger, "ls"); r.Code == 0 {
				w.gain("mallory is let in by %s: %q", role, r.Out)
			}
			w.Reload("grants.yaml", standardGrants)
		}
		if got := string(w.rec.Bytes()); !w.control && strings.Contains(got, "S") {
			w.gain("carol has typed late: %q", got)
		}
	}}.run(t)
}
