package audit

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/muxward/muxward/internal/access"
	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sys/unix"
)

// writer writes records, one goroutine at a time: its own, or a caller's in
// quick. Whoever holds turn owns everything about the current segment and the
// tree; the syncer gets copies.
type writer struct {
	l    *Log
	beat atomic.Uint64 // odd while in system calls: see watchdog

	// turn is held by whoever writes: this goroutine, or a caller that found
	// nobody at it (see quick). It covers all that follows.
	turn  sync.Mutex
	ended bool

	seg   segment
	f     file
	info  fileInfo // of f; size is where the last record ends
	room  int64    // f is this long, with zeros behind the last record; or 0
	ahead int64    // room is taken or was tried to be taken up to here

	tree    frontier
	pending []byte // stored hashes not yet in the hashes file
	hashOff int64  // where they belong

	// What is not yet known to be on disk.
	dirty    []dirt // files to sync, oldest first; the current one last
	newNames bool
	durable  frontier // the tree as far as it is on disk
	retired  []file   // to be closed when the syncer is done with them
	waiters  []*request
	syncing  bool
	replaced map[file]file // while syncing: files whose records are in another now
	due      *time.Timer   // to sync what nobody waits for
	dueSet   bool
	wroteAt  time.Time // when the last record came
	urgent   bool      // somebody waited for what is not yet signed
	force    bool      // the next checkpoint is due at any rate

	broken    error // why nothing can be written
	brokenAt  time.Time
	resync    bool // a sync failed: what is not durable must be written anew
	cutBack   bool // a part of a record may stand behind the end
	rank      rank // the least that may be written, as space is low
	refused   int
	rotateAt  int64
	intents   map[uint64]uint64 // open requests and the number of their intent
	lost      []lostIntent
	lastTime  time.Time
	lastFlush time.Time
	own       []access.Event // to be written by the log itself

	batch    []*request
	out      []byte
	leaf     []byte // room for leafHash
	closeErr error
}

// lostIntent is an intent in the log that will not be executed.
type lostIntent struct {
	seq uint64
	ev  *access.Event
}

const (
	maxBatch   = 128
	syncWithin = 25 * time.Millisecond // half of what is promised
	lively     = time.Second           // since a record: more will come
	chunk      = 1 << 20               // blocks allocated ahead
	year10000  = 253402300800          // the first second that has no RFC 3339 form
	// maxPending bounds the memory for hashes while the disk does not sync.
	maxPending = 64 << 20
)

func newWriter(l *Log, found *found) *writer {
	w := &writer{l: l, seg: found.seg, f: found.f, info: found.info, tree: found.tree, durable: found.tree,
		hashOff: tlog.StoredHashCount(found.tree.size) * tlog.HashSize,
		intents: map[uint64]uint64{}, lastTime: found.lastTime, rotateAt: l.opt.SegmentSize}
	w.due = time.AfterFunc(time.Hour, func() { l.tell(&request{ctl: ctlDue}) })
	w.due.Stop()
	return w
}

func (w *writer) enter() { w.beat.Add(1) }
func (w *writer) leave() { w.beat.Add(1) }

func (w *writer) run() {
	defer w.l.done.Done()
	defer w.l.mon.end()
	defer close(w.l.gone)
	for r := range w.l.in {
		for r != nil {
			w.turn.Lock()
			w.enter()
			stop := r.ctl == ctlStop
			if stop {
				w.ended = true
				w.stop()
			} else {
				r = w.take(r)
			}
			w.leave()
			w.turn.Unlock()
			if stop {
				return
			}
		}
	}
}

// quick writes r in the caller's own goroutine if nobody is at it and nothing
// waits: a key that is handed to another goroutine and back wakes two threads,
// on cores that tmux needs at that moment. It reports whether it did.
func (w *writer) quick(r *request) bool {
	if len(w.l.in) > 0 || !w.turn.TryLock() {
		return false
	}
	defer w.turn.Unlock()
	if w.ended || w.broken != nil {
		return false
	}
	w.enter()
	defer w.leave()
	w.batch = append(w.batch[:0], r)
	w.write(w.batch)
	clear(w.batch)
	return true
}

