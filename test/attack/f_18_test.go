package attack

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// There are no process ids left for muxward: a server for somebody new cannot
// be started, which is said, and who is there works on. With ids again, which
// is the control run, it starts. Terminals and watches cannot be taken from
// one program alone without taking them from all on this host; running out of
// descriptors (F-15) goes the same ways.
func TestF18NoProcesses(t *testing.T) {
	b := lay(t, host.Config{})
	c := b.Terminal(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
	c.WaitFor("recording")
	b.cgroup("pids", "pids.max", "max")
	dir := "/sys/fs/cgroup/pids/muxward-test-" + strconv.Itoa(b.PID())
	now, err := os.ReadFile(dir + "/pids.current")
	if err != nil {
		t.Fatal(err)
	}
	n, _ := strconv.Atoi(strings.TrimSpace(string(now)))
	limit := func(s string) {
		t.Helper()
		if err := os.WriteFile(dir+"/pids.max", []byte(s), 0); err != nil {
			t.Fatal(err)
		}
	}
	// muxward's own threads count as well, so some room is left for those: a
	// server takes more than that.
	limit(strconv.Itoa(n))
	r := b.Tmux(stranger, "new-session", "-d", "-s", "mine", "cat")
	if r.Code == 0 {
		t.Error("a server was started without a process")
	}
	t.Logf("told: %s", r.Err)
	limit("max")
	if c.Exited() {
		t.Error("who was attached was thrown out")
	}
	b.typed(typist, "well")
	b.Must(stranger, "new-session", "-d", "-s", "mine", "cat")
	b.kept()
	b.VerifyAudit()
}
