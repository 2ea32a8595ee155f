package attack

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/soak"
)

// Somebody looks for a policy that permits by mistake: grants that have run
// out, that are about another session, that a forbid takes away, or a forbid
// that cannot be evaluated. Random policies are put in force, and what bob can
// do at the door is compared with five lines that say what he may. (The engine
// itself is compared with a reference in internal/policy, a million times, and
// of some fifty mistakes made in it on purpose the tests notice 95 in a hundred
// at least.)
func TestTM24PolicyByChance(t *testing.T) {
	t.Parallel()
	shownByPackage(t, "policy.TestDecideEqualsReference", "policy.TestMutants")
	const none = `forbid (principal, action == Action::"audit", resource in Session::"mwbob/none");`
	row{restless: true, gains: 2, attack: func(w *world) {
		w.anyInput = true
		for range soak.N(1000, 12) {
			grants, cedar := strings.Builder{}, none
			may := map[string]bool{} // by verb
			give := func(role, on, more string, verbs ...string) {
				if rand.IntN(2) == 0 {
					return
				}
				fmt.Fprintf(&grants, "  - {who: mwbob, role: %s, on: %q, reason: chance%s}\n", role, on, more)
				for _, v := range verbs {
					may[v] = true
				}
			}
			give("viewer", "mwalice/shared", "", "view")
			give("typist", "mwalice/shared:0.0", "", "type", "see")
			give("owner", "mwalice/shared", ", until: 2020-01-01T00:00:00Z")
			give("owner", "mwalice/other", "")
			give("typist", "mwalice/shared:0.1", "", "see")
			switch rand.IntN(4) {
			case 0:
				cedar = `forbid (principal, action, resource in Session::"mwalice/shared") unless { context.own };`
				clear(may)
			case 1: // an error in it counts as hit
				cedar = `forbid (principal == Person::"mwbob", action == Action::"type", resource) ` +
					`when { 9223372036854775807 + 1 > 0 };`
				may["type"] = false
			}
			if w.control {
				fmt.Fprint(&grants, "  - {who: mwbob, role: owner, on: mwalice, reason: control run}\n")
				cedar = none
			}
			w.WritePolicy("more.cedar", cedar+"\n")
			base := strings.Replace(standardGrants, "  - {who: mwbob, role: viewer, on: mwalice/shared, reason: watches}\n", "", 1)
			w.Reload("grants.yaml", base+grants.String())
			for verb, args := range map[string][]string{
				"type": {"send-keys", "-t", "mwalice/shared:0.0", "x"}, "view": {"has-session", "-t", "mwalice/shared"},
				"never": {"capture-pane", "-p", "-t", "mwalice/secret"}, "close": {"kill-pane", "-t", "mwalice/shared:0.1"},
			} {
				// Two files were changed: the second may be in force a moment
				// later than the first.
				if !w.soon(func() bool { return (w.try(viewer, args...).Code == 0) == may[verb] }) {
					w.gain("%s is not %v with\n%s%s", verb, may[verb], grants.String(), cedar)
				}
			}
			if len(w.gains) > 1 {
				return
			}
		}
	}}.run(t)
}
