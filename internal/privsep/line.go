package privsep

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/passed"
)

// sendTime is how long the other side may take to read.
const sendTime = 10 * time.Second

// Line is one end of the pair of sockets. One goroutine may read and one write
// at a time.
type Line struct{ conn *net.UnixConn }

// NewPair makes both ends: one for us, and one to be given to a child.
func NewPair() (ours *Line, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make a pair of sockets: %w", err)
	}
	theirs = os.NewFile(uintptr(fds[1]), "line")
	ours, err = newLine(fds[0])
	if err != nil {
		return nil, nil, errors.Join(err, theirs.Close())
	}
	return ours, theirs, nil
}

// OpenLine takes the end that this process was given as a descriptor. It has
// to be one of such a pair, and whoever made it has to have been uid: the
// kernel wrote that down then.
func OpenLine(fd int, uid uint32) (*Line, error) {
	unix.CloseOnExec(fd)
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil || kind != unix.SOCK_SEQPACKET {
		return nil, fmt.Errorf("descriptor %d is no line to muxward-helper; start muxward-helper, which starts muxward", fd)
	}
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return nil, fmt.Errorf("ask whose the line is: %w", err)
	}
	if cred.Uid != uid {
		return nil, fmt.Errorf("the line on descriptor %d was made by uid %d, not %d", fd, cred.Uid, uid)
	}
	return newLine(fd)
}

func newLine(fd int) (*Line, error) {
	f := os.NewFile(uintptr(fd), "line")
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("open the line: %w", err)
	}
	unixConn, ok := conn.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(errors.New("the line is no unix socket"), conn.Close())
	}
	// A packet is sent whole or not at all, and waits for room.
	if err := unixConn.SetWriteBuffer(2 * MaxPacket); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &Line{unixConn}, nil
}

// Close closes this end. The other side reads the end.
func (l *Line) Close() error { return l.conn.Close() }

// Send sends one packet, with copies of descriptors.
func (l *Line) Send(data []byte, files ...*os.File) error {
	if len(files) > maxFiles {
		return fmt.Errorf("%d descriptors are too many for one packet", len(files))
	}
	if err := l.conn.SetWriteDeadline(time.Now().Add(sendTime)); err != nil {
		return err
	}
	_, _, err := l.conn.WriteMsgUnix(data, passed.Rights(files), nil)
	return err
}

// Receive reads one packet that may have no descriptors: any is an error, and
// none is taken in. The packet's bytes are good until the next call.
func (l *Line) Receive(buf []byte) (Packet, error) {
	// Without room for them the kernel closes descriptors, and says so.
	n, _, flags, _, err := l.conn.ReadMsgUnix(buf, nil)
	if err != nil {
		return Packet{}, err
	}
	if flags&unix.MSG_CTRUNC != 0 {
		return Packet{}, fmt.Errorf("%w: it has descriptors", ErrPacket)
	}
	return whole(buf, n, flags)
}

// ReceiveFiles reads one packet with its descriptors, which are the caller's
// then, also those of a packet that is refused for another reason.
func (l *Line) ReceiveFiles(buf []byte) (Packet, []*os.File, error) {
	room := make([]byte, unix.CmsgSpace(4*maxFiles))
	n, rn, flags, _, err := l.conn.ReadMsgUnix(buf, room)
	if err != nil {
		return Packet{}, nil, err
	}
	files, err := passed.Files(room[:rn], "given")
	switch {
	case err != nil:
		err = fmt.Errorf("%w: it has something else beside descriptors (%w)", ErrPacket, err)
	case flags&unix.MSG_CTRUNC != 0:
		err = fmt.Errorf("%w: it has more than %d descriptors", ErrPacket, maxFiles)
	}
	if err != nil {
		return Packet{}, files, err
	}
	p, err := whole(buf, n, flags)
	return p, files, err
}

func whole(buf []byte, n, flags int) (Packet, error) {
	if n == 0 {
		return Packet{}, io.EOF
	}
	if flags&unix.MSG_TRUNC != 0 {
		return Packet{}, fmt.Errorf("%w: it has more than %d bytes", ErrPacket, len(buf))
	}
	return Unpack(buf[:n])
}
