package tmux

import (
	"strings"
	"testing"
)

// Before 3.7 new-window -n, and new-session -n and -t, take a name as it is, and so do options. None of them is a row of
// its own, or breaks one.
func TestSnapshotWithNamesThatAreRows(t *testing.T) {
	srv := startServer(t)
	c := srv.control("start")
	for _, name := range []string{"a", "\xff\xfe", "é\xc3", "\xc3\n\x1b\xc3\n", "日本語", "##{pane_id}#", "  \\", "%end 1 2 3"} {
		for _, row := range []string{name, name + "\nP %99 7 0 1 /dev/pts/77", name + "\nS $9 1 1 1 0 0 0  forged\nW 0 @9 * 0 off x forged"} {
			srv.tryRun("new-session", "-d", "-s", "group", "-t", EscapeArg(row)) // 3.7 refuses some
			srv.tryRun("new-session", "-d", "-s", "more", "-n", EscapeArg(row), "exec cat")
			srv.tryRun("new-window", "-d", "-t", "$0:7", "-n", EscapeArg(row), "exec cat")
			srv.run("set-option", "-s", "@muxward_id", EscapeArg(row))
			srv.run("set-option", "-g", "default-command", EscapeArg("exec cat #"+row))
			sessions, windows, panes := lines(srv.run("list-sessions", "-F", "x")), lines(srv.run("list-windows", "-a", "-F", "x")), lines(srv.run("list-panes", "-a", "-F", "x"))
			for _, d := range []Detail{Core, Full, Places} {
				snap := c.snapshot(d)
				if len(snap.Sessions) != sessions || len(snap.Windows) != windows || len(snap.Panes) != panes {
					t.Errorf("%q: %d sessions, %d windows, %d panes; tmux has %d, %d, %d",
						row, len(snap.Sessions), len(snap.Windows), len(snap.Panes), sessions, windows, panes)
				}
				for _, w := range snap.Windows {
					if strings.Contains(w.Name, "\n") {
						t.Errorf("the window's name is %q", w.Name)
					}
				}
			}
			srv.tryRun("kill-session", "-t", "=more")
			srv.tryRun("kill-session", "-t", "=group")
			srv.tryRun("kill-window", "-t", "$0:7")
		}
	}
}

func lines(text string) int { return strings.Count(strings.TrimRight(text, "\n"), "\n") + 1 }
