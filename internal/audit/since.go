package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"time"
)

// Since gives the records of the log in dir that were written at a time or later, and
// some before it, of those whose lines want takes: it is asked before a line is read as
// a record, which costs more. Whatever is missing among them is an error, as is a log
// that does not go back that far; the reading goes on behind it. What was written before
// the clock was set back within a file may be left out.
func Since(ctx context.Context, dir string, at time.Time, want func(line []byte) bool) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		from, whole, err := reaching(dir, at)
		if err == nil && !whole {
			err = fmt.Errorf("the audit log in %s does not go back to %s", dir, at.UTC().Format(time.RFC3339))
		}
		if err != nil && !yield(Record{}, err) {
			return
		}
		r := reader{ctx: ctx, dir: dir, from: from, yield: yield, want: want}
		defer r.close()
		if err := r.run(); err != nil && !errors.Is(err, errEnough) {
			yield(Record{}, err)
		}
	}
}

// reaching gives the number of a record to begin with, and whether nothing of that time
// or later is missing before it. If the clock was set back, some times come twice: where
// that happened, any time may lie.
func reaching(dir string, at time.Time) (from uint64, whole bool, err error) {
	segs, err := listSegments(dir)
	if err != nil || len(segs) == 0 {
		return 1, err == nil, err
	}
	last, err := begins(dir, segs[0])
	if err != nil {
		return segs[0].first, false, err
	}
	whole = segs[0].first == 1 || last.Before(at)
	for i := 1; i < len(segs); i++ {
		begun, err := begins(dir, segs[i])
		if err != nil || !begun.Before(at) || begun.Before(last) {
			return segs[i-1].first, whole, nil // what is wrong with it is told when it is read
		}
		last = begun
	}
	return segs[len(segs)-1].first, whole, nil
}

// begins gives the time of a segment's first record.
func begins(dir string, seg segment) (time.Time, error) {
	f, err := openPlain(filepath.Join(dir, seg.name))
	if err != nil {
		return time.Time{}, err
	}
	defer f.Close()
	line, _, err := (&lines{r: f}).next()
	if err == io.EOF || err == errTorn { // it is being begun
		return time.Now(), nil
	}
	if err != nil {
		return time.Time{}, err
	}
	rec, err := parseRecord(line)
	return rec.Time, err
}
