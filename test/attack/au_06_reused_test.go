package attack

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// givenAway has carol's account be deleted: her name is that of uid 61098 by now, and her uid that of mwdave.
func givenAway(passwd string) string {
	return strings.Replace(passwd, "mwcarol:x:61003:61003", "mwdave:x:61003:61003", 1) + "mwcarol:x:61098:61098::/:/bin/sh\n"
}

// Carol left, and her account was deleted while her tmux server went on. Its uid is given to somebody
// new. Bob, to whom carol's server is open by the policy, wants a shell of the newcomer there. The
// control run does not ask whose account the server runs as by now.
func TestAU06ServerOfAnotherByNow(t *testing.T) {
	row{
		grants: standardGrants + "  - {who: mwbob, role: operator, on: mwcarol, reason: works with her}\n",
		teeth:  "teeth_owned", unlogged: true, restless: true, gains: 2,
		attack: func(w *world) {
			w.Must(carol, "new-session", "-d", "-s", "hers")
			x := w.attach(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwcarol/hers")
			x.WaitFor("hers")
			w.accounts(givenAway)
			if !w.control {
				w.soon(x.Exited)
			}
			x.Type(w.lure() + "\r")
			if r := w.Tmux(viewer, "new-window", "-d", "-t", "mwcarol/hers", w.lure()); r.Code == 0 {
				w.gain("a program runs as the newcomer")
			}
			if w.control { // what runs there ends with the server
				w.soon(func() bool { caught, err := os.ReadDir(w.canary); return err == nil && len(caught) > 0 })
			}
			if err := syscall.Kill(w.Server(carol).PID, syscall.SIGTERM); err != nil {
				w.t.Error(err)
			}
		},
	}.run(t)
}

// Carol has given bob a right on her whole server. Her account was deleted, and her name was given anew.
// Bob wants into the newcomer's server, who has given him nothing. The control run does not ask
// whether who gave it is still there.
func TestAU06GivenByTheNameBefore(t *testing.T) {
	row{
		teeth: "teeth_owned", unlogged: true, restless: true,
		attack: func(w *world) {
			w.Must(carol, "new-session", "-d", "-s", "hers")
			if r := w.Muxward(carol, "grant", viewer, "operator", "-t", "mwcarol"); r.Code != 0 {
				w.t.Fatalf("grant: %+v", r)
			}
			w.Must(carol, "kill-server")
			w.accounts(givenAway)
			if !soon(func() bool { return w.as(61098, "tmux", "new-session", "-d", "-s", "new").Code == 0 }) {
				w.t.Fatalf("the newcomer has no server: %+v", w.as(61098, "tmux", "new-session", "-d", "-s", "new"))
			}
			if r := w.Tmux(viewer, "new-window", "-d", "-t", "mwcarol/new", w.lure()); r.Code == 0 {
				w.gain("bob has a program run on the newcomer's server")
			}
			w.as(61098, "tmux", "kill-server")
		},
	}.run(t)
}

// Carol's account was deleted while she is attached, and her uid and her name were given to others. Who
// has her uid has her processes, and hopes to go on as carol.
func TestAU06HereByTheAccountBefore(t *testing.T) {
	row{
		teeth: "teeth_owned", unlogged: true, restless: true,
		attack: func(w *world) {
			x := w.attach(carol, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
			x.WaitFor("shared")
			w.accounts(givenAway)
			limit := tmuxtest.Patience
			if w.control {
				limit = 12 * time.Second // muxward looks every four seconds
			}
			if !within(limit, x.Exited) {
				w.gain("who has carol's process is still shown what she was")
			}
		},
	}.run(t)
}
