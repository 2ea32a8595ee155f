package tmux

import (
	"strings"
	"testing"
)

func TestSnapshotOfRealServer(t *testing.T) {
	srv := startServer(t)
	srv.run("rename-session", "-t", "start", "héllo wörld 日本")
	srv.run("new-session", "-d", "-s", "two", "-n", "wx", "-x", "80", "-y", "24", "exec cat")
	srv.run("split-window", "-t", "two:", "exec cat")
	srv.run("split-window", "-h", "-t", "two:", "exec cat")
	srv.run("new-window", "-t", "two:", "-n", "a b%c", "exec cat")
	srv.run("link-window", "-s", "two:1", "-t", "héllo wörld 日本:7")
	srv.run("new-session", "-d", "-t", "two", "-s", "three")
	srv.run("select-pane", "-m", "-t", "two:0.1")
	srv.run("set-option", "-s", MarkOption, "abc 1")
	c := srv.control("two")
	for _, d := range []Detail{Core, Full} {
		snap := c.snapshot(d)
		if snap.Incarnation.Mark != "abc 1" || snap.Incarnation.PID == 0 || snap.Incarnation.StartTime == 0 {
			t.Errorf("incarnation %v", snap.Incarnation)
		}
		if want := mustVersion(t, srv.run("display-message", "-p", "#{version}")); snap.Version != want {
			t.Errorf("version %v, want %v", snap.Version, want)
		}
		var names []string
		for _, s := range snap.Sessions {
			names = append(names, s.Name)
		}
		if got := strings.Join(names, "|"); got != "héllo wörld 日本|three|two" {
			t.Errorf("sessions %s", got)
		}
		two := snap.SessionByName("two")
		if two.Group != "two" || two.GroupSize != 2 || len(two.Links) != 2 || two.Attached != 1 || two.Current != 1 {
			t.Errorf("session two: %+v", two)
		}
		if w := snap.Window(two.Links[1].Window); w.Name != "a b%c" || len(w.Panes) != 1 || len(snap.SessionsOf(w.ID)) != 3 {
			t.Errorf("window: %+v", w)
		}
		if w := snap.Window(two.Links[0].Window); len(w.Panes) != 3 || !w.HasLast {
			t.Errorf("window: %+v", w)
		}
		if snap.Marked == nil || snap.Marked.Pane != snap.Window(two.Links[0].Window).Panes[1] {
			t.Errorf("marked: %+v", snap.Marked)
		}
		if len(snap.Clients) != 1 || snap.Clients[0].Session != two.ID || snap.Clients[0].PID != c.cmd.Process.Pid {
			t.Errorf("clients: %+v", snap.Clients)
		}
		if len(snap.Options.Aliases) != 6 || snap.Options.Aliases[2] != (CommandAlias{"server-info", "show-messages -JT"}) {
			t.Errorf("aliases: %+v", snap.Options.Aliases)
		}
	}
}

func mustVersion(t *testing.T, s string) Version {
	t.Helper()
	v, err := ParseVersion(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
