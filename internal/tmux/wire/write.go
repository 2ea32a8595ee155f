package wire

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// WriteMsg sends messages in order and together: in one system call if none
// carries a descriptor, else in one more for each descriptor. It waits until
// the kernel has taken them or ctx ends. If that is in the middle of a message
// the connection is closed, because the other end could not find the next one.
//
// The FD of an [*IdentifyStdin] or [*IdentifyStdout] stays the caller's.
func (c *Conn) WriteMsg(ctx context.Context, ms ...Message) error {
	if err := c.lockWrite(ctx); err != nil {
		return err
	}
	defer c.unlockWrite()
	var cuts [maxDescriptors]cut
	n, err := c.encode(ms, &cuts)
	if err != nil {
		return err
	}
	// A descriptor's message is the first of its sendmsg: tmux pairs them so
	// from 3.6 on, and before it any place will do.
	start, fd := 0, -1
	for _, next := range cuts[:n] {
		if err := c.send(ctx, c.wbuf[start:next.at], fd); err != nil {
			return err
		}
		start, fd = next.at, next.fd
	}
	return c.send(ctx, c.wbuf[start:], fd)
}

// cut is where in the write buffer a message begins that carries fd.
type cut struct{ at, fd int }

// encode fills the write buffer and returns how many cuts there are.
func (c *Conn) encode(ms []Message, cuts *[maxDescriptors]cut) (int, error) {
	c.wbuf = c.wbuf[:0]
	n := 0
	for _, m := range ms {
		if fd := carries(m); fd != nil {
			if n == len(cuts) || fd.Int() < 0 {
				return 0, fmt.Errorf("%s: its descriptor is closed, or there are more than %d", m.Type(), len(cuts))
			}
			cuts[n] = cut{at: len(c.wbuf), fd: fd.Int()}
			n++
		}
		var err error
		if c.wbuf, err = AppendMessage(c.wbuf, c.sendAs, m); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// WriteStream sends data to the stream of a client, in as many [Write]
// messages as it takes. The client must have been told to open the stream.
func (c *Conn) WriteStream(ctx context.Context, stream int32, data []byte) error {
	return c.writeChunks(ctx, TypeWrite, stream, data)
}

// ReadStream sends data, read from a file, to the server that asked for
// stream, in as many [Read] messages as it takes.
func (c *Conn) ReadStream(ctx context.Context, stream int32, data []byte) error {
	return c.writeChunks(ctx, TypeRead, stream, data)
}

func (c *Conn) writeChunks(ctx context.Context, t Type, stream int32, data []byte) error {
	if err := c.lockWrite(ctx); err != nil {
		return err
	}
	defer c.unlockWrite()
	for len(data) > 0 {
		n := min(len(data), MaxChunk)
		b := appendInt(appendHeader(c.wbuf[:0], t), stream)
		b = append(b, data[:n]...)
		c.wbuf, data = b, data[n:]
		if err := finishHeader(b, c.sendAs, false); err != nil {
			return err
		}
		if err := c.send(ctx, b, -1); err != nil {
			return err
		}
	}
	return nil
}

func (c *Conn) lockWrite(ctx context.Context) error {
	select {
	case c.wsem <- struct{}{}:
		return c.Err()
	default:
	}
	select {
	case c.wsem <- struct{}{}:
		return c.Err()
	case <-ctx.Done():
		return waitError(ctx, "waiting to write")
	}
}

func (c *Conn) unlockWrite() {
	if cap(c.wbuf) > largeBuffer {
		c.wbuf = nil
	}
	<-c.wsem
}

// send writes b, with the descriptor fd on its first byte unless that is -1.
func (c *Conn) send(ctx context.Context, b []byte, fd int) error {
	if len(b) == 0 {
		return nil
	}
	release, err := guard(ctx, c.nc.SetWriteDeadline)
	if err != nil {
		return err
	}
	sent := 0
	if fd >= 0 {
		sent, _, err = c.nc.WriteMsgUnix(b, unix.UnixRights(fd), nil)
	}
	if err == nil && sent < len(b) {
		var n int
		n, err = c.nc.Write(b[sent:])
		sent += n
	}
	_ = release()
	return c.sent(ctx, sent, err)
}

// sent judges what became of a write.
func (c *Conn) sent(ctx context.Context, n int, err error) error {
	if err == nil {
		return nil
	}
	if isTimeout(err) {
		err = waitError(ctx, "waiting for the other end to read")
		if n == 0 {
			return err
		}
		return c.shut(err)
	}
	if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) {
		// What the other end said before it went can still be read, and
		// is what the caller needs to know.
		return fmt.Errorf("the other end has closed the connection: %w", err)
	}
	if known := c.Err(); known != nil {
		return known
	}
	return fmt.Errorf("write to the other end: %w", err)
}

// sayVersion tells the other end which version we speak, as tmux does before
// it hangs up. It waits for nothing: the connection is over.
func (c *Conn) sayVersion() {
	select {
	case c.wsem <- struct{}{}:
	default:
		return
	}
	defer c.unlockWrite()
	b, err := AppendMessage(nil, c.sendAs, &Version{})
	if err != nil {
		return
	}
	_ = c.nc.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
	_, _ = c.nc.Write(b) // told if it can be; we hang up in either case
}
