//go:build race

package attach

import "golang.org/x/sys/unix"

// ReadAtOnce and WriteAtOnce tell the race detector what comes before what, as tests that
// type and look at what has come rely on.
func ReadAtOnce(fd int, p []byte) (int, error) { return unix.Read(fd, p) }

// WriteAtOnce is [ReadAtOnce] the other way.
func WriteAtOnce(fd int, p []byte) (int, error) { return unix.Write(fd, p) }
