package audit

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/muxward/muxward/internal/access"
)

// tick is what the writer does about four times a second.
func (w *writer) tick() {
	if !w.syncing {
		if err := w.inPlace(); err != nil {
			w.fail(err)
		}
	}
	if w.broken != nil {
		w.recover()
		return
	}
	if err := w.space(); err != nil {
		w.fail(err)
		return
	}
	now := w.l.opt.Now()
	if d := now.Sub(w.lastFlush); w.rank == ordinary && (d >= time.Second || d < 0) {
		w.lastFlush = now
		w.own = append(w.own, w.l.flood.take(now)...)
		w.own = append(w.own, w.l.streams.take(now)...)
	}
	w.writeOwn()
	w.signIfDue(now)
}

// signIfDue has a checkpoint signed though nothing new is written.
func (w *writer) signIfDue(now time.Time) {
	s := w.l.syncer
	if w.syncing || s.ckSize == w.tree.size {
		return
	}
	since := now.Sub(s.ckTime)
	if w.force || since < 0 || since >= checkpointLate || (w.urgent && since >= checkpointSoon) {
		w.dispatch()
	}
}

// writeOwn writes what the log itself has to say.
func (w *writer) writeOwn(evs ...access.Event) {
	w.own = append(w.own, evs...)
	for _, lost := range w.lost {
		w.own = append(w.own, notExecuted(lost, w.l.opt.Now()))
	}
	w.lost = nil
	for len(w.own) > 0 && w.broken == nil {
		n := min(len(w.own), maxBatch)
		reqs := make([]*request, n)
		for i := range reqs {
			reqs[i] = w.l.request(&w.own[i], false)
		}
		w.write(reqs)
		if w.broken != nil {
			return // they are said later
		}
		w.own = append([]access.Event(nil), w.own[n:]...)
	}
}

func notExecuted(lost lostIntent, now time.Time) access.Event {
	ev := about(*lost.ev, lost.seq, now)
	ev.Kind = access.EventOutcome
	ev.Note = "not executed: the log could not confirm the intent, or whoever asked did not wait for it"
	if ev.Author != "" {
		ev.Answer = "open" // what they suggested was not typed, and waits on
	}
	return ev
}

// about makes an event about the intent ev, which is record seq.
func about(ev access.Event, seq uint64, now time.Time) access.Event {
	return access.Event{Time: now, Request: ev.Request, Ref: seq, Person: ev.Person, Author: ev.Author, Account: ev.Account,
		UID: ev.UID, Door: ev.Door, From: ev.From, Key: ev.Key, Objects: ev.Objects, Verbs: ev.Verbs, Server: ev.Server}
}

// inPlace notices at each tick if the log's files are no longer at their
// names. Only while the syncer is idle, as two of them are its own.
func (w *writer) inPlace() error {
	if err := w.l.disk.Alive(); err != nil {
		return err
	}
	st, err := w.l.disk.Stat(w.seg.name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = w.replace("was removed")
	case err == nil && !st.same(w.info):
		err = w.replace("was replaced")
	case err == nil && w.broken == nil && st.size != w.extent():
		err = w.inspect()
	case err == nil && w.broken == nil:
		err = w.inRoom()
	}
	s := w.l.syncer
	return errors.Join(err, w.restore(hashesFile, &s.hashes), w.restore(checkpointsFile, &s.checkpoints))
}

// restore puts one of the syncer's files back at its name, from the open
// descriptor.
func (w *writer) restore(name string, f *file) error {
	was, err := (*f).Stat()
	if err != nil {
		return err
	}
	st, err := w.l.disk.Stat(name)
	if err == nil && st.same(was) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	g, err := w.l.salvage(*f, name, was.size)
	if err != nil {
		return err
	}
	(*f).Close()
	*f = g
	w.alarm(fmt.Sprintf("%s was removed or replaced while open; put back from the open file", name))
	return nil
}

// replace puts the current segment back at its name, from the open
// descriptor: what it holds must not be lost because somebody deleted or
// moved the file.
func (w *writer) replace(what string) error {
	g, err := w.l.salvage(w.f, w.seg.name, w.info.size)
	if err != nil {
		return fmt.Errorf("the log's file %s %s and cannot be put back: %w", w.seg.name, what, err)
	}
	info, err := g.Stat()
	if err != nil {
		g.Close()
		return err
	}
	if w.syncing { // and will not find it at its name
		if w.replaced == nil {
			w.replaced = map[file]file{}
		}
		w.replaced[w.f] = g
	}
	w.retire(w.f)
	for i := range w.dirty {
		if w.dirty[i].f == w.f {
			w.dirty[i].f = g
		}
	}
	w.f, w.info, w.ahead, w.room, w.cutBack = g, info, info.size, 0, false
	w.alarm(fmt.Sprintf("%s %s while open; all its records were put back from the open file", w.seg.name, what))
	return nil
}

