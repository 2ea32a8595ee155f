package audit

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// ErrTampered is what errors.Is finds in the error of a [Verify] that found
// something.
const ErrTampered = sinkErr("the log is not what was signed")

// VerifyOptions are what a verifier may bring along.
type VerifyOptions struct {
	// Checkpoints are signed checkpoints of this log that were kept
	// elsewhere. They convict even whoever has the log's signing key.
	Checkpoints [][]byte
	// Last is what whoever holds the log's key has signed last, as they know it; nil if that is not
	// known. A log that was cut back to an older checkpoint agrees with all of its own.
	Last *Signed
	// Found is what was found before the log was looked at, and Notes are as those of a [Report].
	Found []Problem
	Notes []string
}

// Signed is of how many records something was signed, with which root.
type Signed struct {
	Size uint64
	Root tlog.Hash
}

// Problem is one thing that is wrong with a log.
type Problem struct {
	// Kind is one word: changed, missing, cut, reordered, inserted,
	// checkpoint, rewritten, unreadable, key.
	Kind string `json:"kind"`
	// Seq to Last are the records it is about; 0 if it is about none.
	Seq  uint64 `json:"seq,omitempty"`
	Last uint64 `json:"last,omitempty"`
	// What says for people what was found and what it means.
	What string `json:"what"`
}

// Report is what [Verify] found.
type Report struct {
	Origin      string `json:"origin"`
	Records     uint64 `json:"records"`
	Segments    int    `json:"segments"`
	Checkpoints int    `json:"checkpoints"`
	// Signed is how many records the last checkpoint vouches for; those
	// after it are not yet signed.
	Signed   uint64    `json:"signed"`
	SignedAt time.Time `json:"signed_at"`
	// Root is the tree's root over all records, as found.
	Root     string    `json:"root"`
	Problems []Problem `json:"problems,omitempty"`
	// Notes are no problems, but good to know.
	Notes []string `json:"notes,omitempty"`
}

// Verify checks the log in dir against its own signed checkpoints and those in
// opt, with nothing but the public key. It may be used while the log is
// written. If anything is wrong the error is an [ErrTampered], and the report
// names what and where; any other error says that the log could not be
// checked.
func Verify(ctx context.Context, dir string, key note.Verifier, opt VerifyOptions) (Report, error) {
	v := &verification{ctx: ctx, dir: dir, missing: map[uint64]bool{},
		rep: Report{Origin: key.Name(), Problems: slices.Clone(opt.Found), Notes: slices.Clone(opt.Notes)}}
	defer v.close()
	if err := v.prepare(key, opt); err != nil {
		return v.rep, err
	}
	for i, seg := range v.segs {
		if err := v.segment(i, seg); err != nil {
			return v.rep, err
		}
	}
	v.finish()
	if len(v.rep.Problems) > 0 {
		return v.rep, fmt.Errorf("%w: %s", ErrTampered, v.rep.Problems[0].What)
	}
	return v.rep, nil
}

// verification walks over all records once. It keeps two trees: one of what
// is there, and one of the stored hashes. The first proves the records; the
// second, if the first fails, tells which of them was changed.
type verification struct {
	ctx  context.Context
	dir  string
	rep  Report
	segs []segment

	hashes *os.File // nil if there is none
	known  uint64   // records whose hashes are stored

	checks []check // what to compare, by size
	passed uint64  // size of the last check that held
	lost   bool    // nothing after this can be checked

	tree    frontier
	stored  frontier
	haveAll bool     // stored hashes were there for all records so far
	differ  []uint64 // records whose hash is not the stored one, since passed
	missing map[uint64]bool
	garbage int // unreadable lines since the last record
	room    []byte
	unused  []byte
}

// check is a root that the tree must have at a size.
type check struct {
	size uint64
	root tlog.Hash
	at   time.Time
	// kept is whether the checkpoint was kept elsewhere, and held whether it is of no file, but
	// what the holder of the key knows.
	kept, held bool
}

