package executor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux/control"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// carried is a command on its way over the person's own control client.
type carried struct {
	done   chan struct{}
	failed bool // set before done is closed
}

// carries reports whether a command goes over the person's own control client:
// they hold every verb where that is attached. What names files of a person who
// is not at home is for their own client, and what lists other servers, too, is
// put together here.
func (s *controlSeat) carries(plan *gateway.Plan) bool {
	if plan.Declares != nil { // how it ends is known only behind tmux's answer
		return false
	}
	if !s.full || !plan.Full || plan.Server != gateway.Server(s.server) || len(plan.Elsewhere) > 0 {
		return false
	}
	switch plan.Invocation.Row.Name {
	case "load-buffer", "save-buffer", "source-file":
		return plan.Home
	case "capture-pane", "show-buffer":
		// A program may have drawn what reads as the end of a block. Of a block
		// of ours we choose the number afterwards.
		return !plan.Invocation.Has('p') && plan.Invocation.Row.Name == "capture-pane"
	}
	return plan.Mode == gateway.Run || plan.Mode == gateway.Attach
}

// carry sends the decided command over the person's own control client, whose
// block is the answer to them, and waits until it is done.
func (s *controlSeat) carry(ctx context.Context, p *gateway.Permit) (gateway.Result, error) {
	plan := p.Plan()
	m, inv := making(plan)
	line, err := inv.Text(plan.Snapshot.Reading())
	if a := p.Request().Assigns; a != nil {
		line, err = a.Text()
	}
	if err != nil {
		return gateway.Result{}, err
	}
	failpoint.At("control-carry")
	result := gateway.Result{Executed: []string{line}, Told: true}
	s.maker.Store(m)
	defer s.maker.Store(nil)
	c, err := s.send(ctx, line)
	if err != nil {
		return gateway.Result{}, err
	}
	defer s.forget(c)
	err = s.await(ctx, c, patient(plan.Invocation))
	result.Made = m.made(s.server)
	if err == nil && c.isDone() && c.failed {
		result.Exit = 1
	}
	return result, err
}

// await waits until a line is done, or tmux has ended the client or itself. One
// that waits by its nature is waited for however long it takes.
func (s *controlSeat) await(ctx context.Context, c *carried, patience bool) error {
	answered := time.NewTicker(answerTime)
	defer answered.Stop()
	for {
		select {
		case <-c.done:
			return nil
		case <-s.read:
			return nil
		case <-ctx.Done():
			s.breakOff(context.Cause(ctx))
			outlast(s.server)
			return context.Cause(ctx)
		case <-answered.C:
			if patience || s.showing.Load() || time.Since(time.Unix(0, s.shown.Load())) < answerTime {
				continue
			}
			err := fmt.Errorf("the tmux server has not answered for %v; it may still do what was asked", answerTime)
			s.sever(err)
			return err
		}
	}
}

func (c *carried) isDone() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// expect gives a number for a mark, and what tells that tmux has come to it.
func (s *controlSeat) expect() (uint64, *carried) {
	c := &carried{done: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq++
	s.pending[s.seq] = c
	return s.seq, c
}

// send writes a line and the mark that tells when it is done.
func (s *controlSeat) send(ctx context.Context, line string) (*carried, error) {
	seq, c := s.expect()
	if err := s.deliver(ctx, s.marks.Append([]byte(line+"\n"), seq)); err != nil {
		s.forget(c)
		return nil, err
	}
	return c, nil
}

// deliver writes whole lines to tmux.
func (s *controlSeat) deliver(ctx context.Context, lines []byte) error {
	s.smu.Lock()
	stop := context.AfterFunc(ctx, func() { _ = s.in.SetWriteDeadline(time.Unix(1, 0)) })
	err := s.write(lines, answerTime)
	stop()
	s.smu.Unlock()
	if err != nil {
		// The half of a line must not become the begin of another.
		if cause := context.Cause(ctx); cause != nil {
			s.breakOff(cause)
			return cause
		}
		err = fmt.Errorf("the tmux server does not read: %w", err)
		s.sever(err)
	}
	return err
}

// write sends to tmux, unless the client was severed; s.smu is held.
func (s *controlSeat) write(p []byte, limit time.Duration) error {
	_ = s.in.SetWriteDeadline(time.Now().Add(limit)) // a pipe takes deadlines
	s.mu.Lock()
	cut := s.cut
	s.mu.Unlock()
	if cut {
		return errServerGone
	}
	_, err := s.in.Write(p)
	return err
}

func (s *controlSeat) forget(c *carried) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for seq, other := range s.pending {
		if other == c {
			delete(s.pending, seq)
		}
	}
}

// carriedOut is called when a command is done, and what it printed is queued for
// the person.
func (s *controlSeat) carriedOut(seq uint64, failed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.pending[seq]; c != nil {
		c.failed = failed
		delete(s.pending, seq)
		close(c.done)
	}
}

// sever ends our client at tmux at once. What tmux has not read is taken back;
// what it has read and not done, it forgets with the client.
func (s *controlSeat) sever(reason error) {
	s.mu.Lock()
	s.cut = true
	s.mu.Unlock()
	// A line under way goes no further, and none begins: the rest of one whose
	// begin was taken back would be a command that nobody decided.
	_ = s.in.SetWriteDeadline(time.Unix(1, 0))
	s.smu.Lock()
	s.drain()
	s.smu.Unlock()
	s.leave(reason) // first: a connection that we close is no server that has gone
	_ = s.conn.Close()
}

// breakOff severs the client for the end of a line. If that has lost what the client rests on as
// well, they hear so, as from [controlSeat.close]: which of the two is decided anew first is chance.
func (s *controlSeat) breakOff(cause error) {
	if d := s.right().Decide(); lost(d) {
		why := ""
		var refused *gateway.Refused
		if errors.As(cause, &refused) {
			why = refused.Why
		}
		text := s.taken(d, why)
		s.said(&wire.Exit{Code: 1, Message: oneLine(text)}, false)
		cause = errors.New(text)
	}
	s.sever(cause)
}

// drain takes back what tmux has not read.
func (s *controlSeat) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tail < 0 {
		return
	}
	buf := make([]byte, control.MaxLine)
	for {
		n, err := unix.Read(s.tail, buf)
		if n <= 0 && !errors.Is(err, unix.EINTR) {
			return
		}
	}
}
