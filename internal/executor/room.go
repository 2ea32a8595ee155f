package executor

import (
	"errors"
	"sync"
)

// maxLooks is how many bytes are kept of all panes that are looked back at, by
// everybody together.
const maxLooks = 128 << 20

var errNoRoom = errors.New("too much is looked back at by others at the moment; try again later")

// room is what there is for looking back.
type room struct {
	mu   sync.Mutex
	used int
}

// share is somebody's part of it.
type share struct {
	of   *room
	size int // under mu of the room
	gone bool
}

// resize makes the share as large as it says, in the place of what it was, unless
// there is no room for that, or the person has left.
func (s *share) resize(size int) error {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	used := s.of.used - s.size + size
	if size > s.size && (used > maxLooks || s.gone) {
		return errNoRoom
	}
	s.of.used, s.size = used, size
	return nil
}

// leave gives the share back for good.
func (s *share) leave() {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	s.of.used -= s.size
	s.size, s.gone = 0, true
}
