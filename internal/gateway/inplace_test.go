package gateway

import (
	"testing"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/tmux"
)

// TestInPlace: what has another name or place, or has gone, is not what it was.
func TestInPlace(t *testing.T) {
	snap := tmux.NewSnapshot(tmux.Snapshot{
		Sessions: []tmux.Session{{ID: 1, Name: "work", Links: []tmux.Winlink{{Index: 2, Window: 7}}}, {ID: 2, Name: "play"}},
		Windows:  []tmux.Window{{ID: 7, Panes: []tmux.PaneID{9}}},
		Panes:    []tmux.Pane{{ID: 9, Window: 7, Index: 3}},
	})
	pane := access.Object{
		Kind: access.Pane, Owner: "alice", Session: access.SessionRef{ID: 1, Name: "work", Index: 2},
		Window: access.WindowRef{ID: 7}, Pane: access.PaneRef{ID: 9, Index: 3},
	}
	for o := pane; ; o = o.Up() {
		if !InPlace(o, snap) {
			t.Errorf("%v is not there", o)
		}
		if o.Kind == access.Host {
			break
		}
	}
	for name, edit := range map[string]func(*access.Object){
		"renamed":             func(o *access.Object) { o.Session.Name = "old" },
		"gone":                func(o *access.Object) { o.Session.Name = "none"; o.Session.ID = 4 },
		"another window":      func(o *access.Object) { o.Window.ID = 8 },
		"another index":       func(o *access.Object) { o.Session.Index = 1 },
		"another pane":        func(o *access.Object) { o.Pane.ID = 8 },
		"another pane index":  func(o *access.Object) { o.Pane.Index = 1 },
		"moved to play":       func(o *access.Object) { o.Session = access.SessionRef{ID: 2, Name: "play", Index: 2} },
		"a session renamed":   func(o *access.Object) { *o = o.Up().Up(); o.Session.Name = "play" },
		"another of its name": func(o *access.Object) { *o = o.Up().Up(); o.Session.ID = 3 },
	} {
		o := pane
		if edit(&o); InPlace(o, snap) {
			t.Errorf("%s: it is there", name)
		}
	}
}
