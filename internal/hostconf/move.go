package hostconf

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/teeth"
)

// A file is never changed where it lies: another one is made beside it and takes its
// place. So no other name of it, a hard link that somebody has made, is changed along, and
// who reads it has the old one or the new one, whole.

// stage makes what a step is to move, beside its place. There may be nothing to make.
func (h *host) stage(st *step) error {
	dir, _, err := h.tree.parent(st.Item.Path)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := h.clear(dir, st); err != nil {
		return err
	}
	switch st.After.Kind {
	case File:
		return h.stageFile(dir, st)
	case Link:
		err := unix.Symlinkat(st.After.Target, int(dir.Fd()), st.Temp)
		if err == nil && !h.opt.NoOwners {
			err = unix.Fchownat(int(dir.Fd()), st.Temp, int(st.After.UID), int(st.After.GID), unix.AT_SYMLINK_NOFOLLOW)
		}
		if err != nil {
			return fmt.Errorf("make a symlink in %s: %w", dir.Name(), err)
		}
	}
	return nil
}

// beginning ends the name of a file that is not whole yet.
const beginning = "new"

func (h *host) stageFile(dir *os.File, st *step) error {
	part := st.Temp + beginning
	f, err := createAt(dir, part)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err = f.Write(st.content); err == nil {
		h.step("dress " + st.Item.key())
		err = h.dress(f, st.After)
	}
	if err == nil && st.After.MTime != 0 {
		at := unix.NsecToTimeval(st.After.MTime)
		err = unix.Futimes(int(f.Fd()), []unix.Timeval{at, at})
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = rename(int(dir.Fd()), part, st.Temp, unix.RENAME_NOREPLACE)
	}
	return named("write", f.Name(), err)
}

// named says of an error what it is about, unless it does so itself.
func named(what, path string, err error) error {
	var p *os.PathError
	if err == nil || errors.As(err, &p) {
		return err
	}
	return fmt.Errorf("%s %s: %w", what, path, err)
}

// dress gives a new file or directory its owner, its attributes and its mode, in this order:
// a change of owner takes setuid bits away, and who is not meant to sees nothing before.
func (h *host) dress(f *os.File, want fact) error {
	// What it has got from an access list for all that is made in its directory.
	if err := dropACL(f, accessACL, defaultACL); err != nil {
		return err
	}
	if !h.opt.NoOwners {
		if err := f.Chown(int(want.UID), int(want.GID)); err != nil {
			return err
		}
		h.step("dressed owner " + strings.TrimPrefix(f.Name(), h.tree.path))
	}
	if err := unix.Fchmod(int(f.Fd()), want.Mode); err != nil {
		return err
	}
	for name, value := range want.Attrs {
		err := unix.Fsetxattr(int(f.Fd()), name, value, 0)
		if err != nil && (name == accessACL || name == defaultACL) {
			return fmt.Errorf("set %s: %w", name, err) // others are no matter of rights, and may be the kernel's to set
		}
	}
	return nil
}

// clear removes what somebody who was killed has left under a name of ours: what was to be put
// in its place, or what was found there and of which there is a copy. What is neither was
// somebody's until the files were exchanged: it is kept, under a name that says so.
func (h *host) clear(dir *os.File, st *step) error {
	fd, at := int(dir.Fd()), filepath.Join(dir.Name(), st.Temp)
	if err := unix.Unlinkat(fd, st.Temp+beginning, 0); err != nil && err != unix.ENOENT {
		return fmt.Errorf("remove %s%s, which was left behind: %w", at, beginning, err)
	}
	f, err := h.tree.factAt(dir, st.Temp, at)
	if err != nil || !f.there() {
		return err
	}
	if !h.known(f, st) {
		kept, err := keep(fd, st.Temp)
		if err != nil {
			return fmt.Errorf("%s is neither ours nor what was found before, and cannot be called %s: %w; look at it, and move it away", at, kept, err)
		}
		h.kept = append(h.kept, Change{Item: Item{ID: st.Item.ID, Kind: st.Item.Kind, Path: filepath.Join(filepath.Dir(st.Item.Path), kept), Why: st.Item.Why},
			Do: Keep, Reason: "somebody had changed " + st.Item.Path + " meanwhile: this is what it was then"})
		return dir.Sync()
	}
	flag := 0
	if f.Kind == Directory {
		flag = unix.AT_REMOVEDIR
	}
	if err := unix.Unlinkat(fd, st.Temp, flag); err != nil && err != unix.ENOENT {
		return fmt.Errorf("remove %s, which was left behind: %w", at, err)
	}
	return nil
}

// maxKept is how many are kept under one name: the numbers of applies begin again once all is
// forgotten.
const maxKept = 1000

// keep renames what somebody has written, and gives the name: one that ends as that of an old
// copy does, which most programs do not read.
func keep(dir int, temp string) (kept string, err error) {
	base := strings.TrimSuffix(strings.TrimPrefix(temp, "."), "~") + "-kept"
	for n := 1; n <= maxKept; n++ {
		if kept = base + "~"; n > 1 {
			kept = fmt.Sprintf("%s%d~", base, n)
		}
		if err = rename(dir, temp, kept, unix.RENAME_NOREPLACE); err != unix.EEXIST {
			break
		}
	}
	return kept, err
}

