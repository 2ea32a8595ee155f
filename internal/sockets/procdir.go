package sockets

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/procfs"
)

// procDir is a process, held by its directory in /proc. It stays that process: when it
// has ended, everything fails, whoever has its number by then.
type procDir struct {
	fd  int
	buf []byte // what is read goes there, as far as there is room
}

// procRoom is room for what most processes have to say.
const procRoom = 8 << 10

func openProc(root string, pid int, buf []byte) (procDir, error) {
	fd, err := unix.Open(root+"/"+strconv.Itoa(pid), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	return procDir{fd, buf}, err
}

func (d procDir) close() { _ = unix.Close(d.fd) }

// read reads a small file of the process. What it gives stays until the next one is read.
func (d procDir) read(name string, limit int) ([]byte, error) {
	fd, err := unix.Openat(d.fd, name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	defer unix.Close(fd)
	if len(d.buf) > 0 {
		// These files give all at once: what does not fill the room is the whole.
		n, err := unix.Read(fd, d.buf[:min(len(d.buf), limit)])
		if err == nil && n < min(len(d.buf), limit) {
			return d.buf[:n], nil
		}
		if _, err := unix.Seek(fd, 0, io.SeekStart); err != nil {
			return nil, &os.PathError{Op: "read", Path: name, Err: err}
		}
	}
	return readAll(d.buf, fd, name, limit)
}

// link reads a link, as far as it is not longer than a path can be.
func (d procDir) link(name string) (string, error) {
	var buf [unix.PathMax]byte
	n, err := unix.Readlinkat(d.fd, name, buf[:])
	if err != nil {
		return "", &os.PathError{Op: "readlink", Path: name, Err: err}
	}
	return string(buf[:n]), nil
}

// stat reads the process's own line.
func (d procDir) stat() (procfs.Stat, error) {
	data, err := d.read("stat", 4096)
	if err != nil {
		return procfs.Stat{}, err
	}
	return procfs.ParseStat(data)
}

// owner is whose the directory is: the process's account, or root if the process is not
// for that account to look into.
func (d procDir) owner() (uint32, error) {
	var st unix.Stat_t
	err := unix.Fstatat(d.fd, "", &st, unix.AT_EMPTY_PATH)
	return st.Uid, err
}

// firm reports whether the file that a link of the process leads to is one that only root
// changes, and that gives nobody rights who runs it.
func (d procDir) firm(name string) bool {
	var st unix.Stat_t
	if unix.Fstatat(d.fd, name, &st, 0) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return false
	}
	return st.Uid == 0 && st.Mode&(unix.S_ISUID|unix.S_ISGID|0o002) == 0 && (st.Mode&0o020 == 0 || st.Gid == 0)
}

// atSecure is the number of the word that says that a program got more rights as it
// began than who started it had.
const atSecure = 23

// image is whose a process is for who looks into it, and what the kernel gave to the
// program that it runs: addresses that are others for each start of a program.
type image struct {
	owner uint32
	auxv  string
}

func (d procDir) image() (image, error) {
	owner, err := d.owner()
	auxv, bad := d.read("auxv", maxProcFile)
	return image{owner, string(auxv)}, errors.Join(err, bad)
}

// borrowed reports whether a process has its rights from its program, and its
// environment from somebody who has less. What cannot be read may be so.
func (d procDir) borrowed() bool {
	data, err := d.read("auxv", maxProcFile)
	if err != nil {
		return true
	}
	const word = strconv.IntSize / 8
	ne := binary.NativeEndian
	for ; len(data) >= 2*word; data = data[2*word:] {
		if word == 8 && ne.Uint64(data) == atSecure {
			return ne.Uint64(data[word:]) != 0
		}
		if word == 4 && ne.Uint32(data) == atSecure {
			return ne.Uint32(data[word:]) != 0
		}
	}
	return true
}
