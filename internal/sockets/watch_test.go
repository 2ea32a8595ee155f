package sockets

import (
	"fmt"
	"testing"
	"time"
)

// What was not looked at is not gone: it is told when it could not be, once, and as
// gone only when a look at it found it right.
func TestUnseenIsNotGone(t *testing.T) {
	in, beside := Finding{ID: deadSocket, Path: "/a/tmux-1/x"}, Finding{ID: deadSocket, Path: "/b/tmux-1/x"}
	known, dark := map[findingID]Finding{}, map[Path]bool{}
	for i, c := range []struct {
		found           []Finding
		skipped         []Skipped
		fresh, ended, d int
	}{
		{[]Finding{in, beside}, nil, 2, 0, 0},
		{nil, []Skipped{{Path: "/a/tmux-1"}}, 0, 1, 1}, // beside has gone
		{nil, []Skipped{{Path: "/a/tmux-1"}}, 0, 0, 0},
		{[]Finding{in}, nil, 0, 0, 0}, // and was there all the time
		{nil, []Skipped{{Path: "/proc", Others: true}}, 0, 0, 1},
		{nil, []Skipped{{Path: "/a/tmux-1", Denied: true}}, 0, 0, 0},
		{nil, []Skipped{{Path: "/a/tmux-1/other"}}, 0, 1, 1},
	} {
		got := compare(known, c.found, c.skipped)
		got.Dark = darker(dark, c.skipped)
		if len(got.New) != c.fresh || len(got.Gone) != c.ended || len(got.Dark) != c.d {
			t.Errorf("look %d: %d new, %d gone, %d dark", i, len(got.New), len(got.Gone), len(got.Dark))
		}
	}
}

// Somebody makes more directories than can be watched: those that are in order are
// among those that are.
func TestWatchedPlaces(t *testing.T) {
	var dirs []Dir
	for i := range maxWatched + 10 {
		dirs = append(dirs, Dir{Path: Path(fmt.Sprintf("/tmp/tmux-%d", i+5000)), For: uint32(i + 5000), File: File{Kind: "directory", UID: bob}})
	}
	dirs = append(dirs, tidyDir())
	l := newLooker(Options{})
	l.mounts = mounts{{point: "/", fs: "ext4"}}
	want := (&watch{}).places(l, dirs)
	if _, ok := want["/tmp/tmux-1001"]; !ok || len(want) != maxWatched {
		t.Errorf("%d are watched, alice's %v", len(want), ok)
	}
}

// The next look comes soon after what was too new to tell, and the later the more a
// look costs, within bounds.
func TestNextLook(t *testing.T) {
	now := time.Now()
	young := Scan{Time: now, Settle: 2 * time.Second, Sockets: []Socket{{Life: Unknown, File: File{Changed: now}}}}
	for _, c := range []struct {
		s          Scan
		took, want time.Duration
	}{
		{Scan{}, time.Millisecond, watchEvery},
		{Scan{}, 100 * time.Millisecond, 100 * time.Second},
		{Scan{}, time.Hour, watchMost},
		{young, time.Hour, young.Settle},
	} {
		if got := next(c.s, c.took); got != c.want {
			t.Errorf("after a look that cost %s the next one comes in %s, want %s", c.took, got, c.want)
		}
	}
}
