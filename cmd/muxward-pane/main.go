// Command muxward-pane is what tmux starts in the panes of an isolated server: it asks for
// a session, which is opened on its terminal as another account, and waits for its end.
// muxward starts the same program to mind that session, and it becomes the session.
// It keeps no secrets, and by hand it does nothing.
package main

import (
	"fmt"
	"os"

	"github.com/muxward/muxward/internal/pane"
)

func main() {
	if len(os.Args) == 0 {
		os.Exit(1) // execve(2) allows it
	}
	var err error
	switch {
	case len(os.Args) == 4 && os.Args[1] == pane.SuperviseArg:
		if err = pane.Supervise(); err != nil {
			fmt.Fprintf(os.Stderr, "muxward-pane: %v\n", err)
			os.Exit(pane.CodeOf(err))
		}
	case len(os.Args) == 2 && os.Args[1] == pane.EnterArg:
		err = pane.Enter()
	default:
		os.Exit(pane.Launch(os.Args, os.Stderr))
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "muxward-pane: %v\r\n", err)
		os.Exit(1)
	}
}
