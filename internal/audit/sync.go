package audit

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"time"
)

// syncer is the goroutine that waits for the disk. It also owns the hashes
// and checkpoints files, which follow the records: never ahead of them.
type syncer struct {
	l           *Log
	beat        atomic.Uint64 // odd while in system calls: see watchdog
	jobs        chan *syncJob
	hashes      file
	checkpoints file
	ckOff       int64
	ckSize      int64 // records under the last checkpoint
	ckTime      time.Time
}

// dirt is a file with bytes that are not known to be on disk, and where they
// begin.
type dirt struct {
	f    file
	from int64
}

// syncJob is one sync, which serves everybody who waited when it began.
type syncJob struct {
	files    []dirt // to be synced in this order; all but the last are then closed
	newNames bool
	tree     frontier
	waiters  []*request
	hashes   []byte
	hashOff  int64
	// urgent is whether a checkpoint is due within a second, and force
	// whether at once, and on disk.
	urgent, force bool
}

// syncResult is told twice per job: when the records are on disk, and when
// hashes and checkpoint are written too.
type syncResult struct {
	job  *syncJob
	meta bool
	err  error
}

// A checkpoint is signed after so many records, and so long after records
// that somebody waited for, or after others.
const (
	checkpointRecords = 1024
	checkpointSoon    = time.Second
	checkpointLate    = 10 * time.Second
)

func newSyncer(l *Log, found *found) *syncer {
	return &syncer{l: l, jobs: make(chan *syncJob, 1),
		hashes: found.hashes, checkpoints: found.checkpoints,
		ckOff: found.ckOff, ckSize: found.ckSize, ckTime: l.opt.Now()}
}

func (s *syncer) run() {
	defer s.l.done.Done()
	for job := range s.jobs {
		s.beat.Add(1)
		err := s.sync(job)
		s.beat.Add(1)
		w := s.l.writer
		here := w.told(&syncResult{job: job, err: err}, true)
		if err == nil {
			runtime.Gosched() // who was answered goes first
			s.beat.Add(1)
			err = s.follow(job)
			s.beat.Add(1)
		}
		w.told(&syncResult{job: job, meta: true, err: err}, here)
	}
}

// told takes an answer of the syncer in the syncer's own goroutine, if it may and nobody writes:
// those who wait for the disk are not to wait for one goroutine more. Else the writer is handed
// it, and whatever follows it. It reports which.
func (w *writer) told(res *syncResult, here bool) bool {
	if !here || !w.turn.TryLock() {
		w.l.tell(&request{ctl: ctlResult, res: res})
		return false
	}
	defer w.turn.Unlock()
	w.enter()
	defer w.leave()
	w.onSynced(res)
	return true
}

// sync brings records to the disk.
func (s *syncer) sync(job *syncJob) error {
	for _, d := range job.files {
		if err := d.f.Sync(); err != nil {
			return err
		}
	}
	if job.newNames {
		if err := s.l.disk.Sync(); err != nil {
			return fmt.Errorf("sync the log's directory: %w", err)
		}
	}
	if n := len(job.files); n > 0 {
		// Bytes on disk in a file without a name are nowhere.
		if st, err := job.files[n-1].f.Stat(); err != nil || st.links == 0 {
			return errors.Join(errors.New("the log's file was deleted"), err)
		}
	}
	return nil
}

// follow writes the hashes of records that are on disk, and signs a
// checkpoint if one is due.
func (s *syncer) follow(job *syncJob) error {
	if err := writeAll(s.hashes, job.hashes, job.hashOff); err != nil {
		return err
	}
	now := s.l.opt.Now()
	since := now.Sub(s.ckTime)
	if since < 0 {
		s.ckTime, since = now, 0
	}
	due := job.force || job.tree.size-s.ckSize >= checkpointRecords ||
		since >= checkpointLate || (job.urgent && since >= checkpointSoon)
	if !due || (job.tree.size == s.ckSize && s.ckSize > 0) {
		return nil
	}
	return s.checkpoint(&job.tree, now, job.force)
}

