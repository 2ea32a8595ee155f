package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"
)

// Names in the log's directory. Whatever else lies there is not part of the
// log: lock (a process number, for messages), and files whose names end in
// .torn-N, .foreign-N: what was set aside, and a record says so.
const (
	checkpointsFile = "checkpoints" // signed notes, oldest first
	hashesFile      = "hashes"      // the tree: can be made anew from records
	segmentSuffix   = ".log"        // records, named by the first one's number
)

// segment is one file of records.
type segment struct {
	name  string
	first uint64
}

func segmentName(first uint64) string { return fmt.Sprintf("%020d%s", first, segmentSuffix) }

// segmentsOf picks the segments from names and puts them in order.
func segmentsOf(names []string) []segment {
	var segs []segment
	for _, name := range names {
		digits, ok := strings.CutSuffix(name, segmentSuffix)
		if !ok || len(digits) != 20 {
			continue
		}
		if first, err := strconv.ParseUint(digits, 10, 63); err == nil && first > 0 && segmentName(first) == name {
			segs = append(segs, segment{name, first})
		}
	}
	sort.Slice(segs, func(i, j int) bool { return segs[i].first < segs[j].first })
	return segs
}

// holding gives the index of the segment that holds record seq, which is the
// last one that begins at or before it; 0 if none does.
func holding(segs []segment, seq uint64) int {
	return max(0, sort.Search(len(segs), func(i int) bool { return segs[i].first > seq })-1)
}

// errTorn says that a file ends within a line, and errLong that a line is
// longer than any record.
var (
	errTorn = errors.New("the file ends within a line")
	errLong = errors.New("a line is longer than any record")
)

// lines reads a file of records line by line. Zeros up to the end of the file
// are room that the log took ahead (see writer.reserveAhead), and no line.
type lines struct {
	r   io.ReaderAt
	off int64 // of the line to be read next
	buf []byte
	at  int // in buf, of the line to be read next
}

// next gives the next line without its newline, valid until the call after,
// and where it begins. At the end of the file the error is io.EOF, or errTorn
// if bytes without a newline are left, which the line then holds; a line that
// is too long is errLong, with its beginning.
func (l *lines) next() ([]byte, int64, error) {
	for seen := int64(-1); ; {
		rest := l.buf[l.at:]
		i := bytes.IndexByte(rest, '\n')
		if z := zeroIn(rest, i); z >= 0 && l.off+int64(z) != seen {
			seen = l.off + int64(z)
			only, err := onlyZeros(l.r, seen)
			switch {
			case err != nil:
				return nil, l.off, err
			case only && z == 0:
				return nil, l.off, io.EOF
			case only && z < maxLine:
				return rest[:z], l.off, errTorn
			}
			// More was written meanwhile, or this is no room of the log's:
			// the second look tells.
			l.buf, l.at = l.buf[:0], 0
			if _, err := l.fill(); err != nil {
				return nil, l.off, err
			}
			continue
		}
		if i >= 0 && i < maxLine {
			off := l.off
			l.at += i + 1
			l.off += int64(i) + 1
			return rest[:i], off, nil
		}
		if len(rest) >= maxLine {
			return rest[:maxLine], l.off, errLong
		}
		more, err := l.fill()
		switch {
		case err != nil:
			return nil, l.off, err
		case !more && len(l.buf) == l.at:
			return nil, l.off, io.EOF
		case !more:
			return l.buf[l.at:], l.off, errTorn
		}
	}
}

// zeroIn gives where the first zero is in the line that ends at newline, or,
// if that is negative, in all of p; or -1.
func zeroIn(p []byte, newline int) int {
	if newline >= 0 {
		p = p[:newline]
	}
	return bytes.IndexByte(p, 0)
}

// onlyZeros reports whether r holds nothing but zeros from off to its end.
func onlyZeros(r io.ReaderAt, off int64) (bool, error) {
	buf := make([]byte, 64<<10)
	for {
		n, err := r.ReadAt(buf, off)
		if len(bytes.TrimLeft(buf[:n], "\x00")) > 0 {
			return false, nil
		}
		off += int64(n)
		switch {
		case err == io.EOF, err == nil && n == 0:
			return true, nil
		case err != nil:
			return false, err
		}
	}
}

// dataEnd gives the offset behind the last byte of r that is not zero, or from
// if there is none behind it.
func dataEnd(r io.ReaderAt, from int64) (int64, error) {
	end := from
	buf := make([]byte, 64<<10)
	for off := from; ; {
		n, err := r.ReadAt(buf, off)
		if data := bytes.TrimRight(buf[:n], "\x00"); len(data) > 0 {
			end = off + int64(len(data))
		}
		off += int64(n)
		switch {
		case err == io.EOF, err == nil && n == 0:
			return end, nil
		case err != nil:
			return end, err
		}
	}
}

// fill reads more of the file and reports whether there was more.
func (l *lines) fill() (bool, error) {
	if cap(l.buf) == 0 {
		l.buf = make([]byte, 0, 4*maxLine)
	}
	kept := copy(l.buf[:cap(l.buf)], l.buf[l.at:])
	l.buf, l.at = l.buf[:kept], 0
	n, err := l.r.ReadAt(l.buf[kept:cap(l.buf)], l.off+int64(kept))
	l.buf = l.buf[:kept+n]
	if err == io.EOF {
		err = nil
	}
	return n > 0, err
}

// skipLine goes on behind the next newline, if there is one.
func (l *lines) skipLine() error {
	for {
		if i := bytes.IndexByte(l.buf[l.at:], '\n'); i >= 0 {
			l.at += i + 1
			l.off += int64(i) + 1
			return nil
		}
		l.off += int64(len(l.buf) - l.at)
		l.at = len(l.buf)
		if more, err := l.fill(); err != nil || !more {
			return err
		}
	}
}
