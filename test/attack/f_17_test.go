package attack

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// cgroup puts muxward into a cgroup (version 1) of its own with this setting.
func (b *bed) cgroup(controller, setting, value string) (set func(value string)) {
	b.t.Helper()
	dir := filepath.Join("/sys/fs/cgroup", controller, "muxward-test-"+strconv.Itoa(b.PID()))
	if err := os.Mkdir(dir, 0o755); err != nil {
		tmuxtest.Skip(b.t, "%s needs the %s controller of cgroups, version 1: %v", b.t.Name(), controller, err)
	}
	pid := b.PID()
	b.t.Cleanup(func() { // its processes have not ended yet: they go back first
		tmuxtest.Eventually(b.t, func() bool {
			procs, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
			for _, p := range strings.Fields(string(procs)) {
				_ = os.WriteFile(filepath.Join("/sys/fs/cgroup", controller, "cgroup.procs"), []byte(p), 0) // it may be gone
			}
			return os.Remove(dir) == nil
		}, "the cgroup is removed")
	})
	for name, text := range map[string]string{setting: value, "cgroup.procs": strconv.Itoa(pid)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0); err != nil {
			b.t.Fatal(err)
		}
	}
	return func(value string) {
		b.t.Helper()
		if err := os.WriteFile(filepath.Join(dir, setting), []byte(value), 0); err != nil {
			b.t.Fatal(err)
		}
	}
}

// muxward has 64 MiB of memory and not a byte more, and people work; then each
// of its processes is killed as the kernel does it when there is no memory:
// muxward itself (F-01), tmux (F-05), and here the keeper of terminals, which
// is replaced. The control run is the limit: a process that takes more in the
// same cgroup is killed, which the kernel's count of refusals would show; here
// what is compared is muxward's own use.
func TestF17Memory(t *testing.T) {
	b := lay(t, host.Config{})
	b.cgroup("memory", "memory.limit_in_bytes", "67108864")
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
	b.turnsGreen()
	b.kept()
	b.VerifyAudit()
}
