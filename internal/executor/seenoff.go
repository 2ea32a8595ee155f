package executor

import (
	"context"
	"time"

	"github.com/muxward/muxward/internal/attach"
)

// seenTime is how long tmux may take over a display that has gone before the next one goes.
const seenTime = 100 * time.Millisecond

// seeingOff is how a display goes of which nothing is shown any more and to which nothing is
// typed: behind what it was closed for. tmux spends milliseconds on each client that goes where
// there are a thousand, and whoever closes all of them asks it meanwhile whether all is done.
type seeingOff struct {
	display attach.Display
	may     bool          // set once somebody hears what tmux says of it
	keyed   bool          // it takes keys itself, or did: then it never goes late
	late    chan struct{} // nil until it is put off; closed when tmux has seen the display go
}

// lastDisplay is a display whose end may be put off.
type lastDisplay struct {
	attach.Display
	s *seat
}

// Close implements [attach.Display].
func (d lastDisplay) Close() error {
	if d.s.putOff() != nil {
		return nil // seesOff closes it
	}
	return d.Display.Close()
}

// mayGoLate is called when what tmux says of the display is heard.
func (s *seat) mayGoLate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.goes.may = true
}

// putOff gives what is closed when the display has gone, nil if its end is not put off.
func (s *seat) putOff() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.goes.late
}

// closesLate puts the end of the display off, if it can be: then whoever asked has it go by
// seesOff, once the attachment is stopped. It is for who types by muxward's own
// connection only.
func (s *seat) closesLate() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	ours := s.goes.display != nil && s.goes.may && !s.goes.keyed && s.goes.late == nil && !s.parted
	if ours {
		s.goes.late = make(chan struct{})
	}
	return ours
}

// seesOff closes the display, and waits for tmux to let it go: it has one to do with at a time.
func (s *seat) seesOff() {
	defer close(s.goes.late)
	_ = s.goes.display.Close()
	ctx, cancel := context.WithTimeout(context.Background(), seenTime)
	defer cancel()
	defer func() { _ = s.conn.Close() }()
	select {
	case <-s.heard: // nobody else reads from there
	case <-ctx.Done():
		return
	}
	for {
		if _, err := s.conn.ReadMsg(ctx); err != nil {
			return
		}
	}
}

// partBehind is part, once the display has gone: at once if that was not put off. It gives what
// is to be settled then; if it was put off nothing, and what does not end is told by itself.
func (s *seat) partBehind(late <-chan struct{}, weight *hold) *hold {
	if late == nil {
		s.part(weight)
		return weight
	}
	go s.protected(func() {
		<-late
		s.part(weight)
		s.tell(s.settled(weight))
	})
	return nil
}
