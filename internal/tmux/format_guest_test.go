package tmux

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/muxward/muxward/internal/soak"
)

// hidden is in all names and values that a guest may not see.
const hidden = "MARK-hidden-4711"

// guestSnapshot is a server of which a guest sees one pane, as the guest sees
// it. Everything else says MARK, and what the guest sees says what would show
// MARK if it were expanded.
func guestSnapshot(v Version) *Snapshot {
	const bait = "#{session_path}#(id)%H#S\\0"
	values := make([]string, len(paneFields()))
	for i, f := range paneFields() {
		if values[i] = "0"; strings.HasSuffix(f.name, "path") {
			values[i] = bait
		}
	}
	secret := make([]string, len(values))
	for i := range secret {
		secret[i] = hidden
	}
	all := NewSnapshot(Snapshot{
		Version: v, Detail: Full, Marked: &Marked{Session: 2, Index: 0, Window: 2, Pane: 4},
		Sessions: []Session{
			{
				ID: 1, Name: "a" + bait, Group: hidden, GroupSize: 3, Attached: 1, Current: 1, Last: []int{5, 0}, Path: hidden,
				Links: []Winlink{{Index: 0, Window: 1}, {Index: 1, Window: 2, Bell: true}, {Index: 5, Window: 3}},
			},
			{ID: 2, Name: hidden, Group: hidden, GroupSize: 3, Current: 0, Links: []Winlink{{Index: 0, Window: 2}, {Index: 1, Window: 1}}},
			{ID: 3, Name: hidden + "2", Group: hidden, GroupSize: 3, Current: 0, Links: []Winlink{{Index: 0, Window: 1}}},
		},
		Windows: []Window{
			{ID: 1, Name: "w" + bait, Panes: []PaneID{1, 2}, Active: 2, HasActive: true, Layout: hidden, VisibleLayout: hidden, Linked: []SessionID{2, 1, 3}},
			{ID: 2, Name: hidden, Panes: []PaneID{4}, Active: 4, HasActive: true, Layout: hidden, VisibleLayout: hidden, Linked: []SessionID{2, 1}},
			{ID: 3, Name: hidden, Panes: []PaneID{5}, Active: 5, HasActive: true, Linked: []SessionID{1}},
		},
		Panes: []Pane{
			{ID: 1, Window: 1, Title: bait + "\x1b]0;x\x07\u202e", CurrentCommand: bait, CurrentPath: bait, StartCommand: bait, Mode: "copy-mode", InMode: 1, values: values},
			{ID: 2, Window: 1, Index: 1, Title: hidden, CurrentCommand: hidden, CurrentPath: hidden, StartCommand: hidden, values: secret},
			{ID: 4, Window: 2, Title: hidden, values: secret},
			{ID: 5, Window: 3, Title: hidden, values: secret},
		},
		Clients: []Client{
			{Name: "c" + bait, Session: 1, LastSession: hidden, TermName: bait, User: bait, Flags: "attached", values: make([]string, len(clientFields()))},
			{Name: hidden, Session: 2, LastSession: "a" + bait, TermName: hidden, User: hidden},
		},
		Buffers: []Buffer{{Name: hidden, Size: 4, Sample: hidden}},
	})
	return all.Visible(func(s *Session, _ *Winlink, p *Pane) bool { return s.ID == 1 && p.ID == 1 })
}

// knownVersions are those that are served.
func knownVersions() []Version { return []Version{v32a, v33a, v34, v35, v36, v37} }

// TestRandomFormatsShowOnlyWhatIsVisible draws formats for a guest who sees one
// pane: nothing of anything else comes out, and no value is expanded.
func TestRandomFormatsShowOnlyWhatIsVisible(t *testing.T) {
	now := time.Unix(1700000000, 0)
	for _, v := range knownVersions() {
		snap := guestSnapshot(v)
		target := Found{Session: &snap.Sessions[0], Link: &snap.Sessions[0].Links[0], Window: &snap.Windows[0], Pane: &snap.Panes[0]}
		for range soak.N(200, 3) {
			rapid.Check(t, func(r *rapid.T) {
				list := rapid.SampledFrom([]string{"list-panes", "list-windows", "list-sessions", "list-clients", "list-buffers", "display-message"}).Draw(r, "command")
				m := newFormatMaker(r, v, list == "display-message")
				m.names = append(m.names, volatile()...)
				for i, name := range m.names {
					if name == "session_path" {
						m.names[i] = "session_name"
					}
				}
				inv, perr := ParseArgv([]string{list, "-F", m.format()}, ParseOptions{Version: v})
				if perr != nil {
					r.Fatal(perr)
				}
				var lines []string
				var err error
				if list == "display-message" {
					var line string
					line, err = Message(inv[0], snap, target, FormatContext{}, now)
					lines = []string{line}
				} else {
					lines, err = Listing(inv[0], snap, target, FormatContext{})
				}
				text := strings.Join(lines, "")
				if err == nil && (strings.Contains(text, hidden) || strings.ContainsAny(text, "\x1b\x07\u202e\n")) {
					r.Fatalf("%q: %q", inv[0].Argv(), text)
				}
			})
		}
	}
}

