package tmuxd

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/muxward/muxward/internal/passed"
	"github.com/muxward/muxward/internal/teeth"
)

// maxLeft is how many connections of one door may be left behind, each of which has a thread.
const maxLeft = 16

// left are connections that were left behind and have not come to their end. Where what was passed
// hangs that is so for as long as whoever passed it likes.
type left struct {
	mu sync.Mutex
	at map[string]map[*visit]struct{} // by the path of their door
}

// behind counts one, and has it come to its end if signals do that. done is closed at its end.
func (l *left) behind(v *visit, done <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-done: // at the last moment
		return
	default:
	}
	if l.at == nil {
		l.at = map[string]map[*visit]struct{}{}
	}
	if l.at[v.at.path] == nil {
		l.at[v.at.path] = map[*visit]struct{}{}
	}
	l.at[v.at.path][v] = struct{}{}
	go passed.FreeUntil(done)
}

// back counts one no more that has come to its end, and is done.
func (l *left) back(v *visit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	of := l.at[v.at.path]
	delete(of, v)
	if len(of) == 0 {
		delete(l.at, v.at.path)
	}
}

// full reports whether too many were left behind at a door.
func (l *left) full(path string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.at[path]) >= maxLeft && !teeth.Out(teeth.Put)
}

// aways are what is put away of each door, by its path: what hangs there holds up no other.
type aways struct {
	mu sync.Mutex
	at map[string]*passed.Away
}

func (a *aways) of(path string) *passed.Away {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.at == nil {
		a.at = map[string]*passed.Away{}
	}
	if a.at[path] == nil {
		a.at[path] = &passed.Away{}
	}
	return a.at[path]
}

// put closes a connection of which not all was read, and does not wait for what lies in it.
func (s *Server) put(path string, c io.Closer) { s.aways.of(path).Put(c) }

// awaitAway lets nobody in at a door while too much waits there to be put away, each of which has a descriptor of
// muxward's: whoever comes waits in the kernel, which takes none.
func (s *Server) awaitAway(ctx context.Context, path string) {
	for away := s.aways.of(path); away.Full(); {
		s.complain("nobody is let in at " + path + ": what came with earlier connections there cannot be closed")
		select {
		case <-time.After(againTime):
		case <-ctx.Done():
			return
		}
	}
}
