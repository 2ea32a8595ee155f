package ctld

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// queueTime is the longest that a client waits for its turn at the door.
const queueTime = 10 * time.Second

// dial connects to the door at a path. Where as many wait there as may, who does not block is sent away at
// once (connect(2), EAGAIN), as Go's sockets do; those who block are let in in the order in which they
// came. So whoever floods the door keeps nobody out by that.
func dial(ctx context.Context, path string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	if !errors.Is(err, unix.EAGAIN) {
		return conn, err
	}
	return queue(ctx, path)
}

// queue has somebody wait for their turn, until ctx ends.
func queue(ctx context.Context, path string) (net.Conn, error) {
	type dialed struct {
		conn net.Conn
		err  error
	}
	end := time.Now().Add(queueTime)
	if limit, ok := ctx.Deadline(); ok && limit.Before(end) {
		end = limit
	}
	done := make(chan dialed, 1)
	go func() {
		conn, err := inTurn(path, end)
		done <- dialed{conn, err}
	}()
	select {
	case it := <-done:
		return it.conn, it.err
	case <-ctx.Done():
		go func() {
			if it := <-done; it.err == nil {
				_ = it.conn.Close()
			}
		}()
		return nil, fmt.Errorf("%w: %w", os.NewSyscallError("connect", unix.EAGAIN), context.Cause(ctx))
	}
}

// inTurn waits for its turn, until end.
func inTurn(path string, end time.Time) (net.Conn, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	for {
		left := time.Until(end)
		if left <= 0 {
			return nil, os.NewSyscallError("connect", unix.EAGAIN)
		}
		limit := unix.NsecToTimeval(left.Nanoseconds())
		if limit.Sec == 0 && limit.Usec == 0 {
			limit.Usec = 1 // none would be without end
		}
		if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit); err != nil {
			return nil, os.NewSyscallError("setsockopt", err)
		}
		switch err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); {
		case err == nil:
			return net.FileConn(f)
		case errors.Is(err, unix.EINTR):
		default:
			return nil, os.NewSyscallError("connect", err)
		}
	}
}
