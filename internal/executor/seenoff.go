package executor

import (
	"context"
	"slices"
	"sync"
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
// goesLate, once the attachment is stopped. It is for who types by muxward's own
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

// goesLate has the display go in its turn, which may be at once.
func (s *seat) goesLate() { s.e.leaving.add(s.server.Owner()+" "+s.server.Incarnation(), s) }

// seesOff closes the display and, if it is to, waits for tmux to let it go: it has one to do
// with at a time. It reports whether tmux has, in time.
func (s *seat) seesOff(waits bool) (gone bool) {
	defer close(s.goes.late)
	defer func() { _ = s.conn.Close() }()
	_ = s.goes.display.Close()
	if !waits {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), seenTime)
	defer cancel()
	select {
	case <-s.heard: // nobody else reads from there
	case <-ctx.Done():
		return false
	}
	for {
		if _, err := s.conn.ReadMsg(ctx); err != nil {
			return ctx.Err() == nil
		}
	}
}

// departures are the displays that go late, those of each server in a row of their own. Until it
// goes one may size windows: those that do go first, and where tmux does not let one go in time,
// the rest are closed at once, for when it goes on.
type departures struct {
	mu   sync.Mutex
	rows map[string][]*seat // by the server; there while somebody sees to it
}

func (d *departures) add(row string, s *seat) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.rows == nil {
		d.rows = map[string][]*seat{}
	}
	all, seen := d.rows[row]
	if d.rows[row] = append(all, s); !seen {
		go d.run(row)
	}
}

func (d *departures) run(row string) {
	answers := true
	for s := d.next(row); s != nil; s = d.next(row) {
		s.protected(func() { answers = s.seesOff(answers) })
	}
}

// next takes somebody out of a row, nil if nobody is left.
func (d *departures) next(row string) *seat {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := d.rows[row]
	if len(all) == 0 {
		delete(d.rows, row)
		return nil
	}
	at := max(0, slices.IndexFunc(all, func(s *seat) bool { return s.resizes.Load() }))
	s := all[at]
	d.rows[row] = slices.Delete(all, at, at+1)
	return s
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
