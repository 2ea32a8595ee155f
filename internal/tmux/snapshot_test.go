package tmux

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
		if two.Group != "two" || d == Full && two.GroupSize != 2 || len(two.Links) != 2 || two.Attached != 1 || two.Current != 1 {
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

// TestUnfinishedSnapshotsAreRefused: from 3.7 on a server ends an expansion that
// takes it too long. What fits together in it is not all there is, and nothing may
// be decided by it.
func TestUnfinishedSnapshotsAreRefused(t *testing.T) {
	const one = "S $0 1 1 1 0 0 0  C-b a\nW 0 @0 * 0 off b25d,80x24,0,0,0 w\nA %0 0 0 9 /dev/pts/1\n\n"
	const two = "S $1 1 1 1 0 0 0  C-b b\nW 0 @1 * 0 off b25d,80x24,0,0,1 w\nA %1 0 0 9 /dev/pts/2\n\n"
	for reply, sessions := range map[string]int{
		"O 9 1 3.7c m\n" + one + two + "E whole\n": 2, "O 9 1 3.7c m\n" + one: -1, "O 9 1 3.7c m\n" + one + two: -1, "O 9 1 3.7c m\n" + one + "E \n": -1, "O 9 1 3.3a m\n" + one: 1,
	} {
		snap, err := ParseSnapshot(Core, [][]byte{[]byte(reply), nil, nil})
		if got := -1; sessions >= 0 {
			if err == nil {
				got = len(snap.Sessions)
			}
			if got != sessions {
				t.Errorf("%q: %d sessions, want %d (%v)", reply, got, sessions, err)
			}
		} else if !errors.Is(err, ErrUnfinished) {
			t.Errorf("%q: %v", reply, err)
		}
	}
}

func mustVersion(t testing.TB, s string) Version {
	t.Helper()
	v, err := ParseVersion(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// hostileNames are tried as names of sessions, windows and buffers, as titles,
// directories and process names.
var hostileNames = []string{
	"a\nS $9 1 1 1 0 1 0 0 0 0  forged", "%end 1 2 3", "\n%end 1 2 3\n%exit", "a\tb", "\x1b]0;x\x07", "a\\ b \\\\", "'\"`$(x)#{pane_id}#(id)##",
	"\xff\xfe", "é\xc3", "\xff\nS $9", "\xc3\n\x1b\xc3\n", "\xe6\nP @0 %0\xe6", "\u202egnp", "  spaces  ", "\\", "\\n", "日本語", "a|b,c=d;e", "\r", "{", strings.Repeat("x y\\", 1000), "%output %1 x", "-",
}

func TestSnapshotWithHostileNames(t *testing.T) {
	srv := startServer(t)
	c := srv.control("start")
	// From 3.7 on tmux takes some of them only as something else, or not at all.
	give := func(args ...string) bool {
		out, ok := srv.tryRun(args...)
		if !ok && !strings.Contains(out, "invalid ") && !strings.Contains(out, "unknown buffer: ") {
			t.Fatalf("tmux %q: %s", args, out)
		}
		return ok
	}
	for i, name := range hostileNames {
		safe := EscapeFormat(name)
		if strings.TrimSpace(name) != "" {
			give("rename-session", "-t", "$0", "--", EscapeArg(safe))
		}
		give("rename-window", "-t", "@0", "--", EscapeArg(safe))
		give("select-pane", "-t", "%0", "-T", EscapeArg(safe))
		buffer := name
		if !give("set-buffer", "-b", name, EscapeArg(name)) {
			buffer = "refused"
			srv.run("set-buffer", "-b", buffer, EscapeArg(name))
		}
		dir := filepath.Join(filepath.Dir(srv.sock), plainName(i), strings.ReplaceAll(name, "/", "_")[:min(len(name), 200)])
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		cmd := srv.command("new-window", "-d", "-t", "$0:9", "exec -a \"$HOSTILE\" cat")
		cmd.Args = append(cmd.Args[:len(cmd.Args)-1], "-e", "HOSTILE="+name, "exec bash -c 'exec -a \"$HOSTILE\" cat'")
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for _, d := range []Detail{Core, Full} {
			snap := c.snapshot(d)
			checkHostile(t, snap, srv, d, name)
		}
		srv.run("kill-window", "-t", "$0:9")
		if printed := srv.run("list-buffers", "-F", "#{buffer_name}"); !give("delete-buffer", "-b", printed) {
			srv.run("delete-buffer", "-b", buffer)
		}
	}
}

func plainName(i int) string { return "d" + string(rune('a'+i)) }

func checkHostile(t *testing.T, snap *Snapshot, srv *realServer, d Detail, name string) {
	t.Helper()
	if len(snap.Sessions) != 1 || len(snap.Windows) != 2 || len(snap.Panes) != 2 || snap.Sessions[0].ID != 0 {
		t.Fatalf("%q: %d sessions, %d windows, %d panes", name, len(snap.Sessions), len(snap.Windows), len(snap.Panes))
	}
	if want := srv.run("list-sessions", "-F", "#{session_name}"); snap.Sessions[0].Name != want {
		t.Errorf("session name %q, tmux %q", snap.Sessions[0].Name, want)
	}
	if want := srv.run("display-message", "-p", "-t", "@0", "#{window_name}"); snap.Window(0).Name != want {
		t.Errorf("window name %q, tmux %q", snap.Window(0).Name, want)
	}
	if d == Core {
		return
	}
	if want := srv.run("display-message", "-p", "-t", "%0", "#{pane_title}"); snap.Pane(0).Title != want {
		t.Errorf("title %q, tmux %q", snap.Pane(0).Title, want)
	}
	if len(snap.Buffers) != 1 || snap.Buffers[0].Size != len(name) {
		t.Errorf("%q: buffers %+v", name, snap.Buffers)
	}
	for _, p := range snap.Panes {
		for _, s := range []string{p.CurrentCommand, p.CurrentPath, p.StartCommand} {
			if !plainText(s) {
				t.Errorf("%q: not printable: %q", name, s)
			}
		}
	}
}

func TestParseSnapshotRefusesNonsense(t *testing.T) {
	srv := startServer(t)
	c := srv.control("start")
	lines := SnapshotCommands(Core)
	c.send(lines...)
	good := make([][]byte, len(lines))
	for i := range lines {
		body, _ := c.reply()
		good[i] = bytes.Clone(body)
	}
	if _, err := ParseSnapshot(Core, good); err != nil {
		t.Fatal(err)
	}
	state := string(good[0])
	change := func(old, new string) [][]byte {
		text := strings.Replace(state, old, new, 1)
		if text == state {
			t.Fatalf("%q is not in %s", old, state)
		}
		return [][]byte{[]byte(text), good[1], good[2]}
	}
	session := state[strings.Index(state, "S $"):]
	window := state[strings.Index(state, "W "):]
	pane := state[strings.Index(state, "A %"):]
	for name, replies := range map[string][][]byte{
		"none":                   nil,
		"one short":              good[1:],
		"empty":                  {nil, good[1], good[2]},
		"two servers":            change("S $", state[:strings.Index(state, "\n")]+"\nS $"),
		"other row":              change("S $", "C 1\nS $"),
		"clients first":          {good[1], good[0], good[2]},
		"session without window": change(window, ""),
		"window without session": change(session[:strings.Index(session, "W ")], ""),
		"window without pane":    change(pane, ""),
		"session twice":          {[]byte(state + session), good[1], good[2]},
		"window twice":           {[]byte(state + window), good[1], good[2]},
		"pane twice":             {[]byte(state + pane), good[1], good[2]},
		"no active pane":         change("A %0", "P %0"),
		"cut off":                {[]byte(state[:len(state)-35]), good[1], good[2]},
		"bad id":                 change("S $0", "S $0x"),
		"negative":               change("W 0", "W -1"),
		"pane with more":         change("/dev/pts/", "x /dev/pts/"),
		"marked but not there":   change("S $0", "M 11 $9 0 @9 %9\nS $0"),
		"version":                change(" "+strings.Fields(state)[3], " x"),
	} {
		if _, err := ParseSnapshot(Core, replies); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestVisibleHidesEverythingElse(t *testing.T) {
	srv := startServer(t)
	srv.run("rename-session", "-t", "start", "shared")
	srv.run("split-window", "-t", "shared:0", "exec cat")
	srv.run("new-window", "-d", "-t", "shared:1", "-n", "MARK-window", "exec cat")
	srv.run("new-session", "-d", "-s", "MARK-secret", "-n", "MARK-w", "exec cat")
	srv.run("link-window", "-d", "-s", "shared:0", "-t", "MARK-secret:5")
	srv.run("new-session", "-d", "-t", "MARK-secret", "-s", "groupie")
	srv.run("select-pane", "-T", "MARK-title", "-t", "shared:0.1")
	srv.run("set-buffer", "-b", "MARK-buffer", "MARK-data")
	srv.run("select-pane", "-m", "-t", "MARK-secret:0")
	c := srv.control("MARK-secret")
	all := c.snapshot(Full)
	shared := all.SessionByName("shared").ID
	// The guest may see the first pane of shared:0, through shared or groupie.
	snap := all.Visible(func(s *Session, l *Winlink, p *Pane) bool {
		return (s.ID == shared || s.Name == "groupie") && p.ID == 0
	})
	if text := fmt.Sprintf("%+v", *snap); strings.Contains(text, "MARK") {
		t.Errorf("visible: %s", text)
	}
	if len(snap.Sessions) != 2 || len(snap.Windows) != 1 || len(snap.Panes) != 1 || len(snap.Clients) != 0 || snap.Marked != nil {
		t.Errorf("visible: %+v", snap)
	}
	s := snap.SessionByName("shared")
	if len(s.Links) != 1 || s.Current != 0 || snap.ActivePane(snap.Window(0)) != nil {
		t.Errorf("shared: %+v", s)
	}
	// groupie's current window is hidden: it has none.
	if g := snap.SessionByName("groupie"); g.Current != -1 || g.Group != "" {
		t.Errorf("groupie: %+v", g)
	}
	for _, target := range targetForms() {
		for _, kind := range []TargetKind{TargetSession, TargetWindow, TargetPane} {
			for _, flags := range []FindFlags{0, CanFail, WindowIndex, PreferUnattached, DefaultMarked} {
				f, _ := Resolve(snap, Lookup{kind, flags}, target, ResolveContext{})
				if f.Pane != nil && f.Pane.ID != 0 || f.Window != nil && f.Window.ID != 0 ||
					f.Session != nil && strings.HasPrefix(f.Session.Name, "MARK") {
					t.Fatalf("%s %q found %+v", kind, target, f)
				}
			}
		}
	}
	for _, argv := range [][]string{{"ls"}, {"lsw", "-a"}, {"lsp", "-a"}, {"lsc"}, {"lsb"}} {
		inv := mustParse(t, argv...)
		lines, err := Listing(inv, snap, Found{}, FormatContext{})
		if err != nil || strings.Contains(strings.Join(lines, ""), "MARK") {
			t.Errorf("%q: %q %v", argv, lines, err)
		}
	}
}

// Panes have the indexes that tmux counts them by, in whatever order its
// version lists them: rights go by them.
func TestPaneIndexesOfMovedPanes(t *testing.T) {
	s := startServer(t)
	s.run("new-session", "-d", "-s", "moved", "-x", "80", "-y", "24", ";", "split-window", ";", "split-window",
		";", "swap-pane", "-d", "-s", "moved:0.0", "-t", "moved:0.2", ";", "rotate-window", "-t", "moved:0",
		";", "set-option", "-wg", "pane-base-index", "3")
	snap := s.control("moved").snapshot(Core)
	w := snap.Window(snap.SessionByName("moved").CurrentLink().Window)
	var have []string
	for _, id := range w.Panes {
		have = append(have, fmt.Sprintf("%s %d", id, snap.Pane(id).Index))
	}
	if want := s.run("list-panes", "-t", "moved", "-F", "#{pane_id} #{pane_index}"); strings.Join(have, "\n") != want {
		t.Errorf("the snapshot has\n%s\ntmux\n%s", strings.Join(have, "\n"), want)
	}
}

// tmux has the name service switch say each of these, and serves nobody while a directory does not answer: a
// snapshot asks for none of them, and is told the user.
func TestSnapshotAsksNoDirectory(t *testing.T) {
	for d := range Details {
		for _, v := range []Version{{Major: 3, Minor: 2}, Reference(), {Major: 3, Minor: 7}} {
			for _, line := range snapshotCommands(d, v) {
				for _, asks := range []string{"client_user", "{user}", "{q:user}", "server-access"} {
					if strings.Contains(line, asks) {
						t.Errorf("detail %d, %s: %q has tmux look up a name (%s)", d, v, line, asks)
					}
				}
			}
		}
	}
	snap := &Snapshot{Detail: Full, Version: Reference(), Clients: []Client{{UID: 70001}, {UID: 0}}}
	snap.SetUser(70001, "dora")
	if snap.Clients[0].User != "dora" || snap.Clients[1].User != "" {
		t.Errorf("%+v", snap.Clients)
	}
}
