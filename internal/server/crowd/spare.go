package crowd

import (
	"sync"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/teeth"
)

// Few bounds those who come where there are no descriptors to spare, whoever may use many uids: each takes some
// of what is kept back.
func Few(b Bounds) Bounds {
	b.Each, b.Loose = 2, mostSpared/16
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil {
		b.Loose = max(4, int(kept(limit.Cur)/16))
	}
	return b
}

// mostSpared bounds how many descriptors are kept back. Of fewer that there may be in all it is a quarter.
const mostSpared = 256

// kept is how many descriptors are kept back.
func kept(limit uint64) uint64 { return min(mostSpared, limit/4) }

// Room is the descriptors of this process, of which some are kept back for those who take from others what they
// have: whoever is here as often as they can would keep them from it. It knows of those that somebody who was let in has
// not taken yet. The zero value is ready, and it is safe for use by several goroutines. A nil one knows of nobody.
type Room struct {
	// Short, if it is set, is called whenever somebody finds none. It is set before use.
	Short func()

	mu     sync.Mutex
	coming uint64
}

// Spares reports whether there are more descriptors left than are kept back.
func (r *Room) Spares() bool {
	if r == nil {
		r = &Room{}
	}
	return r.enough(1, 0)
}

// Take reports whether there are n more descriptors left than are kept back. If so they are somebody's from then on:
// taken is to be called when they have all that they will have, or go. Many who come at once would each find the same
// ones left otherwise.
func (r *Room) Take(n int) (taken func(), ok bool) {
	if r == nil {
		r = &Room{}
	}
	if !r.enough(uint64(n), uint64(n)) {
		return nil, false
	}
	return sync.OnceFunc(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.coming -= uint64(n)
	}), true
}

// enough is whether there are n left, of which some are taken then.
func (r *Room) enough(n, take uint64) bool {
	r.mu.Lock()
	ok := r.has(n)
	if ok {
		r.coming += take
	}
	r.mu.Unlock()
	if !ok && r.Short != nil {
		r.Short()
	}
	return ok
}

// has is whether there are n left beside those that are somebody's already. The kernel gives the lowest number that is
// free (dup(2)), so all below are taken. mu is held.
func (r *Room) has(n uint64) bool {
	var limit unix.Rlimit
	if teeth.Out(teeth.Room) || unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return true
	}
	fd, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 0)
	if err != nil { // as there are none, or nothing is 0 here
		return err != unix.EMFILE
	}
	_ = unix.Close(fd)
	return uint64(fd)+r.coming+n <= limit.Cur-kept(limit.Cur)
}
