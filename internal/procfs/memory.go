package procfs

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// Memory reads files of /proc/PID that lie in the memory of the process: cmdline and
// environ (proc(5)). The kernel has who reads them wait for a lock that the process may
// hold while it waits itself, for a file system of its account's own at worst (Linux 6.18
// tried: mmap(2) of a file whose FUSE server does not answer). So nobody waits longer than
// [MemoryPatience] for one; what hangs is left behind, up to a bound.
type Memory struct {
	hung atomic.Int32
	wait func(pid int) // for tests: what a process has its reader wait for
}

// MemoryPatience is how long one process may take.
const MemoryPatience = time.Second

const maxHung = 64

// ErrHung is the error of a process that does not let its memory be read.
var ErrHung = errors.New("the process does not let its memory be read")

// Read is [Read] within [MemoryPatience].
func (m *Memory) Read(pid int, name string, limit int64) ([]byte, error) {
	if m.hung.Add(1) > maxHung {
		m.hung.Add(-1)
		return nil, fmt.Errorf("read %s of process %d: %w, nor do %d others", name, pid, ErrHung, maxHung)
	}
	type read struct {
		data []byte
		err  error
	}
	done := make(chan read, 1)
	go func() {
		defer m.hung.Add(-1)
		if m.wait != nil {
			m.wait(pid)
		}
		data, err := Read(pid, name, limit)
		done <- read{data, err}
	}()
	limitReached := time.NewTimer(MemoryPatience)
	defer limitReached.Stop()
	select {
	case r := <-done:
		return r.data, r.err
	case <-limitReached.C:
		return nil, fmt.Errorf("read %s of process %d: %w", name, pid, ErrHung)
	}
}
