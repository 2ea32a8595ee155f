package attack

import (
	"strings"
	"syscall"
	"testing"

	"github.com/muxward/muxward/test/host"
)

// Carol left, and her account was deleted while her tmux server went on. Her name is given to somebody
// new, with another uid. The newcomer, who is carol by name, wants a shell of the account that the server
// runs as. The control run does not ask whose account that is.
func TestAU06ServerOfTheNameBefore(t *testing.T) {
	row{teeth: "teeth_owned", unlogged: true, restless: true, gains: 2, attack: func(w *world) {
		w.Must("mwcarol", "new-session", "-d", "-s", "hers")
		w.accounts(func(passwd string) string {
			return strings.Replace(passwd, "mwcarol:x:61003:61003", "mwcarol:x:61098:61098", 1)
		})
		var r host.Result
		if !soon(func() bool { // the newcomer has a door of their own soon
			r = w.as(61098, "tmux", "new-window", "-d", "-t", "hers", w.lure())
			return r.Code == 0 || strings.Contains(r.Err, "is not mwcarol's")
		}) {
			w.t.Fatalf("it says %+v", r)
		}
		if r.Code == 0 {
			w.gain("a program runs as the account that was carol's")
		}
		if r := w.as(61098, w.Bin(), "ls"); strings.Contains(r.Out, "hers") {
			w.gain("its sessions are listed: %q", r.Out)
		}
		if said := w.Muxward(root, "status").Out; !w.control && !strings.Contains(said, "which is not mwcarol's") {
			w.t.Errorf("root is not told of it: %q", said)
		}
		if err := syscall.Kill(w.Server("mwcarol").PID, syscall.SIGTERM); err != nil { // as root is told to
			w.t.Error(err)
		}
	}}.run(t)
}