// name says what knows it.
func (c check) name() string {
	switch at := c.at.Format(time.RFC3339); {
	case c.held:
		return fmt.Sprintf("what the holder of the key signed last, over %d records,", c.size)
	case c.kept:
		return fmt.Sprintf("the checkpoint that was kept elsewhere over %d records (%s)", c.size, at)
	default:
		return fmt.Sprintf("the checkpoint over %d records (%s)", c.size, at)
	}
}

func (v *verification) close() {
	if v.hashes != nil {
		v.hashes.Close()
	}
}

func (v *verification) problem(kind string, first, last uint64, format string, args ...any) {
	v.rep.Problems = append(v.rep.Problems, Problem{kind, first, last, fmt.Sprintf(format, args...)})
}

func (v *verification) note(format string, args ...any) {
	v.rep.Notes = append(v.rep.Notes, fmt.Sprintf(format, args...))
}

// prepare reads checkpoints and the number of stored hashes before any
// record, so that a log that grows meanwhile is not taken for a cut one.
func (v *verification) prepare(key note.Verifier, opt VerifyOptions) error {
	if err := v.ownCheckpoints(key); err != nil {
		return err
	}
	for _, signed := range opt.Checkpoints {
		c, err := OpenCheckpoint(signed, key)
		if err != nil {
			return fmt.Errorf("the checkpoint that was kept elsewhere: %w", err)
		}
		v.checks = append(v.checks, check{size: c.Size, root: c.Root, at: c.Time, kept: true})
	}
	if l := opt.Last; l != nil && l.Size > 0 {
		v.checks = append(v.checks, check{size: l.Size, root: l.Root, kept: true, held: true})
		v.note("it was compared with what the holder of its key has signed last: %d records", l.Size)
	}
	sort.SliceStable(v.checks, func(i, j int) bool { return v.checks[i].size < v.checks[j].size })
	f, err := openPlain(filepath.Join(v.dir, hashesFile))
	if err == nil {
		v.hashes, v.haveAll = f, true
		if st, err := f.Stat(); err == nil {
			v.known = recordsOf(st.Size() / tlog.HashSize)
		}
	} else if os.IsNotExist(err) {
		v.note("there are no stored hashes: what was changed cannot be told exactly")
	} else {
		v.note("the stored hashes cannot be read, so what was changed cannot be told exactly: %v", err)
	}
	if v.segs, err = listSegments(v.dir); err != nil {
		return err
	}
	v.rep.Segments = len(v.segs)
	if len(v.segs) == 0 && len(v.checks) == 0 {
		return fmt.Errorf("there is no log in %s", v.dir)
	}
	return nil
}

// recordsOf gives how many records have all their hashes among the first n.
func recordsOf(n int64) uint64 {
	size := int64(sort.Search(int(n)+1, func(i int) bool { return tlog.StoredHashCount(int64(i)) > n })) - 1
	return uint64(max(size, 0))
}

// ownCheckpoints reads the log's checkpoints.
func (v *verification) ownCheckpoints(key note.Verifier) error {
	data, err := readPlain(filepath.Join(v.dir, checkpointsFile))
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	var last uint64
	for n := 1; ; n++ {
		signed, rest := cutNote(data)
		if signed == nil {
			break
		}
		data = rest
		c, err := OpenCheckpoint(signed, key)
		switch {
		case err != nil && c.Format > Format:
			return err
		case err != nil:
			v.problem("checkpoint", 0, 0, "checkpoint %d: %v", n, err)
			continue
		case c.Size < last:
			v.problem("checkpoint", 0, 0, "checkpoint %d signs %d records, fewer than the %d before it", n, c.Size, last)
		}
		last = max(last, c.Size)
		v.rep.Checkpoints, v.rep.Signed, v.rep.SignedAt = v.rep.Checkpoints+1, last, c.Time
		v.checks = append(v.checks, check{size: c.Size, root: c.Root, at: c.Time})
	}
	if len(data) > 0 {
		v.note("the last checkpoint is not whole: it is being written, or was cut short")
	}
	return nil
}

