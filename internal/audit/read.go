package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/access"
)

// Filter says which records are wanted. Fields that are zero ask nothing.
type Filter struct {
	Person string
	Verb   string
	// Object is an object as access.Object prints it, or whole parts of
	// it: alice/$1:@3.%7, alice/$1, alice, @3, %7.
	Object       string
	Since, Until time.Time
	Kind         access.EventKind
	Request      uint64
	// Denied asks for what was refused.
	Denied bool
	// Keys includes key records (one per delivery), which are left out
	// otherwise, as keys records hold their sums. Kind does so too.
	Keys bool
}

// Match reports whether rec is wanted.
func (f *Filter) Match(rec *Record) bool {
	switch {
	case f.Person != "" && rec.Person != Escape(f.Person),
		f.Verb != "" && !slices.Contains(rec.Verbs, Escape(f.Verb)),
		f.Object != "" && !slices.ContainsFunc(rec.Objects, func(o string) bool { return partOf(o, Escape(f.Object)) }),
		!f.Since.IsZero() && rec.Time.Before(f.Since),
		!f.Until.IsZero() && !rec.Time.Before(f.Until),
		f.Kind != "" && rec.Kind != f.Kind,
		f.Request != 0 && rec.Request != f.Request,
		f.Denied && rec.Kind != access.EventDenied && rec.Kind != access.EventAbsorbed,
		!f.Keys && f.Kind == "" && rec.Kind == access.EventKey:
		return false
	}
	return true
}

// partOf reports whether part is one or more whole parts of object, in a row.
func partOf(object, part string) bool {
	for i := 0; i+len(part) <= len(object); i++ {
		end := i + len(part)
		if object[i:end] == part && (i == 0 || strings.IndexByte("/:.", object[i-1]) >= 0) &&
			(end == len(object) || strings.IndexByte("/:.", object[end]) >= 0) {
			return true
		}
	}
	return false
}

// Query gives the records of the log in dir that f wants, in order. It may be
// used while the log is written. A line that is no record gives an error, and
// the reading goes on behind it; it does not look for tampering: see [Verify].
func Query(ctx context.Context, dir string, f Filter) iter.Seq2[Record, error] {
	return filtered(read(ctx, dir, 1, false), f)
}

// Tail gives the last n records of the log in dir that f wants at most, and if
// follow is set, those that come, until ctx ends. n counts records before
// they are filtered.
func Tail(ctx context.Context, dir string, n uint64, follow bool, f Filter) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		last, err := lastSeq(dir)
		if err != nil {
			yield(Record{}, err)
			return
		}
		from := uint64(1)
		if last > n {
			from = last - n + 1
		}
		filtered(read(ctx, dir, from, follow), f)(yield)
	}
}

func filtered(recs iter.Seq2[Record, error], f Filter) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for rec, err := range recs {
			if (err != nil || f.Match(&rec)) && !yield(rec, err) {
				return
			}
		}
	}
}

// LastCheckpoint gives the last whole signed checkpoint of the log in dir, for
// keeping elsewhere.
func LastCheckpoint(dir string) ([]byte, error) {
	data, err := readPlain(filepath.Join(dir, checkpointsFile))
	if err != nil {
		return nil, fmt.Errorf("read the audit log: %w", err)
	}
	var last []byte
	for {
		signed, rest := cutNote(data)
		if signed == nil {
			break
		}
		last, data = signed, rest
	}
	if last == nil {
		return nil, fmt.Errorf("the audit log in %s has no checkpoint yet", dir)
	}
	return last, nil
}

// listSegments lists the segments in dir, which must be there.
func listSegments(dir string) ([]segment, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read the audit log: %w", err)
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return segmentsOf(names), nil
}

// lastSeq gives the number of the last record in dir.
func lastSeq(dir string) (uint64, error) {
	segs, err := listSegments(dir)
	if err != nil || len(segs) == 0 {
		return 0, err
	}
	seg := segs[len(segs)-1]
	f, err := openPlain(filepath.Join(dir, seg.name))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	last := seg.first - 1
	for ls := (lines{r: f}); ; {
		line, _, err := ls.next()
		if err == errLong {
			err = ls.skipLine()
		}
		if err != nil {
			return last, nil
		}
		if seq, ok := lineSeq(line); ok {
			last = seq
		}
	}
}

// read gives all records of the log in dir from number from on.
func read(ctx context.Context, dir string, from uint64, follow bool) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		r := reader{ctx: ctx, dir: dir, from: from, follow: follow, yield: yield}
		defer r.close()
		if err := r.run(); err != nil && !errors.Is(err, errEnough) {
			yield(Record{}, err)
		}
	}
}