// TestEveryVariableShowsOnlyWhatIsVisible asks for each variable by itself, with
// the modifiers that change one.
func TestEveryVariableShowsOnlyWhatIsVisible(t *testing.T) {
	for _, v := range knownVersions() {
		snap := guestSnapshot(v)
		for _, w := range snap.Windows {
			for _, id := range w.Linked {
				if snap.Session(id) == nil {
					t.Errorf("a window is linked into the hidden %s", id)
				}
			}
		}
		for _, name := range variableNames() {
			if name == "session_path" {
				continue // the bait
			}
			for _, text := range []string{"#{%s}", "#{q:%s}", "#{=100:%s}", "#{s/z/y/:%s}", "#{S:#{%s}}", "#{S:#{W:#{P:#{%s}}}}", "#{?%s,#{%s},}", "#{b:%s}"} {
				text = strings.ReplaceAll(text, "%s", name)
				for _, list := range []string{"list-panes", "list-windows", "list-sessions", "list-clients", "list-buffers"} {
					lines, err := Listing(mustParseFor(t, v, list, "-F", text), snap, Found{Session: &snap.Sessions[0], Link: &snap.Sessions[0].Links[0]}, FormatContext{})
					got := strings.Join(lines, "")
					if err != nil || strings.Contains(got, hidden) || strings.ContainsAny(got, "\x1b\x07\u202e\n") {
						t.Errorf("%s: %s -F %s: %q %v", v, list, text, got, err)
					}
				}
			}
		}
	}
}

// refusedFormats are what no guest may use, and the name in the refusal.
func refusedFormats() map[string]string {
	return map[string]string{
		"#(id)": `job "#(id)`, "#{E:pane_title}": `modifier "E"`, "#{T:pane_title}": `modifier "T"`, "#{E;b:pane_title}": `modifier "E"`,
		"#{C:x}": `modifier "C"`, "#{C/r:x}": `modifier "C"`, "#{c:red}": `modifier "c"`, "#{SECRET}": `variable "SECRET"`,
		"#{@opt}": `variable "@opt"`, "#{history-limit}": `variable "history-limit"`, "#{socket_path}": `variable "socket_path"`,
		"#{pid}": `variable "pid"`, "#{config_files}": `variable "config_files"`, "#{buffer_full}": `variable "buffer_full"`,
		"#{client_termfeatures}": `variable "client_termfeatures"`, "#{client_termtype}": `variable "client_termtype"`,
		"#{pane_search_string}": `variable "pane_search_string"`, "#{copy_cursor_line}": `variable "copy_cursor_line"`,
		"#{cursor_character}": `variable "cursor_character"`, "#{next_session_id}": `variable "next_session_id"`,
		"#{mouse_word}": `variable "mouse_word"`, "#{=3:SECRET}": `variable "SECRET"`, "#{?SECRET,a,b}": `variable "SECRET"`,
	}
}

// TestWhatIsNotOfferedIsRefusedEverywhere puts what is not offered anywhere in
// a format: it is refused by its name, before anything is expanded.
func TestWhatIsNotOfferedIsRefusedEverywhere(t *testing.T) {
	var evil []string
	for text := range refusedFormats() {
		evil = append(evil, text)
	}
	around := []string{
		"a%sb", "#{?pane_active,%s,}", "#{?pane_active,,%s}", "#{?%s,a,b}", "#{==:%s,a}", "#{==:a,%s}", "#{m:%s,a}", "#{m/r:a,%s}",
		"#{||:1,%s}", "#{=/%s/x/:pane_id}", "#{=/3/%s/:pane_id}", "#{p/%s/:pane_id}", "#{s/a/%s/:pane_id}", "#{s/%s/a/:pane_id}",
		"#{t/f/%s/:session_created}", "#{N/s:%s}", "#{a:%s}", "#{e|+:1,%s}", "#{S:%s}", "#{W:%s,a}", "#{W:a,%s}", "#{P:a,%s}",
		"#{=5;b:%s#{pane_id}}", "#{n:%s#{pane_id}}",
	}
	for _, v := range knownVersions() {
		rapid.Check(t, func(r *rapid.T) {
			what := rapid.SampledFrom(evil).Draw(r, "what")
			text := what
			for range rapid.IntRange(0, 4).Draw(r, "depth") {
				text = fmt.Sprintf(rapid.SampledFrom(around).Draw(r, "around"), text)
			}
			_, err := CompileFormatFor(text, v)
			if err == nil || !strings.Contains(err.Error(), refusedFormats()[what]) {
				r.Fatalf("%s: %v, want %s", text, err, refusedFormats()[what])
			}
		})
	}
}

