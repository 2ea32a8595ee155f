package tmux

import (
	"strings"
	"testing"
)

// TestMovesAgreeWithTmux runs the commands and compares where the panes are.
func TestMovesAgreeWithTmux(t *testing.T) {
	for _, base := range []string{"0", "1"} {
		for _, line := range []string{
			"kill-pane -t a.%2", "kill-pane -t a.%4", "split-window -d -t a.%2 cat", "split-window -d -b -t a.%2 cat",
			"split-window -d -f -t a.%2 cat", "split-window -d -f -b -t a.%3 cat", "rotate-window -t a", "rotate-window -D -t a",
			"swap-pane -s a.%1 -t a.%3", "swap-pane -s a.%3 -t a.%2", "swap-pane -D -t a.%2", "swap-pane -D -t a.%4", "swap-pane -U -t a.%1",
			"swap-pane -s a.%2 -t b.%5", "swap-pane -s a.%2 -t a.%2", "swap-pane -D -s a.%2 -t b.%5",
			"join-pane -s a.%1 -t a.%3", "join-pane -s a.%4 -t a.%1", "join-pane -b -s a.%1 -t a.%3", "join-pane -b -s a.%4 -t a.%2",
			"join-pane -f -s a.%1 -t a.%2", "join-pane -f -b -s a.%3 -t a.%2", "move-pane -s a.%2 -t b.%5", "move-pane -b -s a.%2 -t b.%5",
			"join-pane -f -s a.%3 -t b.%5", "join-pane -s b.%5 -t a.%1", "next-layout -t a", "resize-pane -t a.%2 -x 9",
		} {
			srv := startServer(t)
			srv.run("set-option", "-g", "pane-base-index", base)
			srv.run("new-window", "-n", "a", "-t", "start", "exec cat")
			for range 3 {
				srv.run("split-window", "-d", "-t", "a", "exec cat")
				srv.run("select-layout", "-t", "a", "tiled")
			}
			srv.run("new-window", "-n", "b", "-t", "start", "exec cat")
			srv.run("split-window", "-d", "-t", "b", "exec cat")
			c := srv.control("start")
			before := c.snapshot(Core)
			inv := mustParse(t, strings.Fields(line)...)
			r := resolvedFor(t, before, inv)
			type place struct {
				window WindowID
				index  int
			}
			want := map[PaneID]place{}
			for i := range before.Panes {
				p := &before.Panes[i]
				want[p.ID] = place{p.Window, p.Index}
			}
			for _, m := range inv.Moves(before, r) {
				want[m.Pane.ID] = place{m.To.ID, m.Index}
			}
			srv.run(inv.Argv()...)
			after := c.snapshot(Core)
			for i := range after.Panes {
				p := &after.Panes[i]
				if got := (place{p.Window, p.Index}); before.Pane(p.ID) != nil && got != want[p.ID] {
					t.Errorf("base %s, %s: %s is at %v, said was %v", base, line, p.ID, got, want[p.ID])
				}
			}
		}
	}
}

// resolvedFor resolves -t and -s.
func resolvedFor(t *testing.T, snap *Snapshot, inv *Invocation) (r Resolved) {
	t.Helper()
	target, _ := inv.Get('t')
	found, err := Resolve(snap, inv.TargetLookup(), target, ResolveContext{})
	if err != nil {
		t.Fatal(err)
	}
	r.Target = found
	if source, ok := inv.Get('s'); ok {
		from, err := Resolve(snap, inv.Row.Source, source, ResolveContext{})
		if err != nil {
			t.Fatal(err)
		}
		r.Source = &from
	}
	return r
}

// TestWindowMovesAgreeWithTmux closes windows and compares the indexes of others.
func TestWindowMovesAgreeWithTmux(t *testing.T) {
	for _, renumber := range []string{"on", "off"} {
		for _, line := range []string{"kill-window -t a", "kill-pane -t a", "join-pane -d -s a -t b", "kill-pane -t b", "next-window -t start"} {
			srv := startServer(t)
			srv.run("set-option", "-g", "base-index", "2", ";", "set-option", "-g", "renumber-windows", renumber)
			srv.run("new-window", "-d", "-n", "a", "-t", "start:5", "exec cat", ";", "new-window", "-d", "-n", "b", "-t", "start:7", "exec cat",
				";", "split-window", "-d", "-t", "start:7", "exec cat", ";", "new-window", "-d", "-n", "c", "-t", "start:9", "exec cat")
			srv.run("new-session", "-d", "-s", "other", "exec cat", ";", "link-window", "-d", "-s", "start:5", "-t", "other:4",
				";", "link-window", "-d", "-s", "start:9", "-t", "other:8")
			c := srv.control("start")
			before := c.snapshot(Core)
			inv := mustParse(t, strings.Fields(line)...)
			type place struct {
				session SessionID
				window  WindowID
			}
			want := map[place]int{}
			for _, s := range before.Sessions {
				for _, l := range s.Links {
					want[place{s.ID, l.Window}] = l.Index
				}
			}
			for _, m := range inv.WindowMoves(before, resolvedFor(t, before, inv)) {
				want[place{m.Session.ID, m.Link.Window}] = m.Index
			}
			srv.run(inv.Argv()...)
			after := c.snapshot(Core)
			for _, s := range after.Sessions {
				for _, l := range s.Links {
					if is := want[place{s.ID, l.Window}]; is != l.Index {
						t.Errorf("renumber %s, %s: window %s of %s is at %d, said was %d", renumber, line, l.Window, s.Name, l.Index, is)
					}
				}
			}
		}
	}
}