// segment walks over one file.
func (v *verification) segment(i int, seg segment) error {
	f, err := openPlain(filepath.Join(v.dir, seg.name))
	if err != nil {
		return err
	}
	defer f.Close()
	ls := lines{r: f}
	for n := 0; ; n++ {
		if n%1024 == 0 && v.ctx.Err() != nil {
			return v.ctx.Err()
		}
		line, off, err := ls.next()
		switch {
		case err == io.EOF:
			return nil
		case err == errTorn && i == len(v.segs)-1:
			v.note("the last line of %s is not whole: it is being written, or was cut short", seg.name)
			return nil
		case err == errTorn:
			v.garbage++
			return nil
		case err == errLong:
			v.garbage++
			if err := ls.skipLine(); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		}
		if n == 0 {
			if rec, err := parseRecord(line); err == nil && rec.Format > Format {
				return fmt.Errorf("%s has format %d, this program knows formats up to %d: use a newer muxward", seg.name, rec.Format, Format)
			}
		}
		v.line(line, seg, off)
	}
}

// line judges one line.
func (v *verification) line(line []byte, seg segment, off int64) {
	expect := uint64(v.tree.size) + 1
	leaf := v.leaf(line)
	seq, ok := lineSeq(line)
	if ok && seq > expect && !v.plausible(seq, leaf) {
		ok = false
	}
	switch {
	case !ok:
		v.garbage++
		return
	case seq < expect && v.missing[seq]:
		delete(v.missing, seq)
		v.problem("reordered", seq, seq, "record %d stands behind record %d (%s, byte %d): records were put in another order", seq, expect-1, seg.name, off)
		return
	case seq < expect:
		v.problem("inserted", seq, seq, "a second record %d stands behind record %d (%s, byte %d)", seq, expect-1, seg.name, off)
		return
	}
	for gap := expect; gap < seq; gap++ {
		v.absent(gap)
	}
	if v.garbage > 0 {
		if seq == expect {
			v.problem("inserted", seq, seq, "something that is no record stands before record %d (%s, before byte %d)", seq, seg.name, off)
		}
		v.garbage = 0
	}
	v.present(seq, leaf, line)
}

func (v *verification) leaf(line []byte) tlog.Hash {
	var leaf tlog.Hash
	leaf, v.room = leafHash(line, v.room)
	return leaf
}

// plausible reports whether a record may have this number though those before
// it are missing. Otherwise the number itself is what was changed.
func (v *verification) plausible(seq uint64, leaf tlog.Hash) bool {
	if h, ok := v.storedLeaf(seq); ok {
		return h == leaf
	}
	return seq <= v.rep.Signed
}

// scratch is room for hashes that nobody stores.
func (v *verification) scratch() []byte {
	if v.unused == nil {
		v.unused = make([]byte, 0, 64*tlog.HashSize)
	}
	return v.unused
}

func (v *verification) storedLeaf(seq uint64) (h tlog.Hash, ok bool) {
	if seq > v.known {
		return h, false
	}
	_, err := v.hashes.ReadAt(h[:], tlog.StoredHashIndex(0, int64(seq)-1)*tlog.HashSize)
	return h, err == nil
}

// absent notes that a record is not there; its stored hash stands in for it,
// so that those after it can still be checked.
func (v *verification) absent(seq uint64) {
	if v.garbage > 0 {
		v.garbage--
		v.problem("unreadable", seq, seq, "record %d was changed: it is not readable any more", seq)
	} else {
		v.missing[seq] = true
	}
	h, ok := v.storedLeaf(seq)
	v.lost = v.lost || !ok
	v.haveAll = v.haveAll && ok
	v.tree.add(h, v.scratch())
	v.stored.add(h, v.scratch())
	v.compare()
}

