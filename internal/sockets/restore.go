package sockets

import (
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// RestoreID is what takes the place of a finding's id where something is put back.
const RestoreID = "restore"

// Restoring gives the step that puts a socket back from the quarantine, if its
// place is free then.
func Restoring(path string) (Step, error) {
	if err := refuseSetuid(); err != nil {
		return Step{}, err
	}
	away, name := filepath.Split(filepath.Clean(path))
	away = filepath.Clean(away)
	i := len(name) - suffixLen - 1
	if filepath.Base(away) != quarantine || i <= 0 || name[i] != '.' || name[:i] == "." || name[:i] == ".." || !filepath.IsAbs(path) {
		return Step{}, fmt.Errorf("%s is no socket that was moved away: they are in %s", Path(path), quarantine)
	}
	dir := Path(filepath.Dir(away))
	from := Path(filepath.Join(away, name))
	st, err := lstatSoon(string(from), defaultPatience)
	if err != nil {
		return Step{}, fmt.Errorf("look at %s: %w", from, err)
	}
	f := fileOf(st)
	if f.Kind != "socket" {
		return Step{}, fmt.Errorf("put %s back: it is a %s", from, f.Kind)
	}
	back := dir + "/" + Path(name[:i])
	a := &act{do: putBack, dir: dir, name: name, file: f}
	return Step{Finding: Finding{ID: RestoreID, Path: from, UID: f.UID, act: a}, What: fmt.Sprintf("move %s back to %s", from, back), To: back}, nil
}

// lstatSoon is lstat, which waits no longer than that for an answer.
func lstatSoon(path string, patience time.Duration) (unix.Stat_t, error) {
	type answer struct {
		st  unix.Stat_t
		err error
	}
	answers := make(chan answer, 1)
	go func() {
		var a answer
		a.err = unix.Lstat(path, &a.st)
		answers <- a
	}()
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case a := <-answers:
		return a.st, a.err
	case <-late.C:
		return unix.Stat_t{}, fmt.Errorf("no answer from its file system within %s", patience)
	}
}

// putBack moves a socket from the quarantine to where it was, if that is free.
func (e errand) putBack() error {
	dir, err := openOwn(e.Dir, e.UID)
	if err != nil {
		return err
	}
	defer dir.Close()
	from, err := openDir(filepath.Dir(string(e.Path)), unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer from.Close()
	moved := string(e.Name)
	pin, err := hold(from, moved, e.File)
	if err != nil {
		return err
	}
	defer pin.Close()
	return move(from, moved, dir, moved[:len(moved)-suffixLen-1]) // Restoring has looked at it
}
