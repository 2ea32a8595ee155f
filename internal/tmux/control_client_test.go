package tmux

import (
	"fmt"
	"strings"
	"testing"
)

// TestGuestsControlSettings: what a guest says of their own client is taken if it
// changes what they are told, and refused if it is about anything else.
func TestGuestsControlSettings(t *testing.T) {
	for line, want := range map[string]string{
		"refresh-client": "nothing", "refresh-client -S": "nothing", "list-sessions -F x": "nothing",
		"refresh-client -C 80x24": "", "refresh-client -C 80,24": "", "refresh-client -C @3:80x24": "", "refresh-client -C @3:": "",
		"refresh-client -C 80": "bad size argument", "refresh-client -C 80x24x": "bad size argument", "refresh-client -C @x:1x1": "bad size argument", "refresh-client -C -1x5": "bad size argument",
		"refresh-client -C 0x5": "size too small or too big", "refresh-client -C 5x10001": "size too small or too big", "refresh-client -C 99999999999x5": "bad size argument",
		"refresh-client -f no-output,wait-exit": "no-output wait-exit", "refresh-client -f pause-after=10,,!no-output": "pause-after=10 !no-output", "refresh-client -f pause-after": "pause-after",
		"refresh-client -f read-only,ignore-size": "", "refresh-client -F pause-after=2 -f no-output": "pause-after=2 no-output",
		"refresh-client -f !read-only": "refresh-client -f \"!read-only\": " + noFlags, "refresh-client -f no-output,!ignore-size": "refresh-client -f \"!ignore-size\": " + noFlags, "refresh-client -F !read-only": "refresh-client -F \"!read-only\": " + noFlags,
		"refresh-client -f active-pane":                                        "refresh-client -f \"active-pane\": not offered to guests; no-output, pause-after and wait-exit are",
		"refresh-client -f !!no-output":                                        "refresh-client -f \"!!no-output\": not offered to guests; no-output, pause-after and wait-exit are",
		"refresh-client -f pause-after=x":                                      "refresh-client -f \"pause-after=x\": not offered to guests; no-output, pause-after and wait-exit are",
		"refresh-client -A '%1:on' -A '%2:off' -A '%3:pause' -A '%4:continue'": "%1:on %2:off %3:pause %4:continue",
		"refresh-client -A '%1:kill' -A '1:off' -A '%x:off' -A '%1' -A ''":     "",
		"refresh-client" + strings.Repeat(" -A '%1:pause'", 65):                "refresh-client: more than 64 panes at once",
		"refresh-client -B 'n:%*:#{pane_id}' -B 'm::#S' -B gone":               "n+ m+ gone-",
		"refresh-client -B 'n:%1'":                                             "", "refresh-client -B 'n:%*:#(id)'": `format job "#(id)" is not available here`, "refresh-client -B 'n:%*:#{E:pane_title}'": `format modifier "E" is not available here`, "refresh-client -B 'n;x::a'": "cannot be in a name",
	} {
		parsed, perr := ParseText(line, ParseOptions{})
		if perr != nil {
			t.Fatal(perr)
		}
		s, err := parsed.Commands[0].ControlSettings(Reference())
		var got []string
		switch {
		case err != nil:
			got = append(got, err.Error())
		case s == nil:
			got = append(got, "nothing")
		default:
			got = append(got, s.Flags...)
			for _, p := range s.Panes {
				got = append(got, fmt.Sprintf("%v:%s", p.Pane, p.State))
			}
			for _, w := range s.Watches {
				got = append(got, w.Name+map[bool]string{true: "+", false: "-"}[w.Format != nil])
			}
		}
		if said := strings.Join(got, " "); said != want && (err == nil || want == "" || !strings.Contains(said, want)) {
			t.Errorf("%s: %s, want %s", line, said, want)
		}
	}
}

// TestSubscriptionsTellWhatIsSeen: the values of a guest's subscriptions are of
// the rows that they may see, each in one line, and take no more work than there is.
func TestSubscriptionsTellWhatIsSeen(t *testing.T) {
	snap := guestSnapshot(Reference())
	values := func(value string, work *WatchWork) string {
		t.Helper()
		s := &ControlSettings{}
		if err := s.watch(value, snap.Version); err != nil {
			t.Fatal(err)
		}
		return strings.Join(s.Watches[0].Values(snap, 1, FormatContext{Client: &snap.Clients[0]}, work), "\n")
	}
	for value, want := range map[string]string{
		"n::#{session_id}":       "%subscription-changed n $1 - - - : $1",
		"n:x:#{session_windows}": "%subscription-changed n $1 - - - : 1",
		"n:@*:#{window_id}":      "%subscription-changed n $1 @1 0 - : @1",
		"n:@1:#{window_panes}":   "%subscription-changed n $1 @1 0 - : 1",
		"n:@2:#{window_id}":      "",
		"n:%*:#{pane_id}":        "%subscription-changed n $1 @1 0 %1 : %1",
		"n:%1:#{pane_index}":     "%subscription-changed n $1 @1 0 %1 : 0",
		"n:%2:#{pane_id}":        "",
		"n:%*:a\nb\x1b":          "%subscription-changed n $1 @1 0 %1 : a b?",
		"n:%*:#{pane_title}":     "%subscription-changed n $1 @1 0 %1 : " + Clean(snap.Panes[0].Title),
		"n::#{S:#{session_id} }": "%subscription-changed n $1 - - - : $1 ",
		"n::#{client_name}":      "%subscription-changed n $1 - - - : " + snap.Clients[0].Name,
	} {
		if got := values(value, NewWatchWork()); got != want || strings.Contains(got, hidden) {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
	work := NewWatchWork()
	for range 1000 {
		values("n::"+strings.Repeat("#{S:#{W:#{P:#{pane_id}}}}", 40), work)
	}
	if got := values("n::#{session_id}", work); got != "" {
		t.Errorf("after all that work: %q", got)
	}
}