// take does what r says; if it is an event, it writes whatever else is waiting
// in the same go, up to the next word of the log's own, which it gives back.
func (w *writer) take(r *request) (next *request) {
	switch r.ctl {
	case ctlTick:
		w.tick()
		return nil
	case ctlDue:
		w.onDue()
		return nil
	case ctlResult:
		w.onSynced(r.res)
		return nil
	}
	w.batch = append(w.batch[:0], r)
	for len(w.batch) < maxBatch && len(w.l.in) > 0 {
		if r := <-w.l.in; r.ctl == ctlNone {
			w.batch = append(w.batch, r)
		} else {
			next = r
			break
		}
	}
	w.write(w.batch)
	clear(w.batch)
	return next
}

// onDue syncs what nobody waited for. While people type the timer goes on by
// itself: setting it anew with a key would wake a thread just then.
func (w *writer) onDue() {
	w.dueSet = false
	w.dispatch()
	if d := w.l.opt.Now().Sub(w.wroteAt); d >= 0 && d < lively {
		w.syncSoon()
	}
}

// syncSoon has what nobody waits for synced in time.
func (w *writer) syncSoon() {
	if !w.dueSet {
		w.dueSet = true
		w.due.Reset(syncWithin)
	}
}

// write appends the records of reqs: all of them, or none if the file cannot
// be written. Callers that wait for the disk are answered later.
func (w *writer) write(reqs []*request) {
	if w.broken == nil {
		if err := w.inspect(); err != nil {
			w.fail(err)
		}
	}
	undo := w.undo(len(reqs))
	w.out = w.out[:0]
	kept := reqs[:0:len(reqs)]
	for _, r := range reqs {
		if r.state.Load() == abandoned {
			continue
		}
		if err := w.admit(r); err != nil {
			w.refused++
			r.reply(0, err)
			continue
		}
		w.render(r)
		kept = append(kept, r)
	}
	if len(kept) == 0 {
		return
	}
	if err := w.put(); err != nil {
		undo()
		w.fail(err)
		for _, r := range kept {
			w.refused++
			r.reply(0, w.l.mon.err())
		}
		return
	}
	w.wrote(kept)
}

// undo gives what takes back the adding of at most n records to the tree.
func (w *writer) undo(n int) func() {
	size, pending := w.tree.size, len(w.pending)
	if n == 1 {
		// Adding one record overwrites no hash that was valid before, so
		// the common case needs no copy.
		return func() { w.tree.size, w.pending = size, w.pending[:pending] }
	}
	tree := w.tree
	return func() { w.tree, w.pending = tree, w.pending[:pending] }
}

// wrote does what follows once records are in the file.
func (w *writer) wrote(reqs []*request) {
	w.wroteAt = reqs[len(reqs)-1].at
	for _, r := range reqs {
		w.track(r)
		if r.must {
			w.waiters = append(w.waiters, r)
		}
	}
	for _, r := range reqs {
		if !r.must {
			w.answer([]*request{r}, nil)
		}
	}
	if len(w.waiters) > 0 {
		w.dispatch()
	}
	if len(w.dirty) > 0 && !w.syncing {
		w.syncSoon()
	}
	if w.info.size >= w.rotateAt {
		w.rotate()
	}
}

// track remembers which intents wait for their outcome.
func (w *writer) track(r *request) {
	if r.id == 0 {
		return
	}
	switch r.kind {
	case access.EventIntent:
		w.intents[r.id] = r.written.Load()
	case access.EventOutcome, access.EventUnknown, access.EventDetach:
		delete(w.intents, r.id)
	}
}

// admit says whether r may be written as things are.
func (w *writer) admit(r *request) error {
	if w.broken != nil {
		return w.l.mon.err()
	}
	if r.rank < w.rank {
		return w.l.mon.err()
	}
	if len(w.pending) > maxPending && r.rank < essential {
		return &SinkError{"the disk does not sync, and too much waits for it"}
	}
	return nil
}

// render adds r's line to what will be written, and its hash to the tree.
func (w *writer) render(r *request) {
	r.written.Store(uint64(w.tree.size) + 1)
	start := len(w.out)
	w.out = appendHead(w.out, r.written.Load(), w.clock(r.at))
	w.out = append(w.out, r.body...)
	var leaf tlog.Hash
	leaf, w.leaf = leafHash(w.out[start:], w.leaf)
	w.out = append(w.out, '\n')
	w.pending = w.tree.add(leaf, w.pending)
}

