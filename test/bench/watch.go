package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// watcher is a running `muxward sockets watch`.
type watcher struct {
	cmd   *exec.Cmd
	lines chan string
}

func (b *bed) watch(flags ...string) (*watcher, error) {
	w := &watcher{cmd: exec.Command(b.bin, append([]string{"sockets", "watch", "--json"}, flags...)...), lines: make(chan string, 1000)}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := w.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(w.lines)
		all := bufio.NewReader(out)
		for {
			line, err := all.ReadString('\n')
			if err != nil {
				return
			}
			w.lines <- line
		}
	}()
	return w, nil
}

func (w *watcher) close() {
	_ = w.cmd.Process.Signal(syscall.SIGTERM)
	for range w.lines {
	}
	_ = w.cmd.Wait()
}

// until waits for a line that holds a text.
func (w *watcher) until(text string) error {
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		select {
		case line, open := <-w.lines:
			if !open {
				return io.ErrUnexpectedEOF
			}
			if strings.Contains(line, text) {
				return nil
			}
		case <-late.C:
			return fmt.Errorf("the watch does not tell of %s", text)
		}
	}
}

// watchCrash measures how long it takes until the watch tells of a tmux server that was
// killed.
func watchCrash(b *bed, n int) (string, error) {
	base := filepath.Join(b.dir, "crash")
	dir := fmt.Sprintf("%s/tmux-%d", base, os.Geteuid())
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	w, err := b.watch("--only", base, "--settle", "1ns")
	if err != nil {
		return "", err
	}
	defer w.close()
	var took series
	for i := range n {
		path := fmt.Sprintf("%s/s%d", dir, i)
		server := exec.Command("tmux", "-D", "-f", "/dev/null", "-S", path)
		if err := server.Start(); err != nil {
			return "", err
		}
		for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if exec.Command("tmux", "-N", "-S", path, "show-options", "-s").Run() == nil {
				break
			}
		}
		time.Sleep(2 * time.Second) // it is known by then, and nothing else happens
		begin := time.Now()
		_ = server.Process.Kill()
		_ = server.Wait()
		if err := w.until(fmt.Sprintf(`"path":%q`, path)); err != nil {
			return "", err
		}
		took = append(took, time.Since(begin))
	}
	return fmt.Sprintf("p50 %s  max %s", short(took.at(.5)), short(took.at(1))), nil
}

// watchIdle measures what the watch costs in so many seconds in which nothing happens,
// on this machine as it is, with all its processes.
func watchIdle(b *bed, seconds int) (string, error) {
	base := filepath.Join(b.dir, "idle")
	if err := os.MkdirAll(fmt.Sprintf("%s/tmux-%d", base, os.Geteuid()), 0o700); err != nil {
		return "", err
	}
	w, err := b.watch("--only", base)
	if err != nil {
		return "", err
	}
	defer w.close()
	time.Sleep(5 * time.Second) // it has looked, and begun to watch
	before, err := w.busy()
	if err != nil {
		return "", err
	}
	seconds = max(seconds, 70) // two looks at least
	time.Sleep(time.Duration(seconds) * time.Second)
	after, err := w.busy()
	return fmt.Sprintf("%.3f %% of a processor in %d s", float64((after-before).Milliseconds())/float64(seconds)/10, seconds), err
}

// busy is for how long the watch and the process that looks for it had a processor.
func (w *watcher) busy() (time.Duration, error) {
	pids := []int{w.cmd.Process.Pid}
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pids[0]))
	for _, task := range tasks {
		children, _ := os.ReadFile(task) // a thread may have ended
		for _, f := range strings.Fields(string(children)) {
			pid, err := strconv.Atoi(f)
			if err != nil {
				return 0, err
			}
			pids = append(pids, pid)
		}
	}
	if len(pids) != 2 {
		return 0, errors.New("the watch has not one process that looks")
	}
	var sum time.Duration
	for _, pid := range pids {
		took, err := processorTime(pid)
		if err != nil {
			return 0, err
		}
		sum += took
	}
	return sum, nil
}
