package wire

import (
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// The streams of a client's standard output and error. Other files of a
// client have the numbers 3 and up.
const (
	Stdout int32 = 1
	Stderr int32 = 2
)

// Answer prints to a client that is not attached, on its standard output and
// error, and lets it exit. All of it goes out at once, without waiting for the
// client to say that it opened the streams: it holds what comes before, and
// prints everything before it exits. [Conn.Linger] has to follow, because a
// client that loses its server stops printing.
func (c *Conn) Answer(ctx context.Context, stdout, stderr []byte, exit *Exit) error {
	var ms []Message
	ms = appendPrint(ms, Stdout, stdout)
	ms = appendPrint(ms, Stderr, stderr)
	return c.WriteMsg(ctx, append(ms, exit)...)
}

func appendPrint(ms []Message, stream int32, data []byte) []Message {
	if len(data) == 0 {
		return ms
	}
	ms = append(ms, &WriteOpen{Stream: stream, FD: stream})
	for len(data) > 0 {
		n := min(len(data), MaxChunk)
		ms = append(ms, &Write{Stream: stream, Data: data[:n]})
		data = data[n:]
	}
	return ms
}

// Linger waits until the client has gone, and closes the connection. What the
// client still says is dropped, but that it is exiting is answered: a client
// that was attached waits for that. The result is nil if the client went by
// itself.
func (c *Conn) Linger(ctx context.Context) error {
	defer c.Close()
	for {
		m, err := c.ReadMsg(ctx)
		if _, ok := m.(*Exiting); ok && err == nil {
			err = c.WriteMsg(ctx, &Exited{})
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("wait for the client to go: %w", err)
		}
	}
}

// ReadFile has the client read a file and returns its content. With path "-"
// it is the client's standard input. The client opens the file, with its own
// rights; if it cannot the error is a unix.Errno. More than limit bytes are an
// error, and the connection is of no further use then.
//
// It reads from the connection until the file is there: it is for clients that
// are not attached, which have nothing else to say meanwhile.
func (c *Conn) ReadFile(ctx context.Context, stream int32, path string, limit int) ([]byte, error) {
	open := &ReadOpen{Stream: stream, FD: -1, Path: path}
	if path == "-" {
		open.FD = 0
	}
	if err := c.WriteMsg(ctx, open); err != nil {
		return nil, err
	}
	var data []byte
	for {
		m, err := c.ReadMsg(ctx)
		if err != nil {
			return nil, err
		}
		switch m := m.(type) {
		case *Read:
			if m.Stream != stream {
				continue
			}
			if len(data)+len(m.Data) > limit {
				return nil, refuse(ReasonLimit, m.Type(), "the file has more than %d bytes", limit)
			}
			data = append(data, m.Data...)
		case *ReadDone:
			if m.Stream != stream {
				continue
			}
			if m.Error != 0 {
				return nil, unix.Errno(m.Error)
			}
			return data, nil
		}
	}
}

// WriteFile has the client write data to a file, opened with the open(2) flags
// (O_TRUNC, O_APPEND) that flags hold; with path "-" it is the client's
// standard output. If the client cannot open it the error is a unix.Errno. The
// client tells nobody whether writing went well. Like [Conn.ReadFile] it is for
// clients that are not attached.
func (c *Conn) WriteFile(ctx context.Context, stream int32, path string, flags int32, data []byte) error {
	open := &WriteOpen{Stream: stream, FD: -1, Flags: flags, Path: path}
	if path == "-" {
		open.FD = 1
	}
	if err := c.WriteMsg(ctx, open); err != nil {
		return err
	}
	for {
		m, err := c.ReadMsg(ctx)
		if err != nil {
			return err
		}
		ready, ok := m.(*WriteReady)
		if !ok || ready.Stream != stream {
			continue
		}
		if ready.Error != 0 {
			return unix.Errno(ready.Error)
		}
		break
	}
	if err := c.WriteStream(ctx, stream, data); err != nil {
		return err
	}
	return c.WriteMsg(ctx, &WriteClose{Stream: stream})
}
