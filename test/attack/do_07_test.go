package attack

import (
	"net"
	"os"
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
	before := files()
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
