package ctld

import (
	"io"
	"os"
	"slices"
	"sync"

	"github.com/muxward/muxward/internal/teeth"
)

// Most connections that are served at once, and of one uid: nobody keeps others from revoking by
// taking all there are. Whoever may use many uids (user_namespaces(7), subuid(5)) could: where there
// are too many, one of which nothing was heard yet makes room. Root, and the account that we run
// as, find room in any case.
const (
	maxOpen = 256
	perUID  = 32
)

// caller is one connection of a crowd.
type caller struct {
	conn  io.Closer
	uid   uint32
	left  bool
	asked bool // it has made its request
}

// crowd counts connections by the uid that made them. The zero value is an empty one.
type crowd struct {
	mu  sync.Mutex
	all []*caller // the oldest first
}

// enter counts one more, unless there are too many.
func (w *crowd) enter(uid uint32, conn io.Closer) (*caller, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	of := map[uint32]int{}
	for _, c := range w.all {
		of[c.uid]++
	}
	if of[uid] >= perUID || len(w.all) >= maxOpen && !keeper(uid) && !w.makeRoom() {
		return nil, false
	}
	c := &caller{conn: conn, uid: uid}
	w.all = append(w.all, c)
	return c, true
}

// makeRoom closes a connection of which nothing was heard yet: the oldest one of a uid that has
// most of those. A client makes its request as it connects. mu is held.
func (w *crowd) makeRoom() bool {
	of := map[uint32]int{}
	for _, c := range w.all {
		if !c.asked {
			of[c.uid]++
		}
	}
	var last *caller
	for _, c := range w.all {
		if !c.asked && !keeper(c.uid) && (last == nil || of[c.uid] > of[last.uid]) {
			last = c
		}
	}
	if last == nil || teeth.Out(teeth.Door) {
		return false
	}
	_ = last.conn.Close()
	w.gone(last)
	return true
}

// keeper reports whether a uid finds room in any case.
func keeper(uid uint32) bool {
	return (uid == 0 || uid == uint32(os.Geteuid())) && !teeth.Out(teeth.Door)
}

// heard notes that a connection has made its request.
func (w *crowd) heard(c *caller) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c.asked = true
}

// leave counts it no more. It can be called again.
func (w *crowd) leave(c *caller) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gone(c)
}

// gone is leave with mu held.
func (w *crowd) gone(c *caller) {
	if !c.left {
		c.left = true
		w.all = slices.DeleteFunc(w.all, func(o *caller) bool { return o == c })
	}
}
