package attack

import (
	"testing"

	"github.com/muxward/muxward/internal/soak"
)

// Carol types by ssh, at 200 keys a second, while she is revoked, and hopes that some
// of it slips through: keys on the network, in the channel, in muxward. Once `revoke`
// has returned, not one more byte reaches the pane, whether her keys are addressed or,
// with every verb, direct.
func TestSS20RevokedWhileTyping(t *testing.T) {
	const base = standardGrants + "  - {who: mwcarol, role: viewer, on: mwalice/rv, reason: looks}\n"
	for mode, grants := range map[string]string{
		"addressed": base + "  - {who: mwcarol, role: typist, on: \"mwalice/rv:0.0\", reason: typing}\n",
		"direct":    base + "  - {who: mwcarol, role: owner, on: mwalice, reason: every verb}\n",
	} {
		t.Run(mode, row{ssh: true, grants: grants, teeth: "teeth_revoke", restless: true, attack: func(w *world) {
			rv := newRevocation(w, mode, "")
			rv.ssh = true
			trials := soak.N(200, 4)
			if w.control {
				trials = 40 // a verdict in memory lasts a second: not each trial meets one
			}
			for i := range trials {
				if rv.trial(i); w.control && rv.typed > 0 {
					break
				}
			}
		}}.run)
	}
}
