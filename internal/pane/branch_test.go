package pane

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/procfs"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// All that a session has begun is ended without a cgroup, too, whatever session it is in
// by then and whether its parents live.
func TestEndWithoutBranch(t *testing.T) {
	if err := keepOrphans(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) }()
	cmd := exec.Command("sh", "-c", `setsid -f sleep 271.5; setsid -f sh -c "setsid -f sleep 271.5"; (sleep 271.5 & sleep 271.5 &); echo begun; sleep 271.5`)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() { defer close(stopped); reapOrphans(cmd.Process.Pid, stop) }()
	running := func() (n int) {
		for pid, p := range processes() {
			if line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline"); err == nil && !p.ended && strings.Contains(string(line), "271.5") {
				n++
			}
		}
		return n
	}
	for running() < 5 { // setsid -f comes back before what it has begun is there
		time.Sleep(time.Millisecond)
	}
	end(&branch{}, spared{}, time.Now().Add(endTime))
	if n := running(); n > 0 {
		t.Errorf("%d go on", n)
	}
	close(stop)
	<-stopped
	if err := cmd.Wait(); err == nil {
		t.Error("it has ended by itself")
	}
}

// Who is not stopped by being told, as what hangs in the kernel or is traced is not, is not told
// over and over, and nobody waits for that for longer than was said.
func TestEndHanging(t *testing.T) {
	freezer := "/sys/fs/cgroup/freezer/" + branchPrefix + "test-" + strconv.Itoa(os.Getpid())
	if err := os.Mkdir(freezer, 0o755); err != nil {
		tmuxtest.Skip(t, "needs the freezer of cgroups, to hold a process in the kernel: %v", err)
	}
	cmd := exec.Command("sleep", "272.5")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	set := func(file, text string) {
		if err := os.WriteFile(freezer+"/"+file, []byte(text), 0); err != nil {
			t.Error(err)
		}
	}
	defer func() {
		_ = cmd.Process.Kill()
		set("freezer.state", "THAWED")
		_ = cmd.Wait() // it was killed
		_ = os.Remove(freezer)
	}()
	set("cgroup.procs", strconv.Itoa(cmd.Process.Pid))
	set("freezer.state", "FROZEN")
	for processes()[cmd.Process.Pid].state != 'D' {
		time.Sleep(time.Millisecond)
	}
	stopping := signalled{unix.SIGSTOP, spared{}, map[held]byte{}}
	for i, want := range []bool{true, false} {
		if any, news := stopping.below(os.Getpid()); !any || news != want {
			t.Errorf("look %d: any %v, news %v", i, any, news)
		}
	}
	done := make(chan bool, 1)
	go func() { done <- end(&branch{}, spared{}, time.Now().Add(100*time.Millisecond)) }()
	select {
	case ended := <-done:
		if ended {
			t.Error("it says that all has ended")
		}
	case <-time.After(20 * time.Second):
		t.Error("it goes on and on")
	}
}

// What modules had begun before the session is left alone until it is closed, with what that begins.
func TestEndSpares(t *testing.T) {
	cmd := exec.Command("sh", "-c", "sleep 275.5 & echo begun; wait")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	first, err := procfs.ReadStat(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	session := exec.Command("sleep", "276.5")
	if err := session.Start(); err != nil {
		t.Fatal(err)
	}
	waited := make(chan error, 1)
	go func() { waited <- session.Wait() }()
	kept := spared{kept: []held{{cmd.Process.Pid, first.Start}}}
	if !end(&branch{}, kept, time.Now().Add(endTime)) || <-waited == nil {
		t.Error("what is the session's has not ended")
	}
	if left := descendants(os.Getpid(), maxKept); len(left) != 2 {
		t.Errorf("of two that are spared there are %v", left)
	}
	kept.kept[0].start++ // another has its number now
	go func() { waited <- cmd.Wait() }()
	if !end(&branch{}, kept, time.Now().Add(endTime)) || <-waited == nil {
		t.Error("who has only its number is spared")
	}
}

// A bound that was asked for and does not hold refuses the session; one that nobody has asked
// for is told of elsewhere.
func TestUnmet(t *testing.T) {
	none := []string{pidsController, memoryController}
	for _, c := range []struct {
		b       Bounds
		missing []string
		ok      bool
	}{
		{Bounds{Processes: 4096}, none, true},
		{Bounds{Processes: 10, Asked: true}, none, false},
		{Bounds{Processes: -1, Asked: false}, none, true},
		{Bounds{Memory: 1}, none, false},
		{Bounds{Memory: 1}, none[:1], true},
		{Bounds{Processes: 10, Asked: true, Memory: 1}, nil, true},
	} {
		if err := c.b.unmet(c.missing); (err == nil) != c.ok {
			t.Errorf("%+v without %v: %v", c.b, c.missing, err)
		}
	}
}
