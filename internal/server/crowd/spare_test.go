package crowd

import (
	"os"
	"sync"
	"sync/atomic"
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

// What somebody has not taken yet is theirs, however many ask at once; when they have it, it counts as what is open.
func TestRoomIsTakenOnce(t *testing.T) {
	const most, each = 128, 12
	fewDescriptors(t, most)
	fd, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	_ = unix.Close(fd)
	var short atomic.Int32
	r := Room{Short: func() { short.Add(1) }}
	var mu sync.Mutex
	var all []func()
	var wg sync.WaitGroup
	for range 4 * most / each {
		wg.Go(func() {
			if taken, ok := r.Take(each); ok {
				mu.Lock()
				defer mu.Unlock()
				all = append(all, taken)
			}
		})
	}
	wg.Wait()
	if _, ok := r.Take(each); ok || r.Spares() != ((most*3/4-fd)%each > 0) || short.Load() == 0 {
		t.Errorf("one more finds room: %v; it is told %d times that there is none", ok, short.Load())
	}
	if want := (most*3/4 - fd) / each; len(all) != want {
		t.Errorf("%d have room for %d each above %d, want %d", len(all), each, fd, want)
	}
	for _, taken := range all {
		taken()
		taken()
	}
	if r.coming != 0 || !r.Spares() {
		t.Errorf("when all have theirs %d are yet to come", r.coming)
	}
}

// A quarter of the descriptors is kept back, whether or not there are any left at all.
func TestSpares(t *testing.T) {
	const most = 128
	fewDescriptors(t, most)
	if !(&Room{}).Spares() {
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
	if !(&Room{}).Spares() {
		t.Errorf("there is none behind %d, of %d", last.Fd(), most)
	}
	if last = open(); (&Room{}).Spares() {
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
	if (&Room{}).Spares() {
		t.Error("where none is left there is one")
	}
	for _, fd := range rest {
		_ = unix.Close(fd)
	}
	if err := last.Close(); err != nil || !(&Room{}).Spares() {
		t.Errorf("with one closed there is none: %v", err)
	}
}