// clock notices a clock that was set back (order is by number, so nothing is
// lost, but whoever reads the log should know) and times no file can hold.
func (w *writer) clock(at time.Time) time.Time {
	if s := at.Unix(); s < 0 || s >= year10000 {
		return w.lastTime
	}
	if at.Before(w.lastTime.Add(-5 * time.Second)) {
		w.own = append(w.own, access.Event{Kind: access.EventAlarm, Time: at,
			Note: fmt.Sprintf("the clock went back by %s: times before and after this do not compare, numbers do",
				w.lastTime.Sub(at).Round(time.Second))})
		w.lastTime = at
	} else if at.After(w.lastTime) {
		w.lastTime = at
	}
	return at
}

// put writes w.out behind the last record. If that fails half-way, the half
// is cut off again.
func (w *writer) put() error {
	w.reserveAhead()
	n, err := w.f.WriteAt(w.out, w.info.size)
	if err != nil {
		if n > 0 || w.cutBack {
			w.cutBack = w.f.Truncate(w.info.size) != nil
			w.ahead, w.room = w.info.size, 0
		}
		return err
	}
	if len(w.dirty) == 0 || w.dirty[len(w.dirty)-1].f != w.f {
		w.dirty = append(w.dirty, dirt{w.f, w.info.size})
	}
	w.info.size += int64(n)
	return nil
}

// reserveAhead takes room before it is needed: essential events have somewhere
// to go when the disk is full, and a sync has no new file size to bring to the
// disk, which takes the file system another write and flush.
func (w *writer) reserveAhead() {
	if w.l.opt.Reserve < 0 || w.info.size+int64(len(w.out))+chunk/2 <= w.ahead {
		return
	}
	n := int64(len(w.out)) + chunk
	err := w.allocate(n)
	if err == nil || !noSpace(err) {
		// A file system that cannot allocate ahead gives no reserve.
		w.ahead = w.info.size + n
		return
	}
	if w.rank < essential {
		w.setLow(essential, "the disk is full")
	}
}

// allocate takes n bytes of room behind the last record.
func (w *writer) allocate(n int64) error {
	if w.info.size+n <= w.room {
		return nil
	}
	from := w.extent()
	if err := w.f.Allocate(from, w.info.size+n-from); err != nil {
		return err
	}
	w.room = w.info.size + n
	return nil
}

// extent is how long the file must be.
func (w *writer) extent() int64 { return max(w.info.size, w.room) }

// giveBack cuts off the room behind the last record, as no more will come into
// this file. Failing to harms nothing: readers know it for what it is.
func (w *writer) giveBack() {
	if w.room > w.info.size && !w.cutBack && w.f.Truncate(w.info.size) == nil {
		w.room = 0
	}
}

// inspect notices at each write what others did to the file.
func (w *writer) inspect() error {
	st, err := w.f.Stat()
	switch {
	case err != nil:
		return err
	case st.links == 0:
		return w.replace("was deleted")
	case st.size < w.extent():
		return w.truncated(st.size)
	case st.size > w.extent() && !w.cutBack:
		return w.moveAway(w.extent(), st.size)
	}
	return nil
}

// setLow says that only events of at least this rank can be written.
func (w *writer) setLow(least rank, reason string) {
	w.rank = least
	if least == ordinary {
		w.l.mon.set(low, "")
		return
	}
	w.l.mon.set(low, reason+": only revocations and the like are still written; free some space")
}

// space looks at the free space.
func (w *writer) space() error {
	if w.l.opt.Reserve < 0 {
		return nil
	}
	free, total, err := w.l.disk.Space()
	if err != nil {
		return err
	}
	reserve := uint64(w.l.opt.Reserve)
	if reserve == 0 {
		reserve = min(16<<20, total/50)
	}
	switch {
	case free >= reserve:
		w.setLow(ordinary, "")
	case free >= reserve/2:
		w.setLow(important, fmt.Sprintf("the disk is nearly full (%d KiB free)", free>>10))
	default:
		w.setLow(essential, fmt.Sprintf("the disk is nearly full (%d KiB free)", free>>10))
	}
	return nil
}

// fail says that nothing can be written, and why.
func (w *writer) fail(err error) {
	if w.broken == nil {
		w.brokenAt = w.l.opt.Now()
	}
	w.broken = err
	reason := err.Error()
	switch {
	case errors.Is(err, unix.ENOSPC):
		reason = "the disk is full (" + reason + ")"
	case errors.Is(err, unix.EDQUOT):
		reason = "the disk quota is used up (" + reason + ")"
	}
	w.l.mon.set(broken, reason)
}

func noSpace(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}
