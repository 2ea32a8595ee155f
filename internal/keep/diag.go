package keep

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// connection is one end of a connection between Unix sockets, or one that listens or is not
// connected, as the kernel lists it.
type connection struct {
	inode uint32 // as in /proc/PID/fd
	peer  uint32 // that of the other end
	name  string // as bound: one that was accepted has its listener's
	uid   uint32 // whoever made the socket
	state byte
	queue uint32 // of one that listens: how many were not accepted yet
}

// What is asked for, and what answers it (linux/unix_diag.h, sock_diag(7)).
const (
	diagName  = 0 // attributes
	diagPeer  = 2
	diagQueue = 4
	diagUID   = 7

	showName  = 1 << 0
	showPeer  = 1 << 2
	showQueue = 1 << 4
	showUID   = 1 << 6

	diagEstablished = 1 // states, called by TCP's names
	diagListens     = 10

	sizeNetlink = 16 // struct nlmsghdr
	sizeAsked   = 24 // struct unix_diag_req
	sizeTold    = 16 // struct unix_diag_msg

	maxConnections = 1 << 20
)

// connections has the kernel list the Unix sockets in our network
// namespace. It touches no descriptor of anybody: those can be files whose owner decides
// how long closing them takes.
func connections(end time.Time) ([]connection, error) {
	all, err := askConnections(end)
	if err != nil {
		return nil, fmt.Errorf("the kernel's list of connections: %w", err)
	}
	return all, nil
}

func askConnections(end time.Time) ([]connection, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	tv := unix.NsecToTimeval(max(time.Until(end), time.Millisecond).Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		return nil, err
	}
	req := make([]byte, sizeNetlink+sizeAsked)
	ne := binary.NativeEndian
	ne.PutUint32(req, uint32(len(req)))
	ne.PutUint16(req[4:], unix.SOCK_DIAG_BY_FAMILY)
	ne.PutUint16(req[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	req[sizeNetlink] = unix.AF_UNIX
	ne.PutUint32(req[sizeNetlink+4:], ^uint32(0)) // in all states
	ne.PutUint32(req[sizeNetlink+12:], showName|showPeer|showQueue|showUID)
	if err := unix.Sendto(fd, req, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, err
	}
	var all []connection
	buf := make([]byte, 64<<10)
	for time.Now().Before(end) {
		n, from, err := unix.Recvfrom(fd, buf, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		if nl, ok := from.(*unix.SockaddrNetlink); !ok || nl.Pid != 0 {
			continue // not from the kernel
		}
		var done bool
		if all, done, err = parseConnections(all, buf[:n]); err != nil || done {
			return all, err
		}
		if len(all) > maxConnections {
			return nil, fmt.Errorf("it has more than %d", maxConnections)
		}
	}
	return nil, errors.New("it takes too long")
}

// parseConnections adds what one datagram tells; done says that it was the last.
func parseConnections(all []connection, data []byte) (_ []connection, done bool, err error) {
	ne := binary.NativeEndian
	for len(data) >= sizeNetlink {
		size := int(ne.Uint32(data))
		if size < sizeNetlink || size > len(data) {
			return nil, false, fmt.Errorf("it has a message of %d bytes in %d", size, len(data))
		}
		body := data[sizeNetlink:size]
		switch kind := ne.Uint16(data[4:]); kind {
		case unix.NLMSG_DONE, unix.NLMSG_ERROR: // either may have an error
			if len(body) >= 4 && ne.Uint32(body) != 0 {
				return nil, false, unix.Errno(-int32(ne.Uint32(body)))
			}
			if kind == unix.NLMSG_ERROR {
				return nil, false, errors.New("it has an error that says nothing")
			}
			return all, true, nil
		case unix.SOCK_DIAG_BY_FAMILY:
			if c, ok := parseConnection(body); ok {
				all = append(all, c)
			}
		}
		data = data[min((size+3)&^3, len(data)):]
	}
	return all, false, nil
}

func parseConnection(b []byte) (c connection, ok bool) {
	ne := binary.NativeEndian
	if len(b) < sizeTold || b[0] != unix.AF_UNIX {
		return connection{}, false
	}
	c.state, c.inode, c.uid = b[2], ne.Uint32(b[4:]), ^uint32(0)
	for b = b[sizeTold:]; len(b) >= 4; {
		size := int(ne.Uint16(b))
		if size < 4 || size > len(b) {
			return connection{}, false
		}
		v := b[4:size]
		switch kind := ne.Uint16(b[2:]); {
		case kind == diagName:
			c.name = string(v)
		case kind == diagPeer && len(v) >= 4:
			c.peer = ne.Uint32(v)
		case kind == diagQueue && len(v) >= 4:
			c.queue = ne.Uint32(v)
		case kind == diagUID && len(v) >= 4:
			c.uid = ne.Uint32(v)
		}
		b = b[min((size+3)&^3, len(b)):]
	}
	return c, true
}
