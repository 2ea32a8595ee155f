package sockets

import (
	"fmt"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// The host hides processes from those whose they are not (hidepid). Root, and alice of
// what is hers, are told what they are told without that; of a stranger's server she is
// told nothing. The control run is that she sees its process first, and then does not.
func TestSK19HiddenProcesses(t *testing.T) {
	z := newCage(t)
	dir := z.dir(owner, 0o700)
	live := z.server(owner, dir+"/live", 0)
	dead := z.socket(dir+"/dead", owner, 0o600)
	theirs := z.server(stranger, z.dir(stranger, 0o700)+"/theirs", 0)
	knows := func(who string, pid int) bool {
		t.Helper()
		l := z.scan(who)
		if l.found(dead) != "S001" || l.life(live.path) != "live" || !l.Complete || len(l.Findings) != 1 {
			t.Errorf("%s is told %+v", who, l)
		}
		for _, s := range l.Scan.Servers {
			if s.PID == pid {
				return true
			}
		}
		return false
	}
	sees := func() bool {
		_, err := tmuxtest.Output(live.as.Command("test", "-d", fmt.Sprintf("/proc/%d", theirs.pid())))
		return err == nil
	}
	if !knows(root, theirs.pid()) || !knows(owner, live.pid()) || !sees() {
		t.Error("with nothing hidden a server is missing")
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, "hidepid=2"); err != nil {
		tmuxtest.Skip(t, "needs a /proc that hides processes: %v", err)
	}
	defer func() { z.must(unix.Unmount("/proc", unix.MNT_DETACH)) }()
	if !knows(root, theirs.pid()) || !knows(owner, live.pid()) {
		t.Error("with others' processes hidden a server is missing")
	}
	if knows(owner, theirs.pid()) {
		t.Error("alice is told of a process that is hidden from her")
	}
	if sees() {
		t.Error("control run: nothing is hidden: this is no test")
	}
}

// Processes come and go all the time while root looks, with numbers that are given out
// again: what is found is the same each time, and nothing is missing for it.
func TestSK19ProcessesThatComeAndGo(t *testing.T) {
	z := newCage(t)
	dir := z.dir(owner, 0o700)
	z.server(owner, dir+"/live", 0)
	dead := z.socket(dir+"/dead", owner, 0o600)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	ran := 0
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			cmd := z.account(stranger).Command("true")
			cmd.Env = append(cmd.Env, "TMUX="+dir+"/live,1,0", "TMUX_TMPDIR="+z.base)
			if cmd.Run() == nil {
				ran++
			}
		}
	})
	for range soak.N(1000, 10) {
		if l := z.scan(root); l.found(dead) != "S001" || len(l.Findings) != 1 || !l.Complete || len(l.Scan.Servers) != 1 {
			t.Errorf("it tells %+v", l)
		}
	}
	close(stop)
	wg.Wait()
	if ran < 10 {
		t.Errorf("%d processes came and went: this is no test", ran)
	}
}
