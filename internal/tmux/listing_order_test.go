package tmux

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// orderSnapshot has things whose ids, names and times are in different orders.
func orderSnapshot(v Version) *Snapshot {
	return NewSnapshot(Snapshot{
		Version: v, Detail: Full,
		Sessions: []Session{
			{ID: 3, Name: "a", Activity: 5, Current: 0, Links: []Winlink{{Index: 0, Window: 7}, {Index: 4, Window: 2}}},
			{ID: 1, Name: "b", Activity: 9, Current: 1, Links: []Winlink{{Index: 1, Window: 5}}},
			{ID: 2, Name: "c", Activity: 5, Current: 2, Links: []Winlink{{Index: 2, Window: 2}}},
		},
		Windows: []Window{
			{ID: 2, Name: "z", Panes: []PaneID{1, 9, 4}, Active: 9, HasActive: true, Width: 80, Height: 24, Activity: 3},
			{ID: 5, Name: "m", Panes: []PaneID{5}, Active: 5, HasActive: true, Width: 10, Height: 24, Activity: 4},
			{ID: 7, Name: "m", Panes: []PaneID{7}, Active: 7, HasActive: true, Width: 99, Height: 99, Activity: 2},
		},
		Panes: []Pane{
			{ID: 1, Window: 2, Index: 0, Title: "t2", Width: 9, Height: 1},
			{ID: 9, Window: 2, Index: 1, Title: "t1", Width: 5, Height: 1},
			{ID: 4, Window: 2, Index: 2, Title: "t3", Width: 7, Height: 1},
			{ID: 5, Window: 5}, {ID: 7, Window: 7},
		},
		Clients: []Client{{Name: "y", Session: 1, Activity: 1, Width: 9}, {Name: "x", Session: 2, Activity: 7, Width: 8}},
		Buffers: []Buffer{{Name: "n", Size: 1}, {Name: "o", Size: 3}, {Name: "a", Size: 2}},
	})
}

// TestFormatsOfNewerVersions says what formats mean from some version on.
func TestFormatsOfNewerVersions(t *testing.T) {
	for _, tt := range []struct {
		v          Version
		text, want string
	}{
		{v33a, "#{S:#{session_name}}", "abc"},
		{v35, "#{S:#{session_name}}", "abc"},
		{v36, "#{S:#{session_name}}", "bca"},
		{v36, "#{S/n:#{session_name}}", "abc"},
		{v36, "#{S/nr:#{session_name}}", "cba"},
		{v36, "#{S/t:#{session_name}}", "bac"},
		{v36, "#{S:#{session_name}#{?loop_last_flag,,+}}", "b+c+a"},
		{v36, "#{W:#I}#{W/r:#I}#{W/n:#I}#{W/t:#I}", "04400440"},
		{v35, "#{P:#D}", "%1%9%4"},
		{v36, "#{P:#D}#{P/r:#D}", "%1%4%9%9%4%1"},
		{v36, "#{P:#D,*}", "%1%4*"},
		{v34, "#{L:#{client_name}}", "yx"},
		{v36, "#{L/n:#{client_name}}#{L/r:#{client_name}}", "xyxy"},
		{v35, "#{?0,a,b,c,d}", "b,c,d"},
		{v36, "#{?0,a,0,b,c}|#{?0,a,pane_id,b,c}|#{?0,a}|#{?0}|#{?0,a,}", "c|b||0|"},
		{v35, "#{&&:1,0,1}", "1"},
		{v36, "#{&&:1,0,1}#{&&:1,1,1}#{||:0,0,1}#{||:0}", "0110"},
		{v36, "#{!:0}#{!:a}#{!!:a}#{!!:#{pane_marked}}", "1010"},
		{v36, "#{R:ab,3}|#{R:#D,0}|#{R:x,y}", "ababab||"},
		{v33a, "#{l:a#,b}|#[x#S]", "a#,b|#[xa]"},
		{v34, "#{l:a#,b}|#[x#S]", "a,b|#[x#S]"},
		{v33a, "#{window_linked}#{window_linked_sessions}", "12"},
		{v36, "#{window_linked}#{window_linked_sessions}", "12"},
		{v33a, "#{server_sessions}|#{session_alert}", "|"},
		{v36, "#{server_sessions}|#{session_active}", "3|0"},
		{v36, "#{p10001:session_id}|", "                                                  "},
		{v37, "#{p10001:session_id}|", "$3|"},
		{v37, "#{line}", ""},
	} {
		snap := orderSnapshot(tt.v)
		s := snap.SessionByName("a")
		format, err := CompileFormatFor(tt.text, tt.v)
		if err != nil {
			t.Errorf("%s: %s: %v", tt.v, tt.text, err)
			continue
		}
		c := contextOf(snap, Found{Session: s, Link: s.Link(4)})
		c.Client = snap.Client("y")
		got := format.Expand(c)
		if len(got) > 10000 {
			got = got[100:150]
		}
		if got != tt.want {
			t.Errorf("%s: %s: %q, want %q", tt.v, tt.text, got, tt.want)
		}
	}
	for text, want := range map[string]string{"#{!:a}": `variable "!:a"`, "#{R:a,2}": `variable "R:a,2"`, "#{L:x}": `variable "L:x"`, "#{S/n:x}": `variable "S/n:x"`} {
		if _, err := CompileFormat(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("3.3a: %s: %v, want %s", text, err, want)
		}
	}
	for path, want := range map[string]string{"": ".", "/": "/", "//": "/", "/a": "/", "a": ".", "a/b//": "a", "/a//b": "/a", "a/../b": "a/.."} {
		if got := dirname(path); got != want {
			t.Errorf("dirname of %q: %q, want %q", path, got, want)
		}
	}
}

