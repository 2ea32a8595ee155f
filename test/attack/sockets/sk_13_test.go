package sockets

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/sockets"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// watching is a running `muxward sockets watch`, and what it says is wrong now.
type watching struct {
	pid   int
	end   func() // tells it to end, and waits
	mu    sync.Mutex
	wrong map[string]bool // id and path
	dark  map[string]bool // what could not be looked at
}

func (z *cage) watch(more ...string) *watching {
	z.t.Helper()
	cmd := tmuxtest.Account{}.Command(host.Build(z.t, ""), append([]string{"sockets", "watch", "--json", "--settle", "1ns", "--only", z.base}, more...)...)
	out, err := cmd.StdoutPipe()
	z.must(err)
	z.must(cmd.Start())
	w := &watching{pid: cmd.Process.Pid, wrong: map[string]bool{}, dark: map[string]bool{}}
	read := make(chan struct{})
	go func() {
		defer close(read)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 64<<20)
		for lines.Scan() {
			w.line(lines.Bytes())
		}
	}()
	w.end = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-read
		if err := cmd.Wait(); err != nil {
			z.t.Errorf("watch ended with %v", err)
		}
	})
	z.t.Cleanup(w.end)
	return w
}

func (w *watching) line(data []byte) {
	var c struct {
		New, Gone []struct {
			ID   string
			Path sockets.Path
		}
		Dark []sockets.Skipped
	}
	if json.Unmarshal(data, &c) != nil {
		return // then what it says is wrong stays so, and the test fails
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range c.New {
		w.wrong[f.ID+" "+f.Path.String()] = true
	}
	for _, k := range c.Dark {
		w.dark[string(k.Path)] = true
	}
	for _, f := range c.Gone {
		delete(w.wrong, f.ID+" "+f.Path.String())
	}
}

// says gives what is wrong now, sorted.
func (w *watching) says() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for k := range w.wrong {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// blind reports whether the watch has said that it could not look at something.
func (w *watching) blind(path string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dark[path]
}

func (z *cage) fresh() []string {
	var out []string
	for _, f := range z.scan(root).Findings {
		out = append(out, f.ID+" "+f.Path.String())
	}
	slices.Sort(out)
	return out
}

// The attacker makes and removes more in a watched directory than the kernel
// keeps, and puts another directory in its place, so that the watch loses track.
// When it is over, what the watch says is what a fresh look finds. What happens
// in the new directory is seen as well, in time.
func TestSK13Storm(t *testing.T) {
	z := newCage(t)
	dir := z.dir(owner, 0o700)
	w := z.watch()
	z.socket(dir+"/first", owner, 0o600)
	tmuxtest.Eventually(t, func() bool { return slices.Contains(w.says(), "MW-S001 "+dir+"/first") }, "the first is told of")
	for i := range soak.N(100_000, 20_000) {
		p := fmt.Sprintf("%s/storm%d", dir, i%50)
		z.must(os.WriteFile(p, nil, 0o600))
		if i%7 != 0 {
			z.must(os.Remove(p))
		}
	}
	same := func() bool { return slices.Equal(w.says(), z.fresh()) }
	tmuxtest.Eventually(t, same, "after the storm the watch says what is")
	if n := len(w.says()); n < 2 {
		t.Errorf("%d findings: this is no test", n)
	}
	z.must(os.Rename(dir, z.base+"/old"))
	z.dir(owner, 0o700)
	tmuxtest.Eventually(t, func() bool { return len(w.says()) == 0 }, "of the new directory nothing is said")
	began := time.Now()
	z.socket(dir+"/second", owner, 0o600)
	tmuxtest.Eventually(t, func() bool { return slices.Equal(w.says(), []string{"MW-S001 " + dir + "/second"}) }, "what happens in the new directory is told")
	host.InTime(t, began, time.Second, "it is told")
}

// A server crashes while the watch runs: that changes no directory. It is told of
// within a second, and mended if that was asked for; the server beside it lives.
// The control run is a watch that mends nothing.
func TestSK13Crash(t *testing.T) {
	for _, auto := range []bool{true, false} {
		z := newCage(t)
		dir := z.dir(owner, 0o700)
		live, crash := z.server(owner, dir+"/live", 0), z.server(owner, dir+"/crash", 0)
		clean := z.server(owner, dir+"/cleaned", 0)
		args := []string{}
		if auto {
			args = []string{"--auto", "MW-S001", "--auto", "MW-S002", "--state", z.state(root)}
		}
		w := z.watch(args...)
		t.Cleanup(func() {
			if log, err := os.ReadFile(z.state(root) + "/sockets.jsonl"); err == nil && t.Failed() {
				t.Logf("the journal:\n%s", log)
			}
		})
		z.must(os.Remove(clean.path))
		mended := func() bool { return connects(clean.path) && len(w.says()) == 0 }
		told := func() bool { return len(w.says()) == 1 }
		if auto {
			tmuxtest.Eventually(t, mended, "the socket that was cleaned is back")
		} else {
			tmuxtest.Eventually(t, told, "the socket that was cleaned is told of")
		}
		began := time.Now()
		crash.kill()
		if auto {
			tmuxtest.Eventually(t, func() bool { return statOf(crash.path) == [3]uint64{} }, "the socket of the crashed one is moved away")
		} else {
			tmuxtest.Eventually(t, func() bool { return slices.Contains(w.says(), "MW-S001 "+crash.path) }, "the crash is told of")
		}
		host.InTime(t, began, time.Second, "a crash is seen")
		if !auto && connects(clean.path) {
			t.Error("control run: it is mended all the same")
		}
		if !live.alive() || !clean.alive() || !connects(live.path) {
			t.Error("a server that lives was hurt")
		}
	}
}

// The attacker fills the disk on which is written down what is mended, so that root
// is warned of nothing any more. Nothing is mended then, and all is told. The
// control run is that, with room again, it is mended.
func TestSK13FullDisk(t *testing.T) {
	t.Parallel()
	z := newCage(t)
	dir, state := z.dir(owner, 0o700), z.state(root)
	z.must(os.Mkdir(state, 0o700))
	z.must(unix.Mount("tmpfs", state, "tmpfs", 0, "size=4k"))
	t.Cleanup(func() { _ = unix.Unmount(state, unix.MNT_DETACH) })
	z.must(os.WriteFile(state+"/full", make([]byte, 4096), 0o600))
	w := z.watch("--auto", "MW-S001", "--state", state)
	for _, name := range []string{"/first", "/second"} {
		dead := z.socket(dir+name, owner, 0o600)
		tmuxtest.Eventually(t, func() bool { return slices.Contains(w.says(), "MW-S001 "+dead) }, "%s is told of", name)
		if statOf(dead) == [3]uint64{} {
			t.Errorf("%s is mended, and it is not written down", name)
		}
	}
	z.must(os.Remove(state + "/full"))
	tmuxtest.Eventually(t, func() bool { return len(w.says()) == 0 }, "with room again both are mended")
}
