package tmux

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// two sessions: s ($1) with windows 0 (@1: %1 %2) and 1 (@2: %3), and
// only ($2) with nothing but @2 linked at 4.
func demandSnapshot() *Snapshot {
	return NewSnapshot(Snapshot{
		Sessions: []Session{
			{ID: 1, Name: "s", Current: 0, Links: []Winlink{{Index: 0, Window: 1}, {Index: 1, Window: 2}}},
			{ID: 2, Name: "only", Current: 4, Links: []Winlink{{Index: 4, Window: 2}}},
		},
		Windows: []Window{
			{ID: 1, Name: "a", Panes: []PaneID{1, 2}, Active: 1, HasActive: true},
			{ID: 2, Name: "b", Panes: []PaneID{3}, Active: 3, HasActive: true},
		},
		Panes:   []Pane{{ID: 1, Window: 1}, {ID: 2, Window: 1, Index: 1}, {ID: 3, Window: 2}},
		Clients: []Client{{Name: "/dev/pts/9", TTY: "/dev/pts/9", Session: 2}},
	})
}

func TestDemands(t *testing.T) {
	snap := demandSnapshot()
	for line, want := range map[string]string{
		"kill-server":                     "close-session server, close-session $2, close-session $1",
		"kill-pane -t s:0.1":              "close-pane %2",
		"kill-pane -a -t s:0.1":           "view %2, close-pane %1",
		"kill-pane -t s:1":                "close-pane %3, close-window @2, close-session $2",
		"kill-window -t s:1":              "close-window @2, close-session $2",
		"kill-window -t s:0":              "close-window @1",
		"kill-window -a -t s:0":           "view @1, close-window @2, close-session $2",
		"kill-session -t s":               "close-session $1",
		"kill-session -a -t s":            "view $1, close-session $2",
		"kill-session -C -t s":            "layout $1",
		"send-keys -t s:0 x":              "type %1",
		"send-keys -R -t s:0":             "type %1, layout %1",
		"send-keys -X -t s:0 cancel":      "type %1, layout %1",
		"send-keys -X -t s:0 copy-pipe x": "type %1, layout %1, copy server, execute server",
		"capture-pane -p -t s:0.1":        "copy %2",
		"capture-pane -t s:0.1":           "copy %2, copy server",
		"display-message -p -t s x":       "view %1",
		"display-message -a -p":           "view %1, configure server",
		"list-sessions":                   "",
		"list-panes -a":                   "",
		"list-buffers":                    "copy server",
		"list-commands":                   "",
		"has-session -t s":                "view $1",
		"attach-session -t s":             "view $1",
		"attach-session -d -t s":          "view $1, detach-others $1",
		"attach-session -x -t s":          "view $1, detach-others $1",
		"new-session -d":                  "spawn server",
		"new-session -A -D -s s":          "spawn server, view $1, detach-others $1",
		"new-session -t s":                "view $1, layout $1, spawn server",
		"new-session -e A=b top":          "configure(environment) server, execute server, spawn(command) server",
		"new-window -t s:":                "spawn $1",
		"new-window -k -t s:1 vi":         "close-window @2, spawn(command) $1",
		"split-window -t s:0.1":           "spawn @1",
		"select-window -t s:1":            "layout $1",
		"select-layout -t s:0 tiled":      "layout @1",
		"select-pane -d -t s:0.1":         "layout @1, configure %2",
		"select-pane -R -d -t s:0.1":      "layout @1, configure %1, configure %2",
		"select-pane -l -e -t s:0.1":      "layout @1, configure %1, configure %2",
		"last-pane -d -t s:0":             "layout @1, configure %1, configure %2",
		"rename-session -t s x":           "layout $1",
		"rename-window -t s:0 x":          "layout @1",
		"switch-client -t only":           "navigate $2, view $2",
		"switch-client -c pts/9 -t s":     "navigate $1, view $1, detach-others $2",
		"detach-client":                   "",
		"detach-client -a":                "detach-others server",
		"detach-client -s only":           "detach-others $2",
		"detach-client -t pts/9":          "detach-others $2",
		"detach-client -E id":             "execute server",
		"load-buffer -":                   "copy server",
		"show-buffer":                     "copy server",

		// From one place to another: verbs on both, and what closes.
		"swap-pane -s s:0.0 -t s:0.1":         "layout @1",
		"swap-pane -s s:0.1 -t s:1":           "layout @1, layout @2",
		"join-pane -s s:0.1 -t s:1":           "layout @1, layout @2",
		"join-pane -s s:1 -t s:0.1":           "layout @2, layout @1, close-window @2, close-session $2",
		"move-pane -s s:1 -t s:1":             "layout @2",
		"break-pane -s s:0.1 -t s:":           "layout @1, layout $1",
		"break-pane -s only:4 -t s:7":         "layout @2, layout $1, close-session $2",
		"link-window -s s:0 -t only:7":        "layout $1, layout @1, layout $2",
		"link-window -k -s s:0 -t only:4":     "layout $1, layout @1, layout $2, close-window @2",
		"link-window -k -s only:4 -t s:0":     "layout $2, layout @2, layout $1, close-window @1",
		"move-window -s s:0 -t only:7":        "layout $1, layout @1, layout $2",
		"move-window -s only:4 -t s:7":        "layout $2, layout @2, layout $1, close-session $2",
		"move-window -s only:4 -t only:7":     "layout $2, layout @2",
		"move-window -r -t s":                 "layout server, layout $1",
		"swap-window -s s:0 -t only:4":        "layout $1, layout $2",
		"unlink-window -t s:1":                "layout $1",
		"unlink-window -k -t s:0":             "layout $1, close-window @1",
		"unlink-window -t only:4":             "layout $2, close-session $2",
		"respawn-pane -t s:0.1":               "spawn @1",
		"respawn-pane -k -t s:0.1 vi":         "close-pane %2, spawn(command) @1",
		"respawn-window -t s:0":               "spawn @1, close-pane %2",
		"respawn-window -k -t s:1":            "close-window @2, spawn @2",
		"resize-window -x 80 -t s:0":          "layout @1",
		"resize-pane -x 50% -t s:0.1":         "layout @1",
		"resize-pane -T -t s:0.1":             "layout @1, configure %2",
		"clear-history -t s:0.1":              "configure %2",
		"copy-mode -t s:0.1":                  "layout %2",
		"copy-mode -s s:1 -t s:0.1":           "layout %2, copy %3",
		"paste-buffer -t s:0.1":               "type %2, copy server",
		"send-prefix -t s:0.1":                "type %2",
		"set-buffer x":                        "copy server",
		"set-buffer -w x":                     "copy server, configure server",
		"save-buffer -":                       "copy server",
		"set-option -t s mouse on":            "configure server",
		"set-option destroy-unattached on":    "configure server, close-session server",
		"set-option -u exit-unattached":       "configure server, close-session server",
		"set-option exit-empty on":            "configure server, close-session server",
		"set-option lock-after-time 1":        "configure server, detach-others server",
		"set-option lock-after-time 1#x":      "configure server, execute server",
		"set-option mouse on#(id)":            "configure server, execute server",
		"set-option -F mouse on":              "configure server, execute server",
		"set-option default-command x":        "configure server, execute server",
		"set-option status-left x":            "configure server, execute server",
		"set-option @mine x":                  "configure server, execute server",
		"set-option mou on":                   "configure server, execute server",
		"set-window-option -u mode-keys":      "configure server",
		"set-environment A b":                 "configure(environment) server, execute server",
		"set-environment -F A b":              "configure(environment) server, execute server",
		"set-hook x ls":                       "configure server, execute server",
		"show-options -g":                     "configure server",
		"show-environment -t s":               "configure server",
		"bind-key x ls":                       "configure server, execute server",
		"unbind-key x":                        "configure server",
		"run-shell id":                        "execute server",
		"run-shell -C ls":                     "execute server, configure server",
		"if-shell true ls":                    "configure server, execute server",
		"pipe-pane -t s:0.1 cat":              "execute server, copy %2",
		"pipe-pane -I -t s:0.1 cat":           "execute server, copy %2, type %2",
		"source-file x":                       "configure server, execute server",
		"lock-session -t s":                   "detach-others $1",
		"lock-server":                         "detach-others server",
		"lock-client -t pts/9":                "detach-others $2",
		"suspend-client":                      "",
		"refresh-client -t pts/9 -S":          "detach-others $2",
		"start-server":                        "",
		"display-popup -c pts/9 -t s:0 id":    "execute server, detach-others $2",
		"confirm-before -t pts/9 kill-server": "configure server, execute server, detach-others $2",
	} {
		asksFor(t, snap, line, want)
	}
}

