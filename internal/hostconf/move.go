package hostconf

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
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
	if err := h.clear(dir, st.Temp); err != nil {
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

func (h *host) stageFile(dir *os.File, st *step) error {
	f, err := createAt(dir, st.Temp)
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

// clear removes what somebody who was killed has left under a name of ours.
func (h *host) clear(dir *os.File, temp string) error {
	err := unix.Unlinkat(int(dir.Fd()), temp, 0)
	if err == unix.EISDIR || err == unix.EPERM {
		err = unix.Unlinkat(int(dir.Fd()), temp, unix.AT_REMOVEDIR)
	}
	if err != nil && err != unix.ENOENT {
		return fmt.Errorf("remove %s/%s, which was left behind: %w", dir.Name(), temp, err)
	}
	return nil
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
		return fmt.Errorf("%w, and is now at %s: %w", err, filepath.Join(dir.Name(), st.Temp), back)
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
	if err := h.clear(dir, st.Temp); err != nil {
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
