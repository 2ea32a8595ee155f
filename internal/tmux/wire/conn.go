package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/passed"
)

const (
	// The read buffer starts small, because most connections say little once
	// they are attached, and never grows beyond two messages: one, while a
	// client introduces itself.
	smallBuffer = 2048
	firstBuffer = MaxMessage
	largeBuffer = 2 * MaxMessage

	// A client passes its standard input and output, nothing else.
	maxDescriptors = 2
	// mostPassed is how many the kernel passes with one message (SCM_MAX_FD in unix(7)).
	mostPassed = 253
)

// Conn is one connection. One goroutine may read while any number write;
// Close may come from anywhere and ends both.
//
// Every wait ends when its context does. What the other end sends wrongly ends
// the connection: the call returns a [*ProtocolError] or [*VersionError], so
// do all later ones, and everything received and not yet handed out is gone.
type Conn struct {
	nc   *net.UnixConn
	side Side

	framing Framing // reader's; writers use sendAs
	sendAs  Framing
	phase   phase
	// expect, if set, is told of each message once its header is here, and says
	// whether it is heard at all.
	expect         func(header) (skip bool, err error)
	expected, skip bool
	buf            []byte // buf[r:w] is received and not yet handed out
	r, w           int
	oob            []byte
	heard          func() // see Heard; nil once it was called
	came, closed   func() // see Over; nil for nothing
	write          Write  // handed out again and again: see ReadMsg
	read           Read

	away passed.Away // what lies in nc

	wsem chan struct{} // held by the writer
	wbuf []byte

	mu      sync.Mutex
	err     error // why the connection is closed
	pending []int // descriptors that no message has claimed yet
	granted int   // descriptors that this connection has received
}

// phase is how far a client has come, seen from the server.
type phase uint8

const (
	identifying phase = iota
	identified
	commanded
)

// NewServer makes a Conn of a connection that a tmux client opened to us. The
// Conn owns nc.
func NewServer(nc *net.UnixConn) *Conn { return newConn(nc, ServerSide) }

// NewClient makes a Conn of our connection to a tmux server whose framing is f
// (see [FramingOf]). [Unknown] will do as long as no descriptor is sent. The
// Conn owns nc.
func NewClient(nc *net.UnixConn, f Framing) *Conn {
	c := newConn(nc, ClientSide)
	c.framing, c.sendAs = f, f
	return c
}

func newConn(nc *net.UnixConn, side Side) *Conn {
	room := maxDescriptors
	if side == ClientSide {
		room = mostPassed
	}
	return &Conn{
		nc:   nc,
		side: side,
		buf:  make([]byte, smallBuffer),
		// Room for the two descriptors that may come, and for the
		// credentials that the kernel adds if the socket was told to
		// pass them. What does not fit is closed by the kernel, in the
		// thread that reads, and shows as a truncated control message:
		// who waits for a server, and for nobody else, has room for all.
		oob:  make([]byte, unix.CmsgSpace(4*room)+unix.CmsgSpace(unix.SizeofUcred)),
		wsem: make(chan struct{}, 1),
	}
}

// NetConn returns the socket, for peer credentials. Neither read from it nor
// write to it.
func (c *Conn) NetConn() *net.UnixConn { return c.nc }

// Heard has f called when the first bytes have come from the other end. It is set before
// anything is read.
func (c *Conn) Heard(f func()) { c.heard = f }

// Over has came called when the server has come to what a client has asked it: it says that
// that one is attached, or is to leave, or is gone itself; and closed when this end is closed.
// Both may be called more than once, and neither may use the connection. It is set before
// anything is read.
func (c *Conn) Over(came, closed func()) { c.came, c.closed = came, closed }

// Came says that the server has come to what was asked over this connection, for who hears that
// another way: a client in control mode is not told that it is attached.
func (c *Conn) Came() {
	if c.came != nil {
		c.came()
	}
}

// Framing returns what the client's first descriptor told, or what NewClient
// was given. It is the reader's to ask.
func (c *Conn) Framing() Framing { return c.framing }

// Close closes the connection and every descriptor that arrived and was not
// handed out. It may be called again.
func (c *Conn) Close() error {
	c.shut(ErrClosed)
	return nil
}

// Err returns why the connection is closed, nil while it is open.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// shut closes the connection because of err and returns the first such error.
func (c *Conn) shut(err error) error {
	c.mu.Lock()
	if c.err != nil {
		defer c.mu.Unlock()
		return c.err
	}
	c.err = err
	pending := c.pending
	c.pending = nil
	c.mu.Unlock()
	_ = c.away.Close(c.nc) // nothing is lost: what was written is the kernel's
	if c.closed != nil {
		c.closed()
	}
	closeAll(pending) // which may take long
	return err
}

