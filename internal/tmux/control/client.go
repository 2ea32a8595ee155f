package control

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// Options say how to connect. The zero Options are right for tmux up to 3.3a.
type Options struct {
	// Session is the id of the session to attach to, such as $3. Empty means
	// to do without one, which servers from 3.4 on do not serve. A client with
	// a session does not count as attached and has no say in sizes, but
	// list-clients shows it and it ends with its session.
	Session string
	// LastAttached is when that session was attached to last, as #{session_last_attached}
	// says: afterwards it says that we have. 0 is never.
	LastAttached int64
	// User is the account that the server runs as, whose uid is UID: clients of that uid are its
	// user's. tmux is not asked whose a uid is.
	User string
	UID  uint32
	// Stall is how long the server may leave the oldest command without an
	// answer; after that the client is cut with [ErrStalled]. Zero means 4 s.
	Stall time.Duration
	// MaxReply bounds the bytes of one reply; a longer one ends the client.
	// Zero means 16 MiB.
	MaxReply int
}

const (
	defaultStall    = 4 * time.Second
	defaultMaxReply = 16 << 20
	openTime        = 5 * time.Second
	// lastWords is how long the rest of the replies is waited for once the
	// server is known to be gone.
	lastWords = time.Second
)

// Client is one control-mode connection. Its methods may be called from any
// goroutine.
type Client struct {
	conn     *wire.Conn
	opts     Options
	mark     string   // how our markers begin
	out      *os.File // replies come out here
	notices  *notices
	empty    chan struct{}
	wakeup   chan struct{} // for the writer
	cutting  chan struct{} // closed when nothing is sent any more
	settled  chan struct{} // closed when all that tmux has read is answered, after cutting
	watched  chan struct{} // closed when the watcher has told why it ended
	done     chan struct{} // closed when every command has its answer or error
	wg       sync.WaitGroup
	version  string
	attached int64  // when this client was attached to its session, in seconds; 0 without one
	refusal  string // what the attach command was refused with; the reader's
	sessions sessionProbe

	mu sync.Mutex
	pipe
	queue queue
	acts  acts
	cause error     // why nothing is sent any more
	until time.Time // when the reader gives up, once that is known
	lost  int       // commands that ended with ErrUnknownOutcome
	stall stallTimer
}