// errEnough says that the consumer wants no more.
var errEnough = errors.New("enough")

// reader reads a log that may grow, rotate or be put back while it reads.
type reader struct {
	ctx    context.Context
	dir    string
	from   uint64
	follow bool
	yield  func(Record, error) bool
	// want, if it is set, says which lines are read at all; then what is missing
	// between two lines is told. next is the number that has to come.
	want func(line []byte) bool
	next uint64

	seg segment
	f   *os.File
	ls  lines
	// torn is whether the file ended within a line when last read, and ended
	// whether it was read to the end of what is in it.
	torn, ended bool
}

func (r *reader) close() {
	if r.f != nil {
		r.f.Close()
	}
}

func (r *reader) run() error {
	for {
		segs, err := listSegments(r.dir)
		if err != nil {
			return err
		}
		// What was written before the next segment began.
		if err := r.refresh(); err != nil {
			return err
		}
		if err := r.toEnd(); err != nil {
			return err
		}
		moved, err := r.advance(segs)
		if err != nil || (!moved && !r.follow) {
			return err
		}
		if err := r.toEnd(); err != nil {
			return err
		}
		if !moved && !r.wait() {
			return nil
		}
	}
}

// advance opens the segment to read next, and reports whether there was one.
func (r *reader) advance(segs []segment) (bool, error) {
	if len(segs) == 0 {
		return false, nil
	}
	next := -1
	switch {
	case r.f == nil:
		next = holding(segs, r.from)
	default:
		next = slices.IndexFunc(segs, func(s segment) bool { return s.first > r.seg.first })
	}
	if next < 0 {
		return false, nil
	}
	if r.torn && !r.yield(Record{}, fmt.Errorf("%s: %w", r.seg.name, errTorn)) {
		return false, errEnough
	}
	err := r.open(segs[next], 0)
	return err == nil && r.f != nil && r.seg == segs[next], err
}

// refresh goes on in the file that now has the segment's name, if the one
// that is open was removed and put back.
func (r *reader) refresh() error {
	if r.f == nil {
		return nil
	}
	was, err := r.f.Stat()
	if err != nil {
		return err
	}
	is, err := os.Stat(r.f.Name())
	if err == nil && !os.SameFile(was, is) {
		return r.open(r.seg, r.ls.off)
	}
	return nil
}

func (r *reader) open(seg segment, off int64) error {
	f, err := openPlain(filepath.Join(r.dir, seg.name))
	if errors.Is(err, fs.ErrNotExist) && r.follow {
		return nil // gone again: the next look tells
	}
	if err != nil {
		return err
	}
	r.close()
	r.seg, r.f, r.ls, r.ended = seg, f, lines{r: f, off: off, buf: r.ls.buf[:0]}, false
	return nil
}

// toEnd gives all whole records there are in the segment.
func (r *reader) toEnd() error {
	if r.f == nil || r.ended && r.nothingNew() {
		return nil
	}
	for n := 0; ; n++ {
		if n%1024 == 0 && r.ctx.Err() != nil {
			return errEnough
		}
		line, off, err := r.ls.next()
		switch err {
		case nil:
		case io.EOF, errTorn:
			// A line that is being written is read anew when it is whole.
			r.ls.buf, r.ls.at = r.ls.buf[:0], 0
			r.torn, r.ended = err == errTorn, true
			return nil
		case errLong:
			if err := r.ls.skipLine(); err != nil {
				return err
			}
			if !r.yield(Record{}, fmt.Errorf("%s at byte %d: %w", r.seg.name, off, errLong)) {
				return errEnough
			}
			continue
		default:
			return err
		}
		seq, ok := lineSeq(line)
		if ok && seq < r.from {
			continue
		}
		if r.want != nil && ok {
			if r.next != 0 && seq != r.next && !r.yield(Record{}, fmt.Errorf("%s at byte %d: record %d comes where %d has to", r.seg.name, off, seq, r.next)) {
				return errEnough
			}
			r.next = seq + 1
			if !r.want(line) {
				continue
			}
		}
		rec, err := parseRecord(line)
		if err != nil {
			err = fmt.Errorf("%s at byte %d: %w", r.seg.name, off, err)
		}
		if !r.yield(rec, err) {
			return errEnough
		}
	}
}

// nothingNew reports whether no byte was written where the next line begins.
// Reading on through the room that the log took ahead would cost more.
func (r *reader) nothingNew() bool {
	var next [1]byte
	n, err := r.f.ReadAt(next[:], r.ls.off)
	return err == io.EOF || n == 1 && next[0] == 0
}

// wait waits for more to be written, and reports whether to go on.
func (r *reader) wait() bool {
	t := time.NewTimer(100 * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.ctx.Done():
		return false
	}
}