// present adds a record that stands where it should.
func (v *verification) present(seq uint64, leaf tlog.Hash, line []byte) {
	v.tree.add(leaf, v.scratch())
	h, ok := v.storedLeaf(seq)
	if !ok {
		h = leaf
	}
	v.stored.add(h, v.scratch())
	if h != leaf {
		v.differ = append(v.differ, seq)
	}
	if seq > v.rep.Signed {
		if _, err := parseRecord(line); err != nil {
			v.problem("unreadable", seq, seq, "record %d: %v", seq, err)
		}
	}
	v.compare()
}

// compare holds the trees against the checkpoints of their size.
func (v *verification) compare() {
	size := uint64(v.tree.size)
	for len(v.checks) > 0 && v.checks[0].size <= size {
		c := v.checks[0]
		v.checks = v.checks[1:]
		if v.lost || c.size < size {
			continue // of size 0: signs nothing
		}
		v.compareOne(c)
	}
}

func (v *verification) compareOne(c check) {
	if v.tree.root() == c.root {
		v.passed, v.stored, v.differ = c.size, v.tree, nil
		return
	}
	if v.haveAll && len(v.differ) > 0 && v.stored.root() == c.root {
		for _, seq := range v.differ {
			v.problem("changed", seq, seq, "record %d was changed after it was signed: %s proves it", seq, c.name())
		}
		v.passed, v.tree, v.differ = c.size, v.stored, nil
		return
	}
	kind := "changed"
	if c.kept {
		kind = "rewritten"
	}
	if v.passed == c.size { // by another of as many
		v.problem(kind, 1, c.size, "one or more of records 1 to %d are not those of %s though another checkpoint signs them", c.size, c.name())
	} else {
		v.problem(kind, v.passed+1, c.size, "one or more of records %d to %d are not those of %s", v.passed+1, c.size, c.name())
	}
	v.lost = !c.kept
}

// finish judges the end of the log and names what never came.
func (v *verification) finish() {
	v.rep.Records, v.rep.Root = uint64(v.tree.size), v.tree.root().String()
	v.nameMissing()
	end := uint64(v.tree.size)
	if v.garbage > 0 {
		v.problem("unreadable", end+1, end+uint64(v.garbage), "%d lines behind record %d are no records", v.garbage, end)
	}
	most, why := v.known, "the stored hashes"
	for _, c := range v.checks {
		if c.size >= most {
			most, why = c.size, c.name()
		}
	}
	if most > end {
		v.problem("cut", end+1, most, "records %d to %d are missing at the end: %s knows them", end+1, most, why)
	}
	if v.lost {
		v.note("records after %d could not be checked, because of the problems above", v.passed)
	}
	if n := end - min(v.rep.Signed, end); n > 0 {
		v.note("the last %d records are not signed yet", n)
	}
	if len(v.differ) > 0 {
		v.note("%d stored hashes are not those of the records", len(v.differ))
	}
	entries, _ := os.ReadDir(v.dir)
	for _, e := range entries {
		if strings.Contains(e.Name(), ".torn-") || strings.Contains(e.Name(), ".foreign-") {
			v.note("%s was set aside; a record says why", Escape(e.Name()))
		}
	}
}

// nameMissing reports missing records, those in a row as one.
func (v *verification) nameMissing() {
	seqs := slices.Sorted(maps.Keys(v.missing))
	for i := 0; i < len(seqs); {
		j := i
		for j+1 < len(seqs) && seqs[j+1] == seqs[j]+1 {
			j++
		}
		first, last := seqs[i], seqs[j]
		i = j + 1
		if first == last {
			v.problem("missing", first, last, "record %d is missing: it was removed", first)
			continue
		}
		what := "they were removed"
		for _, seg := range v.segs {
			if seg.first == last+1 {
				what = "a file was removed, or its end cut off"
			}
		}
		v.problem("missing", first, last, "records %d to %d are missing: %s", first, last, what)
	}
}