// The sessions of a group have the same windows, and each shows one of its own.
func TestDemandsOnGroup(t *testing.T) {
	snap := demandSnapshot()
	s, only := snap.SessionByName("s"), snap.SessionByName("only")
	s.Group, only.Group = "s", "other"
	snap.Sessions = []Session{*s, *only,
		{ID: 3, Name: "beside", Group: "s", Current: 1, Links: slices.Clone(s.Links)},
		{ID: 4, Name: "alone", Current: 4, Links: slices.Clone(only.Links)}}
	snap = NewSnapshot(*snap)
	for line, want := range map[string]string{
		"new-window -t beside:":              "spawn $3, spawn $1",
		"new-window -S -t beside:":           "layout $3, layout $1, spawn $3, spawn $1",
		"new-window -t only:":                "spawn $2",
		"new-window -t alone:":               "spawn $4",
		"break-pane -s s:0.1 -t beside:":     "layout @1, layout $3, layout $1",
		"link-window -s alone:4 -t s:7":      "layout $4, layout @2, layout $1, layout $3",
		"swap-window -s beside:0 -t alone:4": "layout $3, layout $1, layout $4",
		"move-window -r -t beside":           "layout server, layout $3, layout $1",
		"unlink-window -t s:1":               "layout $1, layout $3",
		"select-window -t beside:1":          "layout $3",
		"next-window -t beside":              "layout $3",
		"last-window -t s":                   "layout $1",
		"rename-session -t s x":              "layout $1",
		"kill-session -C -t s":               "layout $1",
		"split-window -t beside:0":           "spawn @1",
	} {
		asksFor(t, snap, line, want)
	}
}

