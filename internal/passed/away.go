package passed

import (
	"io"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/teeth"
)

const (
	// hangs is how long it takes among friends to put something away, at most.
	hangs = 20 * time.Millisecond
	// maxAway is how much is put away at a time, of what may take long.
	maxAway = 64
)

// Away puts away, aside, what others may have passed descriptors into. The kernel closes those in
// the thread that closes what they are in, or that reads them with no room for them, and that waits as
// long as they like: a TCP connection that lingers (socket(7)), also one in a socket in a socket. A signal
// ends that wait. What it does not end is a file whose file system waits (FUSE), and such a one hangs
// mostly once it was taken in: see [Shut]. Nor does it end that of a pipe into which somebody splices what does not
// come, which has its lock all the while: that hangs wherever it is closed. The zero value is ready.
type Away struct {
	mu   sync.Mutex
	late int // that are not done in time
	// freed is closed when none is late any more.
	freed chan struct{}
	// busy is how many are being put away of what carries something, and kept what waits for that.
	busy int
	kept []io.Closer
}

// Put closes c and waits for nothing. Nothing more comes over a connection from then on. What carries something
// waits for its turn, and takes no thread meanwhile.
func (a *Away) Put(c io.Closer) {
	if teeth.Out(teeth.Put) {
		_ = c.Close()
		return
	}
	if !carries(c) {
		go a.Close(c)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.busy == maxAway {
		a.kept = append(a.kept, c)
		return
	}
	a.busy++
	go a.turns(c)
}

// Full reports whether as much waits for its turn as is put away at a time. Each has a descriptor: who lets in what may have
// to be put away lets nobody in then.
func (a *Away) Full() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.kept) >= maxAway
}

// turns closes c, and then what has waited.
func (a *Away) turns(c io.Closer) {
	for c != nil {
		_ = a.Close(c)
		c = a.next()
	}
}

// next is what has waited longest, nil if there is nothing: then a turn is over.
func (a *Away) next() (c io.Closer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.kept) == 0 {
		a.busy--
		a.kept = nil
		return nil
	}
	c, a.kept[0] = a.kept[0], nil
	a.kept = a.kept[1:]
	return c
}

// Close closes c, whichever thread hangs in that.
func (a *Away) Close(c io.Closer) error {
	if teeth.Out(teeth.Put) {
		return c.Close()
	}
	timer := time.AfterFunc(hangs, func() { a.count(1) })
	defer func() {
		if !timer.Stop() {
			a.count(-1)
		}
	}()
	return c.Close()
}

// count counts what is late, and has somebody free it.
func (a *Away) count(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.late += n
	switch {
	case n > 0 && a.late == 1:
		a.freed = make(chan struct{})
		go freeing(a.freed, hangs, time.Second)
	case n < 0 && a.late == 0:
		close(a.freed)
	}
}

// Shut closes a descriptor that somebody has passed. It waits only for file systems, and for pipes whose lock somebody has.
func Shut(fd int) {
	if teeth.Out(teeth.Put) || !mayHang(fd) {
		_ = unix.Close(fd)
		return
	}
	runtime.LockOSThread() // it is this thread that is sent signals until it is done
	defer runtime.UnlockOSThread()
	defer signal(unix.Gettid(), hangs)()
	_ = unix.Close(fd)
}

// Quit closes a connection of ours into which the other end may have passed something, and waits for none of it.
func Quit(fd int) {
	_ = unix.Shutdown(fd, unix.SHUT_RDWR) // nothing comes behind what is looked at
	if lies(fd) {
		go Shut(fd)
		return
	}
	_ = unix.Close(fd)
}

// mayHang reports whether it may take long to close a descriptor: what is in a socket may,
// and a regular file's system is told of it. No file system is asked for that.
func mayHang(fd int) bool {
	if _, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE); err == nil {
		return true
	}
	var st unix.Statx_t
	err := unix.Statx(fd, "", unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC, unix.STATX_TYPE, &st)
	return err != nil || st.Mask&unix.STATX_TYPE == 0 || st.Mode&unix.S_IFMT == unix.S_IFREG
}

// signal sends a thread signals now and then, at first after a while, until stop is called. It is
// the signal by which Go's own threads stop each other, which may come at any time.
func signal(tid int, after time.Duration) (stop func()) {
	var mu sync.Mutex
	var timer *time.Timer
	stopped := false
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(after, func() {
		mu.Lock()
		defer mu.Unlock()
		if !stopped {
			_ = unix.Tgkill(os.Getpid(), tid, unix.SIGURG)
			after = min(2*after, time.Second)
			timer.Reset(after)
		}
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		stopped = true
		timer.Stop()
	}
}

// Free sends all threads of this process a signal, for one of which nobody knows which it is: that
// reads a message with more descriptors than it has room for, which the kernel puts away there.
func Free() {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return
	}
	for _, task := range tasks {
		if tid, err := strconv.Atoi(task.Name()); err == nil {
			_ = unix.Tgkill(os.Getpid(), tid, unix.SIGURG)
		}
	}
}

// FreeUntil is Free, again and again until done is closed.
func FreeUntil(done <-chan struct{}) { freeing(done, time.Second, time.Minute) }

// freeing pauses between two times, at first for so long and then longer.
func freeing(done <-chan struct{}, first, most time.Duration) {
	for wait := first; ; wait = min(2*wait, most) {
		Free()
		select {
		case <-done:
			return
		case <-time.After(wait):
		}
	}
}