func (s *syncer) checkpoint(tree *frontier, now time.Time, sync bool) error {
	c := Checkpoint{Origin: s.l.key.Name(), Size: uint64(tree.size), Root: tree.root(), Time: now, Format: Format}
	signer, err := s.l.key.signerOf(tree.size, s.hashes)
	if err != nil {
		return fmt.Errorf("sign a checkpoint: %w", err)
	}
	signed, err := c.sign(signer)
	if err != nil {
		return fmt.Errorf("sign a checkpoint: %w", err)
	}
	if err := writeAll(s.checkpoints, append(signed, '\n'), s.ckOff); err != nil {
		return err
	}
	if sync {
		if err := s.checkpoints.Sync(); err != nil {
			return err
		}
	}
	s.ckOff += int64(len(signed)) + 1
	s.ckSize, s.ckTime = tree.size, now
	return nil
}

// writeAll writes p at off; what is written of it after a failure is written
// again later, or cut off.
func writeAll(f file, p []byte, off int64) error {
	if len(p) == 0 {
		return nil
	}
	n, err := f.WriteAt(p, off)
	if err != nil && n > 0 {
		err = errors.Join(err, f.Truncate(off))
	}
	return err
}

// dispatch hands the syncer what is not on disk, unless it is at work: then
// its answer comes here again.
func (w *writer) dispatch() {
	if w.syncing || w.resync {
		return
	}
	w.urgent = w.urgent || len(w.waiters) > 0
	job := &syncJob{files: w.dirty, newNames: w.newNames, tree: w.tree, waiters: w.waiters,
		hashes: w.pending, hashOff: w.hashOff, urgent: w.urgent, force: w.force}
	w.dirty, w.newNames, w.waiters, w.force = nil, false, nil, false
	// The writer goes on behind what the syncer reads.
	w.pending = w.pending[len(w.pending):]
	w.hashOff += int64(len(job.hashes))
	w.syncing = true
	w.l.syncer.jobs <- job
}

// onSynced takes the syncer's answers.
func (w *writer) onSynced(res *syncResult) {
	job := res.job
	switch {
	case !res.meta && res.err == nil:
		w.durable = job.tree
		for _, d := range job.files[:max(0, len(job.files)-1)] {
			d.f.Close()
		}
		w.answer(job.waiters, nil)
		return
	case !res.meta:
		w.syncFailed(job, res.err)
		return
	}
	w.syncing, w.replaced = false, nil
	for _, f := range w.retired {
		f.Close()
	}
	w.retired = nil
	switch {
	case res.err != nil && !w.resync:
		w.followFailed(job, res.err)
	case w.l.syncer.ckSize == w.tree.size:
		w.urgent = false
	}
	if len(w.waiters) > 0 {
		w.dispatch()
	} else if len(w.dirty) > 0 {
		w.syncSoon()
	}
}

// answer tells those who waited for the disk. An intent whose caller does not
// go on with it, having been told no or having gone away, is remembered: the
// log must say that it was not executed.
func (w *writer) answer(reqs []*request, err error) {
	for _, r := range reqs {
		intent, seq := r.intent, r.written.Load()
		if (!r.reply(seq, err) || err != nil) && intent != nil {
			w.lost = append(w.lost, lostIntent{seq, intent})
		}
	}
}

// syncFailed refuses everybody who waited. The kernel may have dropped what
// it could not write, so all of it must be written again before anything
// else.
func (w *writer) syncFailed(job *syncJob, err error) {
	w.resync = true
	w.fail(err)
	for i := range job.files {
		for g, ok := w.replaced[job.files[i].f]; ok; g, ok = w.replaced[g] {
			job.files[i].f = g
		}
	}
	if n := len(job.files); n > 0 && len(w.dirty) > 0 && job.files[n-1].f == w.dirty[0].f {
		w.dirty = w.dirty[1:]
	}
	w.dirty = append(job.files, w.dirty...)
	w.newNames = w.newNames || job.newNames
	w.keepHashes(job)
	w.refused += len(job.waiters) + len(w.waiters)
	w.answer(job.waiters, w.l.mon.err())
	w.answer(w.waiters, w.l.mon.err())
	w.waiters = nil
}

// followFailed keeps hashes and checkpoint for the next time. They can wait
// for space; whatever else is wrong with the disk is taken seriously.
func (w *writer) followFailed(job *syncJob, err error) {
	w.keepHashes(job)
	w.force = w.force || job.force
	if !noSpace(err) && w.broken == nil {
		w.fail(err)
	}
}

func (w *writer) keepHashes(job *syncJob) {
	if len(job.hashes) == 0 || w.hashOff == job.hashOff {
		return
	}
	w.pending = append(append([]byte(nil), job.hashes...), w.pending...)
	w.hashOff = job.hashOff
}

// openFlags are for files that the log writes.
const openFlags = os.O_RDWR | os.O_CREATE
