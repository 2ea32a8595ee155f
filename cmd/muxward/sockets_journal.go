package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/server/ctld"
	"github.com/muxward/muxward/internal/siblings"
	"github.com/muxward/muxward/internal/sockets"
	"github.com/muxward/muxward/internal/trusted"
)

// journalError is that of a journal that cannot be written.
type journalError struct{ error }

func (e journalError) Unwrap() error { return e.error }

// journal is where is written what was done.
type journal struct {
	*os.File
	torn  bool    // its last line has no end
	state string  // the state directory
	lost  []error // what a muxward that serves from there would not put into its log
}

func openJournal(state string) (*journal, error) {
	state, err := config.StateDir(state)
	if err != nil {
		return nil, err
	}
	dir, err := journalDir(state, os.Geteuid())
	if err != nil {
		return nil, fmt.Errorf("nothing was done, as it could not be written down: %w", err)
	}
	f, err := openOwn(filepath.Join(dir, "sockets.jsonl"))
	if err != nil {
		return nil, fmt.Errorf("nothing was done, as it could not be written down: %w", err)
	}
	j := &journal{File: f, state: state}
	last := make([]byte, 1)
	if st, err := f.Stat(); err == nil && st.Size() > 0 {
		_, err := f.ReadAt(last, st.Size()-1)
		j.torn = err == nil && last[0] != '\n'
	}
	return j, nil
}

// journalDir is where the journal is: in the state directory, which is made, as muxward makes it
// (people's commands find the one that serves by a file in root's); but root writes
// nothing into one that is an account's, and has it in the directory of the keys beside it,
// which muxward-helper has made.
func journalDir(state string, uid int) (string, error) {
	mode := fs.FileMode(0o700)
	if uid == 0 {
		mode = 0o711
	}
	if err := os.MkdirAll(state, mode); err != nil {
		return "", err
	}
	var st unix.Stat_t
	if err := unix.Stat(state, &st); err != nil {
		return "", &fs.PathError{Op: "stat", Path: state, Err: err}
	}
	if uid != 0 || st.Uid == 0 {
		return state, nil
	}
	state, err := trusted.Us().Way(state, trusted.Apart) // the account's own, on a way of root's
	if err != nil {
		return "", err
	}
	keys := state + "-keys"
	if err := siblings.CheckPath(keys); err != nil {
		return "", fmt.Errorf("the state directory %s is uid %d's, and beside it is no directory of muxward-helper's: %w; run this as that account", state, st.Uid, err)
	}
	return keys, nil
}

// openOwn opens a file to be added to. The state directory may belong to the account that
// muxward runs as, and we may be root: so no link is followed, and nothing is written to but
// a file with this one name that is ours or theirs.
func openOwn(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, err
	}
	var st, dir unix.Stat_t
	err = errors.Join(unix.Fstat(int(f.Fd()), &st), unix.Lstat(filepath.Dir(path), &dir))
	if err == nil && (st.Mode&unix.S_IFMT != unix.S_IFREG || st.Nlink != 1 || st.Uid != uint32(os.Geteuid()) && st.Uid != dir.Uid) {
		err = fmt.Errorf("%s is no file of ours with one name; look at what it is, and move it away", path)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// write adds a line, and returns when the disk has it.
func (j *journal) write(d sockets.Done) error {
	line, err := json.Marshal(d)
	if err == nil && j.torn {
		line = append([]byte{'\n'}, line...) // a disk was full: the rest of that line never came
	}
	if err == nil {
		_, err = j.Write(append(line, '\n'))
		j.torn = err != nil
	}
	if err == nil {
		err = j.Sync()
	}
	if err != nil {
		return journalError{fmt.Errorf("stopped, as what is done cannot be written down: %w", err)}
	}
	return nil
}

// report has the muxward that serves from our state directory, if one does, put into
// its log what was done or tried.
func (j *journal) report(ctx context.Context, d sockets.Done) {
	if d.Outcome == sockets.Left {
		return // nothing was done
	}
	at, err := config.FindServing(j.state)
	if err == nil {
		// What was done is told, also by who is to end.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTime)
		defer cancel()
		err = mendedCall(d).Do(ctx, at.Ctl, nil)
	}
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist) {
		return // there is none
	}
	if err != nil {
		j.lost = append(j.lost, fmt.Errorf("%s %s: %w", d.ID, d.Path, err))
	}
}

// unreported gives what is missing in muxward's log, once.
func (j *journal) unreported() error {
	lost := j.lost
	j.lost = nil
	if len(lost) == 0 {
		return nil
	}
	return fmt.Errorf("%d things that were done are not in muxward's log, only in %s: %w", len(lost), j.Name(), lost[0])
}

// mendedCall tells a muxward what was done.
func mendedCall(d sockets.Done) ctld.Call {
	words := []string{d.ID, strconv.FormatUint(uint64(d.UID), 10), d.Path.String(), string(d.Outcome)}
	if d.To != "" {
		words = append(words, "to", d.To.String())
	}
	if d.Mode != nil {
		words = append(words, "mode was", d.Mode.String())
	}
	if d.Reason != "" {
		words = append(words, d.Reason)
	}
	return ctld.Call{Act: "mended", Argv: words}
}
