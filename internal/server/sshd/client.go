package sshd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// client is what the door offers in the place of a stock tmux client.
type client struct {
	x      *session
	hello  wire.Hello
	files  chan wire.Message
	events chan wire.Message
	gone   chan struct{} // nothing is passed any more

	mu       sync.Mutex
	stream   int32
	attached bool
	bye      string
	over     bool
	reading  bool
	waits    bool // in control mode, for an empty line before it exits
	screen   *terminal
}

var (
	_ gateway.Client = (*client)(nil)
	_ attach.Remote  = (*client)(nil)
)

func newClient(x *session) *client {
	c := &client{x: x, stream: 2, files: make(chan wire.Message, 16), events: make(chan wire.Message, 16), gone: make(chan struct{})}
	c.hello = wire.Hello{Term: x.kind, Cwd: x.c.s.home(x.c.who.Person()), Env: x.environ()}
	if x.utf8() {
		c.hello.Flags |= wire.FlagUTF8
	}
	if x.term != nil {
		c.hello.TTYName = "ssh:" + x.c.who.From()
	}
	return c
}

func (s *Server) home(person string) string {
	if s.Home != nil {
		if dir := s.Home(person); strings.HasPrefix(dir, "/") {
			return dir
		}
	}
	return "/"
}

// environ is the environment of the person's own commands: what was let through
// of theirs, and what the door knows.
func (x *session) environ() []string {
	env := append([]string(nil), x.env...)
	if x.kind != "" {
		env = append(env, "TERM="+x.kind)
	}
	from, fport, _ := strings.Cut(lastColon(x.c.nc.RemoteAddr().String()), " ")
	to, tport, _ := strings.Cut(lastColon(x.c.nc.LocalAddr().String()), " ")
	return append(env, "SSH_CONNECTION="+strings.Join([]string{from, fport, to, tport}, " "))
}

// lastColon splits an address and its port by a blank.
func lastColon(addr string) string {
	i := strings.LastIndexByte(addr, ':')
	if i < 0 {
		return addr + " 0"
	}
	return strings.Trim(addr[:i], "[]") + " " + addr[i+1:]
}

// Hello is what is known of the client.
func (c *client) Hello() *wire.Hello { return &c.hello }

// Files and Events give what the client says.
func (c *client) Files() <-chan wire.Message  { return c.files }
func (c *client) Events() <-chan wire.Message { return c.events }

// event passes a message on. That the size has changed is dropped if as many wait:
// it is read anew when one is heard. For anything else there is room then.
func (c *client) event(m wire.Message) {
	if _, is := m.(*wire.Resize); is && len(c.events) >= cap(c.events)/2 {
		return
	}
	select {
	case c.events <- m:
	default:
	}
}

// Stream gives an unused stream number.
func (c *client) Stream() int32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stream++
	return c.stream
}

// Send takes what a tmux client would be told. There are no files at the other
// end but the standard streams.
func (c *client) Send(ctx context.Context, msgs ...wire.Message) error {
	for _, m := range msgs {
		if err := c.take(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

func (c *client) take(ctx context.Context, m wire.Message) error {
	switch m := m.(type) {
	case *wire.Ready:
		c.mu.Lock()
		c.attached = true
		c.mu.Unlock()
	case *wire.Detach:
		c.part(fmt.Sprintf("detached (from session %s)", m.Session))
	case *wire.Shutdown:
		c.part("server exited")
	case *wire.Exit:
		c.part(m.Message)
	case *wire.Flags:
		c.mu.Lock()
		c.waits = m.Flags.Has(wire.FlagControlWaitExit)
		c.mu.Unlock()
	case *wire.Suspend: // there is no shell to go to
		c.event(&wire.Wakeup{})
	case *wire.WriteOpen:
		return c.answer(ctx, &wire.WriteReady{Stream: m.Stream, Error: int32(unix.EPERM)})
	case *wire.ReadOpen:
		return c.read(ctx, m)
	}
	return nil
}

func (c *client) part(words string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bye == "" {
		c.bye = words
	}
}

// end gives how it ended. Nothing is passed after that.
func (c *client) end() (attached bool, bye string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.over {
		c.over = true
		close(c.gone)
	}
	return c.attached, c.bye
}

func (c *client) answer(ctx context.Context, m wire.Message) error {
	select {
	case c.files <- m:
		return nil
	case <-c.gone:
		return errChannelGone
	case <-ctx.Done():
		return ctx.Err()
	}
}

// read gives the client's standard input, once. In control mode that has its lines, and
// what is meant as data would be run.
func (c *client) read(ctx context.Context, m *wire.ReadOpen) error {
	if c.hello.Flags.Has(wire.FlagControl) {
		return c.answer(ctx, &wire.ReadDone{Stream: m.Stream, Error: int32(unix.EBADF)})
	}
	c.mu.Lock()
	again := c.reading
	c.reading = true
	c.mu.Unlock()
	if m.FD != 0 || again {
		return c.answer(ctx, &wire.ReadDone{Stream: m.Stream, Error: int32(unix.EPERM)})
	}
	c.x.wg.Go(func() {
		defer c.x.c.s.caught("standard input", c.x.gone)
		c.copyInput(ctx, m.Stream)
	})
	return nil
}

func (c *client) copyInput(ctx context.Context, stream int32) {
	stop := context.AfterFunc(ctx, func() { c.x.in.setDeadline(longAgo) })
	defer stop()
	buf := make([]byte, wire.MaxChunk)
	for {
		n, err := c.x.in.read(buf, nil, ctx.Err)
		if n > 0 {
			if c.answer(ctx, &wire.Read{Stream: stream, Data: append([]byte(nil), buf[:n]...)}) != nil {
				return
			}
			continue
		}
		code := int32(0)
		if !errors.Is(err, io.EOF) {
			code = int32(unix.EIO)
		}
		_ = c.answer(ctx, &wire.ReadDone{Stream: stream, Error: code}) // nobody waits for it if it fails
		return
	}
}

// printTime is how long somebody may take to read what a command printed.
const printTime = 5 * time.Minute

// Print writes to the standard output or error, and waits until that is on its way.
func (c *client) Print(ctx context.Context, fd int, data []byte) error {
	if fd != 1 && fd != 2 {
		return fmt.Errorf("print to descriptor %d: only 1 and 2 are there", fd)
	}
	return c.x.show(ctx, data, fd == 2)
}

// Screen is the terminal at the other end. It is one person's at a time.
func (c *client) Screen() (attach.Terminal, error) {
	if c.x.term == nil {
		return nil, errors.New("open terminal failed: not a terminal; ask for one with: ssh -t")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.screen != nil {
		_ = c.screen.Close() // whoever had it is through with it, or has got stuck
	}
	c.screen = c.x.term.again()
	return c.screen, nil
}

// Terminal and Connection are descriptors, which there are none of here.
func (c *client) Terminal() (*os.File, error)   { return nil, errNoDescriptor }
func (c *client) Connection() (*os.File, error) { return nil, errNoDescriptor }

var errNoDescriptor = errors.New("what comes by ssh is no descriptor")

// again makes the client one that is not attached, for what comes next, and reports
// whether it was.
func (c *client) again() (attached bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	attached = c.attached
	c.attached, c.bye = false, ""
	return attached
}
