package sockets

import (
	"sync"
)

// hanging is what somebody looks at, of who looks again and again: what hangs is
// waited for by one goroutine, and not by one more at each look. Nil holds nothing.
type hanging struct {
	mu sync.Mutex
	on map[string]bool
}

func (h *hanging) begin(place string) bool {
	if h == nil {
		return true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.on[place] {
		return false
	}
	h.on[place] = true
	return true
}

func (h *hanging) end(place string) {
	if h != nil {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.on, place)
	}
}

// most reports whether n of them hang.
func (h *hanging) most(n int) bool {
	if h == nil {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.on) >= n
}

// stuck counts the places that have not answered in one look. Each holds a thread
// until it does, and there are only so many threads.
type stuck struct {
	mu  sync.Mutex
	on  map[string]int // by mount
	all int
}

func (s *stuck) add(m mount) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.on[m.point]++
	s.all++
}

// refuses says why a place on a mount is not looked at, or nothing. File systems of
// this kernel alone always answer.
func (s *stuck) refuses(m mount) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.on[m.point] >= maxStuckOn:
		return "its file system has not answered at other places"
	case s.all >= maxStuck && !local(m.fs):
		return "too many file systems do not answer"
	}
	return ""
}
