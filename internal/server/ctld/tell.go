package ctld

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/gateway"
)

// mostTries is how often something is found out that is told, where rights change meanwhile.
const mostTries = 3

var (
	// errAnswered is in the place of an answer that has been written, or that nobody hears any more.
	errAnswered = errors.New("it is answered")
	// errKept is what is said where the answer was kept back each time.
	errKept = errors.New("rights have changed meanwhile; ask again")
	// errKeptDone is that of what has done something and is not asked again.
	errKeptDone = errors.New("rights have changed meanwhile, and what came of it is kept back; it may have been done: look before you ask again")
)

// tell writes an answer as its gate lets it. With errKept, or errKeptDone, nothing of it was written.
func tell(ctx context.Context, conn *net.UnixConn, r gateway.Result) error {
	value, err := json.Marshal(r.Value)
	if err != nil {
		return err
	}
	data, err := json.Marshal(Answer{Value: value})
	if err != nil {
		return err
	}
	_ = conn.SetDeadline(time.Now().Add(readTime))
	if ctx.Err() != nil { // behind the deadline: whoever has the connection by now is not heard
		return errAnswered
	}
	err = pass(conn, append(data, '\n'), r.Gate)
	if r.Done && errors.Is(err, errKept) {
		return errKeptDone
	}
	return err
}

// pass writes as gate lets it. Whoever takes a right away waits for nobody who does not read: what
// there is no room for waits outside of the gate, and is dropped with the connection where
// that does not open again.
func pass(conn *net.UnixConn, data []byte, gate gateway.Gate) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	for begun := false; len(data) > 0; begun = true {
		n := 0
		var failed, werr error
		kept := gate(func() error {
			failed = raw.Write(func(fd uintptr) bool {
				n, werr = unix.Write(int(fd), data)
				return true
			})
			return nil
		})
		switch {
		case kept != nil && !begun:
			return errKept
		case kept != nil, failed != nil:
			return errAnswered
		case werr == nil:
			data = data[n:]
		case !errors.Is(werr, unix.EAGAIN) && !errors.Is(werr, unix.EINTR):
			return errAnswered
		case raw.Write(writable) != nil:
			return errAnswered
		}
	}
	return errAnswered
}

// writable reports whether there is room to write. It is asked anew when there may be.
func writable(fd uintptr) bool {
	at := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	n, err := unix.Poll(at, 0)
	return n > 0 || err != nil
}
