package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/muxward/muxward/internal/access"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// found is what opening a log found, and how the log goes on from there.
type found struct {
	segs        []segment
	seg         segment
	f           file
	info        fileInfo
	tree        frontier
	hashes      file
	checkpoints file
	ckOff       int64
	ckSize      int64
	last        Checkpoint
	lastTime    time.Time
	open        []Record // intents without an outcome
	notes       []string // what people should know
}

// recover brings a log that may have been cut short into a whole state. It
// never changes what a checkpoint signed.
func (l *Log) recover(ctx context.Context) (_ *found, err error) {
	fd := &found{}
	defer func() {
		if err != nil {
			fd.close()
		}
	}()
	names, err := l.disk.Names()
	if err != nil {
		return nil, err
	}
	fd.segs = segmentsOf(names)
	sweepKeys(l.opt.KeyDir)
	if l.opt.Key != nil {
		l.key, err = l.opt.Key.open(l.opt.KeyDir)
	} else {
		l.key, err = loadKey(l.opt.KeyDir, l.opt.Origin, len(fd.segs) > 0)
	}
	if err != nil {
		return nil, err
	}
	if fd.hashes, err = l.disk.Open(hashesFile, openFlags); err != nil {
		return nil, err
	}
	if fd.checkpoints, err = l.disk.Open(checkpointsFile, openFlags); err != nil {
		return nil, err
	}
	if err := l.lastCheckpoint(fd); err != nil {
		return nil, err
	}
	if len(fd.segs) == 0 {
		if fd.last.Size > 0 {
			return nil, refuse("all its records are missing, and checkpoints say there were %d", fd.last.Size)
		}
		if !l.key.made {
			fd.notes = append(fd.notes, "there was a signing key but no log: either the first start was cut short, or the log was removed")
		}
		return fd, nil
	}
	if err := l.readRecords(ctx, fd); err != nil {
		return nil, err
	}
	if fd.open, err = openIntents(ctx, l.disk, fd.segs); err != nil {
		return nil, err
	}
	return fd, nil
}

func (fd *found) close() {
	for _, f := range []file{fd.f, fd.hashes, fd.checkpoints} {
		if f != nil {
			f.Close()
		}
	}
}

// refuse is the error for a log that contradicts itself.
func refuse(format string, args ...any) error {
	return fmt.Errorf("the log was tampered with or damaged: %s. It is left as it is: see `muxward audit verify`; "+
		"to begin a new log, move this one away and keep it", fmt.Sprintf(format, args...))
}

// lastCheckpoint finds the last signed checkpoint, and sets aside the
// beginning of another that a power cut left behind it.
func (l *Log) lastCheckpoint(fd *found) error {
	st, err := fd.checkpoints.Stat()
	if err != nil {
		return err
	}
	from := max(0, st.size-(64<<10))
	data := make([]byte, st.size-from)
	if _, err := fd.checkpoints.ReadAt(data, from); err != nil && err != io.EOF {
		return err
	}
	if from > 0 {
		// Begin with a whole note: behind an empty line that no
		// signature follows.
		i := bytes.Index(data, []byte("\n\n"+l.key.Name()+"\n"))
		if i < 0 {
			return refuse("no checkpoint at the end of %s", checkpointsFile)
		}
		from, data = from+int64(i)+2, data[i+2:]
	}
	key, err := note.NewVerifier(l.key.verifier)
	if err != nil {
		return err
	}
	for {
		signed, rest := cutNote(data)
		if signed == nil {
			break
		}
		c, err := OpenCheckpoint(signed, key)
		if err != nil {
			return refuse("%v (in %s at byte %d)", err, checkpointsFile, from)
		}
		if c.Size < fd.last.Size {
			return refuse("the checkpoint of size %d follows one of size %d", c.Size, fd.last.Size)
		}
		fd.last = c
		from, data = from+int64(len(signed))+1, rest
	}
	fd.ckOff, fd.ckSize = from, int64(fd.last.Size)
	return l.cutTail(fd, fd.checkpoints, checkpointsFile, from, st.size, "a checkpoint that was not completely written")
}