// TestSortedLists sorts what the asker sees, as 3.7 does with -O and -r.
func TestSortedLists(t *testing.T) {
	snap := orderSnapshot(v37)
	target := Found{Session: snap.SessionByName("a"), Link: snap.SessionByName("a").Link(4)}
	for line, want := range map[string]string{
		"list-sessions -F #{session_name}":                         "a b c",
		"list-sessions -r -F #{session_name}":                      "a b c", // no order, nothing to reverse
		"list-sessions -O index -F #{session_name}":                "b c a",
		"list-sessions -O activity -F #{line}#{session_name}":      "0b 1a 2c",
		"list-sessions -O Activity -r -F #{session_name}":          "c a b",
		"list-sessions -O size -F #{session_name}":                 "a b c",
		"list-sessions -O order -r -F #{session_name}":             "c b a",
		"list-sessions -O name -r -f #{<:#{session_name},c} -F #S": "b a",
		"list-windows -a -O creation -F #{session_name}#I":         "a4 c2 b1 a0",
		"list-windows -a -O name -F #{session_name}#I":             "a0 b1 a4 c2",
		"list-windows -a -O size -F #{session_name}#I":             "b1 a4 c2 a0",
		"list-windows -a -O activity -F #{session_name}#I":         "b1 a4 c2 a0",
		"list-windows -O index -r -F #I":                           "4 0",
		"list-panes -O title -F #D":                                "%9 %1 %4",
		"list-panes -O size -r -F #D":                              "%1 %4 %9",
		"list-panes -a -O creation -F #S#D":                        "a%7 a%1 a%4 a%9 b%5 c%1 c%4 c%9",
		"list-panes -s -O index -r -F #D":                          "%7 %4 %9 %1",
		"list-clients -O name -F #{client_name}":                   "x y",
		"list-clients -O activity -F #{client_name}":               "x y",
		"list-clients -O creation -r -F #{client_name}":            "x y",
		"list-clients -O size -F #{client_name}":                   "x y",
		"list-buffers -O name -F #{buffer_name}":                   "a n o",
		"list-buffers -O size -r -F #{buffer_name}":                "o a n",
		"list-buffers -O creation -r -F #{buffer_name}":            "a o n",
		"list-sessions -O sideways":                                "invalid sort order",
		"list-panes -O z":                                          "list-panes: order z is not available here",
	} {
		all, perr := ParseArgv(strings.Fields(line), ParseOptions{Version: v37})
		if perr != nil {
			t.Fatalf("%s: %v", line, perr)
		}
		lines, err := Listing(all[0], snap, target, FormatContext{})
		got := strings.Join(lines, " ")
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

// TestSortedListsAgreeWithTmux compares the same orders with a tmux that has
// them.
func TestSortedListsAgreeWithTmux(t *testing.T) {
	_, c, snap := busyServer(t)
	if !snap.Version.AtLeast(v37) {
		tmuxtest.Skip(t, "tmux %s has no orders: nothing to compare", snap.Version)
	}
	formats := map[string]string{
		"list-sessions": "#{line} #{session_name}", "list-windows": "#{line} #{session_name}:#I", "list-panes": "#{line} #S:#I.#P",
		"list-clients": "#{line} #{client_name}", "list-buffers": "#{buffer_name}",
	}
	for name, format := range formats {
		for _, order := range []string{"name", "index", "creation", "size", "order", "key", "title", "modifier"} {
			for _, flags := range [][]string{{"-O", order}, {"-r", "-O", order}, {"-r"}} {
				argv := append([]string{name, "-F", format}, flags...)
				if name == "list-windows" || name == "list-panes" {
					argv = append(argv, "-a")
				}
				inv := mustParseFor(t, snap.Version, argv...)
				got, err := Listing(inv, snap, Found{}, FormatContext{})
				line, qerr := QuoteControl(inv.Words())
				if err != nil || qerr != nil {
					t.Fatalf("%q: %v %v", argv, err, qerr)
				}
				if want, _ := c.ask(line); strings.Join(got, "\n") != want {
					t.Errorf("%q:\n got %q\nwant %q", argv, got, want)
				}
			}
		}
	}
}

func mustParseFor(t *testing.T, v Version, argv ...string) *Invocation {
	t.Helper()
	all, err := ParseArgv(argv, ParseOptions{Version: v})
	if err != nil || len(all) != 1 {
		t.Fatalf("%q: %v, %d commands", argv, err, len(all))
	}
	return all[0]
}
