package attack

import (
	"strings"
	"testing"
)

// Somebody is root, by sudo, and expects that root may do everything here as
// well. The policy decides about root as about anybody: what it does not
// permit is refused, and the log says that it was root, and what sudo says
// only as a claim.
func TestAU10RootConnects(t *testing.T) {
	onlyLooks := strings.Replace(standardGrants, "role: admin, on: \"*\"", "role: viewer, on: mwalice/shared", 1)
	row{grants: onlyLooks, loose: onlyLooks + "  - {who: root, role: owner, on: mwalice, reason: control run}\n",
		gains: 2, restless: true, attack: func(w *world) {
			w.t.Setenv("SUDO_UID", "61004") // of whoever ran sudo
			for _, args := range [][]string{
				{"kill-session", "-t", "mwalice/secret"}, {"send-keys", "-t", "mwalice/shared:0.0", "x"},
				{"new-window", "-d", "-t", "mwalice/shared:", w.lure()}, {"kill-server"},
				{"capture-pane", "-p", "-t", "mwalice/secret"},
			} {
				w.refused(root, args...)
			}
			if r := w.Muxward(root, "revoke", viewer); r.Code == 0 {
				w.gain("root revoked bob")
			}
			cmd := rootCommand(w, "tmux", "kill-session", "-t", "mwalice/shared")
			w.start(root, cmd)
			log := w.Muxward("", "audit", "query", "--json", "--state", w.State)
			if !w.control && !strings.Contains(log.Out, `"SUDO_UID":"61004"`) {
				w.t.Error("the log does not hold what sudo claims")
			}
		}}.run(t)
}
