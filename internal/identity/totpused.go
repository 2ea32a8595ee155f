package identity

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// lastUsed gives the step of the last code that a person used, 0 if there was none. Where
// that cannot be told, no code is taken that can have been used: it is another.
func lastUsed(path string, other uint64) uint64 {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	if err != nil {
		return other
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, 64))
	if err != nil {
		return other
	}
	text, whole := strings.CutSuffix(string(data), "\n")
	step, err := strconv.ParseUint(text, 10, 64)
	if err != nil || !whole || len(text) != usedDigits {
		return other
	}
	return step
}

// usedDigits is the length of the number in a file: all are as long, so that one is
// written over another.
const usedDigits = 20

// keepUsed writes the step of a code before it is taken. When it has returned that is
// there after a power cut, too. What is half written is told by [lastUsed].
func keepUsed(path string, step uint64) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(fmt.Appendf(nil, "%0*d\n", usedDigits, step), 0)
	if err = errors.Join(err, f.Truncate(usedDigits+1), f.Sync(), f.Close()); err != nil {
		return err
	}
	// Each time: whether an earlier one got so far is not known.
	return errors.Join(syncDir(dir), syncDir(filepath.Dir(dir)))
}

// syncDir has what a directory names be there after a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
