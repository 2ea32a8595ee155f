package sockets

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// States of a Unix socket, which the kernel calls by TCP's names.
const (
	stateEstablished = 1
	stateListen      = 10
)

// entry is one socket of the kernel's list.
type entry struct {
	inode   uint64 // of the socket itself, as in /proc/PID/fd
	typ     uint8
	state   uint8
	name    string // as bound; abstract names begin with NUL
	hasFile bool
	dev     uint64 // of the file: major and minor as the kernel has them inside
	ino     uint32 // of the file: its lower half
	peer    uint64
	pending uint32 // of a listening one: connections not accepted yet
	uid     uint32
	hasUID  bool
}

// Attributes of sock_diag(7) and what asks for them.
const (
	attrName  = 0
	attrFile  = 1
	attrPeer  = 2
	attrQueue = 4
	attrUID   = 7

	showName  = 1 << 0
	showFile  = 1 << 1
	showPeer  = 1 << 2
	showQueue = 1 << 4
	showUID   = 1 << 6

	sizeHeader  = 16 // struct nlmsghdr
	sizeRequest = 24 // struct unix_diag_req
	sizeSocket  = 16 // struct unix_diag_msg

	maxList  = 1 << 20 // sockets
	listTime = 2 * time.Second
)

// kernelDev is a device number as sock_diag tells it.
func kernelDev(dev uint64) uint64 {
	return uint64(unix.Major(dev))<<20 | uint64(unix.Minor(dev))
}

// diagSockets asks the kernel for all Unix sockets of this network namespace.
func diagSockets() ([]entry, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, fmt.Errorf("ask the kernel for its sockets: %w", err)
	}
	defer unix.Close(fd)
	tv := unix.NsecToTimeval(listTime.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		return nil, fmt.Errorf("ask the kernel for its sockets: %w", err)
	}
	req := make([]byte, sizeHeader+sizeRequest)
	ne := binary.NativeEndian
	ne.PutUint32(req, uint32(len(req)))
	ne.PutUint16(req[4:], unix.SOCK_DIAG_BY_FAMILY)
	ne.PutUint16(req[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	req[sizeHeader] = unix.AF_UNIX
	ne.PutUint32(req[sizeHeader+4:], ^uint32(0)) // every state
	ne.PutUint32(req[sizeHeader+12:], showName|showFile|showPeer|showQueue|showUID)
	if err := unix.Sendto(fd, req, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, fmt.Errorf("ask the kernel for its sockets: %w", err)
	}
	return receiveSockets(fd)
}

func receiveSockets(fd int) ([]entry, error) {
	var all []entry
	buf := make([]byte, 64<<10)
	for end := time.Now().Add(listTime); time.Now().Before(end); {
		n, from, err := unix.Recvfrom(fd, buf, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("the kernel's list of sockets: %w", err)
		}
		if nl, ok := from.(*unix.SockaddrNetlink); !ok || nl.Pid != 0 {
			continue // not from the kernel
		}
		var done bool
		if all, done, err = parseDiag(all, buf[:n]); err != nil {
			return nil, err
		}
		if done {
			return all, nil
		}
		if len(all) > maxList {
			return nil, fmt.Errorf("the kernel lists more than %d sockets", maxList)
		}
	}
	return nil, errors.New("the kernel's list of sockets takes too long")
}

// parseDiag adds what one datagram of an answer says to a list; done says that it was the
// last.
func parseDiag(list []entry, data []byte) (_ []entry, done bool, err error) {
	ne := binary.NativeEndian
	for len(data) >= sizeHeader {
		size := int(ne.Uint32(data))
		if size < sizeHeader || size > len(data) {
			return nil, false, fmt.Errorf("the kernel's list of sockets: a message of %d bytes in %d", size, len(data))
		}
		body := data[sizeHeader:size]
		switch ne.Uint16(data[4:]) {
		case unix.NLMSG_DONE:
			// The list is whole only if what ends it says so.
			if len(body) >= 4 && ne.Uint32(body) != 0 {
				return nil, false, fmt.Errorf("the kernel's list of sockets ends early: %w", unix.Errno(-int32(ne.Uint32(body))))
			}
			return list, true, nil
		case unix.NLMSG_ERROR:
			if len(body) < 4 {
				return nil, false, errors.New("the kernel's list of sockets: an error that says nothing")
			}
			return nil, false, fmt.Errorf("the kernel's list of sockets: %w", unix.Errno(-int32(ne.Uint32(body))))
		case unix.SOCK_DIAG_BY_FAMILY:
			if e, ok := parseEntry(body); ok {
				if len(list) == cap(list) {
					list = slices.Grow(list, len(list)+256)
				}
				list = append(list, e)
			}
		}
		data = data[min(align(size), len(data)):]
	}
	return list, false, nil
}

func align(n int) int { return (n + 3) &^ 3 }

func parseEntry(b []byte) (entry, bool) {
	ne := binary.NativeEndian
	if len(b) < sizeSocket || b[0] != unix.AF_UNIX {
		return entry{}, false
	}
	e := entry{typ: b[1], state: b[2], inode: uint64(ne.Uint32(b[4:]))}
	for b = b[sizeSocket:]; len(b) >= 4; {
		size := int(ne.Uint16(b))
		if size < 4 || size > len(b) {
			return entry{}, false
		}
		v := b[4:size]
		switch kind := ne.Uint16(b[2:]); {
		case kind == attrName:
			e.name = socketName(v)
		case kind == attrFile && len(v) >= 8:
			e.ino, e.dev, e.hasFile = ne.Uint32(v), uint64(ne.Uint32(v[4:])), true
		case kind == attrPeer && len(v) >= 4:
			e.peer = uint64(ne.Uint32(v))
		case kind == attrQueue && len(v) >= 4:
			e.pending = ne.Uint32(v)
		case kind == attrUID && len(v) >= 4:
			e.uid, e.hasUID = ne.Uint32(v), true
		}
		b = b[min(align(size), len(b)):]
	}
	return e, true
}

// socketName cuts a path at its NUL; an abstract name begins with one.
func socketName(b []byte) string {
	if len(b) == 0 || b[0] == 0 {
		return string(b)
	}
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}
