package attach

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// told reports whether something is told to who waits, within a limit.
func told(t *testing.T, r *readiness, limit time.Duration) bool {
	t.Helper()
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(r.ep), Events: unix.POLLIN}}, int(limit.Milliseconds()))
	if err != nil {
		t.Fatal(err)
	}
	return n > 0
}

// openPair gives both ends of a display.
func openPair(t *testing.T) (*Pty, *os.File) {
	t.Helper()
	p, err := OpenPty(Size{80, 24})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	peer, err := p.Peer()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = peer.Close() })
	return p, peer
}

// TestWritesWakeNobody: what is written to a display makes nothing ready that its reader waits
// for, however fast tmux reads it; what tmux draws does.
func TestWritesWakeNobody(t *testing.T) {
	p, peer := openPair(t)
	ready := func(limit time.Duration) bool { return told(t, p.come, limit) }
	if n, err := p.TryWrite([]byte("key")); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := peer.Read(make([]byte, 8)); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	if ready(0) {
		t.Error("what was written, and read at the other end, is told to who reads here")
	}
	if _, err := peer.Write([]byte("echo")); err != nil {
		t.Fatal(err)
	}
	if !ready(10 * time.Second) {
		t.Error("what was drawn is not told")
	}
	if n, err := p.Read(make([]byte, 8), nil); n != 4 || err != nil {
		t.Error(n, err)
	}
}

// TestRoomIsToldEachTime: who waits for room in a display is woken when there is some, the
// first time and each time after that, and when the display is closed.
func TestRoomIsToldEachTime(t *testing.T) {
	p, peer := openPair(t)
	looked := make(chan bool, 1024)
	p.waitFn = func(fd uintptr) bool {
		ok := p.writable(fd)
		looked <- ok
		return ok
	}
	full := 0 // bytes that nobody has read
	waits := func() <-chan error {
		for done := make(chan error, 1); ; {
			for {
				n, err := p.TryWrite(make([]byte, 1024))
				if err != nil {
					t.Fatal(err)
				}
				if full += n; n == 0 {
					break
				}
			}
			go func() { done <- p.AwaitWrite(time.Hour) }()
			if !<-looked {
				return done
			}
			<-done // the kernel has moved some of it on meanwhile
		}
	}
	ends := func(what string, done <-chan error) error {
		select {
		case err := <-done:
			return err
		case <-time.After(20 * time.Second):
			t.Fatal(what + ": who waits is not woken")
			return nil
		}
	}
	for round := range 3 {
		done := waits()
		for buf := make([]byte, 4096); full > 0; {
			n, err := peer.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			full -= n
		}
		if err := ends("there is room", done); err != nil {
			t.Fatal(round, err)
		}
		for !<-looked {
		}
		if told(t, p.room, 0) {
			t.Fatal(round, "that there is room is told when nobody waits for it")
		}
		if n, err := p.TryWrite([]byte("x")); n != 1 || err != nil {
			t.Fatal(round, n, err)
		}
		if n, err := peer.Read(make([]byte, 8)); n != 1 || err != nil {
			t.Fatal(round, n, err)
		}
	}
	done := waits()
	p.Close()
	if err := ends("it was closed", done); err == nil {
		t.Error("there is room in what was closed")
	}
}
