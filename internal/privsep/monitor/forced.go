package monitor

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/privsep"
	"github.com/muxward/muxward/internal/procfs"
)

// maxEnviron is how much of an environment is looked through: the mark is put first.
const maxEnviron = 64 << 10

// forced tells of a process whether it came in by `muxward attach`, which muxward itself
// cannot see of other accounts' processes, and nothing else of it.
func (m *Monitor) forced(_ context.Context, p privsep.Process) (answer, error) {
	if p.PID <= 0 {
		return answer{}, refusal{errors.New("that is no process")}
	}
	data, err := m.Environ(p.PID)
	if errors.Is(err, procfs.ErrHung) {
		err = fmt.Errorf("%w: %w", err, unix.ETIMEDOUT)
	}
	if err != nil {
		return answer{}, err
	}
	return answer{body: privsep.Forced{Forced: hasMark(data)}}, nil
}

// environOf reads an environment, and does not wait for a process that lets nobody: its account can
// hold the lock of its memory for as long as it likes.
func (m *Monitor) environOf(pid int) ([]byte, error) {
	return m.memory.Read(pid, "environ", maxEnviron)
}

func hasMark(environ []byte) bool {
	for kv := range bytes.SplitSeq(environ, []byte{0}) {
		if name, _, _ := bytes.Cut(kv, []byte("=")); string(name) == privsep.ForcedMark {
			return true
		}
	}
	return false
}
