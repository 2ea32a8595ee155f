// Package crowd counts the connections at a door by whose they are, and says who makes room when
// there are too many, so that nobody keeps others out by taking all there is.
//
// Of one uid there are only so many. Whoever may use many uids (user_namespaces(7), subuid(5)) could
// take all room still: so where there are too many, one makes room of which least is known. Whose uid
// has proved somebody before is known as they come, however slow their next proof is. It is no
// check of rights, and proves nobody: doors say how far each connection has come. [Room] says whether
// there are descriptors left for more.
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

// Bounds is how many there may be of one, and of all. Loose, if it is not 0, is how many of all may not have
// come to stay yet.
type Bounds struct{ Each, All, Loose int }

// keeps is how many are kept of whoever is known, whoever else comes.
func (b Bounds) keeps() int { return max(1, b.Each/8) }

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
	// Known: it is known whose it is, or whose uid was known before, and it has not said yet what it
	// wants. Who has but a few of these keeps them: see [Bounds].
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
	via map[string]*share
	all []*Caller[K] // the oldest first
	// known are those who have proved somebody.
	known map[K]struct{}
}

// maxKnown bounds how many are remembered to be known.
const maxKnown = 1 << 14

// share is what is somebody's: how many, and how many of each standing.
type share struct {
	n  int
	of [Keeps + 1]int
}

// Caller is one connection of a crowd.
type Caller[K comparable] struct {
	crowd *Crowd[K]
	who   K
	via   string
	share *share // of who
	all   *share // of via, or else that of who
	end   func()
	// The crowd's mu is held for these.
	stands Standing
	left   bool
}

// Enter counts one more, unless there are too many. via says where it has come in, if that is a place
// to which not everybody can come: those who come there have one part together when room is to be made,
// whatever their uids are. end ends it if it has to make room: it is called once at most, and counts no more then.
func (w *Crowd[K]) Enter(who K, via string, b Bounds, as Standing, end func()) (*Caller[K], error) {
	w.mu.Lock()
	if s := w.by[who]; s != nil && s.n >= b.Each {
		w.mu.Unlock()
		return nil, ErrEach
	}
	var out *Caller[K]
	if len(w.all) >= b.All || b.Loose > 0 && w.loose() >= b.Loose {
		if as != Keeps {
			out = w.least(b.keeps())
		}
		if !hasRoom(as == Keeps || out != nil) {
			w.mu.Unlock()
			return nil, ErrAll
		}
	}
	if out != nil {
		w.gone(out)
	}
	if _, known := w.known[who]; known && as == Unknown {
		as = Known
	}
	c := &Caller[K]{crowd: w, who: who, via: via, end: end, stands: as}
	c.share = shareOf(&w.by, who)
	c.all = c.share
	if via != "" {
		c.all = shareOf(&w.via, via)
	}
	c.count(as, 1)
	w.all = append(w.all, c)
	w.mu.Unlock()
	if out != nil {
		out.end()
	}
	return c, nil
}

// shareOf gives somebody's share, or makes them one.
func shareOf[K comparable](m *map[K]*share, who K) *share {
	if *m == nil {
		*m = map[K]*share{}
	}
	s := (*m)[who]
	if s == nil {
		s = &share{}
		(*m)[who] = s
	}
	return s
}

// count has one more, or less, of a standing. The crowd's mu is held.
func (c *Caller[K]) count(of Standing, n int) {
	c.share.n += n
	c.share.of[of] += n
	if c.all != c.share {
		c.all.n += n
		c.all.of[of] += n
	}
}

// Knows reports whether somebody was known before.
func (w *Crowd[K]) Knows(who K) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, ok := w.known[who]
	return ok
}

// hasRoom reports whether one more has room among too many.
func hasRoom(made bool) bool { return made && !teeth.Out(teeth.Room) }

// least gives the one that makes room: the oldest of those who have most that are nobody's; or else
// the oldest of those who have most that have not come to stay. Of those who share a part, most count first who have
// most themselves. Of whoever is known so many are kept. So one that
// comes to its end in good time makes no room for a crowd of somebody else's. mu is held.
func (w *Crowd[K]) least(keeps int) (out *Caller[K]) {
	nobody, most, own := false, 0, 0
	for _, c := range w.all {
		switch n, of := c.all.loose(), c.share.loose(); {
		case c.stands == Nobody:
			n, of := c.all.of[Nobody], c.share.of[Nobody]
			if !nobody || n > most || n == most && of > own {
				out, nobody, most, own = c, true, n, of
			}
		case c.stands < Here && !nobody && (n > most || n == most && of > own) && (c.stands != Known || of > keeps):
			out, most, own = c, n, of
		}
	}
	return out
}

// loose is how many have not come to stay. mu is held.
func (w *Crowd[K]) loose() (n int) {
	for _, c := range w.all {
		if c.stands < Here {
			n++
		}
	}
	return n
}

// loose is how many there are that could yet prove to be anybody's, or want anything.
func (s *share) loose() int { return s.of[Unknown] + s.of[Known] }

// Stand says how far a connection has come. Who stays, stays.
func (c *Caller[K]) Stand(s Standing) {
	w := c.crowd
	w.mu.Lock()
	defer w.mu.Unlock()
	w.remember(c.who, s)
	if c.left || c.stands >= Here {
		return
	}
	c.count(c.stands, -1)
	c.count(s, 1)
	c.stands = s
}

// remember keeps who has proved somebody. That they are found to be nobody later, as while what is asked
// about them does not answer, is no reason to have them wait behind others the next time. mu is held.
func (w *Crowd[K]) remember(who K, s Standing) {
	if s < Known {
		return
	}
	if w.known == nil || len(w.known) >= maxKnown {
		w.known = map[K]struct{}{}
	}
	w.known[who] = struct{}{}
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
	c.count(c.stands, -1)
	if c.share.n == 0 {
		delete(w.by, c.who)
	}
	if c.all != c.share && c.all.n == 0 {
		delete(w.via, c.via)
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
