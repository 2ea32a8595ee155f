// Package crowd counts the connections at a door by whose they are, and says who makes room when
// there are too many, so that nobody keeps others out by taking all there is.
//
// Of one uid there are only so many. Whoever may use many uids (user_namespaces(7), subuid(5)) could
// take all room still: so where there are too many, one makes room of which least is known. It is no
// check of rights, and proves nobody: doors say how far each connection has come.
//
// Start reading at [Crowd.Enter].
package crowd

import (
	"errors"
	"os"
	"slices"
	"sync"

	"github.com/muxward/muxward/internal/teeth"
)

// Bounds is how many there may be of one, and of all.
type Bounds struct{ Each, All int }

// Why one more has no room.
var (
	ErrEach = errors.New("it has too many itself")
	ErrAll  = errors.New("there are too many, and none of them makes room")
)

// Standing is how far a connection has come.
type Standing int

// What a connection may be.
const (
	// Nobody: it was found out that it is nobody's who is known. These make room first.
	Nobody Standing = iota
	// Unknown: nothing was heard of it, or found out, yet.
	Unknown
	// Known: it is known whose it is, and it has not said yet what it wants. Who has but one of
	// these keeps it.
	Known
	// Here: it stays.
	Here
	// Keeps: it stays, and finds room among too many: see [Begins].
	Keeps
)

// Begins is how connections of a uid begin. Root, and the account that we run as, find room in any
// case.
func Begins(uid uint32) Standing {
	if uid == 0 || uid == uint32(os.Geteuid()) {
		return Keeps
	}
	return Unknown
}

// Crowd is connections by whose they are. The zero value is an empty one. It is safe for use by
// several goroutines.
type Crowd[K comparable] struct {
	mu  sync.Mutex
	by  map[K]*share
	all []*Caller[K] // the oldest first
}

// share is what is somebody's: how many, and how many of each standing.
type share struct {
	n  int
	of [Keeps + 1]int
}

// Caller is one connection of a crowd.
type Caller[K comparable] struct {
	crowd *Crowd[K]
	who   K
	share *share
	end   func()
	// The crowd's mu is held for these.
	stands Standing
	left   bool
}

// Enter counts one more, unless there are too many. end ends it if it has to make room: it is called
// once at most, and counts no more then.
func (w *Crowd[K]) Enter(who K, b Bounds, as Standing, end func()) (*Caller[K], error) {
	w.mu.Lock()
	s := w.by[who]
	if s != nil && s.n >= b.Each {
		w.mu.Unlock()
		return nil, ErrEach
	}
	var out *Caller[K]
	if len(w.all) >= b.All {
		if as != Keeps {
			out = w.least()
		}
		if !hasRoom(as == Keeps || out != nil) {
			w.mu.Unlock()
			return nil, ErrAll
		}
	}
	if out != nil {
		w.gone(out)
		s = w.by[who]
	}
	if s == nil {
		if w.by == nil {
			w.by = map[K]*share{}
		}
		s = &share{}
		w.by[who] = s
	}
	c := &Caller[K]{crowd: w, who: who, share: s, end: end, stands: as}
	s.n++
	s.of[as]++
	w.all = append(w.all, c)
	w.mu.Unlock()
	if out != nil {
		out.end()
	}
	return c, nil
}

// hasRoom reports whether one more has room among too many.
func hasRoom(made bool) bool { return made && !teeth.Out(teeth.Room) }

// least gives the one that makes room: the oldest of those who have most that are nobody's; or else
// the oldest of those who have most that have not come to stay. So one that comes to its end in good
// time makes no room for a crowd of somebody else's. mu is held.
func (w *Crowd[K]) least() (out *Caller[K]) {
	nobody, most := false, 0
	for _, c := range w.all {
		switch n := c.share.loose(); {
		case c.stands == Nobody:
			if n := c.share.of[Nobody]; !nobody || n > most {
				out, nobody, most = c, true, n
			}
		case c.stands < Here && !nobody && n > most && (n > 1 || c.stands != Known):
			out, most = c, n
		}
	}
	return out
}

// loose is how many there are that could yet prove to be anybody's, or want anything.
func (s *share) loose() int { return s.of[Unknown] + s.of[Known] }

// Stand says how far a connection has come. Who stays, stays.
func (c *Caller[K]) Stand(s Standing) {
	c.crowd.mu.Lock()
	defer c.crowd.mu.Unlock()
	if c.left || c.stands >= Here {
		return
	}
	c.share.of[c.stands]--
	c.share.of[s]++
	c.stands = s
}

// Leave counts it no more. It can be called again.
func (c *Caller[K]) Leave() {
	c.crowd.mu.Lock()
	defer c.crowd.mu.Unlock()
	c.crowd.gone(c)
}

// gone is Leave with mu held.
func (w *Crowd[K]) gone(c *Caller[K]) {
	if c.left {
		return
	}
	c.left = true
	c.share.of[c.stands]--
	if c.share.n--; c.share.n == 0 {
		delete(w.by, c.who)
	}
	if i := slices.Index(w.all, c); i >= 0 {
		w.all = slices.Delete(w.all, i, i+1)
	}
}

// Len is how many there are.
func (w *Crowd[K]) Len() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.all)
}
