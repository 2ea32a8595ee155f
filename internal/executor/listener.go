package executor

import (
	"bufio"
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/tmux/wire"
)

// listener is a control client of ours that is attached to a session and says
// nothing: it has no size, and hears what tmux tells.
type listener struct {
	conn  *wire.Conn
	in    *os.File // closing it ends the client as well
	out   *os.File
	lines *bufio.Reader // of out
}

// listen attaches a control client that introduces itself by h, and returns when
// tmux has attached it.
func listen(ctx context.Context, server Server, h *wire.Hello) (*listener, error) {
	theirIn, ourIn, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer theirIn.Close()
	ourOut, theirOut, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, ourIn.Close())
	}
	defer theirOut.Close()
	l := &listener{in: ourIn, out: ourOut, lines: bufio.NewReaderSize(ourOut, maxBatch)}
	if err := l.attach(ctx, server, h, theirIn, theirOut); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// attach has tmux attach the client.
func (l *listener) attach(ctx context.Context, server Server, h *wire.Hello, in, out *os.File) error {
	var err error
	if l.conn, err = server.Dial(ctx); err != nil {
		return err
	}
	defer h.Close()
	h.Flags |= wire.FlagControl
	if h.Stdin, err = wire.DupFD(in); err != nil {
		return err
	}
	if h.Stdout, err = wire.DupFD(out); err != nil {
		return err
	}
	if err := l.conn.Identify(ctx, h); err != nil {
		return err
	}
	_ = out.Close() // tmux alone holds that end, or its end would not be seen
	if deadline, ok := ctx.Deadline(); ok {
		_ = l.out.SetReadDeadline(deadline)
	}
	for {
		line, err := l.line()
		if err != nil {
			return errors.Join(errors.New("tmux did not attach it"), err)
		}
		if strings.HasPrefix(line, "%session-changed ") {
			l.conn.Came() // it asks for nothing else
			return l.out.SetReadDeadline(time.Time{})
		}
	}
}

// line gives the begin of the next line; what is more than the buffer holds is
// left out.
func (l *listener) line() (string, error) {
	line, err := l.lines.ReadSlice('\n')
	begin := string(line[:min(len(line), maxNotice)])
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = l.lines.ReadSlice('\n')
	}
	return strings.TrimSuffix(begin, "\n"), err
}

// maxNotice is how much is kept of a line.
const maxNotice = 256

func (l *listener) close() {
	if l.conn != nil {
		_ = l.conn.Close()
	}
	_ = l.in.Close()
	_ = l.out.Close()
}
