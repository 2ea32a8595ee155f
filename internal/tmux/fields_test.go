package tmux

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFieldsWithHostileValues lets a program in a pane, and whoever may set
// variables of a session, choose what is fetched: every row stays what it was.
func TestFieldsWithHostileValues(t *testing.T) {
	srv := startServer(t)
	c := srv.control("start")
	tty := srv.run("display-message", "-p", "#{pane_tty}")
	row := "\nP %9 0 1 /dev/pts/9\n%exit"
	for _, list := range [][]field{paneFields(), modeFields(), clientFields()} {
		for _, f := range list {
			srv.run("set-environment", "-t", "start", f.name, row)
		}
	}
	for i, name := range append([]string{"plain", row}, hostileNames...) {
		mark := fmt.Sprintf("mark-%d", i)
		out := "\x1b]7;" + name + "\x1b\\\x1b]0;" + mark + "\x1b\\"
		if err := writeTerminal(tty, out); err != nil {
			t.Fatal(err)
		}
		until(t, "the title is "+mark, func() bool { return srv.run("display-message", "-p", "-t", "%0", "#{pane_title}") == mark })
		if table := fmt.Sprintf("t%d %s", i, EscapeFormat(name)); i < 4 {
			srv.run("bind-key", "-T", table, "x", "list-keys")
			srv.run("switch-client", "-c", fmt.Sprintf("client-%d", c.cmd.Process.Pid), "-T", table)
		}
		snap := c.snapshot(Full)
		if len(snap.Sessions) != 1 || len(snap.Windows) != 1 || len(snap.Panes) != 1 || len(snap.Clients) != 1 {
			t.Fatalf("%q: %+v", name, snap)
		}
		p := snap.Pane(0)
		for _, value := range append(p.values, snap.Clients[0].values...) {
			if !plainText(value) {
				t.Errorf("%q: %q is not printable", name, value)
			}
		}
		if got := expandText(t, snap, "#{pane_path}"); name == "plain" && got != "plain" {
			t.Errorf("path %q, want plain", got)
		}
	}
}

// TestNothingComesFromTheEnvironment sets variables of the names that a format
// may ask for, but that say nothing at the moment.
func TestNothingComesFromTheEnvironment(t *testing.T) {
	srv := startServer(t)
	c := srv.control("start")
	for _, group := range variableGroups() {
		for _, v := range group.list {
			srv.run("set-environment", "-t", "start", v.name, "leak")
		}
	}
	for _, mode := range []string{"", "choose-tree", "copy-mode"} {
		if mode != "" {
			srv.run(mode, "-t", "start")
		}
		snap := c.snapshot(Full)
		for _, name := range variableNames() {
			if got := expandText(t, snap, "#{"+name+"}"); got == "leak" {
				t.Errorf("in mode %q, %s is %q", mode, name, got)
			}
		}
	}
}

func expandText(t *testing.T, snap *Snapshot, text string) string {
	t.Helper()
	f, err := CompileFormatFor(text, snap.Version)
	if err != nil {
		t.Fatal(err)
	}
	c := contextOf(snap, Found{Session: &snap.Sessions[0]})
	if len(snap.Clients) > 0 {
		c.Client = &snap.Clients[0]
	}
	return f.Expand(c)
}

// writeTerminal writes what the program in a pane might.
func writeTerminal(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|unix.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(text)
	return err
}

// variableNames gives the names of all variables of formats that there are, in their order.
func variableNames() []string { return slices.Sorted(maps.Keys(formatVariables)) }