// asksFor sees that a line asks for what it should.
func asksFor(t *testing.T, snap *Snapshot, line, want string) {
	t.Helper()
	inv := mustParse(t, strings.Fields(line)...)
	if got := demandText(t, snap, inv); got != want {
		t.Errorf("%s:\n got %s\nwant %s", line, got, want)
	}
}

func demandText(t *testing.T, snap *Snapshot, inv *Invocation) string {
	t.Helper()
	var r Resolved
	target, _ := inv.Get('t')
	letter := byte('c')
	if inv.Row.Target.Kind == TargetClient {
		letter = 't'
	}
	if name, ok := inv.Get(letter); ok && inv.Row.Flag(letter).Kind == ClientValue {
		c, err := ResolveClient(snap, name)
		if err != nil {
			t.Fatal(err)
		}
		r.Client = c
	}
	if inv.Row.Target.Kind != TargetClient && inv.Row.Target.Kind != NoTarget {
		found, err := Resolve(snap, inv.TargetLookup(), target, ResolveContext{Session: &snap.SessionByName("s").ID})
		if err != nil {
			t.Fatal(err)
		}
		r.Target = found
	}
	source, given := inv.Get('s')
	if inv.Row.Source.Kind != NoTarget && given {
		found, err := Resolve(snap, inv.Row.Source, source, ResolveContext{})
		if err != nil {
			t.Fatal(err)
		}
		r.Source = &found
	}
	var list []string
	for _, d := range inv.Demands(snap, r) {
		verb := d.Verb
		if d.With != "" {
			verb += "(" + d.With + ")"
		}
		object := "server"
		switch d.On.Kind {
		case SessionObject:
			object = d.On.Session.String()
		case WindowObject:
			object = d.On.Window.String()
		case PaneObject:
			object = d.On.Pane.String()
		}
		list = append(list, verb+" "+object)
	}
	return strings.Join(list, ", ")
}

