package tmux

import (
	"strings"
	"testing"
)

// TestDefaultTargetsAgreeWithTmux compares what no target, or a relative one,
// means to a client that shows no session, inside a pane and outside.
func TestDefaultTargetsAgreeWithTmux(t *testing.T) {
	srv := startServer(t)
	srv.run("new-session", "-d", "-s", "b", "exec cat")
	srv.run("split-window", "-t", "b", "exec cat")
	srv.run("new-window", "-d", "-t", "b:4", "exec cat")
	srv.run("new-session", "-d", "-s", "a", "exec cat")
	srv.run("link-window", "-d", "-s", "b:4", "-t", "a:9")
	srv.run("new-session", "-d", "-s", "c", "exec cat")
	c := srv.control("start")
	snap := c.snapshot(Core)
	const where = "#{session_id}:#{window_index}:#{window_id}:#{pane_id}"
	for _, inside := range []string{"", "%0", "%1", "%2", "%3", "%4", "%99"} {
		var ctx ResolveContext
		env := srv.env
		if inside != "" {
			pane, err := ParsePaneID(inside)
			if err != nil {
				t.Fatal(err)
			}
			ctx.Pane = &pane
			env = append(env[:len(env):len(env)], "TMUX_PANE="+inside)
		}
		for _, target := range []string{"", ":", ".1", "+", "{last}", ":0", "b", "%2", "@2", "a:", ":9", "{up-of}"} {
			found, err := Resolve(snap, Lookup{TargetPane, 0}, target, ctx)
			cmd := srv.command("send-keys", "-R", "-t", target, ";", "display-message", "-p", "-t", target, where)
			cmd.Env = env
			out, _ := cmd.CombinedOutput()
			if got, want := outcome(found, err), strings.TrimSpace(string(out)); got != want {
				t.Errorf("inside %q, target %q: %q, tmux %q", inside, target, got, want)
			}
		}
	}
}

func TestCurrentOfEarlierCommand(t *testing.T) {
	srv := startServer(t)
	srv.run("new-session", "-d", "-s", "b", "exec cat")
	srv.run("new-window", "-d", "-t", "b:4", "exec cat")
	c := srv.control("start")
	snap := c.snapshot(Core)
	b := snap.SessionByName("b")
	current := Found{Session: b, Link: b.Link(4), Window: snap.Window(b.Link(4).Window), Pane: snap.ActivePane(snap.Window(b.Link(4).Window))}
	found, err := Resolve(snap, Lookup{TargetPane, 0}, "", ResolveContext{Current: &current})
	if err != nil || found.Link.Index != 4 {
		t.Errorf("%+v %v", found, err)
	}
	// What is gone is not current.
	gone := snap.Visible(func(_ *Session, l *Winlink, _ *Pane) bool { return l.Index == 0 })
	found, err = Resolve(gone, Lookup{TargetPane, 0}, "", ResolveContext{Current: &current})
	if err != nil || found.Session == nil || found.Link.Index != 0 {
		t.Errorf("%+v %v", found, err)
	}
}

// What is pinned is what it is wherever its window is now, and nothing else is
// taken for it: neither what has its index, nor what is current otherwise.
func TestPinnedIsWhatItIs(t *testing.T) {
	srv := startServer(t)
	srv.run("new-session", "-d", "-s", "b", "exec cat")
	srv.run("new-window", "-d", "-t", "b:4", "exec cat")
	c := srv.control("start")
	snap := c.snapshot(Core)
	b := snap.SessionByName("b")
	was := Found{Session: b, Link: b.Link(4), Window: snap.Window(b.Link(4).Window), Pane: snap.ActivePane(snap.Window(b.Link(4).Window)), Index: 4}
	for _, change := range [][]string{{"swap-window", "-d", "-s", "b:4", "-t", "b:0"}, {"move-window", "-d", "-s", was.Window.ID.String(), "-t", "b:7"}} {
		srv.run(change...)
		found, err := Resolve(c.snapshot(Core), Lookup{TargetPane, 0}, "", ResolveContext{Current: &was, Pinned: true})
		if err != nil || found.Pane.ID != was.Pane.ID || !found.Whole() || found.Index != found.Link.Index {
			t.Errorf("%v: %+v, %v", change, found, err)
		}
	}
	srv.run("kill-window", "-t", was.Window.ID.String())
	for target, how := range map[string]Lookup{"": {TargetPane, 0}, "b": {TargetSession, 0}, "+": {TargetWindow, 0}} {
		found, err := Resolve(c.snapshot(Core), how, target, ResolveContext{Current: &was, Pinned: true, Session: &b.ID})
		if err == nil {
			t.Errorf("%q: %+v is taken for what has gone", target, found)
		}
	}
}

