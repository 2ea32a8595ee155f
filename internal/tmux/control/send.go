package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// maxBacklog is how many bytes may wait to be written to a server that does
// not read.
const maxBacklog = 8 << 20

// Pending is a number of command lines on their way.
type Pending struct {
	done    chan struct{}
	replies []Reply // the reader's until done is closed
	left    int
	err     error
	then    func([]Reply, error)           // called by the reader instead of closing done
	own     bool                           // nobody's but the Client's
	of      any                            // whose it is, for SettledOf
	asks    bool                           // it changes nothing: see Ask
	may     func(atOnce func() bool) error // of SendIf
}

// Wait waits for the answers, one for each line, in order. A command that tmux
// refused is an error in its Reply only. If ctx ends first, the error wraps
// ctx.Err() and [ErrUnknownOutcome]: the lines stay on their way and may still
// be run (see [Client.Cut]). Any other error wraps why the client ended; the replies that
// came are returned with it, and for each of the others Reply.Err tells whether
// it was executed.
func (p *Pending) Wait(ctx context.Context) ([]Reply, error) {
	select {
	case <-p.done:
		return p.replies, p.err
	default:
	}
	select {
	case <-p.done:
		return p.replies, p.err
	case <-ctx.Done():
		return nil, failure(ErrUnknownOutcome, fmt.Errorf("no answer from the tmux server yet: %w", ctx.Err()))
	}
}

// Do sends the lines in one piece and waits for the answers; see [Client.Send]
// and [Pending.Wait].
func (c *Client) Do(ctx context.Context, lines ...string) ([]Reply, error) {
	return c.do(ctx, &Pending{}, lines)
}

// DoOf is [Client.Do] of lines that are somebody's: see [Client.SettledOf].
func (c *Client) DoOf(ctx context.Context, of any, lines ...string) ([]Reply, error) {
	return c.do(ctx, &Pending{of: of}, lines)
}

// do sends the lines, unless ctx is over, and waits for the answers.
func (c *Client) do(ctx context.Context, p *Pending, lines []string) ([]Reply, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotExecuted, err)
	}
	p, err := c.sendLines(p, lines)
	if err != nil {
		return nil, err
	}
	return p.Wait(ctx)
}

// Send sends command lines and does not wait, not even for a server that does
// not read. Lines of one call are run without another's in between as far as
// tmux reads them together (4 KiB are sure to be). A line must be UTF-8 and
// quoted for tmux, without newlines. If one of the lines cannot be sent, none
// is.
func (c *Client) Send(lines ...string) (*Pending, error) { return c.sendLines(&Pending{}, lines) }

func (c *Client) sendLines(p *Pending, lines []string) (*Pending, error) {
	if len(lines) == 0 {
		return nil, fmt.Errorf("no command lines to send: %w", ErrNotExecuted)
	}
	for _, line := range lines {
		if err := checkLine(line); err != nil {
			return nil, err
		}
	}
	p.done, p.replies, p.left = make(chan struct{}), make([]Reply, len(lines)), len(lines)
	if err := c.send(p, lines); err != nil {
		return nil, err
	}
	return p, nil
}

// SendThen sends a command line as [Client.Send] does, which is somebody's: see
// [Client.SettledOf]. Nobody waits: then is called
// with what came of it, once, by the goroutine that reads for everybody. So it must
// not block, nor use the Client.
func (c *Client) SendThen(of any, line string, then func(Reply, error)) error {
	return c.SendIf(of, line, nil, then)
}

// SendOf is [Client.Send] of lines that are somebody's: see [Client.SettledOf].
func (c *Client) SendOf(of any, lines ...string) (*Pending, error) {
	return c.sendLines(&Pending{of: of}, lines)
}

