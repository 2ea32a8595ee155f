package crowd

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// fewDescriptors has this process have no more than so many descriptors, until the test ends.
func fewDescriptors(t *testing.T, most uint64) {
	t.Helper()
	var was unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was)
	if err == nil {
		err = unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: most, Max: was.Max})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Setrlimit(unix.RLIMIT_NOFILE, &was) })
}

// A quarter of the descriptors is kept back, whether or not there are any left at all.
func TestSpares(t *testing.T) {
	const most = 128
	fewDescriptors(t, most)
	if !Spares() {
		t.Fatal("nothing is open, and there is none to spare")
	}
	open := func() *os.File {
		f, err := os.Open("/dev/null")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
	last := open()
	for last.Fd() < most*3/4-2 {
		last = open()
	}
	if !Spares() {
		t.Errorf("there is none behind %d, of %d", last.Fd(), most)
	}
	if last = open(); Spares() {
		t.Errorf("there is one behind %d, of %d", last.Fd(), most)
	}
	var rest []int
	for {
		fd, err := unix.Open("/dev/null", unix.O_CLOEXEC, 0)
		if err != nil {
			break
		}
		rest = append(rest, fd)
	}
	if Spares() {
		t.Error("where none is left there is one")
	}
	for _, fd := range rest {
		_ = unix.Close(fd)
	}
	if err := last.Close(); err != nil || !Spares() {
		t.Errorf("with one closed there is none: %v", err)
	}
}