// Open makes a control-mode client of a connection on which nothing was said
// yet. The Client owns conn, also if Open fails. Open returns once the server
// has answered; it waits for ctx, and 5 s at most.
func Open(ctx context.Context, conn *wire.Conn, opts Options) (*Client, error) {
	if opts.Stall <= 0 {
		opts.Stall = defaultStall
	}
	if opts.MaxReply <= 0 {
		opts.MaxReply = defaultMaxReply
	}
	if opts.Session != "" {
		if err := checkSession(opts.Session); err != nil {
			_ = conn.Close()
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	c, err := start(ctx, conn, opts)
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("control connection: %w", err)
	}
	err = c.greet(ctx)
	if err == nil {
		return c, nil
	}
	if errors.Is(err, ErrDetached) || errors.Is(err, ErrServerGone) {
		<-c.done // within lastWords: why it ended us may still be on its way
	}
	_ = c.Close() // the reader has ended then, and c.refusal is ours
	if c.refusal != "" {
		return nil, fmt.Errorf("control connection: attach to session %s: %s: %w", opts.Session, c.refusal, err)
	}
	return nil, fmt.Errorf("control connection: %w", err)
}

// start makes the pipes, introduces us and starts the goroutines.
func start(ctx context.Context, conn *wire.Conn, opts Options) (*Client, error) {
	var token [12]byte
	_, _ = rand.Read(token[:]) // never fails
	c := &Client{
		conn: conn, opts: opts,
		mark:    "mw" + hex.EncodeToString(token[:]) + "-",
		notices: newNotices(),
		empty:   make(chan struct{}, 1),
		wakeup:  make(chan struct{}, 1),
		cutting: make(chan struct{}),
		settled: make(chan struct{}),
		watched: make(chan struct{}),
		done:    make(chan struct{}),
	}
	var in, out [2]int
	if err := unix.Pipe2(in[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, fmt.Errorf("a pipe for commands: %w", err)
	}
	if err := unix.Pipe2(out[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		_, _ = unix.Close(in[0]), unix.Close(in[1])
		return nil, fmt.Errorf("a pipe for replies: %w", err)
	}
	// The reading end of the first stays ours too: see Cut. The writing end
	// of the second does not, so that we see the server go.
	stdin, stdout := wire.NewFD(in[0]), wire.NewFD(out[1])
	err := conn.WriteMsg(ctx, introduction(opts, stdin, stdout)...)
	_ = stdout.Close() // the server has its own, or nothing was written
	if err != nil {
		_, _, _ = stdin.Close(), unix.Close(in[1]), unix.Close(out[0])
		return nil, fmt.Errorf("introduce us to the tmux server: %w", err)
	}
	c.pipe = newPipe(stdin.Take(), in[1])
	c.out = os.NewFile(uintptr(out[0]), "tmux replies")
	c.stall.timer = time.AfterFunc(time.Hour, c.checkStall)
	c.stall.timer.Stop()
	c.wg.Go(c.watch)
	c.wg.Go(c.write)
	c.wg.Go(c.read)
	return c, nil
}

// introduction is what a control-mode client says about itself, and nothing
// more: no environment, no terminal.
func introduction(opts Options, stdin, stdout *wire.FD) []wire.Message {
	flags := wire.FlagControl | wire.FlagUTF8
	all := []wire.Message{
		&wire.IdentifyStdin{FD: stdin},
		&wire.IdentifyStdout{FD: stdout},
		&wire.IdentifyTerm{},
		&wire.IdentifyTTYName{},
		&wire.IdentifyCwd{Path: "/"},
		&wire.IdentifyClientPID{PID: int32(os.Getpid())},
		&wire.IdentifyFlags{Flags: uint32(flags)},
		&wire.IdentifyLongFlags{Flags: flags},
		&wire.IdentifyDone{},
	}
	if opts.Session == "" {
		return all
	}
	// -E, because our empty environment would empty the session's.
	return append(all, &wire.Command{Argv: []string{
		"attach-session", "-E", "-f", "ignore-size,no-output,pause-after=5", "-t", opts.Session,
	}})
}

// greet waits until the server answers.
func (c *Client) greet(ctx context.Context) error {
	err := c.Drain(ctx)
	if err != nil {
		if (ctx.Err() != nil || errors.Is(err, ErrStalled)) && c.opts.Session == "" {
			err = fmt.Errorf("%w (is the server stopped, or 3.4 or newer? it then needs Options.Session)", err)
		}
		return err
	}
	attached := time.Now().Unix() // at the latest
	if c.opts.Session == "" {
		c.probeSessions()
	} else if _, err := c.Do(ctx, "suspend-client", "refresh-client -C 80,24"); err != nil {
		// A suspended client does not count as attached, and sizes are worked
		// out again at the second command.
		return err
	}
	// The server's owner may have given one of these names another meaning.
	for _, name := range []string{"display-message", "display", "display-m"} {
		ask := name + " -p '#{version}'"
		if c.opts.Session != "" {
			// A session's time is asked for only where there is a session: 3.2a has no answer else.
			ask = name + " -t " + c.opts.Session + " -p '#{version} #{session_last_attached}'"
		}
		replies, err := c.Ask(ctx, ask)
		if err != nil {
			return err
		}
		version, last, _ := strings.Cut(replies[0].Text(), " ")
		if _, err := tmux.ParseVersion(version); err == nil {
			c.version = version
			if at, _ := strconv.ParseInt(last, 10, 64); c.opts.Session != "" && at <= attached {
				c.attached = at // else somebody has attached since, and 0 is none of ours
			}
			return nil
		}
	}
	return errors.New("the tmux server does not tell its version")
}

// Version returns the server's version as #{version} says, such as 3.3a.
func (c *Client) Version() string { return c.version }

// Done is closed when the client has ended and no answer will come any more.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err returns why the client ended, or is about to; nil before.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

// Empty becomes ready when the server is seen without any session. A server
// that is to exit when it has none waits for clients such as this one to leave:
// close it. Only clients without a session of their own tell.
func (c *Client) Empty() <-chan struct{} { return c.empty }

// Changes becomes ready when there are notices to fetch with [Client.Notices].
func (c *Client) Changes() <-chan struct{} { return c.notices.signal }

// Notices returns, in no order, what was notified since the last call, each
// once.
func (c *Client) Notices() []Notice { return c.notices.take() }

// Close ends the client. What tmux has not read yet is taken back first; all
// commands without an answer get [ErrClosed].
func (c *Client) Close() error {
	c.end(ErrClosed, 0)
	c.wg.Wait()
	return nil
}

// end stops sending because of cause, unless that was done before, leaves the
// server, and gives the rest of the replies so much time to arrive.
func (c *Client) end(cause error, grace time.Duration) {
	c.mu.Lock()
	c.stopSending(cause)
	// The first end may allow for last words, a later one only shortens that.
	if at := time.Now().Add(grace); c.until.IsZero() || at.Before(c.until) {
		c.until = at
		_ = c.out.SetReadDeadline(at) // fails if it is closed
	}
	c.mu.Unlock()
	_ = c.conn.Close() // may be closed
}

// watch reads the wire, which tells why the server ends us, and does nothing a
// server may ask of a client.
func (c *Client) watch() {
	defer close(c.watched)
	for {
		m, err := c.conn.ReadMsg(context.Background())
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = errors.New("it closed the connection")
			}
			c.end(fmt.Errorf("%w: %w", ErrServerGone, err), lastWords)
			return
		}
		switch m := m.(type) {
		case *wire.Shutdown:
			c.end(fmt.Errorf("%w: it exited", ErrServerGone), lastWords)
			return
		case *wire.Exit:
			c.leave(m.Message)
			return
		case *wire.Detach, *wire.DetachKill, *wire.Exec:
			c.leave("detached")
			return
		case *wire.ReadOpen:
			c.answerFile(&wire.ReadDone{Stream: m.Stream, Error: int32(unix.EACCES)})
		case *wire.WriteOpen:
			c.answerFile(&wire.WriteReady{Stream: m.Stream, Error: int32(unix.EACCES)})
		}
	}
}

// leave answers the server that ends this client. The replies before that were
// sent before.
func (c *Client) leave(why string) {
	err := ErrDetached
	if why != "" {
		err = fmt.Errorf("%w: %s", ErrDetached, why)
	}
	c.end(err, lastWords)
}

// answerFile refuses to open a file for the server.
func (c *Client) answerFile(m wire.Message) {
	ctx, cancel := context.WithTimeout(context.Background(), c.opts.Stall)
	defer cancel()
	_ = c.conn.WriteMsg(ctx, m) // the command waits then, and stalls
}

// read takes the replies apart until there are no more.
func (c *Client) read() {
	err := c.readLines(newDecoder("parse error: unknown command: "+c.mark, c.opts.MaxReply, (*sink)(c)))
	if errors.Is(err, io.EOF) {
		// The wire tells why, at the same time or a moment later.
		select {
		case <-c.watched:
		case <-time.After(lastWords):
		}
		err = fmt.Errorf("%w: it closed our output", ErrServerGone)
	}
	c.end(err, 0)
	c.finish()
}

// readLines hands lines to d until an error.
func (c *Client) readLines(d *decoder) error {
	buf := make([]byte, 64<<10)
	r, w := 0, 0 // buf[r:w] is the start of a line
	for {
		if r > 0 {
			w = copy(buf, buf[r:w])
			r = 0
		}
		if w == len(buf) {
			if w > c.opts.MaxReply {
				return fmt.Errorf("%w: a line of more than %d bytes", ErrProtocol, c.opts.MaxReply)
			}
			buf = append(buf, make([]byte, len(buf))...)
		}
		n, err := c.out.Read(buf[w:])
		scan := w
		w += n
		for {
			i := indexNewline(buf[scan:w])
			if i < 0 {
				break
			}
			if err := d.line(buf[r : scan+i]); err != nil {
				return err
			}
			scan += i + 1
			r = scan
		}
		if err != nil {
			return err
		}
		if w == r && len(buf) > 1<<20 {
			buf, r, w = make([]byte, 64<<10), 0, 0
		}
	}
}

// sink is the Client as its decoder sees it.
type sink Client

func (s *sink) expecting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queue.len() > 0
}

func (s *sink) answered(seq uint64, r Reply) error { return (*Client)(s).answered(seq, r) }

func (s *sink) notified(line []byte) {
	n, ok := parseNotice(line)
	if !ok {
		return
	}
	s.notices.add(n)
	if n.Kind == SessionsChanged && s.opts.Session == "" {
		(*Client)(s).probeSessions()
	}
}

func (s *sink) hooked(failed bool, text []byte) {
	if failed && s.refusal == "" && s.opts.Session != "" {
		s.refusal = strings.TrimSpace(string(text))
	}
}
