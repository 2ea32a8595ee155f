package wire

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// ptyPair is a terminal of a test. What programs write to the slave is kept.
type ptyPair struct {
	master, slave *os.File

	mu   sync.Mutex
	seen strings.Builder
	done chan struct{}
}

func openPTY(t testing.TB) *ptyPair {
	t.Helper()
	m, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(m, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(m, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(m, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("/dev/pts/%d", n)
	s, err := unix.Open(name, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := &ptyPair{
		master: os.NewFile(uintptr(m), "ptmx"),
		slave:  os.NewFile(uintptr(s), name),
		done:   make(chan struct{}),
	}
	go p.read()
	t.Cleanup(func() {
		_ = p.slave.Close()
		_ = p.master.Close()
		<-p.done
	})
	return p
}

func (p *ptyPair) read() {
	defer close(p.done)
	b := make([]byte, 4096)
	for {
		n, err := p.master.Read(b)
		p.mu.Lock()
		p.seen.Write(b[:n])
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// text is what was written to the terminal so far.
func (p *ptyPair) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen.String()
}

// drain waits until nobody holds the slave and returns all that was written.
func (p *ptyPair) drain() string {
	_ = p.slave.Close()
	<-p.done
	return p.text()
}
