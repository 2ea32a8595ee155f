package attack

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// A terminal says that it has no size, one cell, or more than any screen has,
// and changes its mind during a redraw. tmux hears of sizes within bounds,
// nothing crashes, and who watches elsewhere goes on. In the control run a
// terminal past muxward makes a window as wide as it likes.
func TestRE07OddSizes(t *testing.T) {
	t.Parallel()
	shownByPackage(t, "attach.TestRealTmuxAtOddSizes", "attach.TestSizesAreClampedAndCoalesced")
	b := lay(t, host.Config{TmuxConf: "set -g window-size latest\n"})
	v := b.Terminal(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
	v.WaitFor("recording")
	width := func() (cols, rows int) {
		if _, err := fmt.Sscan(b.server.Run("display-message", "-p", "-t", "other:", "#{window_width} #{window_height}"), &cols, &rows); err != nil {
			t.Fatal(err)
		}
		return cols, rows
	}
	x := b.Terminal(owner, tmuxtest.TerminalConfig{}, "attach", "-t", "other")
	x.WaitFor("[other]")
	heard := func() string {
		return b.server.Run("list-clients", "-t", "other:", "-F", "#{client_width} #{client_height}")
	}
	calm := b.resting()
	for range soak.N(50, 2) {
		for _, s := range []struct {
			cols, rows int
			want       string
		}{
			{1, 1, "1 1"}, {3, 1, "3 1"}, {1, 500, "1 500"}, {0, 0, "80 24"}, {1000, 500, "1000 500"}, {1500, 600, "1000 500"},
			{5000, 3, "1000 3"}, {2, 2, "2 2"}, {0, 7, "80 7"}, {80, 24, "80 24"},
		} {
			x.Resize(s.cols, s.rows)
			b.server.Run("rename-window", "-t", "other:0", "r"+randomWord()) // a redraw is under way
			now := ""
			if !soon(func() bool { now = heard(); return now == s.want }) {
				t.Errorf("for %d × %d tmux heard of %s, want %s", s.cols, s.rows, now, s.want)
			}
			if c, r := width(); c > 1000 || r > 500 {
				t.Errorf("a window of %d × %d", c, r)
			}
		}
	}
	// Whoever looks on has less than the owner's status takes.
	b.server.Run("set-option", "-g", "status", "5")
	for rows := 1; rows < 6; rows++ {
		v.Resize(80, rows)
		seen := ""
		if !soon(func() bool {
			seen = b.server.Run("list-clients", "-t", "shared:", "-F", "#{client_width} #{client_height}")
			return slices.Contains(strings.Fields(strings.ReplaceAll(seen, " ", "x")), "80x5")
		}) {
			t.Errorf("for a viewer's %d lines tmux heard of %q", rows, seen)
		}
	}
	b.server.Run("set-option", "-g", "status", "on")
	v.Resize(80, 24)
	word := "w" + randomWord()
	b.server.Run("rename-window", "-t", "other:0", word)
	x.WaitFor(word)
	if x.Exited() || v.Exited() {
		t.Error("somebody was thrown out")
	}
	b.kept()
	calm()
	raw := b.Terminal(owner, tmuxtest.TerminalConfig{}, "-S", b.server.Socket, "attach", "-t", "other")
	raw.WaitFor(word)
	raw.Resize(1500, 24)
	tmuxtest.Eventually(t, func() bool { c, _ := width(); return c > 1000 }, "control run: past muxward it gets wider")
}