// retire closes f as soon as the syncer does not use it.
func (w *writer) retire(f file) {
	if w.syncing {
		w.retired = append(w.retired, f)
		return
	}
	f.Close()
}

// salvage copies size bytes of the open file f to a new file at name. What
// else is at that name is moved aside.
func (l *Log) salvage(f file, name string, size int64) (file, error) {
	if err := l.disk.Alive(); err != nil {
		return nil, err
	}
	if _, err := l.disk.Stat(name); err == nil {
		if err := l.setAside(name, "foreign"); err != nil {
			return nil, err
		}
	}
	g, err := l.disk.Open(name, openFlags|os.O_EXCL)
	if err != nil {
		return nil, err
	}
	if err = copyRange(g, f, 0, size); err == nil {
		err = errors.Join(g.Sync(), l.disk.Sync())
	}
	if err == nil {
		return g, nil
	}
	g.Close()
	return nil, errors.Join(err, l.setAside(name, "foreign"))
}

// setAside renames a file to a name that is not part of the log.
func (l *Log) setAside(name, why string) error {
	for i := 1; ; i++ {
		err := l.disk.Rename(name, fmt.Sprintf("%s.%s-%d", name, why, i))
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
}

// copyAside copies a part of a file to a new one that is not part of the log,
// and gives its name.
func (l *Log) copyAside(f file, name, why string, from, size int64) (string, error) {
	for i := 1; ; i++ {
		aside := fmt.Sprintf("%s.%s-%d", name, why, i)
		g, err := l.disk.Open(aside, openFlags|os.O_EXCL)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		err = errors.Join(copyRange(g, f, from, size), g.Sync(), g.Close())
		if err != nil { // half of it would only take up space, again and again
			err = errors.Join(err, l.disk.Remove(aside))
		}
		return aside, err
	}
}

// copyRange copies f from an offset to a size to the beginning of g.
func copyRange(g, f file, from, size int64) error {
	buf := make([]byte, 256<<10)
	for off := from; off < size; {
		n, err := f.ReadAt(buf[:min(int64(len(buf)), size-off)], off)
		if n == 0 {
			return err
		}
		if _, err := g.WriteAt(buf[:n], off-from); err != nil {
			return err
		}
		off += int64(n)
	}
	return nil
}

// truncated goes on in a new segment after somebody cut the current one: what
// is left of it stays as it is, for whoever looks into the matter. If only room
// was cut off that the log took ahead, it goes on.
func (w *writer) truncated(size int64) error {
	w.room, w.ahead = 0, w.info.size
	if size >= w.info.size {
		w.room = size
		w.alarm(fmt.Sprintf("%s was cut to %d bytes while open; no record is missing", w.seg.name, size))
		return nil
	}
	w.alarm(fmt.Sprintf("%s was cut from %d to %d bytes while open: records are missing there; the log goes on in a new file",
		w.seg.name, w.info.size, size))
	if err := w.nextSegment(); err != nil {
		return fmt.Errorf("the log's file %s was cut while open, and a new one cannot be begun: %w", w.seg.name, err)
	}
	w.force = true
	return nil
}

// inRoom moves away what somebody else wrote close behind the last record, into
// the room that was taken ahead.
func (w *writer) inRoom() error {
	if w.room <= w.info.size || w.cutBack {
		return nil
	}
	near := io.NewSectionReader(w.f, w.info.size, min(maxLine, w.room-w.info.size))
	if empty, err := onlyZeros(near, 0); empty || err != nil {
		return err
	}
	end, err := dataEnd(w.f, w.info.size)
	if err != nil {
		return err
	}
	if err := w.moveAway(w.info.size, end); err != nil {
		return err
	}
	w.room, w.ahead = 0, w.info.size
	return nil
}

// moveAway copies what somebody else wrote to another file, and cuts it off.
func (w *writer) moveAway(from, to int64) error {
	aside, err := w.l.copyAside(w.f, w.seg.name, "foreign", from, min(to, from+chunk))
	if err != nil {
		return fmt.Errorf("%s holds bytes that the log did not write, and they cannot be set aside: %w", w.seg.name, err)
	}
	if err := w.f.Truncate(from); err != nil {
		return err
	}
	w.alarm(fmt.Sprintf("somebody else wrote %d bytes into %s; moved to %s", to-from, w.seg.name, aside))
	return nil
}

func (w *writer) alarm(note string) {
	w.own = append(w.own, access.Event{Kind: access.EventAlarm, Time: w.l.opt.Now(), Note: note})
}

// rotate begins a new segment because this one is full. If that fails it is
// tried again later: the old one serves.
func (w *writer) rotate() {
	w.rotateAt = w.info.size + max(w.l.opt.SegmentSize/16, 1)
	if err := w.nextSegment(); err != nil && w.rotateAt <= 2*w.l.opt.SegmentSize {
		w.alarm("a new file cannot be begun, the log goes on in the old one: " + err.Error())
	}
}

// nextSegment begins a new segment with its head record, which links it to
// all records before it.
func (w *writer) nextSegment() error {
	seg := segment{segmentName(uint64(w.tree.size) + 1), uint64(w.tree.size) + 1}
	f, err := w.l.disk.Open(seg.name, openFlags|os.O_EXCL)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		err = w.writeHead(f)
	}
	if err != nil {
		f.Close()
		return errors.Join(err, w.l.setAside(seg.name, "torn"))
	}
	if w.f != nil {
		w.giveBack()
	}
	if n := len(w.dirty); w.f != nil && (n == 0 || w.dirty[n-1].f != w.f) {
		w.retire(w.f)
	}
	info.size = int64(len(w.out))
	w.seg, w.f, w.info, w.ahead, w.room, w.cutBack = seg, f, info, 0, 0, false
	w.dirty, w.newNames, w.force = append(w.dirty, dirt{f, 0}), true, true
	w.rotateAt = w.l.opt.SegmentSize
	w.syncSoon()
	return nil
}

