package tmux

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// targetServer has sessions, groups, linked windows, layouts and names that
// look like something else.
func targetServer(t testing.TB) (*realServer, *control) {
	srv := startServer(t)
	srv.limit = time.Hour // one client asks everything
	run := srv.run
	run("rename-session", "-t", "start", "work")
	run("rename-window", "-t", "work:0", "edit")
	for _, args := range [][]string{
		{"split-window", "-h", "-t", "work:0"}, {"split-window", "-v", "-t", "work:0"},
		{"new-window", "-t", "work:3", "-n", "logs"}, {"split-window", "-v", "-t", "work:3"},
		{"new-window", "-d", "-t", "work:5", "-n", "logs2"}, {"new-window", "-d", "-t", "work:7", "-n", "3"},
		{"new-session", "-d", "-s", "workshop", "-n", "wa", "-x", "100", "-y", "30"},
		{"new-session", "-d", "-s", "=secret", "-n", "+1"}, {"new-session", "-d", "-s", "secret", "-n", "!"},
		{"new-session", "-d", "-s", "$77", "-n", "@77"}, {"new-session", "-d", "-s", "@0", "-n", "%0"},
		{"new-session", "-d", "-s", "-x", "-n", "^"}, {"new-session", "-d", "-s", "a*", "-n", "{last}"},
		{"new-session", "-d", "-s", "ab", "-n", "top"}, {"new-session", "-d", "-s", "7", "-n", "dup"},
		{"new-window", "-d", "-t", "7:", "-n", "dup"}, {"new-session", "-d", "-s", "héllo wörld", "-n", "a b"},
		{"new-session", "-d", "-s", "~", "-n", "~"}, {"new-session", "-d", "-s", "bob/prod", "-n", "x"},
		{"new-session", "-d", "-t", "work", "-s", "peer"},
	} {
		run(append(args, "exec cat")[:len(args)+boolInt(args[len(args)-2] != "-s" || args[len(args)-1] != "peer")]...)
	}
	run("link-window", "-d", "-s", "work:5", "-t", "secret:9")
	run("select-window", "-t", "work:3")
	run("select-window", "-t", "work:0")
	run("select-window", "-t", "work:3")
	run("select-pane", "-t", "work:0.1")
	run("select-pane", "-t", "work:0.2")
	run("select-pane", "-t", "work:0.0")
	run("set-option", "-w", "-t", "work:3", "pane-base-index", "1")
	run("select-pane", "-m", "-t", "work:0.1")
	return srv, srv.control("work")
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// targetForms are made of every session part, window part and pane part.
func targetForms() []string {
	sessions := []string{
		"", "work", "=work", "wor", "works", "workshop", "w*", "[w]ork", "work?hop", "=wor", "secret", "=secret", "==secret",
		"$0", "$1", "$77", "$99", "$x", "@0", "-x", "a*", "ab", "7", "héllo", "h?llo*", "~", "bob/prod", "nosuch", "peer", "{last}",
	}
	windows := []string{
		"", "0", "3", "4", "5", "7", "99", "edit", "logs", "=logs", "log", "lo*", "l*2", "=3", "dup", "!", "^", "$", "+", "-", "+1", "-1", "+2", "+9", "-9", "+x", "+0",
		"{start}", "{last}", "{end}", "{next}", "{previous}", "{top}", "@0", "@3", "@77", "@99", "@+1", "@ 1", " 0", "nosuch", "top", "+1 ",
	}
	panes := []string{
		"", "0", "1", "2", "9", "!", "+", "-", "+1", "-1", "+2", "-5", "+x", "{last}", "{next}", "{previous}", "{top}", "TOP", "bottom", "left", "{right}",
		"{top-left}", "top-right", "{bottom-left}", "{bottom-right}", "{up-of}", "{down-of}", "{left-of}", "{right-of}",
		"%0", "%1", "%3", "%99", "%77", "%x", "x", "{marked}", "~",
	}
	var all []string
	for _, s := range sessions {
		all = append(all, s, s+":", s+".")
		for i, w := range windows {
			if s != "" && i%3 == 0 {
				all = append(all, s+":"+w)
			}
		}
		for _, p := range panes {
			if s == "work" || s == "secret" || s == "workshop" {
				all = append(all, s+":."+p, s+":0."+p, s+":3."+p, s+":@0."+p)
			}
		}
	}
	for _, w := range windows {
		all = append(all, w, ":"+w, w+".", w+".0", w+".%1", w+".+", ":"+w+".1")
	}
	for _, p := range panes {
		all = append(all, p, "."+p, ":."+p, ":0."+p, "@0."+p, "edit."+p)
	}
	return append(all, "=", "{mouse}", "~", "{marked}", ":", ".", ":.", "::", "a:b:c", "a.b.c", "work:0.1.2", "=:", "=:=.", "work:=", "*", "[", "[a", "\\w*", "?", "work:logs.")
}

// outcome describes what a target was resolved to, or the error.
func outcome(f Found, err error) string {
	if err != nil {
		return err.Error()
	}
	if !f.Whole() {
		// Taken apart on purpose: tmux's display would fill the gaps.
		return "partial"
	}
	return fmt.Sprintf("%s:%d:%s:%s", f.Session.ID, f.Link.Index, f.Window.ID, f.Pane.ID)
}

// A command of each kind whose effects are nothing but what is printed. Their
// own formats show what the target was; not all allow a missing one.
func askTmux(c *control, kind TargetKind, target string) string {
	const where = "#{session_id}:#{window_index}:#{window_id}:#{pane_id}"
	quoted, err := QuoteControl([]string{target})
	if err != nil {
		return err.Error()
	}
	var line string
	switch kind {
	case TargetPane:
		// if-shell and display-message may fail quietly; find out first.
		if out, ok := c.ask("send-keys -R -t " + quoted); !ok {
			return out
		}
		line = "display-message -p -t " + quoted + " '" + where + "'"
	case TargetWindow:
		line = "list-panes -t " + quoted + " -f '#{pane_active}' -F '" + where + "'"
	case TargetSession:
		line = "list-windows -t " + quoted + " -f '#{window_active}' -F '" + where + "'"
	}
	out, _ := c.ask(line)
	return out
}

// outcomeHere is what we resolve a target to, as askTmux tells it.
func outcomeHere(snap *Snapshot, ctx ResolveContext, kind TargetKind, target string) string {
	found, err := Resolve(snap, Lookup{Kind: kind}, target, ctx)
	if kind == TargetSession && err == nil {
		// The list shows the session's current window.
		cur := found.Session.CurrentLink()
		found = Found{Session: found.Session, Link: cur, Window: snap.Window(cur.Window)}
	}
	if kind != TargetPane && err == nil && found.Window != nil {
		found.Pane = snap.ActivePane(found.Window)
	}
	return outcome(found, err)
}

func TestTargetsAgreeWithTmux(t *testing.T) {
	_, c := targetServer(t)
	snap := c.snapshot(Core)
	session := snap.SessionByName("work").ID
	ctx := ResolveContext{Session: &session}
	count := 0
	for _, kind := range []TargetKind{TargetPane, TargetWindow, TargetSession} {
		for _, target := range targetForms() {
			count++
			got := outcomeHere(snap, ctx, kind, target)
			if want := askTmux(c, kind, target); !sameOutcome(got, want) {
				t.Errorf("%s %q: got %q, tmux %q", kind, target, got, want)
			}
		}
	}
	t.Logf("%d targets compared", count)
}

// sameOutcome compares an outcome with tmux's, which fills what a target leaves open.
func sameOutcome(got, tmux string) bool {
	return got == tmux || got == "partial" && strings.HasPrefix(tmux, "$")
}
