package control

import (
	"context"
	"time"

	"golang.org/x/sys/unix"
)

// CutReport says what became of the commands that had no answer when
// [Client.Cut] was called.
type CutReport struct {
	Withdrawn int // not executed, and never will be
	Answered  int // executed and answered while Cut waited
	Unknown   int // read by the server, without an answer
}

// Cut ends the client in a known state. It stops sending and takes back what
// the server has not read yet, at once and without the server's help, so also
// from one that stands still: those commands get [ErrNotExecuted] and are never
// run. Then it waits, until ctx ends, for the answers to what the server has
// read already, and closes the client with [ErrCut]. When it returns, nothing
// that was sent here is run any more, except what the report counts as unknown.
//
// On a client that has ended there is nothing left to cut.
func (c *Client) Cut(ctx context.Context) CutReport {
	c.mu.Lock()
	first := c.cause == nil
	c.stopSending(ErrCut)
	var r CutReport
	read := 0
	for i := range c.queue.len() {
		switch e := c.queue.at(i); {
		case e.p.own, e.answered:
		case e.lineEnd <= c.consumed:
			read++
		default:
			r.Withdrawn++
		}
	}
	if first {
		c.completeMarker()
	}
	c.checkSettled()
	c.mu.Unlock()

	select {
	case <-c.settled:
	case <-c.done:
	case <-ctx.Done():
	}
	c.end(ErrCut, 0)
	c.wg.Wait()
	r.Unknown = min(c.lost, read)
	r.Answered = read - r.Unknown
	return r
}

// stopSending makes cause the reason why nothing is sent any more and takes
// back what the server has not read, unless that was done before. The lock is
// held.
func (c *Client) stopSending(cause error) {
	if c.cause != nil {
		return
	}
	c.cause = cause
	c.stall.timer.Stop()
	c.takeBack()
	close(c.cutting)
	_ = c.in.SetWriteDeadline(time.Unix(1, 0)) // ends the writer's wait
}

// takeBack empties the pipe. One read takes all: the kernel holds the pipe's
// lock meanwhile, so that the server, should it read at the same moment, finds
// either everything before or nothing. It can never see the two halves of a
// line that something was taken out of. Nobody writes, because we hold the
// lock.
func (p *pipe) takeBack() {
	size, err := unix.FcntlInt(uintptr(p.tail), unix.F_GETPIPE_SZ, 0)
	if err != nil || size < 1<<16 {
		size = 1 << 16
	}
	buf := make([]byte, size)
	_ = unix.SetNonblock(p.tail, true) // it is, unless the server changed it
	taken := 0
	for {
		n, err := unix.Read(p.tail, buf)
		if err == unix.EINTR {
			continue
		}
		if n <= 0 || err != nil {
			break
		}
		taken += n
	}
	p.consumed = p.written - int64(taken)
	p.buf, p.off = nil, 0
}

// completeMarker sends the rest of a marker if the server has read the whole
// line before it: it is no command, and its refusal tells that the line has
// been run. The lock is held.
func (c *Client) completeMarker() {
	for i := range c.queue.len() {
		e := c.queue.at(i)
		marker := appendMarker(nil, c.mark, c.queue.first()+uint64(i))
		done := c.consumed - e.lineEnd
		if done < 0 {
			return
		}
		if done < int64(len(marker)) {
			// Into an empty pipe: it fits.
			_, _ = unix.Write(c.inFD, marker[done:])
			return
		}
	}
}

// checkSettled tells Cut when no line that the server has read is without an
// answer. The lock is held.
func (c *Client) checkSettled() {
	if c.queue.len() > 0 && c.queue.at(0).lineEnd <= c.consumed {
		return
	}
	select {
	case <-c.settled:
	default:
		close(c.settled)
	}
}

// finish gives every command without an answer its error and closes what is
// open. The reader calls it at its end.
func (c *Client) finish() {
	c.mu.Lock()
	cause := c.cause
	var left []entry
	for c.queue.len() > 0 {
		left = append(left, c.queue.pop())
	}
	consumed := c.consumed
	tail := c.tail
	c.inFD, c.tail = -1, -1
	c.mu.Unlock()
	// Not under the lock: closing waits for the writer, who may want it.
	_ = c.in.Close()
	_ = unix.Close(tail)
	_ = c.out.Close()
	for _, e := range left {
		what := ErrNotExecuted
		if e.lineEnd <= consumed {
			what = ErrUnknownOutcome
			if !e.p.own {
				c.lost++
			}
		}
		e.p.settle(e.index, Reply{Err: failure(what, cause)})
		e.reached.pass(failure(what, cause))
	}
	close(c.done)
}