// writeHead writes the first record of a segment to f.
func (w *writer) writeHead(f file) error {
	own := Own{Format: Format, Origin: w.l.key.Name(), Tree: w.tree.root().String()}
	for _, seq := range w.intents {
		if own.OpenSince == 0 || seq < own.OpenSince {
			own.OpenSince = seq
		}
	}
	ev := access.Event{Kind: access.EventLog, Time: w.l.opt.Now(), Note: "segment begins"}
	r := w.l.request(&ev, false)
	r.body = appendBody(r.body[:0], &ev, &own)
	tree, pending := w.tree, len(w.pending)
	w.out = w.out[:0]
	w.render(r)
	if _, err := f.WriteAt(w.out, 0); err != nil {
		w.tree, w.pending = tree, w.pending[:pending]
		return err
	}
	return nil
}

// recover tries to write again after a failure, and says in the log how long
// nothing could be written.
func (w *writer) recover() {
	if w.syncing {
		return
	}
	why, since := w.broken, w.brokenAt
	err := w.repair()
	if err == nil {
		own := w.own
		w.broken, w.own = nil, nil
		w.writeOwn(access.Event{Kind: access.EventLog, Time: w.l.opt.Now(), Count: w.refused,
			Note: fmt.Sprintf("could not be written for %s, events were refused: %v",
				w.l.opt.Now().Sub(since).Round(time.Millisecond), why)})
		if err = w.broken; err != nil {
			w.own = nil
		}
		w.own = append(own, w.own...)
	}
	if err == nil {
		if err = w.l.syncer.sync(&syncJob{files: w.dirty, newNames: w.newNames}); err != nil {
			w.resync = true
		}
	}
	if err != nil {
		w.fail(err)
		w.brokenAt = since
		return
	}
	for _, d := range w.dirty[:max(0, len(w.dirty)-1)] {
		d.f.Close()
	}
	w.dirty, w.newNames, w.durable, w.refused = nil, false, w.tree, 0
	w.l.mon.set(broken, "")
	w.dispatch()
}

// repair brings the files into the state they should have.
func (w *writer) repair() error {
	if err := w.inPlace(); err != nil {
		return err
	}
	if w.cutBack {
		if err := w.f.Truncate(w.info.size); err != nil {
			return err
		}
		w.cutBack, w.ahead, w.room = false, w.info.size, 0
	}
	if err := w.inspect(); err != nil {
		return err
	}
	if noSpace(w.broken) {
		// Room for a few records, or it would fail again at once.
		if err := w.allocate(maxLine); noSpace(err) {
			return err
		}
	}
	if err := w.space(); err != nil {
		return err
	}
	if w.resync {
		if err := w.writeAgain(); err != nil {
			return err
		}
		w.resync = false
	}
	return nil
}

// writeAgain writes what a failed sync may have dropped, after making sure
// that the kernel still has it as it was.
func (w *writer) writeAgain() error {
	tree := w.durable
	for _, d := range w.dirty {
		ls := lines{r: d.f, off: d.from}
		for tree.size < w.tree.size {
			line, off, err := ls.next()
			if err != nil {
				break
			}
			var leaf [32]byte
			leaf, w.leaf = leafHash(line, w.leaf)
			tree.add(leaf, nil)
			if _, err := d.f.WriteAt(append(line[:len(line):len(line)], '\n'), off); err != nil {
				return err
			}
		}
	}
	if tree.size != w.tree.size || tree.root() != w.tree.root() {
		return errors.New("the disk lost records that could not be synced; restart muxward, which sets the damaged end aside")
	}
	for _, d := range w.dirty {
		if err := d.f.Sync(); err != nil {
			return err
		}
	}
	return nil
}
