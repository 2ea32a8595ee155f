package attack

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// muxward has 64 MiB of memory and not a byte more, and people work; then each
// of its processes is killed as the kernel does it when there is no memory:
// muxward itself (F-01), tmux (F-05), and here the keeper of terminals, which
// is replaced. The control run is the limit: a process that takes more in the
// same group is killed. It was seen to fail without the limit.
//
// What the kernel adds to a process's chance to be chosen is inherited by all that
// it starts. So a tmux server is not shielded: programs in its panes would be.
func TestF17Memory(t *testing.T) {
	b := lay(t, host.Config{})
	group := newCgroup(t, "memory")
	group.limit("memory", "67108864")
	group.take(b.PID())
	for i := range soak.N(20, 3) {
		var people []*tmuxtest.Terminal
		for range 8 {
			x := b.Terminal(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
			people = append(people, x)
		}
		for _, x := range people {
			x.WaitFor("recording")
		}
		b.typed(typist, fmt.Sprintf("m%d.", i))
		old := childOf(t, b.PID(), "keeper")
		signal(t, old, sigKill)
		tmuxtest.Eventually(t, func() bool { return childOf(t, b.PID(), "keeper") != old }, "another keeper runs")
		leave(people...)
	}
	pane, err := strconv.Atoi(b.server.Run("display-message", "-p", "-t", "other", "#{pane_pid}"))
	if err != nil {
		t.Fatal(err)
	}
	if ours, theirs := chosen(t, os.Getpid()), chosen(t, pane); theirs < ours {
		t.Errorf("a program in a pane is shielded: %d, we are %d", theirs, ours)
	}
	if !greedy(t, group) {
		t.Error("control run: a process takes as much memory as it likes in this group")
	}
	b.typed(typist, "well.")
	b.turnsGreen()
	b.kept()
	b.VerifyAudit()
}

// chosen is what the kernel adds when it chooses whom to kill for memory.
func chosen(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// greedy takes 200 MiB in a group and reports whether it was killed for that.
// Of all in the group, the kernel is to choose this one.
func greedy(t *testing.T, group *cgroup) bool {
	t.Helper()
	cmd := exec.Command("sh", "-c", `echo 1000 >/proc/self/oom_score_adj && read go &&
		exec awk 'BEGIN { s = "x"; while (length(s) < 200 * 1024 * 1024) s = s s }'`)
	start, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	group.take(cmd.Process.Pid)
	if _, err := start.Write([]byte("go\n")); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait() // ProcessState tells
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	t.Logf("who takes too much: %v", cmd.ProcessState)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}
