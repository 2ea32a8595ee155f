package attack

import (
	"fmt"
	"os"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Mwalice has a tmux server here and no rights on anybody else's, and wants nobody to take anything from
// anybody on this host. What is asked for from inside a pane is refused: so she has her server say that whoever logs in here is a
// program in a pane of hers, by a window's name that reads as a pane, with the process that all of
// root's commands descend from. Then she has it say what is no state at all, so that nobody can be told of it.
// The name is a name, and of who is inside a pane her server is not believed more than the kernel. In the control
// run both are believed. (Terminals that she names: identity.TestInsideByTerminal.)
func TestPN04ClaimsOthersAsItsPanes(t *testing.T) {
	t.Parallel()
	shownByPackage(t, "identity.TestInsideByTerminal", "identity.TestInsideByAncestry", "tmux.TestSnapshotWithNamesThatAreRows")
	row{teeth: "teeth_rows,teeth_claimed", restless: true, gains: 2, attack: func(w *world) {
		say := func(text string) {
			w.t.Helper()
			if r := w.Tmux(owner, "new-window", "-d", "-t", "shared:", "-n", "x\n"+text, "cat"); r.Code != 0 {
				tmuxtest.Skip(w.t, "this tmux takes no name with a newline")
			}
			w.Tmux(owner, "list-windows", "-a") // it is asked for its state
		}
		say(fmt.Sprintf("P %%99 7 0 %d /dev/pts/77", os.Getpid()))
		if r := w.Muxward(root, "revoke", viewer); r.Code != 0 {
			w.gain("root revokes nothing: %+v", r)
		}
		say("no state")
		if r := w.Tmux(owner, "list-sessions"); r.Code != 0 {
			w.gain("nobody is told of the server: %+v", r)
		}
		if w.control { // or the oracles would find nothing
			w.server.Run("kill-window", "-t", "shared:2", ";", "kill-window", "-t", "shared:1")
		}
	}}.run(t)
}