// TestClosingAgreesWithTmux runs the commands and compares what is gone.
func TestClosingAgreesWithTmux(t *testing.T) {
	for _, line := range []string{
		"kill-pane -t s:0.1", "kill-pane -a -t s:0.1", "kill-pane -t s:1", "kill-window -t s:1",
		"kill-window -a -t s:0", "kill-session -t s", "kill-session -a -t s", "kill-window -t only:4", "kill-session -t only",
		"join-pane -s s:0.1 -t s:1", "join-pane -s s:1 -t s:0", "swap-pane -s s:0.1 -t only:4",
		"break-pane -s s:0.1 -t only:7", "break-pane -s only:4 -t s:7", "break-pane -s only:4 -t only:7",
		"link-window -s s:0 -t only:7", "link-window -k -s s:0 -t only:4", "link-window -k -s only:4 -t s:0",
		"move-window -s s:0 -t only:7", "move-window -s only:4 -t s:7", "move-window -k -s only:4 -t s:0", "move-window -r -t s",
		"move-window -s keep:0 -t s:7", "swap-window -s s:0 -t keep:0", "unlink-window -t s:1", "unlink-window -k -t s:0",
		"unlink-window -t only:4", "unlink-window -k -t keep:0", "respawn-window -k -t s:0", "respawn-pane -k -t s:0.1",
	} {
		srv := startServer(t)
		srv.run("rename-session", "-t", "start", "s")
		srv.run("split-window", "-t", "s:0", "exec cat")
		srv.run("new-window", "-d", "-t", "s:1", "exec cat")
		srv.run("new-session", "-d", "-s", "only", "exec cat")
		srv.run("link-window", "-k", "-s", "s:1", "-t", "only:0")
		srv.run("move-window", "-s", "only:0", "-t", "only:4")
		srv.run("new-session", "-d", "-s", "keep", "exec cat")
		c := srv.control("keep")
		before := c.snapshot(Core)
		inv := mustParse(t, strings.Fields(line)...)
		target, _ := inv.Get('t')
		found, err := Resolve(before, inv.TargetLookup(), target, ResolveContext{})
		if err != nil {
			t.Fatal(err)
		}
		if line == "kill-session -a -t s" {
			// It would take the control client's session too.
			c = srv.control("s") // while the other one still stands: who comes as it goes is not always heard
			srv.run("kill-session", "-t", "keep")
			before = c.snapshot(Core)
			found, _ = Resolve(before, inv.TargetLookup(), target, ResolveContext{})
		}
		if line == "move-window -s keep:0 -t s:7" || line == "unlink-window -k -t keep:0" {
			c = srv.control("s") // the other one's session goes
		}
		r := Resolved{Target: found}
		if source, ok := inv.Get('s'); ok {
			from, err := Resolve(before, inv.Row.Source, source, ResolveContext{})
			if err != nil {
				t.Fatal(err)
			}
			r.Source = &from
		}
		closing := inv.Closing(before, r)
		srv.run(inv.Argv()...)
		after := c.snapshot(Core)
		gone := goneBetween(before, after)
		var said []string
		for _, s := range closing.Sessions {
			said = append(said, s.ID.String())
		}
		for _, w := range closing.Windows {
			said = append(said, w.ID.String())
		}
		for _, p := range closing.Panes {
			said = append(said, p.ID.String())
		}
		// What a closed session or window takes with it need not be said.
		for _, id := range said {
			if !slices.Contains(gone, id) {
				t.Errorf("%s: %s was said to close, gone are %v", line, id, gone)
			}
		}
		for _, id := range gone {
			if id[0] == '$' && !slices.Contains(said, id) {
				t.Errorf("%s: %s is gone, said were %v", line, id, said)
			}
			if id[0] == '@' && !slices.Contains(said, id) && len(closing.Sessions) == 0 {
				t.Errorf("%s: %s is gone, said were %v", line, id, said)
			}
			if id[0] == '%' && !slices.Contains(said, id) && len(closing.Windows)+len(closing.Sessions) == 0 {
				t.Errorf("%s: %s is gone, said were %v", line, id, said)
			}
		}
	}
}

