package attack

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// People come and go without end: connect and say nothing, say garbage of a
// page's length, attach and detach, ask what they may not. Afterwards muxward
// holds what it held before: descriptors, goroutines, memory, children, files in
// the doors' directory. The control run holds a hundred connections open: then
// it holds more.
func TestDO07ComeAndGo(t *testing.T) {
	w := row{restless: true}.stage(t, false)
	files := func() int { return count(t, w.Doors) }
	before, children := files(), childrenOf(t, w.PID())
	garbage := make([]byte, 4096)
	for i := range garbage {
		garbage[i] = byte(i * 7)
	}
	for i := range soak.N(100_000, 1000) {
		c, err := net.Dial("unix", w.door(stranger))
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			_, _ = c.Write(garbage) // it may have closed already
		}
		_ = c.Close()
	}
	for range soak.N(10_000, 100) {
		x := w.Terminal(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
		x.WaitFor("recording")
		x.Type("\x02d")
		x.ExitCode()
		x.Close() // there are fewer terminals on a machine than rounds here
	}
	for range soak.N(10_000, 100) {
		w.refused(stranger, "attach", "-t", "mwalice/shared")
	}
	w.oracles()
	for _, g := range w.gains {
		t.Error(g)
	}
	tmuxtest.Eventually(t, func() bool { return files() == before }, "there are %d files in the doors, as at first", before)
	now := 0
	if !soon(func() bool { now = childrenOf(t, w.PID()); return now == children }) {
		t.Errorf("at first %d children, now %d", children, now)
	}
	var open []net.Conn
	for range 60 {
		c, err := net.Dial("unix", w.door(stranger))
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
	}
	tmuxtest.Eventually(t, func() bool { return w.measure().fds > w.base.fds+slackFDs }, "control run: muxward holds more")
	for _, c := range open {
		_ = c.Close()
	}
	w.base.again(w)
}

// childrenOf counts the child processes of a process, with those that have ended and
// that nobody has waited for.
func childrenOf(t *testing.T, pid int) (n int) {
	t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		if status, err := os.ReadFile(dir + "/status"); err == nil && field(status, "PPid:") == pid {
			n++
		}
	}
	return n
}

func count(t *testing.T, dir string) (n int) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		n++
		if e.IsDir() {
			n += count(t, dir+"/"+e.Name())
		}
	}
	return n
}