// SendIf is [Client.SendThen], if may says so at the last moment: it is called with the
// connection's lock held, right before the line is written, so it must not block, nor use the
// Client. At once is whether all of the line goes into the pipe now; it would wait for the
// server to read otherwise. What may says is the error, and nothing of the line is sent then.
func (c *Client) SendIf(of any, line string, may func(atOnce func() bool) error, then func(Reply, error)) error {
	if err := checkLine(line); err != nil {
		return err
	}
	p := &Pending{of: of, replies: make([]Reply, 1), left: 1, may: may, then: func(r []Reply, err error) { then(r[0], err) }}
	return c.send(p, []string{line})
}

// Drain waits until everything that was sent before is executed. To [Client.Settled] it is more than
// a question: what somebody waits for by it may have been sent another way, as keys are through a
// terminal, and has been run then, but may not have come to the programs in panes.
func (c *Client) Drain(ctx context.Context) error {
	return c.drain(ctx, &Pending{})
}

func (c *Client) drain(ctx context.Context, p *Pending) error {
	p.done, p.replies, p.left = make(chan struct{}), make([]Reply, 1), 1
	if err := c.send(p, nil); err != nil {
		return err
	}
	_, err := p.Wait(ctx)
	return err
}

// Executed waits until everything that was sent before is executed, as Drain does, but sends
// nothing itself: however many wait, tmux has no more to do by it, and where every line has
// its answer nobody waits at all. It says nothing about what tmux was sent another way.
func (c *Client) Executed(ctx context.Context) error {
	c.mu.Lock()
	if c.cause != nil {
		defer c.mu.Unlock()
		return failure(ErrNotExecuted, c.cause)
	}
	if c.queue.len() == 0 {
		c.mu.Unlock()
		return nil
	}
	r := c.queue.at(c.queue.len() - 1).awaited()
	c.mu.Unlock()
	return r.wait(ctx)
}

// awaited gives what somebody waits by who has not sent it. The lock is held.
func (e *entry) awaited() *milestone {
	if e.reached == nil {
		e.reached = &milestone{done: make(chan struct{})}
	}
	return e.reached
}

// wait waits until it is passed.
func (m *milestone) wait(ctx context.Context) error {
	select {
	case <-m.done:
		return m.err
	case <-ctx.Done():
		return failure(ErrUnknownOutcome, fmt.Errorf("no answer from the tmux server yet: %w", ctx.Err()))
	}
}

// milestone is an entry that somebody waits for who has not sent it.
type milestone struct {
	done chan struct{}
	err  error // before done is closed
}

// pass has those hear who wait for it.
func (m *milestone) pass(err error) {
	if m != nil {
		m.err = err
		close(m.done)
	}
}

// send queues lines, or a marker alone, and writes what can be written now.
func (c *Client) send(p *Pending, lines []string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != nil {
		return failure(ErrNotExecuted, c.cause)
	}
	if c.waiting() > maxBacklog && lines != nil {
		return ErrBacklog
	}
	if p.may != nil {
		if err := p.may(func() bool { return c.fits(lines) }); err != nil {
			return err
		}
	}
	for i := range p.replies {
		if lines != nil {
			c.accept(lines[i])
		}
		c.queue.push(entry{p: p, index: i, lineEnd: c.accepted, behind: c.queue.first()})
		if !p.own && !(p.asks && (lines == nil || question(lines[i]))) {
			c.acts.sent(p.of, c.queue.next)
		}
		c.acceptMarker(c.mark, c.queue.next-1)
	}
	if !c.busy {
		c.flush()
		if c.waiting() > 0 {
			c.busy = true
			wake(c.wakeup)
		}
	}
	c.stall.arm(c.opts.Stall, &c.queue)
	return nil
}

// failure is the error of a command without an answer.
func failure(what, cause error) error { return fmt.Errorf("%w: %w", what, cause) }

// write writes what did not fit into the pipe, when there is room again.
func (c *Client) write() {
	raw, err := c.in.SyscallConn()
	if err != nil {
		return // closed already
	}
	for {
		select {
		case <-c.cutting:
			return
		case <-c.wakeup:
		}
		err := raw.Write(func(uintptr) bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.flush()
			c.busy = c.waiting() > 0 && c.cause == nil
			return !c.busy
		})
		if err != nil {
			return // only because the deadline was set, by stopSending
		}
	}
}

