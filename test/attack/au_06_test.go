package attack

import (
	"strings"
	"testing"
)

// Carol left. Her account was deleted, and her uid was given to a new account;
// or the name was given anew, with another uid. The newcomer hopes to inherit
// what the policy grants to carol. It records both the name and the uid, and
// who does not have both is not carol. In the control run the policy says that
// the new account is hers, too.
func TestAU06AccountGivenAway(t *testing.T) {
	people := func(carol string) string {
		return strings.Replace(standardPeople, "mwcarol: {}", "mwcarol: {"+carol+"}", 1)
	}
	row{
		people: people("uid: 61003"), loosePeople: people("uid: [61003, 61098], account: [mwcarol, mwdave]"),
		loose: standardGrants, unlogged: true, restless: true, gains: 2,
		attack: func(w *world) {
			w.accounts(func(passwd string) string {
				return strings.Replace(passwd, "mwcarol:x:61003", "mwdave:x:61003", 1) + "mwcarol:x:61098:61098::/:/bin/sh\n"
			})
			if r := w.as(61003, "tmux", "send-keys", "-t", "mwalice/shared:0.0", "x"); r.Code == 0 {
				w.gain("the uid's new owner typed")
			}
			if r := w.as(61098, w.Bin(), "ls"); strings.Contains(r.Out, "shared") {
				w.gain("the name's new owner sees %q", r.Out)
			}
			w.alarmed("uid 61003")
		},
	}.run(t)
}
