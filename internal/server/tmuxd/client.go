package tmuxd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// sendTime bounds how long a client may take to read what we write to it.
const sendTime = 5 * time.Second

// client is a stock tmux client at the door, as the executor sees it.
type client struct {
	conn   *wire.Conn
	hello  *wire.Hello
	files  chan wire.Message
	events chan wire.Message
	pumped chan struct{} // closed when nothing is read any more; nil if nothing was
	served chan struct{} // closed when nothing that is read is for anybody any more

	mu     sync.Mutex
	stream int32
	opened [3]bool // standard input (not used), output, error
	// held is what was printed and not sent: the short answer of a command that is
	// alone goes to the client together with its exit, so that it wakes once.
	held []wire.Message
	size int
	// allow is the gate of what is held, and release ends that; without one nothing is held.
	allow   gateway.Gate
	release func()
	tty     *os.File
	ttyErr  error
	once    sync.Once
}

func newClient(conn *wire.Conn, hello *wire.Hello) *client {
	return &client{
		conn: conn, hello: hello, stream: 2,
		files:  make(chan wire.Message, 16),
		events: make(chan wire.Message, 16),
		served: make(chan struct{}),
	}
}

// Hello is what the client said of itself.
func (c *client) Hello() *wire.Hello { return c.hello }

// Files and Events give what the client says.
func (c *client) Files() <-chan wire.Message  { return c.files }
func (c *client) Events() <-chan wire.Message { return c.events }

// Stream gives an unused stream number. 1 and 2 are the standard streams.
func (c *client) Stream() int32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stream++
	return c.stream
}

// Send passes messages on to the client, after what was printed before.
func (c *client) Send(ctx context.Context, msgs ...wire.Message) error {
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	c.mu.Lock()
	defer c.mu.Unlock()
	held := c.held
	c.held, c.size = nil, 0
	return c.conn.WriteMsg(ctx, append(held, msgs...)...)
}

// hold has what is printed from here on wait for the answer, and go with that as allow lets it.
func (c *client) hold(allow gateway.Gate, release func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.allow, c.release = allow, release
}

// holdSize is how much is held at most before it is sent.
const holdSize = 8 << 10

// Print writes to the client's standard output or error. What the only command of
// a line prints may wait for the next Send; what one of several prints is sent in that
// command's permit, as others may keep the client for long.
func (c *client) Print(ctx context.Context, fd int, data []byte) error {
	if fd != 1 && fd != 2 {
		return fmt.Errorf("print to descriptor %d: only 1 and 2 are there", fd)
	}
	c.mu.Lock()
	if !c.opened[fd] {
		c.opened[fd] = true
		c.held = append(c.held, &wire.WriteOpen{Stream: int32(fd), FD: int32(fd), Path: "-"})
	}
	for rest := data; len(rest) > 0; {
		n := min(len(rest), wire.MaxChunk)
		c.held = append(c.held, &wire.Write{Stream: int32(fd), Data: slices.Clone(rest[:n])})
		rest = rest[n:]
	}
	c.size += len(data)
	full := c.size > holdSize || c.allow == nil
	c.mu.Unlock()
	if full {
		return c.Send(ctx)
	}
	return nil
}

// answer tells the client what went wrong, if text is not empty, and its exit. What is
// held rests on a permit that is over: it goes along if its gate lets it through, and
// otherwise it is dropped, and why is told.
func (c *client) answer(ctx context.Context, text string, exit *wire.Exit) error {
	tell := func(text string, exit *wire.Exit) error {
		if text != "" {
			if err := c.Print(ctx, 2, []byte(readable(c, text)+"\n")); err != nil {
				return err
			}
		}
		return c.Send(ctx, exit)
	}
	if !c.holds() {
		return tell(text, exit)
	}
	failpoint.At("tmuxd-answer")
	told := false
	err := c.allow(func() error { told = true; return tell(text, exit) })
	if told {
		return err
	}
	c.drop()
	if text != "" {
		text += "\n"
	}
	return tell(text+err.Error(), &wire.Exit{Code: max(exit.Code, 1), Message: exit.Message})
}

