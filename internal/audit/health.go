package audit

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// sinkErr makes [ErrSink] a constant.
type sinkErr string

func (e sinkErr) Error() string { return string(e) }

// ErrSink is what errors.Is finds in the error of an [Log.Append] that could
// not write: nothing may be executed or delivered on the strength of it.
const ErrSink = sinkErr("the audit log cannot be written")

// SinkError is an ErrSink with its reason.
type SinkError struct {
	// Reason says for people what is wrong and what helps.
	Reason string
}

func (e *SinkError) Error() string { return string(ErrSink) + ": " + e.Reason }

// Is makes errors.Is(err, ErrSink) true.
func (e *SinkError) Is(target error) bool { return target == ErrSink }

// Health is the state of the log.
type Health struct {
	// OK is whether ordinary events can be written. If not, Append refuses
	// them; on a disk that is only nearly full, revocations and other
	// essential events still pass.
	OK bool
	// Slow is whether must-record callers wait unusually long for the disk;
	// others go on.
	Slow bool
	// Reason says for people why the log is not OK, or slow.
	Reason string
	// Since is when this state began.
	Since time.Time
}

// monitor holds the log's health: several things can be wrong at once.
type monitor struct {
	now func() time.Time

	mu      sync.Mutex
	reasons [numAilments]string
	health  Health
	changed chan struct{}                 // closed at the next change
	stalled atomic.Pointer[chan struct{}] // closed while the file system does not answer
	ended   bool
}

// ailment is one thing that can be wrong, the worst first.
type ailment int

const (
	stalled ailment = iota // a system call does not return
	broken                 // a write or sync failed
	low                    // little space is left
	slow                   // a sync takes long
	numAilments
)

func newMonitor(now func() time.Time) *monitor {
	m := &monitor{now: now, health: Health{OK: true, Since: now()}, changed: make(chan struct{})}
	m.stalled.Store(new(make(chan struct{})))
	return m
}

// set tells that a is wrong for this reason, or no longer ("").
func (m *monitor) set(a ailment, reason string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.ended {
		m.change(a, reason)
	}
}

// end tells everybody who waits, now and later, that the log was closed.
func (m *monitor) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ended = true
	m.change(stalled, errClosed().Reason)
}

func (m *monitor) change(a ailment, reason string) {
	was := m.reasons[a]
	m.reasons[a] = reason
	if a == stalled && was == "" && reason != "" {
		close(*m.stalled.Load())
	}
	if a == stalled && was != "" && reason == "" {
		m.stalled.Store(new(make(chan struct{})))
	}
	h := Health{OK: true, Since: m.health.Since}
	for a, reason := range m.reasons {
		if reason != "" {
			h.OK, h.Slow, h.Reason = ailment(a) == slow, ailment(a) == slow, reason
			break
		}
	}
	if h == m.health {
		return
	}
	if h.OK != m.health.OK || h.Slow != m.health.Slow {
		h.Since = m.now()
	}
	m.health = h
	close(m.changed)
	m.changed = make(chan struct{})
}

// get gives the health and the channel that is closed when it changes.
func (m *monitor) get() (Health, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.health, m.changed
}

// stall gives the channel that is closed while the file system does not
// answer, and when the log ends.
func (m *monitor) stall() <-chan struct{} { return *m.stalled.Load() }

// err gives the error for a refused event.
func (m *monitor) err() error {
	h, _ := m.get()
	if h.Reason == "" {
		h.Reason = "it has just failed; try again"
	}
	return &SinkError{h.Reason}
}

// The watchdog looks this often, and calls a write stalled and a sync slow
// after so many looks: everybody is told within a second.
const (
	watchEvery   = 200 * time.Millisecond
	stalledLooks = 3
	slowLooks    = 5
)

// ticker has the writer look after the disk. It is a goroutine of its own so
// that the writer waits on one plain channel only, which is much the cheapest.
func (l *Log) ticker() {
	defer l.done.Done()
	tick := time.NewTicker(l.opt.probe)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			l.tell(&request{ctl: ctlTick})
		case <-l.closed:
			return
		}
	}
}

// tell hands the writer a request of the log's own.
func (l *Log) tell(r *request) {
	select {
	case l.in <- r:
	case <-l.gone:
	}
}

// watchdog notices system calls that do not return: the writer's, when
// everything is refused, and the syncer's, when must-record callers wait.
func (l *Log) watchdog() {
	defer l.done.Done()
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	var wrote, synced stuck
	for {
		select {
		case <-l.closed:
			return
		case <-tick.C:
		}
		if n := wrote.look(l.writer.beat.Load()); n >= stalledLooks {
			l.mon.set(stalled, "its file system does not answer")
		} else {
			l.mon.set(stalled, "")
		}
		if n := synced.look(l.syncer.beat.Load()); n >= slowLooks {
			l.mon.set(slow, fmt.Sprintf("the disk is slow: a sync has taken %d s so far", int(time.Duration(n)*watchEvery/time.Second)))
		} else {
			l.mon.set(slow, "")
		}
	}
}

// stuck counts how many looks in a row found the same call under way. A beat
// is odd during a call and goes up at its beginning and end.
type stuck struct {
	beat uint64
	n    int
}

func (s *stuck) look(beat uint64) int {
	if beat&1 == 0 || beat != s.beat {
		s.beat, s.n = beat, 0
		return 0
	}
	s.n++
	return s.n
}