func closeAll(fds []int) {
	for _, fd := range fds {
		passed.Shut(fd)
	}
}

// ReadMsg returns the next message, waiting for it until ctx ends; in that
// case the connection stays usable. It returns io.EOF when the other end
// closed between two messages.
//
// A [*Read] or [*Write] and its Data are valid until the next ReadMsg; all
// else is the caller's to keep, and the FD in an [*IdentifyStdin] or
// [*IdentifyStdout] is the caller's to close.
func (c *Conn) ReadMsg(ctx context.Context) (Message, error) {
	if err := c.Err(); err != nil {
		return nil, err
	}
	for {
		m, need, err := c.next()
		if m != nil || err != nil {
			return m, err
		}
		if need == 0 {
			continue // it was skipped
		}
		if err := c.fill(ctx, need); err != nil {
			return nil, err
		}
	}
}

// next takes a message out of the buffer. Without a whole one it says how many
// bytes the one in front has; of one that was skipped it says nothing.
func (c *Conn) next() (Message, int, error) {
	b := c.buf[c.r:c.w]
	if len(b) < HeaderSize {
		return nil, HeaderSize, nil
	}
	h, err := decodeHeader(b, &c.framing)
	if err == nil {
		err = c.admit(h)
	}
	if err == nil && c.expect != nil && !c.expected {
		c.expected = true
		c.skip, err = c.expect(h)
	}
	if err != nil {
		return nil, 0, c.shut(err)
	}
	if len(b) < h.size {
		return nil, h.size, nil
	}
	var m Message
	if !c.skip {
		m, err = c.parse(h, b[HeaderSize:h.size])
	}
	if err != nil {
		return nil, 0, c.shut(err)
	}
	c.r += h.size
	c.expected, c.skip = false, false
	if h.typ == TypeReady || h.typ == TypeExit || h.typ == TypeShutdown {
		c.Came()
	}
	return m, 0, nil
}

// admit refuses by its header a message that has no place here, before its
// data is waited for.
func (c *Conn) admit(h header) error {
	if h.typ == TypeVersion {
		return &VersionError{Theirs: h.version}
	}
	if h.version != Protocol {
		c.sayVersion()
		return &VersionError{Theirs: h.version}
	}
	if h.fd && (c.side != ServerSide || h.typ != TypeIdentifyStdin && h.typ != TypeIdentifyStdout) {
		return refuse(ReasonDescriptor, h.typ, "this message carries no descriptor")
	}
	if c.side == ServerSide {
		return c.phase.admit(h.typ)
	}
	return nil
}

// admit holds a client to the order: identify messages, one done, one command
// or shell, and then what an identified client says.
func (p phase) admit(t Type) error {
	isIdentify := t >= TypeIdentifyFlags && t <= TypeIdentifyTerminfo
	isCommand := t == TypeCommand || t == TypeShell
	switch {
	case p == identifying && !isIdentify:
		return refuse(ReasonOrder, t, "the client has not introduced itself")
	case p == identified && !isCommand:
		return refuse(ReasonOrder, t, "a command has to follow the introduction")
	case p == commanded && (isIdentify || isCommand):
		return refuse(ReasonOrder, t, "this message comes once, at the start")
	}
	return nil
}

func (c *Conn) parse(h header, p []byte) (Message, error) {
	// The two that carry file data come by the thousand.
	if c.side == ServerSide && h.typ == TypeRead && len(p) >= 4 {
		c.read = Read{Stream: leInt32(p), Data: p[4:]}
		return &c.read, nil
	}
	if c.side == ClientSide && h.typ == TypeWrite && len(p) >= 4 {
		c.write = Write{Stream: leInt32(p), Data: p[4:]}
		return &c.write, nil
	}
	m, err := Parse(c.side, h.typ, p)
	if err != nil {
		return nil, err
	}
	switch m := m.(type) {
	case *IdentifyStdin:
		m.FD, err = c.claim(h)
	case *IdentifyStdout:
		m.FD, err = c.claim(h)
	case *IdentifyDone:
		c.phase, err = identified, c.unclaimed(h.typ)
	case *Command, *Shell:
		if c.side == ServerSide {
			c.phase = commanded
		}
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

// claim gives the oldest descriptor to the message that is marked for one. It
// has arrived by now: the kernel hands it out with the first byte of the
// sendmsg that brought it, and senders never attach one to bytes after its
// message.
func (c *Conn) claim(h header) (*FD, error) {
	if !h.fd {
		return nil, refuse(ReasonDescriptor, h.typ, "this message has to carry a descriptor")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.pending) == 0 {
		return nil, refuse(ReasonDescriptor, h.typ, "it is marked for a descriptor and none arrived")
	}
	fd := c.pending[0]
	c.pending = c.pending[1:]
	return NewFD(fd), nil
}

func (c *Conn) unclaimed(t Type) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.pending) > 0 {
		return refuse(ReasonDescriptor, t, "a descriptor arrived that no message is marked for")
	}
	return nil
}

