package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// spent is the processor time of muxward and of its tmux servers, up to a moment or between
// two. On a machine that others use as well it says more than how long something took.
type spent struct{ muxward, tmux time.Duration }

// spent gives both so far, and 0 where the kernel does not tell.
func (b *bed) spent() (s spent) {
	s.muxward, _ = processorTime(b.serve.Process.Pid)
	for _, pid := range b.servers() {
		used, _ := processorTime(pid)
		s.tmux += used
	}
	return s
}

func (s spent) since(before spent) spent {
	return spent{s.muxward - before.muxward, s.tmux - before.tmux}
}

// processorTime is that of all threads that a process has.
func processorTime(pid int) (sum time.Duration, err error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil {
		return 0, err
	}
	for _, path := range threads {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		first, _, _ := strings.Cut(string(data), " ")
		ns, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(ns)
	}
	return sum, nil
}

// costs are what several calls took of the processor, with all that went on meanwhile.
type costs struct{ muxward, tmux series }

func (c *costs) add(s spent) {
	c.muxward, c.tmux = append(c.muxward, s.muxward), append(c.tmux, s.tmux)
}

func (c *costs) String() string {
	if len(c.muxward) == 0 {
		return ""
	}
	return fmt.Sprintf(", processor p50 %s muxward, %s tmux", short(c.muxward.at(.5)), short(c.tmux.at(.5)))
}
