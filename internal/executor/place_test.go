package executor

import (
	"errors"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux"
)

// house is a session of three windows, of which the second has two panes.
func house(hidden ...tmux.PaneID) *tmux.Snapshot {
	snap := tmux.NewSnapshot(tmux.Snapshot{
		Sessions: []tmux.Session{{ID: 1, Name: "work", Current: 0, Links: []tmux.Winlink{{Index: 0, Window: 10}, {Index: 1, Window: 11}, {Index: 5, Window: 12}}}},
		Windows: []tmux.Window{
			{ID: 10, Panes: []tmux.PaneID{100}, Active: 100, HasActive: true, Width: 80, Height: 23},
			{ID: 11, Panes: []tmux.PaneID{110, 111}, Active: 111, HasActive: true, Width: 80, Height: 23},
			{ID: 12, Panes: []tmux.PaneID{120}, Active: 120, HasActive: true, Width: 80, Height: 23},
		},
		Panes: []tmux.Pane{
			{ID: 100, Window: 10, Width: 80, Height: 23},
			{ID: 110, Window: 11, Width: 80, Height: 11}, {ID: 111, Window: 11, Index: 1, Top: 12, Width: 80, Height: 11},
			{ID: 120, Window: 12, Width: 80, Height: 23},
		},
	})
	return snap.Visible(func(_ *tmux.Session, _ *tmux.Winlink, p *tmux.Pane) bool {
		for _, id := range hidden {
			if p.ID == id {
				return false
			}
		}
		return true
	})
}

// TestPlaceSettles: somebody is only ever at a pane that they may view, and where
// that goes they go back to where they were.
func TestPlaceSettles(t *testing.T) {
	at := place{session: 1, window: 10, pane: 100}
	at = at.to(11, 110).to(11, 111).to(12, 120)
	for _, c := range []struct {
		what   string
		hidden []tmux.PaneID
		window tmux.WindowID
		pane   tmux.PaneID
	}{
		{"all is there", nil, 12, 120},
		{"the window has gone", []tmux.PaneID{120}, 11, 111},
		{"and the pane of the one before", []tmux.PaneID{120, 111}, 11, 110},
		{"and that one", []tmux.PaneID{120, 111, 110}, 10, 100},
	} {
		got, err := at.settle(house(c.hidden...))
		if err != nil || got.window != c.window || got.pane != c.pane {
			t.Errorf("%s: they are at %v.%v, %v; want %v.%v", c.what, got.window, got.pane, err, c.window, c.pane)
		}
	}
	if _, err := at.settle(house(100, 110, 111, 120)); !errors.Is(err, errNothingToSee) {
		t.Errorf("with nothing to see: %v", err)
	}
}

// TestPlaceIsWhatIsCurrent: commands that say nothing of where are about the
// person's own place, and its last window and pane are theirs.
func TestPlaceIsWhatIsCurrent(t *testing.T) {
	at := place{session: 1, window: 10, pane: 100}
	at = at.to(11, 110).to(12, 120).to(11, 111).to(11, 110)
	for command, want := range map[string]tmux.PaneID{
		"next-window": 120, "previous-window": 100, "last-window": 120, "select-window -t :0": 100, "select-window -t :1": 110,
		"select-window -n": 120, "last-pane": 111, "select-pane -D": 111, "select-pane -l": 111, "select-pane -t :.+": 111,
		"select-pane -t %100": 100, "select-window -t :5": 120,
	} {
		how, target := whither(parsed(t, command))
		f, err := tmux.Resolve(at.seen(house(), house()), how, target, tmux.ResolveContext{Session: &at.session})
		if err != nil || !f.Whole() || f.Pane.ID != want {
			t.Errorf("%s: it is %v, %v; want %v", command, f.Pane, err, want)
		}
	}
	// What is hidden is passed over, and not found.
	f, err := tmux.Resolve(at.seen(house(120), house(120)), tmux.Lookup{Kind: tmux.TargetWindow}, ":+", tmux.ResolveContext{Session: &at.session})
	if err != nil || f.Window.ID != 10 {
		t.Errorf("the next window is %v, %v", f.Window, err)
	}
	if f, err := tmux.Resolve(at.seen(house(120), house(120)), tmux.Lookup{Kind: tmux.TargetWindow}, ":5", tmux.ResolveContext{Session: &at.session}); err == nil {
		t.Errorf("a hidden window is found: %v", f.Window)
	}
}

// TestPlaceIsMeant: what a target leaves open is the person's, whatever is current for
// all; of a window of which they may view nothing, no pane is.
func TestPlaceIsMeant(t *testing.T) {
	at := place{session: 1, window: 10, pane: 100}
	at = at.to(11, 111).to(11, 110).to(12, 120)
	seen := at.seen(house(100), house())
	for target, want := range map[string]tmux.PaneID{
		"": 120, ":": 120, "work:": 120, ":!": 110, ":1": 110, ":1.!": 0, ":-": 110, "%111": 111, ":0": 0, ":0.0": 100,
	} {
		f, err := tmux.Resolve(seen, tmux.Lookup{Kind: tmux.TargetPane}, target, tmux.ResolveContext{Session: &at.session})
		got := tmux.PaneID(0)
		if err == nil && f.Pane != nil {
			got = f.Pane.ID
		}
		if got != want {
			t.Errorf("%q is %v, %v; want %v", target, got, err, want)
		}
	}
	if s := seen.Session(1); s.Current != 5 || len(s.Last) != 1 || s.Last[0] != 1 {
		t.Errorf("current is %d, last %v", s.Current, s.Last)
	}
}

// TestGoesAbout: what does more than select is no private matter.
func TestGoesAbout(t *testing.T) {
	for command, want := range map[string]bool{
		"select-pane -L": true, "select-window -t :1": true, "next-window": true, "last-pane": true,
		"select-pane -m": false, "select-pane -d": false, "select-pane -T title": false, "next-window -a": false,
		"kill-window": false, "swap-pane -D": false, "select-layout tiled": false,
	} {
		if got := goesAbout(parsed(t, command)); got != want {
			t.Errorf("%s: %v", command, got)
		}
	}
}

// TestBesideOwn: what would go by the session's own place is refused.
func TestBesideOwn(t *testing.T) {
	for command, want := range map[string]bool{
		"next-window -a": true, "previous-window -a": true, "last-pane -d": true, "select-pane -l -d": true,
		"next-window": false, "last-pane": false, "select-pane -d": false, "select-pane -L": false, "kill-pane": false,
	} {
		if got := besideOwn(parsed(t, command)); got != want {
			t.Errorf("%s: %v", command, got)
		}
	}
}

func parsed(t *testing.T, command string) *tmux.Invocation {
	t.Helper()
	invs, err := tmux.ParseArgv(strings.Fields(command), tmux.ParseOptions{Version: tmux.Reference()})
	if err != nil {
		t.Fatal(err)
	}
	return invs[0]
}