func TestResolveOnNothing(t *testing.T) {
	snap := NewSnapshot(Snapshot{})
	for _, flags := range []FindFlags{0, CanFail} {
		f, err := Resolve(snap, Lookup{TargetSession, flags}, "x", ResolveContext{})
		if flags == 0 && (err == nil || err.Error() != "no current target") || flags != 0 && err != nil || f.Session != nil {
			t.Errorf("%v: %+v %v", flags, f, err)
		}
	}
	if _, err := CurrentClient(snap, ResolveContext{}); err == nil || err.Error() != "no current client" {
		t.Error(err)
	}
}

// TestWindowIndexTargets compares where new windows go.
func TestWindowIndexTargets(t *testing.T) {
	srv := startServer(t)
	srv.run("rename-window", "-t", "start:0", "w")
	srv.run("new-window", "-d", "-t", "start:5", "-n", "five", "exec cat")
	c := srv.control("start")
	snap := c.snapshot(Core)
	session := snap.Sessions[0].ID
	for target, want := range map[string]int{
		"7": 7, ":7": 7, "+": 1, "+3": 3, "five": 5, "start:9": 9, "@0": 0, "start:": -1, "start": -1, "": -1, ":^": 0, ":$": 5, "start:+2": 2,
	} {
		found, err := Resolve(snap, Lookup{TargetWindow, WindowIndex}, target, ResolveContext{Session: &session})
		if err != nil || found.Index != want {
			t.Errorf("%q: index %d %v, want %d", target, found.Index, err, want)
			continue
		}
		out, ok := srv.tryRun("new-window", "-d", "-P", "-F", "#{window_index}", "-t", target, "exec cat")
		switch {
		case want >= 0 && snap.Sessions[0].Link(want) != nil:
			if ok || !strings.Contains(out, "index") {
				t.Errorf("%q: tmux %q, want a refusal", target, out)
			}
		case !ok || want >= 0 && out != itoa(want):
			t.Errorf("%q: tmux %q, want %d", target, out, want)
		}
		if ok {
			srv.run("kill-window", "-t", "start:"+out)
		}
	}
	for _, target := range []string{":0.0", "%0", ".1"} {
		_, err := Resolve(snap, Lookup{TargetWindow, WindowIndex}, target, ResolveContext{Session: &session})
		out, _ := srv.tryRun("new-window", "-d", "-t", target)
		if err == nil || err.Error() != out {
			t.Errorf("%q: %v, tmux %q", target, err, out)
		}
	}
}

func itoa(n int) string { return strings.TrimPrefix(WindowID(n).String(), "@") }

func TestClientTargets(t *testing.T) {
	snap := NewSnapshot(Snapshot{
		Sessions: []Session{{ID: 1, Name: "s", Attached: 2, Links: []Winlink{{}}}, {ID: 2, Name: "t", Links: []Winlink{{}}}},
		Clients: []Client{
			{Name: "/dev/pts/3", TTY: "/dev/pts/3", Session: 1, Activity: 5},
			{Name: "client-77", Session: 1, Activity: 9},
		},
	})
	for target, want := range map[string]string{
		"/dev/pts/3": "/dev/pts/3", "pts/3": "/dev/pts/3", "pts/3:": "/dev/pts/3", "client-77": "client-77",
		"3": "", "": "", "/dev/": "", "client-7": "", "pts/3::": "",
	} {
		c, err := ResolveClient(snap, target)
		if want == "" {
			if text := "can't find client: " + strings.TrimSuffix(target, ":"); err == nil || err.Error() != text {
				t.Errorf("%q: %v %v", target, c, err)
			}
		} else if err != nil || c.Name != want {
			t.Errorf("%q: %v %v", target, c, err)
		}
	}
	if c := bestClient(snap, snap.Session(1)); c.Name != "client-77" {
		t.Errorf("best: %+v", c)
	}
	if c := bestClient(snap, snap.Session(2)); c.Name != "client-77" {
		t.Errorf("best of all: %+v", c)
	}
}