func (c *client) holds() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.held) > 0
}

// drop forgets what is held, and streams that were to be opened with it.
func (c *client) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.held {
		if open, ok := m.(*wire.WriteOpen); ok {
			c.opened[open.FD] = false
		}
	}
	c.held, c.size = nil, 0
}

// Terminal is the client's terminal: its standard input, if that is the
// terminal it named. Anything else passed as one is refused.
func (c *client) Terminal() (*os.File, error) {
	c.once.Do(func() { c.tty, c.ttyErr = openTerminal(c.hello) })
	return c.tty, c.ttyErr
}

// Connection is another descriptor of the client's connection.
func (c *client) Connection() (*os.File, error) { return c.conn.NetConn().File() }

func openTerminal(h *wire.Hello) (*os.File, error) {
	if h.TTYName == "" || h.Stdin == nil {
		return nil, errors.New("open terminal failed: not a terminal")
	}
	fd := h.Stdin.Int()
	if !isTerminal(fd) {
		return nil, errors.New("open terminal failed: not a terminal")
	}
	var passed, said unix.Stat_t
	if err := unix.Fstat(fd, &passed); err != nil {
		return nil, fmt.Errorf("open terminal failed: %w", err)
	}
	// O_PATH opens nothing, so that a name that leads elsewhere does no harm.
	p, err := unix.Open(h.TTYName, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open terminal failed: %s: %w", h.TTYName, err)
	}
	defer unix.Close(p)
	if err := unix.Fstat(p, &said); err != nil || !named(said.Rdev, passed.Rdev) {
		return nil, fmt.Errorf("open terminal failed: %s is not the terminal that was passed", h.TTYName)
	}
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("open terminal failed: %w", err)
	}
	return os.NewFile(uintptr(dup), h.TTYName), nil
}

// pump reads what the client says until it goes, and then ends the context
// of whatever runs for it.
func (c *client) pump(ctx context.Context, gone context.CancelCauseFunc) {
	defer close(c.files)
	defer close(c.events)
	failpoint.At("tmuxd-pump")
	for {
		m, err := c.conn.ReadMsg(ctx)
		if err != nil {
			gone(fmt.Errorf("the client has gone: %w", err))
			return
		}
		to := c.events
		switch m := m.(type) {
		case *wire.Read:
			kept := wire.Read{Stream: m.Stream, Data: slices.Clone(m.Data)}
			if !c.pass(ctx, c.files, &kept) {
				return
			}
			continue
		case *wire.ReadDone, *wire.WriteReady:
			to = c.files
		case *wire.Exiting:
			gone(errors.New("the client is exiting"))
			c.bye(context.WithoutCancel(ctx))
			return
		}
		if !c.pass(ctx, to, m) {
			return
		}
	}
}

// bye lets a client go that is about to. What is held is dropped: its permit may be over and
// the right to it taken back by now, and nobody asks for that here.
func (c *client) bye(ctx context.Context) {
	c.drop()
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	_ = c.conn.WriteMsg(ctx, &wire.Exited{})
}

func (c *client) pass(ctx context.Context, to chan<- wire.Message, m wire.Message) bool {
	select {
	case to <- m:
		return true
	case <-c.served:
		return true
	case <-ctx.Done():
		return false
	}
}

// linger waits until the client, which has been told how it ended, has gone. Who reads for it
// goes on: to stop that for another reader would take two threads that are woken.
func (c *client) linger(ctx context.Context) {
	if c.pumped != nil {
		close(c.served)
		select {
		case <-c.pumped:
		case <-ctx.Done():
			return
		}
	}
	_ = c.conn.Linger(ctx)
}

func (c *client) close() {
	if c.release != nil {
		c.release()
	}
	if c.tty != nil {
		_ = c.tty.Close()
	}
	_ = c.hello.Close()
	_ = c.conn.Close()
}
