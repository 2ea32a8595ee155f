package monitor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/privsep"
	"github.com/muxward/muxward/internal/procfs"
)

const (
	// maxEnviron is how much of an environment is looked through: the mark is put first.
	maxEnviron = 64 << 10
	// environTime is how long that may take. It takes the lock of that process's memory, which
	// its account can hold for as long as it likes (a file of FUSE that is mapped).
	environTime = 2 * time.Second
	// maxStuck is how many such readings may hang at once: each takes a thread.
	maxStuck = 256
)

// stuck counts the readings that did not end in time, by the account whose process it is. It
// has no more of its processes be read meanwhile.
type stuck struct {
	mu  sync.Mutex
	by  map[uint32]int
	all int
}

func (s *stuck) add(uid uint32, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == nil {
		s.by = map[uint32]int{}
	}
	s.all += n
	if s.by[uid] += n; s.by[uid] == 0 {
		delete(s.by, uid)
	}
}

func (s *stuck) refuse(uid uint32) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.by[uid] > 0:
		return fmt.Errorf("another process of uid %d does not answer: %w", uid, unix.ETIMEDOUT)
	case s.all >= maxStuck:
		return fmt.Errorf("%d processes do not answer: %w", maxStuck, unix.EAGAIN)
	}
	return nil
}

// forced tells of a process whether it came in by `muxward attach`, which muxward itself
// cannot see of other accounts' processes, and nothing else of it.
func (m *Monitor) forced(ctx context.Context, p privsep.Process) (answer, error) {
	if p.PID <= 0 {
		return answer{}, refusal{errors.New("that is no process")}
	}
	uid, err := procfs.RealUID(p.PID)
	if err == nil {
		err = m.stuck.refuse(uid)
	}
	if err != nil {
		return answer{}, err
	}
	type read struct {
		data []byte
		err  error
	}
	done := make(chan read, 1)
	go func() { // it ends when that process lets it
		data, err := m.Environ(p.PID)
		done <- read{data, err}
	}()
	timer := time.NewTimer(environTime)
	defer timer.Stop()
	select {
	case r := <-done:
		return answer{body: privsep.Forced{Forced: hasMark(r.data)}}, r.err
	case <-timer.C:
	case <-ctx.Done():
	}
	m.stuck.add(uid, 1)
	go func() { <-done; m.stuck.add(uid, -1) }()
	return answer{}, fmt.Errorf("process %d does not answer in time: %w", p.PID, unix.ETIMEDOUT)
}

func environOf(pid int) ([]byte, error) { return procfs.Read(pid, "environ", maxEnviron) }

func hasMark(environ []byte) bool {
	for kv := range bytes.SplitSeq(environ, []byte{0}) {
		if name, _, _ := bytes.Cut(kv, []byte("=")); string(name) == privsep.ForcedMark {
			return true
		}
	}
	return false
}