// fill waits for more bytes, having made room for a message of need bytes.
func (c *Conn) fill(ctx context.Context, need int) error {
	c.makeRoom(need)
	release, err := guard(ctx, c.nc.SetReadDeadline)
	if err != nil {
		return err
	}
	n, oobn, flags, _, err := c.nc.ReadMsgUnix(c.buf[c.w:], c.oob)
	_ = release()
	if isTimeout(err) {
		return waitError(ctx, "waiting for a message")
	}
	// Descriptors come first: whatever else is wrong, they must not leak.
	if oobn > 0 || flags&unix.MSG_CTRUNC != 0 {
		if fdErr := c.receive(c.oob[:oobn], flags); fdErr != nil {
			return c.shut(fdErr)
		}
	}
	// A reset means that the other end went without reading all we sent;
	// what it sent has been read by then.
	gone := n <= 0 && (err == nil || errors.Is(err, io.EOF) || errors.Is(err, unix.ECONNRESET))
	switch {
	case err != nil && !gone:
		return c.shut(fmt.Errorf("read from the other end: %w", err))
	case gone:
		c.Came()
	}
	switch {
	case gone && c.r != c.w:
		return c.shut(io.ErrUnexpectedEOF)
	case gone:
		return c.shut(io.EOF)
	}
	c.w += n
	if c.heard != nil {
		c.heard()
		c.heard = nil
	}
	return nil
}

// makeRoom moves what is left to the front and grows the buffer if a message
// of need bytes does not fit, or shrinks it if nothing is left of a large one.
func (c *Conn) makeRoom(need int) {
	have, large := c.w-c.r, largeBuffer
	if c.side == ServerSide && c.phase != commanded {
		large = firstBuffer
	}
	switch {
	case need > len(c.buf) || have == len(c.buf) && len(c.buf) < large:
		b := make([]byte, large)
		copy(b, c.buf[c.r:c.w])
		c.buf = b
	case c.r > 0:
		copy(c.buf, c.buf[c.r:c.w])
	}
	c.r, c.w = 0, have
}

// receive takes the descriptors out of control messages. All of them are
// closed unless each one may be there.
func (c *Conn) receive(oob []byte, flags int) error {
	fds, err := rights(oob)
	if err == nil && flags&unix.MSG_CTRUNC != 0 {
		err = refuse(ReasonDescriptor, 0, "more descriptors than fit were sent at once")
	}
	if err = c.keep(fds, err); err != nil {
		closeAll(fds)
	}
	return err
}

// keep has descriptors wait for their messages. With an error they are the caller's.
func (c *Conn) keep(fds []int, err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.granted += len(fds)
	switch {
	case err != nil:
		return err
	case c.err != nil:
		return c.err
	case len(fds) == 0:
		return nil
	}
	if err := c.mayKeep(c.granted); err != nil {
		return err
	}
	c.pending = append(c.pending, fds...)
	return nil
}

// rights returns every descriptor in oob. It returns those it found before an
// error too, so that they can be closed.
func rights(oob []byte) ([]int, error) {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, refuse(ReasonDescriptor, 0, "control message not understood")
	}
	var fds []int
	for _, m := range msgs {
		if m.Header.Level != unix.SOL_SOCKET || m.Header.Type != unix.SCM_RIGHTS {
			continue
		}
		got, parseErr := unix.ParseUnixRights(&m)
		if parseErr != nil {
			err = refuse(ReasonDescriptor, 0, "control message not understood")
			continue
		}
		fds = append(fds, got...)
	}
	return fds, err
}

// guard makes the calls that set obeys end when ctx does. The caller calls
// release when the call is over; it returns ctx's error if ctx ended meanwhile.
func guard(ctx context.Context, set func(time.Time) error) (release func() error, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline() // the zero time means none
	if err := set(deadline); err != nil {
		return nil, ErrClosed
	}
	if ctx.Done() == nil {
		return func() error { return nil }, nil
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = set(time.Unix(1, 0)) // fails only when closed, which ends the call too
		close(ended)
	})
	return func() error {
		if !stop() {
			<-ended // or it would end a later call
		}
		return ctx.Err()
	}, nil
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

// waitError is the error of a wait that ended because ctx did.
func waitError(ctx context.Context, doing string) error {
	err := ctx.Err()
	if err == nil { // the socket's clock was a little early
		err = context.DeadlineExceeded
	}
	return fmt.Errorf("%s: %w", doing, err)
}
