package procfs

import (
	"bytes"
	"errors"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"
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
	var all sync.WaitGroup
	for range 4 * maxHungOf { // at once, and none of them hangs
		all.Go(func() {
			if data, err := m.Read(os.Getppid(), "cmdline", 1<<20); err != nil || len(data) == 0 {
				t.Errorf("%v", err)
			}
		})
	}
	all.Wait()
	for m.may(uid) {
		m.count(uid, 1)
	}
	if _, err := m.Read(os.Getppid(), "cmdline", 1<<20); !errors.Is(err, ErrHung) {
		t.Errorf("%v", err)
	}
	if m.hung[uid] != maxHungOf || m.all != maxHungOf || !m.may(uid+1) {
		t.Errorf("%d of %v are counted, and others are kept out by them", m.all, m.hung)
	}
	m.count(uid, -1)
	if data, err := m.Read(os.Getppid(), "cmdline", 1<<20); err != nil || len(data) == 0 {
		t.Errorf("%v", err)
	}
}

// TestMemoryOfManyThatHang: no more are left behind than there may be, whoever they are of.
func TestMemoryOfManyThatHang(t *testing.T) {
	m := &Memory{}
	for uid := range uint32(maxHung) {
		if !m.may(uid) {
			t.Fatalf("%d hang, and no more are read", uid)
		}
		m.count(uid, 1)
	}
	if m.may(maxHung) {
		t.Errorf("%d hang, and more are read", m.all)
	}
}

// TestMemoryIsForgotten: what hung and has ended does not count any more.
func TestMemoryIsForgotten(t *testing.T) {
	hang := make(chan struct{})
	m := &Memory{wait: func(int) { <-hang }}
	if _, err := m.Read(os.Getpid(), "cmdline", 4096); !errors.Is(err, ErrHung) {
		t.Error(err)
	}
	close(hang)
	deadline := time.Now().Add(10 * time.Second)
	for left := 1; left > 0; {
		m.mu.Lock()
		left = m.all
		m.mu.Unlock()
		if time.Now().After(deadline) {
			t.Fatal("it counts still")
		}
		runtime.Gosched()
	}
}
