package hostconf

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
)

// Wish gives what a host should have, where that hangs on what it has. Apply asks for it
// while nobody else can begin, and after what was broken off has been taken back; and once
// more when all is in its place: what has come up meanwhile is not overlooked.
type Wish func(v *View) (State, error)

// Just is the wish for a state that does not hang on how the host is.
func Just(s State) Wish { return func(*View) (State, error) { return s, nil } }

// View is a host as a [Wish] sees it. It follows no symlink.
type View struct {
	h    *host
	l    *ledger
	seen map[string]fact // what was said of a path, which a plan finds again
	not  string          // the path that could not be looked at last, as others can change what is there
}

// Seen is a file as a View has found it.
type Seen struct {
	Content      string
	Owner, Group string // as numbers
	Mode         uint32
}

// Made gives what is on the host by an apply of a set, as it was asked for.
func (v *View) Made(set string) []Item { return v.l.of(set) }

func (v *View) look(path string) (fact, error) {
	f, err := v.h.tree.look(path)
	if err == nil {
		v.seen[path] = f
	}
	return f, v.refusal(path, err)
}

// refusal notes what could not be looked at. A plan that is made of it is blocked, and says why.
func (v *View) refusal(path string, err error) error {
	var r refused
	if errors.As(err, &r) {
		v.not = path
	}
	return err
}

// There reports whether there is anything at a path.
func (v *View) There(path string) (bool, error) {
	f, err := v.look(path)
	return f.there(), err
}

// File reads a regular file. What is none is not there; what lies where others can put another in
// its place is an error, with which the plan is blocked.
func (v *View) File(path string) (Seen, bool, error) {
	f, err := v.look(path)
	if err != nil || f.Kind != File {
		return Seen{}, false, err
	}
	if f.odd != "" {
		return Seen{}, false, fmt.Errorf("%s: %s", v.h.tree.full(path), f.odd)
	}
	id := func(n uint32) string { return strconv.FormatUint(uint64(n), 10) }
	return Seen{Content: string(f.content), Owner: id(f.UID), Group: id(f.GID), Mode: f.Mode}, true, nil
}

// Directory says whose a directory is, if it is there.
func (v *View) Directory(path string) (uid, gid uint32, is bool, err error) {
	f, err := v.look(path)
	if err != nil || f.Kind != Directory {
		return 0, 0, false, err
	}
	return f.UID, f.GID, true, nil
}

// UID gives the number of an account of the host.
func (v *View) UID(name string) (uint32, bool) {
	a, ok := v.h.names.byName[name]
	return a.uid, ok
}

// Names are those in a directory, at most a number of them; none if it is not there.
func (v *View) Names(path string, most int) ([]string, error) {
	names, err := v.h.tree.list(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, v.refusal(path, err)
	case len(names) > most:
		return nil, fmt.Errorf("%s: more than %d files", v.h.tree.full(path), most)
	}
	return names, nil
}

// Trusted makes sure that all that is in a directory is there by nobody else than root and the
// caller: its files and directories are theirs, none can be written by others, and there is no
// symlink, and nothing else.
func (v *View) Trusted(dir string) error {
	f, err := v.h.tree.look(dir)
	if err != nil || !f.there() {
		return err
	}
	at := v.h.tree.full(dir)
	switch {
	case f.Kind != File && f.Kind != Directory:
		return refused{fmt.Errorf("%s is neither a file nor a directory: look at what it is, and move it away", at)}
	case v.h.open(f, 0):
		return refused{fmt.Errorf("%s (%04o %s) may have been written by others than those whose word counts: look at it, then chown root and chmod go-w, or move it away",
			at, f.Mode, v.h.names.nameOf(f.UID))}
	case f.Kind == File:
		return nil
	}
	names, err := v.h.tree.list(dir)
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := v.Trusted(path.Join(dir, n)); err != nil {
			return err
		}
	}
	return nil
}

// HasGroup reports whether the host has a group.
func (v *View) HasGroup(name string) bool {
	_, ok := v.h.names.groups[name]
	return ok
}

// of gives what is on the host by a set.
func (l *ledger) of(set string) (out []Item) {
	for _, m := range l.Made {
		if m.Set == set && !m.Way {
			out = append(out, m.Item)
		}
	}
	return out
}