// cutTail moves the end of a file, from an offset on, to a file of its own.
func (l *Log) cutTail(fd *found, f file, name string, from, size int64, what string) error {
	if from >= size {
		return nil
	}
	aside, err := l.copyAside(f, name, "torn", from, size)
	if err != nil {
		return fmt.Errorf("set aside the torn end of %s: %w", name, err)
	}
	if err := errors.Join(f.Truncate(from), f.Sync(), l.disk.Sync()); err != nil {
		return err
	}
	fd.notes = append(fd.notes, fmt.Sprintf("%s in %s (%d bytes) was set aside in %s", what, name, size-from, aside))
	return nil
}

// readRecords reads the log's end: from the segment that holds the last
// checkpoint's last record, trusting stored hashes for all before if they lead
// to the signed root; otherwise everything.
func (l *Log) readRecords(ctx context.Context, fd *found) error {
	begin := holding(fd.segs, max(fd.last.Size, 1))
	tree, err := frontierAt(fd.hashes, int64(fd.segs[begin].first)-1)
	if err != nil || fd.segs[0].first != 1 {
		begin, tree = 0, frontier{}
	}
	if fd.segs[begin].first == 1 {
		tree = frontier{}
	}
	s, err := l.scan(ctx, fd, begin, tree)
	if errors.Is(err, errRoot) && begin > 0 {
		s, err = l.scan(ctx, fd, 0, frontier{})
	}
	if errors.Is(err, errRoot) {
		return refuse("records do not lead to the root that the checkpoint of size %d signed", fd.last.Size)
	}
	if err != nil {
		return err
	}
	if fd.last.Size == 0 && s.tree.size > startRecords {
		return refuse("there are %d records but no checkpoint", s.tree.size)
	}
	return l.adopt(fd, s)
}

// startRecords bounds what the first start of a log writes before its first
// checkpoint.
const startRecords = 8

// errRoot says that records and checkpoint contradict each other.
var errRoot = errors.New("the root is another one")

// scanned is what a look at the log's end gave.
type scanned struct {
	tree    frontier
	hashOff int64
	hashes  []byte
	// at and off are where the last whole record ends.
	at   int
	off  int64
	torn bool
	last Record
}

// scan hashes all records from the first of segment begin on.
func (l *Log) scan(ctx context.Context, fd *found, begin int, tree frontier) (*scanned, error) {
	s := &scanned{tree: tree, at: begin, hashOff: tlog.StoredHashCount(tree.size) * tlog.HashSize}
	signed := uint64(tree.size) >= fd.last.Size
	if signed && fd.last.Size > 0 && (uint64(tree.size) > fd.last.Size || tree.root() != fd.last.Root) {
		return nil, errRoot
	}
	for i := begin; i < len(fd.segs) && !s.torn; i++ {
		if fd.segs[i].first != uint64(s.tree.size)+1 {
			if !signed {
				return nil, refuse("records %d to %d are missing", s.tree.size+1, fd.segs[i].first-1)
			}
			// What follows lost its link to what is on disk: a power
			// cut in between two files.
			s.torn = true
			break
		}
		f, err := l.disk.Open(fd.segs[i].name, os.O_RDWR)
		if err != nil {
			return nil, err
		}
		s.at, s.off = i, 0
		err = s.segment(ctx, f, fd, &signed)
		f.Close()
		if err != nil {
			return nil, err
		}
	}
	if !signed {
		return nil, refuse("it ends with record %d, but the last checkpoint signed %d", s.tree.size, fd.last.Size)
	}
	return s, nil
}

