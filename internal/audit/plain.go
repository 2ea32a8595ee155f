package audit

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// openPlain opens a plain file to read. A log may lie with somebody who wants to keep others from
// reading it: a FIFO in its place would have them wait without end.
func openPlain(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: fmt.Errorf("it is no plain file, but %s", fs.FormatFileInfo(info)[:10])}
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func readPlain(path string) ([]byte, error) {
	f, err := openPlain(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// maxVerifier is longer than a public key's text is, in bytes.
const maxVerifier = 64 << 10

// StoredKey reads the text of the public key that lies beside a log, in the state directory.
func StoredKey(state string) ([]byte, error) {
	f, err := openPlain(filepath.Join(state, pubFile))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxVerifier))
}
