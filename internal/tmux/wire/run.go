package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"golang.org/x/sys/unix"
)

// Files decides which files a server may have read or written through us. A
// function that is nil refuses everything. An error is told to the server as
// the errno in it, or as EACCES.
//
// Closing what OpenRead returned has to end a Read that waits.
type Files struct {
	OpenRead  func(*ReadOpen) (io.ReadCloser, error)
	OpenWrite func(*WriteOpen) (io.WriteCloser, error)
}

// StdFiles serves the three standard streams and no path. A nil one is
// refused. None of them is closed.
func StdFiles(in io.Reader, out, errs io.Writer) Files {
	return Files{
		OpenRead: func(m *ReadOpen) (io.ReadCloser, error) {
			if m.FD != 0 || in == nil {
				return nil, unix.EBADF
			}
			return io.NopCloser(in), nil
		},
		OpenWrite: func(m *WriteOpen) (io.WriteCloser, error) {
			w := out
			if m.FD == 2 {
				w = errs
			}
			if m.FD != 1 && m.FD != 2 || w == nil {
				return nil, unix.EBADF
			}
			return nopWriteCloser{w}, nil
		},
	}
}

type nopWriteCloser struct{ io.Writer }

func (nopWriteCloser) Close() error { return nil }

// Run asks the server for what h says, serves the file messages that belong to
// it, and returns how the server told us to exit. It is for commands that do
// not attach, and closes the connection.
func (c *Conn) Run(ctx context.Context, h *Hello, files Files) (*Exit, error) {
	defer c.Close()
	if err := c.Identify(ctx, h); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	r := &runner{c: c, files: files, reads: map[int32]io.Closer{}, writes: map[int32]io.WriteCloser{}}
	defer func() {
		cancel()
		r.close()
	}()
	for {
		m, err := c.ReadMsg(ctx)
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = errors.New("server exited unexpectedly")
			}
			return nil, err
		}
		exit, err := r.handle(ctx, m)
		if exit != nil || err != nil {
			return exit, err
		}
	}
}

// runner is the client's half of the file streams of one command.
type runner struct {
	c      *Conn
	files  Files
	writes map[int32]io.WriteCloser

	mu    sync.Mutex
	reads map[int32]io.Closer
	wg    sync.WaitGroup
}

// maxStreams bounds what a server can make us hold open.
const maxStreams = 64

func (r *runner) handle(ctx context.Context, m Message) (*Exit, error) {
	switch m := m.(type) {
	case *Exit:
		return m, nil
	case *Shutdown:
		return &Exit{Code: 1, Message: "server exited"}, nil
	case *ReadOpen:
		return nil, r.openRead(ctx, m)
	case *ReadCancel:
		r.endRead(m.Stream)
		return nil, nil
	case *WriteOpen:
		return nil, r.openWrite(ctx, m)
	case *Write:
		return nil, r.writeTo(m)
	case *WriteClose:
		if w := r.writes[m.Stream]; w != nil {
			delete(r.writes, m.Stream)
			_ = w.Close() // the server does not want to know
		}
		return nil, nil
	case *Flags:
		return nil, nil
	}
	// Ready, and everything that would have us do something: this is a
	// command that does not attach, and we do not do those things.
	return nil, fmt.Errorf("the server answered a command with %s, which is refused", m.Type())
}

func (r *runner) openRead(ctx context.Context, m *ReadOpen) error {
	refuse := func(err error) error {
		return r.c.WriteMsg(ctx, &ReadDone{Stream: m.Stream, Error: errno(err)})
	}
	r.mu.Lock()
	_, dup := r.reads[m.Stream]
	full := len(r.reads) >= maxStreams
	r.mu.Unlock()
	if r.files.OpenRead == nil || dup || full {
		return refuse(unix.EACCES)
	}
	f, err := r.files.OpenRead(m)
	if err != nil {
		return refuse(err)
	}
	r.mu.Lock()
	r.reads[m.Stream] = f
	r.mu.Unlock()
	r.wg.Go(func() { r.copyIn(ctx, m.Stream, f) })
	return nil
}

// copyIn sends a file to the server. It runs beside the reader, because the
// server goes on talking.
func (r *runner) copyIn(ctx context.Context, stream int32, f io.ReadCloser) {
	buf := make([]byte, MaxChunk)
	for {
		n, err := f.Read(buf)
		if n > 0 && r.c.ReadStream(ctx, stream, buf[:n]) != nil {
			break // the reader of the connection learns why
		}
		if err == nil {
			continue
		}
		code := int32(0)
		if !errors.Is(err, io.EOF) && !r.ended(stream) {
			code = errno(err)
		}
		_ = r.c.WriteMsg(ctx, &ReadDone{Stream: stream, Error: code}) // likewise
		break
	}
	r.endRead(stream)
}

func (r *runner) ended(stream int32) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, here := r.reads[stream]
	return !here
}

func (r *runner) endRead(stream int32) {
	r.mu.Lock()
	f := r.reads[stream]
	delete(r.reads, stream)
	r.mu.Unlock()
	if f != nil {
		_ = f.Close() // it was only read
	}
}

func (r *runner) openWrite(ctx context.Context, m *WriteOpen) error {
	err := error(unix.EACCES)
	if _, dup := r.writes[m.Stream]; r.files.OpenWrite != nil && !dup && len(r.writes) < maxStreams {
		var w io.WriteCloser
		if w, err = r.files.OpenWrite(m); err == nil {
			r.writes[m.Stream] = w
		}
	}
	return r.c.WriteMsg(ctx, &WriteReady{Stream: m.Stream, Error: errno(err)})
}

func (r *runner) writeTo(m *Write) error {
	w := r.writes[m.Stream]
	if w == nil {
		return nil // refused; the server may have been quicker than our answer
	}
	if _, err := w.Write(m.Data); err != nil {
		return fmt.Errorf("write what the command printed: %w", err)
	}
	return nil
}

func (r *runner) close() {
	for _, w := range r.writes {
		_ = w.Close()
	}
	r.mu.Lock()
	streams := make([]int32, 0, len(r.reads))
	for s := range r.reads {
		streams = append(streams, s)
	}
	r.mu.Unlock()
	for _, s := range streams {
		r.endRead(s)
	}
	r.wg.Wait()
}

// errno is what the other end is told of an error.
func errno(err error) int32 {
	if err == nil {
		return 0
	}
	var n unix.Errno
	if errors.As(err, &n) {
		return int32(n)
	}
	return int32(unix.EACCES)
}