// segment hashes the records of one segment.
func (s *scanned) segment(ctx context.Context, f file, fd *found, signed *bool) error {
	ls := lines{r: f}
	var room []byte
	for n := 0; ; n++ {
		if n%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		line, _, err := ls.next()
		if err == io.EOF {
			return nil
		}
		if err != nil && err != errTorn && err != errLong {
			return err
		}
		seq, ok := lineSeq(line)
		if ok && err == nil && *signed {
			// Nothing vouches for these: they must at least be whole.
			var rec Record
			if rec, err = parseRecord(line); err == nil {
				s.last = rec
			}
		}
		if err != nil || !ok || seq != uint64(s.tree.size)+1 {
			if !*signed {
				return refuse("record %d is missing or damaged", s.tree.size+1)
			}
			s.torn = true
			return nil
		}
		var leaf tlog.Hash
		leaf, room = leafHash(line, room)
		s.hashes = s.tree.add(leaf, s.hashes)
		s.off = ls.off
		if uint64(s.tree.size) == fd.last.Size {
			if s.tree.root() != fd.last.Root {
				return errRoot
			}
			*signed = true
			if rec, err := parseRecord(line); err == nil {
				s.last = rec
			}
		}
	}
}

// adopt takes the state that scan found, and sets aside what follows it.
func (l *Log) adopt(fd *found, s *scanned) error {
	for _, seg := range fd.segs[s.at+1:] {
		if err := l.setAside(seg.name, "torn"); err != nil {
			return err
		}
		fd.notes = append(fd.notes, seg.name+" was set aside: records before it were lost before they were on disk")
	}
	fd.segs = fd.segs[:s.at+1]
	fd.seg = fd.segs[s.at]
	f, err := l.disk.Open(fd.seg.name, os.O_RDWR)
	if err != nil {
		return err
	}
	fd.f = f
	if fd.info, err = f.Stat(); err != nil {
		return err
	}
	end, err := dataEnd(f, s.off)
	if err != nil {
		return err
	}
	if err := l.cutTail(fd, f, fd.seg.name, s.off, end, "what was not completely written"); err != nil {
		return err
	}
	if err := f.Truncate(s.off); err != nil { // room taken ahead
		return err
	}
	fd.info.size = s.off
	fd.tree, fd.lastTime = s.tree, s.last.Time
	if err := fd.hashes.Truncate(s.hashOff); err != nil {
		return err
	}
	return writeAll(fd.hashes, s.hashes, s.hashOff)
}

// openIntents finds the intents whose outcome was not written.
func openIntents(ctx context.Context, d disk, segs []segment) ([]Record, error) {
	begin := len(segs) - 1
	since, ok := openSince(d, segs[begin])
	for !ok && begin > 0 {
		// A segment without a head: the one before tells.
		begin--
		since, ok = openSince(d, segs[begin])
	}
	if since > 0 {
		begin = min(begin, holding(segs, since))
	}
	open := map[uint64]Record{}
	for _, seg := range segs[begin:] {
		f, err := d.Open(seg.name, os.O_RDONLY)
		if err != nil {
			return nil, err
		}
		err = pairIntents(ctx, f, open)
		f.Close()
		if err != nil {
			return nil, err
		}
	}
	var out []Record
	for _, rec := range open {
		out = append(out, rec)
	}
	sortRecords(out)
	return out, nil
}

// openSince reads the head of a segment, if it has one.
func openSince(d disk, seg segment) (since uint64, ok bool) {
	f, err := d.Open(seg.name, os.O_RDONLY)
	if err != nil {
		return 0, false
	}
	defer f.Close()
	ls := lines{r: f}
	line, _, err := ls.next()
	if err != nil {
		return 0, false
	}
	rec, err := parseRecord(line)
	return rec.OpenSince, err == nil && rec.Format > 0
}

// pairIntents adds the intents of a segment and takes out those that have an
// outcome. What was damaged in older segments is for Verify to tell.
func pairIntents(ctx context.Context, f file, open map[uint64]Record) error {
	ls := lines{r: f}
	for n := 0; ; n++ {
		line, _, err := ls.next()
		if err == errLong {
			err = ls.skipLine()
			line = nil
		}
		if err == io.EOF || err == errTorn {
			return nil
		}
		if err != nil {
			return err
		}
		if n%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if !bytes.Contains(line, []byte(`"request":`)) {
			continue
		}
		rec, err := parseRecord(line)
		if err != nil {
			continue
		}
		switch rec.Kind {
		case access.EventIntent:
			rec.Line = nil
			open[rec.Request] = rec
		case access.EventOutcome, access.EventUnknown, access.EventDetach:
			delete(open, rec.Request)
		}
	}
}

