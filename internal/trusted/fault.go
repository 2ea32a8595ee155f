package trusted

import (
	"errors"
	"fmt"
)

// Why says how others could change something.
type Why int

const (
	// Owner is that it is another account's.
	Owner Why = iota + 1
	// Link is that it is a symbolic link of another account's.
	Link
	// Everybody is that everybody may write to it.
	Everybody
	// Group is that its group may, in which there are others, or nobody knows whether.
	Group
	// List is that it has an access list.
	List
	// Unknown is that it cannot be told.
	Unknown
	// Crooked is that it is a symbolic link where none is taken.
	Crooked
)

// Fault is the error of what others can change.
type Fault struct {
	Why Why
	Thing

	who    string
	groups bool // some may write
	err    error
}

// Bits are those of the mode that chmod sets.
func (f *Fault) Bits() uint32 { return f.Mode & 0o7777 }

// Open reports whether it is that others may write to it, however; else it is whose it is.
func (f *Fault) Open() bool {
	return f.Why == Everybody || f.Why == Group || f.Why == List || f.Why == Unknown
}

func (f *Fault) Error() string {
	switch f.Why {
	case Owner:
		return fmt.Sprintf("%s belongs to uid %d, not to %s: chown it", f.At, f.UID, f.who)
	case Link:
		return fmt.Sprintf("%s is a symbolic link of uid %d's, not of %s: name what it leads to", f.At, f.UID, f.who)
	case Group:
		if f.groups {
			return fmt.Sprintf("%s may be written by others, in its group (gid %d, mode %04o), which is not one account's alone by /etc/passwd, /etc/group and /etc/gshadow: chmod g-w %[1]s", f.At, f.GID, f.Bits())
		}
	case List:
		return fmt.Sprintf("%s may be written by others, by its access list: see getfacl %[1]s", f.At)
	case Unknown:
		return fmt.Sprintf("%s: it cannot be told whether others may write to it: %v", f.At, f.err)
	case Crooked:
		return f.At + " is a symbolic link, and none is followed: name what it leads to"
	}
	return fmt.Sprintf("%s may be written by others (mode %04o): chmod go-w %[1]s", f.At, f.Bits())
}

// Unwrap gives why it cannot be told.
func (f *Fault) Unwrap() error { return f.err }

// Said gives an error in the caller's words, if it is a [Fault]. A caller that has none for it gives nil.
func Said(err error, words func(*Fault) error) error {
	if f := (*Fault)(nil); errors.As(err, &f) {
		if own := words(f); own != nil {
			return own
		}
	}
	return err
}
