package grants

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Damaged is the error of a store that does not say what was given. Copy is
// where it was put aside; the original stays where it is.
type Damaged struct {
	Path, Copy string
	Err        error
}

func (d *Damaged) Error() string {
	kept := "no copy could be made"
	if d.Copy != "" {
		kept = "a copy is " + d.Copy
	}
	return fmt.Sprintf("the grants in %s are damaged: %v; %s; none of them counts: put the file back from a copy, "+
		"or move it away to begin anew, in both cases together with a file of its name and %s beside it, and start muxward again",
		d.Path, d.Err, kept, journal)
}

// Unwrap gives what is wrong with it.
func (d *Damaged) Unwrap() error { return d.Err }

// journal is what the name of a store's rollback journal ends in.
const journal = "-journal"

// foreign is the error of a store that is whole but not ours to read.
type foreign struct{ err error }

func (f foreign) Error() string { return "another muxward wrote it: " + f.err.Error() }
func (f foreign) Unwrap() error { return f.err }

// refuse gives the error of a store that could not be opened or read: only one
// that is damaged is put aside.
func refuse(path string, at time.Time, why error) error {
	var f foreign
	switch {
	case errors.As(why, &f):
		return fmt.Errorf("none of the grants in %s counts: %w; start that one, or move the file away to begin anew", path, why)
	case passing(why):
		return fmt.Errorf("the grants in %s cannot be read, so none of them counts: %w; see to it and start muxward again", path, why)
	}
	return putAside(path, at, why)
}

// passing reports whether an error says nothing of what is in the file: somebody
// else has it open, the disk is full or does not answer, time is up.
func passing(err error) bool {
	var e *sqlite.Error
	if errors.As(err, &e) {
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_IOERR:
			return e.Code() != sqlite3.SQLITE_IOERR_SHORT_READ
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_INTERRUPT,
			sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH:
			return true
		}
		return false
	}
	var no syscall.Errno
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &no)
}

// putAside copies a store that is damaged, with its journal, unless it was
// copied before.
func putAside(path string, at time.Time, why error) error {
	d := &Damaged{Path: path, Err: why}
	data, err := readPlain(path)
	if err != nil {
		d.Err = errors.Join(why, err)
		return d
	}
	copies, _ := filepath.Glob(path + ".damaged-*") // the pattern is well-formed, or matches nothing
	for _, old := range copies {
		if kept, err := readPlain(old); err == nil && bytes.Equal(kept, data) {
			d.Copy = old
			return d
		}
	}
	aside := path + ".damaged-" + at.UTC().Format("20060102T150405.000000000")
	err = putFile(aside, data)
	if err == nil {
		err = copyJournal(path, aside)
	}
	if err != nil {
		d.Err = errors.Join(why, err)
		return d
	}
	d.Copy = aside
	return d
}

// copyJournal copies the journal that belongs to a store, if it has yet to be
// rolled back: then it begins with something else than zeros.
func copyJournal(from, to string) error {
	left, err := readPlain(from + journal)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || len(bytes.Trim(left[:min(8, len(left))], "\x00")) == 0 {
		return err
	}
	return putFile(to+journal, left)
}

// readPlain reads a file and follows no link at its name.
func readPlain(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}