// start writes what an opened log has to say, on disk and signed.
func (w *writer) start(fd *found) error {
	if err := w.space(); err != nil {
		return err
	}
	if w.f == nil || w.info.size == 0 {
		if err := w.first(); err != nil {
			return err
		}
	}
	now := w.l.opt.Now()
	evs := []access.Event{{Kind: access.EventLog, Time: now, Note: fmt.Sprintf("opened by process %d", os.Getpid())}}
	for _, note := range fd.notes {
		evs = append(evs, access.Event{Kind: access.EventAlarm, Time: now, Note: note})
	}
	for _, rec := range fd.open {
		ev := about(unescapeEvent(rec.Event), rec.Seq, now)
		ev.Kind = access.EventUnknown
		ev.Note = "muxward ended before it wrote the outcome: what was asked may or may not have been done; it was not done again"
		evs = append(evs, ev)
	}
	w.writeOwn(evs...)
	if w.broken != nil {
		return w.broken
	}
	return w.settle(true)
}

// first begins the first segment, or goes on in one that a power cut left
// empty.
func (w *writer) first() error {
	if w.f == nil {
		return w.nextSegment()
	}
	if err := w.writeHead(w.f); err != nil {
		return err
	}
	w.info.size = int64(len(w.out))
	w.dirty, w.newNames = append(w.dirty, dirt{w.f, 0}), true
	return nil
}

// settle brings everything to the disk and signs it, while the syncer is
// idle.
func (w *writer) settle(force bool) error {
	job := &syncJob{files: w.dirty, newNames: w.newNames, tree: w.tree, hashes: w.pending, hashOff: w.hashOff, force: force}
	if err := w.l.syncer.sync(job); err != nil {
		return err
	}
	w.durable = w.tree
	for _, d := range w.dirty[:max(0, len(w.dirty)-1)] {
		d.f.Close()
	}
	w.dirty, w.newNames = nil, false
	if err := w.l.syncer.follow(job); err != nil {
		return err
	}
	w.pending, w.hashOff, w.force = nil, w.hashOff+int64(len(job.hashes)), false
	return nil
}

// stop ends the log in good order.
func (w *writer) stop() {
	w.due.Stop()
	for len(w.l.in) > 0 {
		w.hear(<-w.l.in)
	}
	w.quiet()
	if w.broken != nil {
		w.recover()
		w.quiet()
	}
	now := w.l.opt.Now()
	w.own = append(w.own, w.l.flood.take(now)...)
	w.own = append(w.own, w.l.streams.take(now)...)
	w.writeOwn(access.Event{Kind: access.EventLog, Time: now, Note: "closed"})
	w.due.Stop()
	w.quiet()
	if w.closeErr = w.broken; w.closeErr == nil {
		w.closeErr = w.settle(true)
	}
	w.answer(w.waiters, errClosed())
	if w.broken == nil {
		w.giveBack()
	}
	close(w.l.syncer.jobs)
	w.closeFiles()
	w.l.disk.Close()
}

// quiet waits until the syncer is idle.
func (w *writer) quiet() {
	for w.syncing {
		w.hear(<-w.l.in)
	}
}

// hear takes what still comes in while the log ends.
func (w *writer) hear(r *request) {
	switch r.ctl {
	case ctlNone:
		w.write([]*request{r})
	case ctlResult:
		w.onSynced(r.res)
	}
}

func (w *writer) closeFiles() {
	for _, f := range append(w.retired, w.f, w.l.syncer.hashes, w.l.syncer.checkpoints) {
		if f != nil {
			f.Close()
		}
	}
}