// answered gives a reply to who waits for it.
func (c *Client) answered(seq uint64, r Reply) error {
	c.mu.Lock()
	if c.queue.len() == 0 || c.queue.first() != seq {
		c.mu.Unlock()
		return fmt.Errorf("%w: an answer out of order", ErrProtocol)
	}
	e := c.queue.at(0)
	p, index := e.p, e.index
	e.answered = true
	c.mu.Unlock()
	// It leaves the queue when its sender has the answer, not before: an empty queue is
	// what tells [Client.Executed] that there is nothing to wait for.
	p.settle(index, r)
	c.mu.Lock()
	done := c.queue.pop()
	c.acts.answered(done.behind)
	if c.cause != nil {
		c.checkSettled()
	}
	c.mu.Unlock()
	done.reached.pass(nil)
	return nil
}

// settle has the answer, or its lack, for one line. Only the reader calls it.
func (p *Pending) settle(index int, r Reply) {
	p.replies[index] = r
	var bad *CommandError
	if r.Err != nil && p.err == nil && !errors.As(r.Err, &bad) {
		p.err = r.Err
	}
	p.left--
	if p.left > 0 {
		return
	}
	if p.then != nil {
		p.then(p.replies, p.err)
		return
	}
	close(p.done)
}

// pipe is the way to the server: what is accepted but not written, and both
// ends. The Client's lock protects it.
type pipe struct {
	in       *os.File // our end, for waiting until there is room
	inFD     int      // the same, for writing; -1 when closed
	tail     int      // the server's end, which we hold as well; -1 when closed
	buf      []byte
	off      int   // buf[off:] is not written yet
	accepted int64 // stream offset of the end of buf
	written  int64 // stream offset up to which the pipe was given
	consumed int64 // stream offset up to which the server has read; known once cut
	busy     bool  // the writer is at it
}

func newPipe(tail, inFD int) pipe {
	return pipe{in: os.NewFile(uintptr(inFD), "tmux commands"), inFD: inFD, tail: tail}
}

func (p *pipe) waiting() int { return len(p.buf) - p.off }

func (p *pipe) accept(line string) {
	p.buf = append(append(p.buf, line...), '\n')
	p.accepted += int64(len(line)) + 1
}

func (p *pipe) acceptMarker(mark string, seq uint64) {
	n := len(p.buf)
	p.buf = appendMarker(p.buf, mark, seq)
	p.accepted += int64(len(p.buf) - n)
}

func appendMarker(b []byte, mark string, seq uint64) []byte {
	b = append(b, mark...)
	b = strconv.AppendUint(b, seq, 16)
	return append(b, '\n')
}

// maxMarker is more than a marker has beside its name.
const maxMarker = 32

// fits reports whether lines go into the pipe now, whole. Nobody but us writes to it: a pipe
// that has room has it for PIPE_BUF bytes at least, and one that is empty for all that
// it holds (pipe(7)).
func (c *Client) fits(lines []string) bool {
	if c.waiting() > 0 || c.inFD < 0 {
		return false
	}
	n := 0
	for _, line := range lines {
		n += len(line) + 1 + len(c.mark) + maxMarker
	}
	if n <= pipeBuf {
		ready := []unix.PollFd{{Fd: int32(c.inFD), Events: unix.POLLOUT}}
		k, err := unix.Poll(ready, 0)
		return err == nil && k == 1 && ready[0].Revents&unix.POLLOUT != 0
	}
	holds, err := unix.FcntlInt(uintptr(c.inFD), unix.F_GETPIPE_SZ, 0)
	if err != nil || n > holds {
		return false
	}
	unread, err := unix.IoctlGetInt(c.inFD, unix.TIOCINQ)
	return err == nil && unread == 0
}

// pipeBuf is PIPE_BUF of Linux.
const pipeBuf = 4096

