package pane

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
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
	end(&branch{}, 0)
	if n := running(); n > 0 {
		t.Errorf("%d go on", n)
	}
	close(stop)
	<-stopped
	if err := cmd.Wait(); err == nil {
		t.Error("it has ended by itself")
	}
}
