package audit

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/muxward/muxward/internal/access"
)

// Options say where and how a log is kept.
type Options struct {
	// Dir is the log's directory; it is made (0700) if it is not there.
	Dir string
	// KeyDir holds audit.key and audit.pub; by default Dir's parent.
	KeyDir string
	// Key, if set, signs in the place of audit.key: it is held elsewhere.
	Key *HeldKey
	// Origin names a new log (a random id is added); by default it is
	// muxward/HOSTNAME. A log that exists keeps its name.
	Origin string
	// Now is the clock, by default time.Now.
	Now func() time.Time
	// SegmentSize is the size in bytes at which a new file is begun;
	// default 64 MiB.
	SegmentSize int64
	// Reserve is the free space in bytes that is kept for revocations and
	// other essential events; 0 means 16 MiB or 2 % of the file system,
	// whichever is less; negative means none.
	Reserve int64
	// DeniedPerSecond is how many refused tries of one identity are written
	// one by one each second; the rest are counted. Default 20.
	DeniedPerSecond int

	// For tests: how to get at the disk, and how often to look after it.
	open  func(path string) (disk, error)
	probe time.Duration
}

func (o Options) withDefaults() Options {
	if o.KeyDir == "" {
		o.KeyDir = filepath.Dir(filepath.Clean(o.Dir))
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.SegmentSize <= 0 {
		o.SegmentSize = 64 << 20
	}
	if o.DeniedPerSecond <= 0 {
		o.DeniedPerSecond = 20
	}
	if o.open == nil {
		o.open = openDisk
	}
	if o.probe <= 0 {
		o.probe = 250 * time.Millisecond
	}
	return o
}

// Log is an open log: the only one on its directory. Its methods may be
// called by any number of goroutines.
type Log struct {
	opt    Options
	disk   disk
	key    *signingKey
	mon    *monitor
	flood  *flood
	writer *writer
	syncer *syncer
	in     chan *request
	pool   sync.Pool

	streams   streamSet
	closeOnce sync.Once
	closed    chan struct{} // Close was called
	gone      chan struct{} // the writer has ended
	done      sync.WaitGroup
}

// Open opens the log in opt.Dir, or begins one. It takes the directory for
// itself, sets aside what a power cut left half written, refuses a log that
// contradicts its last signed checkpoint, closes intents whose outcome was
// lost with an unknown event, and has all that on disk when it returns. ctx
// bounds the opening only.
func Open(ctx context.Context, opt Options) (*Log, error) {
	opt = opt.withDefaults()
	d, err := opt.open(opt.Dir)
	if err != nil {
		return nil, fmt.Errorf("open the audit log: %w", err)
	}
	l := &Log{opt: opt, disk: d, mon: newMonitor(opt.Now), flood: newFlood(opt.DeniedPerSecond),
		in: make(chan *request, 1024), closed: make(chan struct{}), gone: make(chan struct{})}
	l.pool.New = func() any { return &request{done: make(chan struct{}, 1), body: make([]byte, 0, 512)} }
	if err := l.begin(ctx); err != nil {
		d.Close()
		return nil, fmt.Errorf("open the audit log in %s: %w", opt.Dir, err)
	}
	return l, nil
}

// begin recovers what is there and starts the goroutines.
func (l *Log) begin(ctx context.Context) error {
	found, err := l.recover(ctx)
	if err != nil {
		return err
	}
	l.syncer = newSyncer(l, found)
	l.writer = newWriter(l, found)
	if err := l.writer.start(found); err != nil {
		l.writer.closeFiles()
		return err
	}
	l.done.Add(4)
	go l.writer.run()
	go l.ticker()
	go l.syncer.run()
	go l.watchdog()
	return nil
}

// Verifier is the public key that verifies this log.
func (l *Log) Verifier() string { return l.key.verifier }

// Origin is the log's name.
func (l *Log) Origin() string { return l.key.Name() }

// Health tells whether events can be written.
func (l *Log) Health() Health {
	h, _ := l.mon.get()
	return h
}

// Changed gives a channel that is closed at the next change of [Log.Health];
// after that, ask anew.
func (l *Log) Changed() <-chan struct{} {
	_, changed := l.mon.get()
	return changed
}

// Append writes ev and gives its sequence number. With
// access.MustRecordClass it returns when the event is on disk, otherwise when
// the kernel has it (it survives the end of this process, and is on disk
// within 50 ms).
//
// If it returns an error, what the event is about must not happen. An error
// that is an [ErrSink] says that the log cannot be written now; ctx ends the
// waiting. If the event did get into the log and ctx ended before it was on
// disk, the number is given along with the error; such an intent is followed
// by an outcome event that says that it was not executed, unless it is of
// access.UrgentClass, which is carried out whatever Append returns.
//
// Refused tries (denied and door events) beyond Options.DeniedPerSecond are
// counted into one absorbed event per second; Append then gives 0 and nil.
func (l *Log) Append(ctx context.Context, class access.Class, ev access.Event) (uint64, error) {
	now := l.opt.Now()
	if l.flood.absorb(&ev, now) {
		return 0, nil
	}
	if ev.Time.IsZero() {
		ev.Time = now
	}
	r := l.request(&ev, class != access.BestEffortClass)
	if r.kind == access.EventIntent && class != access.UrgentClass {
		intent := ev
		r.intent = &intent
	}
	return l.submit(ctx, r)
}

// request makes a request to write ev.
func (l *Log) request(ev *access.Event, must bool) *request {
	r, _ := l.pool.Get().(*request)
	r.state.Store(waiting)
	r.must, r.kind, r.rank, r.id, r.at = must, ev.Kind, rankOf(ev, must), ev.Request, ev.Time
	r.intent, r.seq, r.err = nil, 0, nil
	r.body = appendBody(r.body[:0], ev, nil)
	return r
}

// submit hands r to the writer and waits for the answer.
func (l *Log) submit(ctx context.Context, r *request) (uint64, error) {
	if !r.must && l.writer.quick(r) {
		<-r.done
		return l.answer(r)
	}
	stalled := l.mon.stall()
	select {
	case l.in <- r:
	default:
		select {
		case l.in <- r:
		case <-ctx.Done():
			return 0, fmt.Errorf("the audit log is busy: %w", ctx.Err())
		case <-stalled:
			return 0, l.mon.err()
		}
	}
	var err error
	select {
	case <-r.done:
		return l.answer(r)
	case <-ctx.Done():
		err = fmt.Errorf("waiting for the audit log: %w", ctx.Err())
	case <-stalled:
		err = l.mon.err()
	}
	if !r.state.CompareAndSwap(waiting, abandoned) {
		<-r.done
		return l.answer(r)
	}
	return r.written.Load(), err
}

// answer takes the answer out of r and gives r back.
func (l *Log) answer(r *request) (uint64, error) {
	seq, err := r.seq, r.err
	r.intent = nil
	r.written.Store(0)
	if cap(r.body) <= 4096 {
		l.pool.Put(r)
	}
	return seq, err
}

func errClosed() *SinkError { return &SinkError{"the log was closed"} }

// Close writes what is pending, says that the log was closed, signs it and
// gives the directory free. If ctx ends before, it returns with an error and
// leaves the rest to the end of the process.
func (l *Log) Close(ctx context.Context) error {
	l.closeOnce.Do(func() {
		close(l.closed)
		go l.tell(&request{ctl: ctlStop})
	})
	ended := make(chan struct{})
	go func() {
		l.done.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return l.writer.closeErr
	case <-ctx.Done():
		return fmt.Errorf("close the audit log: %w", ctx.Err())
	}
}

// request is one event on its way into the log.
type request struct {
	// state tells who has the last word: the log answers, or the caller
	// goes away.
	state atomic.Uint32
	// written is the event's number once it is in the file.
	written atomic.Uint64

	must   bool
	kind   access.EventKind
	rank   rank
	id     uint64 // Event.Request
	at     time.Time
	intent *access.Event // of an intent: to tell what became of it
	body   []byte

	seq  uint64
	err  error
	done chan struct{}

	// ctl is set in what the log's own goroutines tell the writer.
	ctl ctl
	res *syncResult
}

// ctl is a word to the writer.
type ctl uint8

const (
	ctlNone   ctl = iota // an event
	ctlTick              // look after the disk
	ctlDue               // what nobody waits for is to be synced
	ctlResult            // the syncer answers
	ctlStop              // end
)

// States of a request.
const (
	waiting uint32 = iota
	answered
	abandoned
)

// reply answers the caller and reports whether it was still there.
func (r *request) reply(seq uint64, err error) bool {
	if !r.state.CompareAndSwap(waiting, answered) {
		return false
	}
	r.seq, r.err = seq, err
	r.done <- struct{}{}
	return true
}

// rank says what is given up first as space runs out.
type rank uint8

const (
	ordinary  rank = iota // keys, refused tries
	important             // commands
	essential             // what takes rights away, and the end of what was begun
)

func rankOf(ev *access.Event, must bool) rank {
	switch ev.Kind {
	case access.EventRevoke, access.EventOutcome, access.EventUnknown, access.EventDetach,
		access.EventReload, access.EventLife, access.EventLog, access.EventAlarm:
		return essential
	case access.EventIntent:
		for _, v := range ev.Verbs {
			if v == access.Kick.String() || v == access.Lock.String() {
				return essential
			}
		}
	}
	if must {
		return important
	}
	return ordinary
}
