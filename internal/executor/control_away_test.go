package executor

import (
	"slices"
	"testing"

	"github.com/muxward/muxward/internal/tmux"
)

// What was told of panes tells which of them have been away, whatever the state says later.
func TestAbsences(t *testing.T) {
	const drawn, extended, goes = "%output %1 x", "%extended-output %1 0 : x", "%continue %1"
	for name, c := range map[string]struct {
		told    []string
		resumed bool // tmux was asked to begin anew with what was away
		missed  []bool
		gone    bool // %1, if it is back when the state is seen
		after   bool // or if it is not
	}{
		"stays":              {[]string{drawn}, false, []bool{false}, false, true},
		"another window":     {[]string{"%window-close @2", drawn}, false, []bool{false, false}, false, true},
		"closed":             {[]string{drawn, "%window-close @1", drawn}, false, []bool{false, false, true}, true, true},
		"moved":              {[]string{"%unlinked-window-close @1", extended}, false, []bool{false, true}, true, true},
		"joined elsewhere":   {[]string{"%layout-change @1 b25d,80x24,0,0,2 b25d,80x24,0,0,2 *", drawn}, false, []bool{false, true}, true, true},
		"beside it":          {[]string{"%layout-change @1 b25d,80x24,0,0[80x12,0,0,1,80x11,0,13,2] x *", drawn}, false, []bool{false, false}, false, true},
		"another session":    {[]string{"%session-changed $1 x", drawn}, false, []bool{false, true}, true, true},
		"goes on":            {[]string{"%window-close @1", drawn, goes, drawn}, true, []bool{false, true, false, false}, false, true},
		"continued by guest": {[]string{"%window-close @1", goes, drawn}, false, []bool{false, false, true}, true, true},
		"gone again":         {[]string{"%window-close @1", goes, drawn, "%window-close @1", drawn}, true, []bool{false, false, false, false, true}, true, true},
	} {
		for _, back := range []bool{true, false} {
			a := absences{lies: map[tmux.PaneID]tmux.WindowID{1: 1, 3: 2}}
			var missed []bool
			for _, l := range c.told {
				missed = append(missed, a.follow([][]byte{[]byte(l)})...)
				if gone := a.gone[1]; gone != nil {
					gone.resumed = c.resumed
				}
			}
			want, now := c.after, map[tmux.PaneID]tmux.WindowID{}
			if back {
				want, now = c.gone, map[tmux.PaneID]tmux.WindowID{1: 1}
			}
			a.lie(now)
			if gone := a.gone[1] != nil; gone != want {
				t.Errorf("%s: back %v: away is %v", name, back, gone)
			}
			if !slices.Equal(missed, c.missed) {
				t.Errorf("%s: missed is %v, want %v", name, missed, c.missed)
			}
		}
	}
}

// A pane that was there only between two states was there: what it has drawn there was told.
func TestAbsencesVisit(t *testing.T) {
	a := absences{}
	if missed := a.follow([][]byte{[]byte("%output %7 x")}); missed[0] {
		t.Error("what a new pane draws is missed")
	}
	a.lie(map[tmux.PaneID]tmux.WindowID{1: 1})
	if a.gone[7] == nil {
		t.Error("a pane that was heard and is not there does not count as away")
	}
	a.lie(map[tmux.PaneID]tmux.WindowID{1: 1, 7: 1})
	if missed := a.follow([][]byte{[]byte("%output %7 y")}); !missed[0] {
		t.Error("what it drew while it was away is not missed")
	}
}