// TestPatternsThatDifferAreRefused keeps to what both regular expression
// engines read alike.
func TestPatternsThatDifferAreRefused(t *testing.T) {
	for _, pattern := range []string{
		`\w`, `a\b`, `\<a`, `(a)\1`, `\n`, "\\", `*a`, `a|*`, `(+)`, `a{`, `a{1`, `a{,2}`, `a{2,1}`, `a{256}`, `{1}`, `^*`, `(^a)+`, `a)`, `(a`,
		`[a`, `[[.a.]]`, `[[=a=]]`, `[[:word:]]`, `[\]]`, `[b-a]`, `[a-c-e]`, "\xff", strings.Repeat("(", 40) + strings.Repeat(")", 40),
		strings.Repeat("a", 1025), `((a{200}){200}){200}`, `(((((a{9}){9}){9}){9}){9}){9}`,
	} {
		if re, err := compileERE(pattern, false); err == nil {
			t.Errorf("%.40q is taken as %s", pattern, re.re)
		}
	}
	for pattern, text := range map[string]string{
		`a\.b`: "a.b", `[]x]+`: "]", `[^]]`: "a", `[a-]`: "-", `a{2,3}$`: "aaa", `(a|ab)(c|bcd)`: "abcd", `a**`: "aa", `()`: "", `[[:upper:]x]`: "É", `\{\}`: "{}",
	} {
		re, err := compileERE(pattern, false)
		if err != nil || !re.re.MatchString(text) {
			t.Errorf("%q does not match %q: %v", pattern, text, err)
		}
	}
}

// TestFormatsStopAtTheirBounds counts steps instead of measuring time.
func TestFormatsStopAtTheirBounds(t *testing.T) {
	snap := manyPanes(300)
	wide := "#{p200000:pane_id}"
	for name, text := range map[string]string{
		"loops in loops":   "#{S:#{W:#{P:#{S:#{W:#{P:x}}}}}}",
		"pattern bomb":     "#{m:" + strings.Repeat("*a", 2000) + "b," + wide + "}",
		"regular pattern":  strings.Repeat("#{m/r:(a|b|c){100#}(a|b|c){100#}d$,"+wide+"}", 9),
		"replacement bomb": "#{s/ |.*x/yyyyyyyy/:" + wide + "}",
		"wide":             "#{p2000000000:pane_id}",
		"long":             wide + wide,
		"repeated":         "#{R:" + strings.Repeat("x", 100) + ",10000}",
	} {
		f, err := CompileFormatFor(text, v36)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		c := contextOf(snap, Found{Session: &snap.Sessions[0]})
		work := newFormatWork(1)
		start := time.Now()
		if got, err := f.expand(&c, work); err == nil {
			t.Errorf("%s: %d bytes for %d steps", name, len(got), newFormatWork(1).left-work.left)
		}
		t.Log(name, time.Since(start))
		if f.Expand(c) != "" {
			t.Errorf("%s: something is left of it", name)
		}
	}
}

// manyPanes is a server with n sessions of one window with one pane.
func manyPanes(n int) *Snapshot {
	var parts Snapshot
	parts.Detail = Full
	for i := range n {
		id := uint32(i)
		parts.Sessions = append(parts.Sessions, Session{
			ID: SessionID(id), Name: fmt.Sprintf("session-%d", i), Created: 1700000000, Current: 0, Links: []Winlink{{Window: WindowID(id)}},
		})
		parts.Windows = append(parts.Windows, Window{ID: WindowID(id), Name: "window", Panes: []PaneID{PaneID(id)}, Active: PaneID(id), HasActive: true, Width: 80, Height: 24})
		parts.Panes = append(parts.Panes, Pane{ID: PaneID(id), Window: WindowID(id), Width: 80, Height: 24, Title: "title", CurrentCommand: "vim"})
	}
	return NewSnapshot(parts)
}

func BenchmarkListing(b *testing.B) {
	snap := manyPanes(1000)
	for name, argv := range map[string][]string{
		"plain":   {"list-panes", "-a"},
		"session": {"list-sessions"},
		"filter":  {"list-panes", "-a", "-f", "#{&&:#{==:#{pane_current_command},vim},#{m/r:^session-[0-9]*5$,#{session_name}}}"},
		"rich": {
			"list-panes", "-a", "-F",
			"#{p-12:session_name} #{=/8/…:window_name} #{s/^session-(.*)$/\\1/:session_name} #{?pane_active,*, } " +
				"#{window_linked_sessions_list} #{t/f/%H#:%M/:session_created} #{e|*:#{pane_width},#{pane_height}}",
		},
	} {
		inv, err := ParseArgv(argv, ParseOptions{})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Listing(inv[0], snap, Found{}, FormatContext{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Measuring a text is work, too: a short format that measures long ones over and
// over comes to an end.
func TestFormatsMeasureWithinBounds(t *testing.T) {
	c := contextOf(demandSnapshot(), Found{Session: &demandSnapshot().Sessions[0]})
	for _, how := range []string{"#{w:#{p50000:session_name}}", "#{=-9:#{p50000:session_name}}", "#{=49999:#{p50000:session_name}}", "#{p50001:#{p50000:session_name}}"} {
		f, err := CompileFormat("#{n:" + strings.Repeat(how, maxFormat/len(how)-1) + "}")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.expand(&c, newFormatWork(1)); err == nil || !strings.Contains(err.Error(), "work") && !strings.Contains(err.Error(), "too long") {
			t.Errorf("%.30s…: error %v", how, err)
		}
	}
}
