package main

import (
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/hostconf/proof"
	"github.com/muxward/muxward/internal/sockets"
)

// seen is a look at a live socket of uid 1000 that everybody may connect to; change makes it another.
func seen(change func(k *sockets.Socket)) sockets.Scan {
	dir := sockets.Dir{Path: "/tmp/tmux-1000", File: sockets.File{Kind: "directory", UID: 1000, Mode: 0o711, Links: 2}, For: 1000, Program: "tmux",
		Above: &sockets.File{Kind: "directory", Mode: 0o1777}, AbovePath: "/tmp"}
	k := sockets.Socket{Path: "/tmp/tmux-1000/work", File: sockets.File{Kind: "socket", UID: 1000, GID: 1000, Mode: 0o666, Links: 1}, Dir: dir.Path,
		Above: &dir.File, Life: sockets.Live, PID: 7, Program: "tmux"}
	change(&k)
	return sockets.Scan{Dirs: []sockets.Dir{dir}, Sockets: []sockets.Socket{k}}
}

// What the files have mended, and muxward cannot mend, is a difference, and proves nothing to hold: a
// socket outside of tmux's directories, one with a second name, those of others for who is not
// root, and what could not be looked at.
func TestSocketsBlocked(t *testing.T) {
	t.Parallel()
	elsewhere := func(k *sockets.Socket) {
		k.Path, k.Dir, k.Above = "/srv/pair", "", &sockets.File{Kind: "directory", Mode: 0o755}
	}
	for _, c := range []struct {
		name          string
		scan          sockets.Scan
		mend          string
		uid           uint32
		mends, blocks int
		want          proof.Outcome
	}{
		{"mended", seen(func(k *sockets.Socket) {}), "MW-S004", 0, 1, 0, proof.Broken},
		{"elsewhere", seen(elsewhere), "MW-S004", 0, 0, 1, proof.Broken},
		{"two names", seen(func(k *sockets.Socket) { k.Links = 2 }), "MW-S004", 0, 0, 1, proof.Broken},
		{"not root", seen(func(k *sockets.Socket) {}), "MW-S004", 65534, 0, 1, proof.Broken},
		{"another kind", seen(elsewhere), "MW-S001", 0, 0, 0, proof.Holds},
		{"another kind, not root", seen(elsewhere), "MW-S001", 65534, 0, 0, proof.Unknown},
		{"closed", seen(func(k *sockets.Socket) { k.Mode = 0o600 }), "MW-S004", 0, 0, 0, proof.Holds},
		{"dark", sockets.Scan{Skipped: []sockets.Skipped{{Path: "/srv", Reason: "it hangs"}}}, "MW-S004", 0, 0, 0, proof.Unknown},
		{"denied", sockets.Scan{Skipped: []sockets.Skipped{{Path: "/srv", Denied: true}}}, "MW-S004", 0, 0, 0, proof.Unknown},
	} {
		part := partOf(report{scan: c.scan, findings: sockets.Judge(c.scan, sockets.DefaultLimits())}, []string{c.mend}, c.uid)
		if len(part.Mend) != c.mends || len(part.Blocked) != c.blocks {
			t.Errorf("%s: %d to mend, %d for people; want %d and %d", c.name, len(part.Mend), len(part.Blocked), c.mends, c.blocks)
		}
		if (planned{Sockets: part}).drifts() != (c.mends+c.blocks > 0) {
			t.Errorf("%s: that is not whether it differs", c.name)
		}
		if p := provenClosed(part, nil); p.Outcome != c.want {
			t.Errorf("%s: %s %v, want %s", c.name, p.Outcome, p.Evidence, c.want)
		}
	}
}

// An account with many open sockets, which has stopped who closes them, holds up those of others for
// one step, and fills no plan.
func TestSocketsInTurn(t *testing.T) {
	t.Parallel()
	var scan sockets.Scan
	for n := range 70 {
		one := seen(func(k *sockets.Socket) {
			k.Path = sockets.Path("/tmp/tmux-1000/" + strconv.Itoa(n))
			if n == 69 { // of another account, after all of them
				k.Path, k.Dir, k.UID = "/tmp/tmux-1001/work", "/tmp/tmux-1001", 1001
			}
		})
		if n == 69 {
			one.Dirs[0].Path, one.Dirs[0].UID, one.Dirs[0].For = "/tmp/tmux-1001", 1001, 1001
			scan.Dirs = append(scan.Dirs, one.Dirs[0])
		}
		if n == 0 {
			scan.Dirs = one.Dirs
		}
		scan.Sockets = append(scan.Sockets, one.Sockets...)
	}
	part := partOf(report{scan: scan, findings: sockets.Judge(scan, sockets.DefaultLimits())}, []string{"MW-S004"}, 0)
	if len(part.Mend) != maxSocketLines || part.MoreMend != 70-maxSocketLines || len(part.steps) != 70 {
		t.Fatalf("%d are listed and %d not, of %d steps", len(part.Mend), part.MoreMend, len(part.steps))
	}
	f, err := os.Create(t.TempDir() + "/sockets.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	j := &journal{File: f, state: t.TempDir()}
	defer j.Close()
	m := sockets.Mender{Argv: []string{"/bin/sleep", "100"}, Time: 50 * time.Millisecond}
	done, err := mendInTurn(t.Context(), m, j, part.steps)
	if err != nil || len(done) != 2 || done[0].UID != 1000 || done[1].UID != 1001 {
		t.Errorf("%d have been tried, %v: %v", len(done), err, done)
	}
}