// flush writes as much as the pipe takes.
func (p *pipe) flush() {
	for p.waiting() > 0 && p.inFD >= 0 {
		n, err := unix.Write(p.inFD, p.buf[p.off:])
		if err == unix.EINTR {
			continue
		}
		if n <= 0 || err != nil {
			return // full; it cannot break, because we hold the other end
		}
		p.off += n
		p.written += int64(n)
	}
	if p.waiting() > 0 {
		return
	}
	p.off = 0
	if p.buf = p.buf[:0]; cap(p.buf) > 1<<18 {
		p.buf = nil
	}
}

// entry is a line, or a marker alone, without an answer.
type entry struct {
	p       *Pending
	index   int    // in p.replies
	lineEnd int64  // stream offset after the line, before its marker
	behind  uint64 // all before this number were answered when it was sent
	reached *milestone
	// answered: its sender has the answer, or is being given it.
	answered bool
}

// queue holds the entries in the order of the stream, numbered.
type queue struct {
	ring []entry // length is a power of two
	head int
	n    int
	next uint64 // number of the next entry
}

func (q *queue) len() int { return q.n }

// first returns the number of the oldest entry.
func (q *queue) first() uint64 { return q.next - uint64(q.n) }

func (q *queue) at(i int) *entry { return &q.ring[(q.head+i)&(len(q.ring)-1)] }

func (q *queue) push(e entry) {
	if q.n == len(q.ring) {
		bigger := make([]entry, max(64, 2*len(q.ring)))
		for i := range q.n {
			bigger[i] = *q.at(i)
		}
		q.ring, q.head = bigger, 0
	}
	q.n++
	q.next++
	*q.at(q.n - 1) = e
}

func (q *queue) pop() entry {
	e := *q.at(0)
	*q.at(0) = entry{}
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.n--
	return e
}

// stallTimer notices when the oldest entry stays the oldest for too long.
type stallTimer struct {
	timer   *time.Timer
	armed   bool
	oldest  uint64
	strikes int
}

// stallStrikes is how often the oldest entry is looked at within the time.
const stallStrikes = 4

func (s *stallTimer) arm(stall time.Duration, q *queue) {
	if s.armed || q.len() == 0 {
		return
	}
	s.armed, s.oldest, s.strikes = true, q.first(), 0
	s.timer.Reset(stall / stallStrikes)
}

// checkStall is called by the timer.
func (c *Client) checkStall() {
	c.mu.Lock()
	s := &c.stall
	s.armed = false
	if c.cause != nil || c.queue.len() == 0 {
		c.mu.Unlock()
		return
	}
	if s.oldest != c.queue.first() {
		s.arm(c.opts.Stall, &c.queue)
		c.mu.Unlock()
		return
	}
	if s.strikes++; s.strikes < stallStrikes {
		s.armed = true
		s.timer.Reset(c.opts.Stall / stallStrikes)
		c.mu.Unlock()
		return
	}
	c.mu.Unlock()
	c.end(fmt.Errorf("%w for %s", ErrStalled, c.opts.Stall), 0)
}

// sessionProbe asks whether there are sessions left, once at a time.
type sessionProbe struct {
	running atomic.Bool
	again   atomic.Bool
}

// Look has the server asked once more whether it has sessions; see [Client.Empty].
func (c *Client) Look() {
	if c.opts.Session == "" {
		c.probeSessions()
	}
}

// probeSessions looks, soon, whether the server has sessions.
func (c *Client) probeSessions() {
	if c.sessions.running.Swap(true) {
		c.sessions.again.Store(true)
		return
	}
	c.sessions.again.Store(false)
	p := &Pending{own: true, replies: make([]Reply, 1), left: 1, then: func(r []Reply, err error) {
		if err == nil && r[0].Err == nil && len(r[0].Data) == 0 {
			wake(c.empty)
		}
		c.sessions.running.Store(false)
		if err == nil && c.sessions.again.Load() {
			c.probeSessions()
		}
	}}
	if err := c.send(p, []string{"list-sessions -F x"}); err != nil {
		c.sessions.running.Store(false)
	}
}

func indexNewline(b []byte) int { return bytes.IndexByte(b, '\n') }
