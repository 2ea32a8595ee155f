package wire

import (
	"fmt"
	"os"

	"github.com/muxward/muxward/internal/passed"
)

// FD is a descriptor with one owner: whoever holds the FD closes it, or hands
// it on with [FD.Take] or [FD.File]. It is not safe for use by two goroutines
// at once. A nil FD is a closed one.
type FD struct {
	n int // -1 when closed or taken
}

// NewFD makes the caller's descriptor fd an FD, which owns it from now on.
func NewFD(fd int) *FD { return &FD{n: fd} }

// DupFD returns an FD of its own, close-on-exec, for the file behind f; f
// stays the caller's.
func DupFD(f *os.File) (*FD, error) {
	n, err := passed.Copy(f)
	if err != nil {
		return nil, fmt.Errorf("duplicate %s: %w", f.Name(), err)
	}
	return &FD{n: n}, nil
}

// Int returns the descriptor's number without giving it away, -1 if there is
// none any more.
func (f *FD) Int() int {
	if f == nil {
		return -1
	}
	return f.n
}

// Take returns the descriptor's number and the duty to close it; the FD is
// empty from then on.
func (f *FD) Take() int {
	if f == nil {
		return -1
	}
	n := f.n
	f.n = -1
	return n
}

// File moves the descriptor into an os.File. Set it non-blocking before (see
// unix.SetNonblock) if the file is to honour deadlines; that flag is shared
// with the process the descriptor came from. It returns nil if the FD is empty.
func (f *FD) File(name string) *os.File {
	n := f.Take()
	if n < 0 {
		return nil
	}
	return os.NewFile(uintptr(n), name)
}

// Close closes the descriptor if it is still here. It may be called again. Where somebody else's file
// system hangs, it does as well.
func (f *FD) Close() error {
	if n := f.Take(); n >= 0 {
		passed.Shut(n)
	}
	return nil
}
