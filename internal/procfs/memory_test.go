package procfs

import (
	"bytes"
	"errors"
	"os"
	"testing"
)

// TestMemoryThatHangs: one process that does not let itself be read is left behind, and
// others are read; those who are too many are not waited for at all.
func TestMemoryThatHangs(t *testing.T) {
	end := make(chan struct{})
	defer close(end)
	hangs := os.Getpid()
	m := &Memory{wait: func(pid int) {
		if pid == hangs {
			<-end
		}
	}}
	if _, err := m.Read(hangs, "cmdline", 4096); !errors.Is(err, ErrHung) {
		t.Errorf("%v", err)
	}
	if data, err := m.Read(os.Getppid(), "cmdline", 1<<20); err != nil || bytes.IndexByte(data, 0) < 1 {
		t.Errorf("%q, %v", data, err)
	}
	uid := uint32(os.Getuid())
	for m.begin(uid) {
	}
	if _, err := m.Read(os.Getppid(), "cmdline", 1<<20); !errors.Is(err, ErrHung) {
		t.Errorf("%v", err)
	}
	if m.hung[uid] != maxHungOf || m.all != maxHungOf || !m.begin(uid+1) {
		t.Errorf("%d of %v are counted, and others are kept out by them", m.all, m.hung)
	}
	for range maxHungOf - 1 {
		m.end(uid)
	}
	if data, err := m.Read(os.Getppid(), "cmdline", 1<<20); err != nil || len(data) == 0 {
		t.Errorf("%v", err)
	}
}