// known reports whether what lies under the name of a step was made for it, or is what the step
// found.
func (h *host) known(f fact, st *step) bool {
	if f.Kind == Directory {
		return st.Item.Kind == Directory // removed only if it is empty
	}
	return f.Kind != other && slices.ContainsFunc([]fact{st.Before, st.After}, func(is fact) bool {
		return f.Kind == is.Kind && f.Sum == is.Sum && f.Target == is.Target
	})
}

// errMeanwhile is the error of what changes while we are at work.
var errMeanwhile = errors.New("somebody has changed it meanwhile")

// move puts a file, a symlink, or nothing in the place of what was found there; and only of
// that: of something else it keeps its hands off.
func (h *host) move(st *step) error {
	dir, name, err := h.tree.parent(st.Item.Path)
	if err != nil {
		return err
	}
	defer dir.Close()
	fd := int(dir.Fd())
	path := h.tree.full(st.Item.Path)
	switch {
	case !st.After.there() && !st.Before.there():
		return nil
	case !st.Before.there():
		err = rename(fd, st.Temp, name, unix.RENAME_NOREPLACE)
		if err == unix.EEXIST {
			err = errMeanwhile
		}
	case !st.After.there():
		if err = rename(fd, name, st.Temp, unix.RENAME_NOREPLACE); err == nil {
			err = h.settle(dir, name, st, unix.RENAME_NOREPLACE)
		}
	default:
		if err = rename(fd, st.Temp, name, unix.RENAME_EXCHANGE); err == nil {
			err = h.settle(dir, name, st, unix.RENAME_EXCHANGE)
		}
	}
	if err == nil {
		h.step("moved " + st.Item.key())
		err = dir.Sync()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// settle looks at what has come out of its place. If it is what was found before, and of
// which there is a copy, it is removed; else it goes back.
func (h *host) settle(dir *os.File, name string, st *step, flag uint) error {
	h.step("settle " + st.Item.key())
	out, err := h.tree.factAt(dir, st.Temp, dir.Name()+"/"+st.Temp)
	if err == nil && out.sameFile(st.Before) {
		return unix.Unlinkat(int(dir.Fd()), st.Temp, 0)
	}
	if err == nil {
		err = errMeanwhile
	}
	if back := rename(int(dir.Fd()), st.Temp, name, flag); back != nil {
		return fmt.Errorf("%w, and could not be put back at once: %w", err, back)
	}
	return err
}

func rename(dir int, from, to string, flag uint) error {
	err := unix.Renameat2(dir, from, dir, to, flag)
	if err == unix.EINVAL || err == unix.ENOSYS {
		return fmt.Errorf("this file system cannot exchange files at once (renameat2): %w", err)
	}
	return err
}

// makeDir makes a directory under another name, and then has it at its place as it is to be.
func (h *host) makeDir(st *step) error {
	dir, name, err := h.tree.parent(st.Item.Path)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := h.clear(dir, st); err != nil {
		return err
	}
	fd := int(dir.Fd())
	if err := unix.Mkdirat(fd, st.Temp, 0o700); err != nil {
		return fmt.Errorf("make a directory in %s: %w", dir.Name(), err)
	}
	h.step("dress " + st.Item.key())
	d, err := openDirAt(dir, st.Temp, dir.Name()+"/"+st.Temp)
	if err == nil {
		err = h.dress(d, st.After)
		_ = d.Close()
	}
	if err == nil {
		h.step("dressed " + st.Item.key())
		err = rename(fd, st.Temp, name, unix.RENAME_NOREPLACE)
	}
	if err == nil {
		err = dir.Sync()
	}
	if err == unix.EEXIST {
		err = errMeanwhile
	}
	if err != nil {
		return fmt.Errorf("make %s: %w", h.tree.full(st.Item.Path), err)
	}
	return nil
}

// setDir changes owner and mode of a directory that is there.
func (h *host) setDir(path string, was, want fact) error {
	dir, name, err := h.tree.parent(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	d, err := openDirAt(dir, name, h.tree.full(path))
	if err != nil {
		return err
	}
	defer d.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(d.Fd()), &st); err != nil {
		return err
	}
	if was.ino != 0 && (st.Dev != was.dev || st.Ino != was.ino) {
		return fmt.Errorf("%s: %w", d.Name(), errMeanwhile)
	}
	// On the way from one owner to the other nobody has more than either gives.
	err = unix.Fchmod(int(d.Fd()), was.Mode&want.Mode&0o777)
	if err == nil {
		h.step("dress " + path)
		err = h.dress(d, want)
	}
	if err == nil {
		err = d.Sync()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", d.Name(), err)
	}
	return nil
}

// open reports whether others than those whose word counts could put something into a
// directory.
func (h *host) open(f fact, owner uint32) bool {
	return !h.tree.only(f, owner) && !teeth.Out(teeth.HostPath)
}

// removeDir removes an empty directory.
func (h *host) removeDir(path string) error {
	dir, name, err := h.tree.parent(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := unix.Unlinkat(int(dir.Fd()), name, unix.AT_REMOVEDIR); err != nil && err != unix.ENOENT {
		return &os.PathError{Op: "remove", Path: h.tree.full(path), Err: err}
	}
	return dir.Sync()
}

// now is a clock for what is written down.
func now() time.Time { return time.Now().UTC().Truncate(time.Second) }