// TestClosingOfTheUnseen: what somebody does not see closes all the same, and
// has to be permitted.
func TestClosingOfTheUnseen(t *testing.T) {
	snap := demandSnapshot()
	for _, line := range []string{"kill-window -a -t s:0", "kill-pane -a -t s:0.0", "kill-pane -t s:0.0", "kill-window -t s:0", "kill-session -a -t s"} {
		inv := mustParse(t, strings.Fields(line)...)
		target, _ := inv.Get('t')
		found, err := Resolve(snap, inv.TargetLookup(), target, ResolveContext{})
		if err != nil {
			t.Fatal(err)
		}
		only := snap.Visible(func(s *Session, l *Winlink, p *Pane) bool {
			return s.ID == found.Session.ID && p.ID == found.Pane.ID
		})
		seen, err := Resolve(only, inv.TargetLookup(), target, ResolveContext{})
		if err != nil {
			t.Fatal(err)
		}
		want := inv.Demands(snap, Resolved{Target: found})
		if got := inv.Demands(snap, Resolved{Target: seen}); !slices.Equal(got, want) {
			t.Errorf("%s: demands %+v of who sees one pane, %+v of who sees all", line, got, want)
		}
	}
}

func goneBetween(before, after *Snapshot) []string {
	var gone []string
	for i := range before.Sessions {
		if id := before.Sessions[i].ID; after.Session(id) == nil {
			gone = append(gone, id.String())
		}
	}
	for i := range before.Windows {
		if id := before.Windows[i].ID; after.Window(id) == nil {
			gone = append(gone, id.String())
		}
	}
	for i := range before.Panes {
		if id := before.Panes[i].ID; after.Pane(id) == nil {
			gone = append(gone, id.String())
		}
	}
	return gone
}

func TestSelects(t *testing.T) {
	snap := demandSnapshot()
	for target, want := range map[string]bool{"s": false, "s:0": false, "s:0.0": false, "s:0.1": true, "s:1": true, "only:4": false, "%2": true} {
		found, err := Resolve(snap, Lookup{TargetPane, 0}, target, ResolveContext{})
		if err != nil || snap.Selects(found) != want {
			t.Errorf("%s: %v, want %v (%v)", target, !want, want, err)
		}
	}
}

func TestEveryFlagIsClassified(t *testing.T) {
	known := []string{
		verbView, verbCopy, verbType, verbNavigate, verbLayout, verbSpawn,
		verbClosePane, verbCloseWindow, verbCloseSession, verbDetachOthers,
		verbConfigure, verbExecute,
	}
	check := func(where string, needs []Need) {
		for _, n := range needs {
			if !slices.Contains(known, n.Verb) || n.On == OnNothing {
				t.Errorf("%s: need %+v", where, n)
			}
		}
	}
	for _, row := range Commands() {
		check(row.Name, row.Needs)
		seen := map[byte]bool{}
		for _, f := range row.Flags {
			check(fmt.Sprintf("%s -%c", row.Name, f.Letter), f.Needs)
			if seen[f.Letter] {
				t.Errorf("%s -%c twice", row.Name, f.Letter)
			}
			seen[f.Letter] = true
		}
	}
}

func TestRewriteReachesEveryFormat(t *testing.T) {
	inv := mustParse(t, "new-window", "-n", "#(a)", "-c", "#(b)", "-F", "#(c)", "-t", "#(d)", "-e", "A=#(e)", "--", "#(f)")
	err := inv.Rewrite(func(_ Kind, s string) (string, error) { return EscapeFormat(s), nil })
	if want := `new-window -n="##(a)" -c="##(b)" -F="##(c)" -t="#(d)" -e="A=#(e)" "#(f)"`; err != nil || show([]*Invocation{inv}) != want {
		t.Errorf("%s %v", show([]*Invocation{inv}), err)
	}
	inv = mustParse(t, "rename-session", "#(x)")
	if err := inv.Rewrite(func(Kind, string) (string, error) { return "", fmt.Errorf("no") }); err == nil {
		t.Error("error lost")
	}
}
