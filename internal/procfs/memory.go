package procfs

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Memory reads files of /proc/PID that lie in the memory of the process: cmdline and
// environ (proc(5)). The kernel has who reads them wait for a lock that the process may
// hold while it waits itself, for a file system of its account's own at worst (Linux 6.18
// tried: mmap(2) of a file whose FUSE server does not answer). So nobody waits longer than
// [MemoryPatience] for one; what hangs is left behind, up to a bound.
//
// What hangs is counted by the account that started the process, so that one account's
// processes do not keep those of others from being read. What does not hang (yet) is not counted, or
// many connections at once would be taken for that: of those there are as many as ask at once, so that
// as many more than the bound may hang, of one account too, as ask before the first is counted.
type Memory struct {
	mu   sync.Mutex
	hung map[uint32]int // readings that nobody waits for any more, by real uid
	all  int
	wait func(pid int) // for tests: what a process has its reader wait for
}

// MemoryPatience is how long one process may take.
const MemoryPatience = time.Second

const (
	maxHung   = 256
	maxHungOf = 8 // of one account
)

// ErrHung is the error of a process that does not let its memory be read.
var ErrHung = errors.New("the process does not let its memory be read")

// Read is [Read] within [MemoryPatience].
func (m *Memory) Read(pid int, name string, limit int64) ([]byte, error) {
	uid, err := RealUID(pid)
	if err != nil {
		return nil, err
	}
	if !m.may(uid) {
		return nil, fmt.Errorf("read %s of process %d: %w, nor do others of uid %d", name, pid, ErrHung, uid)
	}
	type read struct {
		data []byte
		err  error
	}
	done := make(chan read, 1)
	go func() { // it ends when that process lets it
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
		m.count(uid, 1)
		go func() { <-done; m.count(uid, -1) }()
		return nil, fmt.Errorf("read %s of process %d: %w", name, pid, ErrHung)
	}
}

// may reports whether an account's processes may be read, as few enough of them hang.
func (m *Memory) may(uid uint32) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.all < maxHung && m.hung[uid] < maxHungOf
}

func (m *Memory) count(uid uint32, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.hung == nil {
		m.hung = map[uint32]int{}
	}
	m.all += n
	if m.hung[uid] += n; m.hung[uid] == 0 {
		delete(m.hung, uid)
	}
}

// RealUID is who started a process, by its status (proc(5)), which is not in its memory. The
// owner of its directory is root also for others' processes that may not be looked into.
func RealUID(pid int) (uint32, error) {
	status, err := Read(pid, "status", 16<<10)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "Uid:"); ok {
			if f := strings.Fields(rest); len(f) > 0 {
				uid, err := strconv.ParseUint(f[0], 10, 32)
				return uint32(uid), err
			}
		}
	}
	return 0, fmt.Errorf("the status of process %d does not say whose it is", pid)
}
