package executor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// Wait waits until the person has left, and gives the exit of their client.
func (s *controlSeat) Wait(context.Context) (gateway.Result, error) {
	<-s.done // everything in run ends with the person's own context
	return s.result, nil
}

// run starts the ears for tmux and for the person, and ends it all when they
// leave.
func (s *controlSeat) run() {
	s.wg.Go(func() { s.protected(s.listen) })
	s.wg.Go(func() { s.protected(s.fromServer) })
	s.wg.Go(func() { s.protected(s.fromClient) })
	s.wg.Go(func() { s.protected(s.hear) })
	s.wg.Go(func() { s.protected(s.obey) })
	s.wg.Go(func() { s.protected(s.hearBell) })
	if !s.full {
		s.wg.Go(func() { s.protected(s.mindAway) })
	}
	go func() {
		if fault := attach.Guard(func() error { s.finish(); return nil }); fault != nil {
			s.tell(fault)
			_ = s.conn.Close()
			s.e.ears.goes(s.server, s)
			s.live.Release()
			close(s.done)
		}
	}()
}

// protected keeps a fault in one person's service from ending the others'.
func (s *controlSeat) protected(f func()) {
	if err := attach.Guard(func() error { f(); return nil }); err != nil {
		if !s.leave(err) {
			s.tell(err)
		}
	}
}

func (s *controlSeat) tell(err error) { s.e.tell(s.p, err) }

// fromServer hears what tmux tells our client beside the lines. A tmux client
// obeys its server; we pass on that it ends.
func (s *controlSeat) fromServer() {
	defer close(s.heard)
	for {
		m, err := s.conn.ReadMsg(s.ctx)
		failpoint.At("control-fromServer")
		if err != nil {
			if s.ctx.Err() == nil && (errors.Is(err, io.EOF) || s.conn.Err() != nil) {
				s.said(nil, true)
				s.depart(errServerGone)
			}
			return
		}
		switch m := m.(type) {
		case *wire.Flags:
			s.flags(m)
			continue
		case *wire.Exit:
			m.Code = max(m.Code, s.code())
			s.said(m, false)
		case *wire.Detach, *wire.DetachKill, *wire.Exec, *wire.Shutdown:
			s.said(&wire.Exit{}, false)
		default:
			continue
		}
		s.depart(nil)
		return
	}
}

// depart leaves once what tmux said before is passed on.
func (s *controlSeat) depart(reason error) {
	_ = s.conn.Close() // then it closes our output as well
	select {
	case <-s.read:
	case <-time.After(exitTime):
	case <-s.ctx.Done():
	}
	s.leave(reason)
}

// flags tells the client what it is, which decides how it exits. That it is in
// control mode is between it and us.
func (s *controlSeat) flags(m *wire.Flags) {
	if !s.full && !s.waits.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), exitTime)
	defer cancel()
	own := s.client.Hello().Flags & (wire.FlagControl | wire.FlagControlControl)
	_ = s.client.Send(ctx, &wire.Flags{Flags: m.Flags&wire.FlagControlWaitExit | own})
}

// said keeps what the client hears at the end; the first word counts.
func (s *controlSeat) said(exit *wire.Exit, silent bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil && !s.silent {
		s.last, s.silent = exit, silent
	}
}

// fromClient notices that the person's client has gone; it has nothing else to
// say here.
func (s *controlSeat) fromClient() {
	for {
		select {
		case _, open := <-s.client.Events():
			if !open {
				s.leave(errors.New("the client has gone"))
				return
			}
		case <-s.ctx.Done():
			return
		}
	}
}

// hear takes the person's lines as they come, so that their end is noticed also
// while one of them waits.
func (s *controlSeat) hear() {
	defer close(s.lines)
	for {
		select {
		case line, more := <-s.client.Lines():
			if !more {
				close(s.eof)
				return
			}
			select {
			case s.lines <- line:
			case <-s.ctx.Done():
				return
			}
		case <-s.ctx.Done():
			return
		}
	}
}

// obey takes the person's lines through the line, one after the other, until
// one is empty or there are no more: either way they leave.
func (s *controlSeat) obey() {
	for {
		select {
		case line, more := <-s.lines:
			failpoint.At("control-obey")
			if !more || line == "" {
				s.bye()
				return
			}
			s.line(line)
		case <-s.ctx.Done():
			return
		}
	}
}

// bye detaches. Somebody whose client tmux has is detached by it, which tells
// the exit code.
func (s *controlSeat) bye() {
	if s.full {
		s.smu.Lock()
		err := s.write([]byte("\n"), exitTime)
		s.smu.Unlock()
		if err == nil {
			select {
			case <-s.heard:
			case <-s.ctx.Done():
			case <-time.After(exitTime):
			}
		}
	}
	s.said(&wire.Exit{Code: s.code()}, false)
	s.leave(nil)
}

// line reads a line and has each of its commands decided, and carried out.
func (s *controlSeat) line(line string) {
	ctx, g := s.ctx, s.e.Gateway()
	gate := s.replies()
	reqs, err := g.ParseText(ctx, gateway.Request{
		Identity: s.live.Who(), Door: s.p.Request().Door, Here: s.server.Owner(),
		Display: s.name, Client: s.client, By: s,
	}, line)
	if err != nil { // as with tmux, the exit code does not tell
		if s.commands(ctx, reqs, gate) { // what was set before
			s.reply(err, gate)
		}
		return
	}
	s.commands(ctx, reqs, gate)
}

// commands has the commands of a line decided, and carried out until one fails.
func (s *controlSeat) commands(ctx context.Context, reqs []gateway.Request, gate gateway.Gate) (done bool) {
	if err := s.e.Gateway().PreviewAll(ctx, reqs); err != nil {
		s.fail()
		s.reply(err, gate)
		return false
	}
	for i, req := range reqs {
		if i > 0 {
			req.Session = s.session(ctx) // the one before may have moved us
		}
		r, err := s.handle(ctx, req)
		if r.Release != nil {
			defer r.Release()
		}
		failed := err != nil || r.Exit != 0 && !r.GoesOn
		if failed {
			s.fail()
		}
		if !r.Told && (failed || req.Assigns == nil) {
			s.answer(failed, err, gate)
		}
		if failed {
			return false // the rest of the line goes with it
		}
	}
	return true
}

// handle puts a command through the line. One that waits by its nature is not
// waited for when the person has nothing more to say: they leave, as with tmux.
func (s *controlSeat) handle(ctx context.Context, req gateway.Request) (gateway.Result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if patient(req.Invocation) {
		s.wg.Go(func() {
			select {
			case <-s.eof:
			case <-ctx.Done():
				return
			}
			select {
			case <-time.After(lastWords):
				s.bye()
			case <-ctx.Done():
			}
		})
	}
	return s.e.Gateway().Handle(ctx, req)
}

func (s *controlSeat) fail() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = true
}

// reply answers with an error.
func (s *controlSeat) reply(err error, gate gateway.Gate) { s.answer(true, err, gate) }

// answer writes the block of a command that did not go over our client.
func (s *controlSeat) answer(failed bool, err error, gate gateway.Gate) {
	ctx := s.ctx
	if !s.full {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, behindTime)
		defer cancel()
	}
	if rerr := s.client.Reply(ctx, true, failed, err, gate); rerr != nil {
		s.leave(errBehind)
	}
}

// right is what they are attached by.
func (s *controlSeat) right() *gateway.Right {
	if s.full {
		return s.whole
	}
	return s.stage.Load().view
}

// replies lets an answer through that rests on this person's rights as they are now, as
// long as those are not decided anew. What waits when they leave has its gate still.
func (s *controlSeat) replies() gateway.Gate {
	gate, right := s.client.Answers().Gate(), s.right()
	return func(deliver func() error) error {
		return s.passes([]*gateway.Right{right}, func() error { return gate(deliver) })
	}
}

// session is the one that our client is at now, by which what is not named is
// chosen.
func (s *controlSeat) session(ctx context.Context) *tmux.SessionID {
	ctx, cancel := context.WithTimeout(ctx, keyTime)
	defer cancel()
	id := s.stage.Load().session.ID
	if snap, err := s.server.Snapshot(ctx, tmux.Core); err == nil {
		if at, err := s.at(snap); err == nil {
			id = at.ID
		}
	}
	return &id
}

// finish waits for the end, and tidies up.
func (s *controlSeat) finish() {
	<-s.ctx.Done()
	failpoint.At("control-finish")
	_ = s.conn.Close()
	s.leave(context.Cause(s.ctx)) // unless there is a reason already
	_ = s.in.SetWriteDeadline(time.Unix(1, 0))
	_ = s.out.SetReadDeadline(time.Unix(1, 0))
	ended := make(chan struct{})
	go func() { s.wg.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(stuckTime):
		s.tell(stuck())
	}
	s.closePipes()
	s.e.ears.goes(s.server, s)
	s.mu.Lock()
	if s.alarm != nil {
		s.alarm.Stop()
	}
	reason, note := s.reason, "left"
	s.result = s.outcome(reason)
	s.mu.Unlock()
	if reason != nil {
		note = reason.Error()
	}
	s.tell(reason)
	ctx, cancel := context.WithTimeout(context.Background(), exitTime)
	defer cancel()
	_ = s.e.Gateway().Note(ctx, s.p, access.BestEffortClass, func(ev *access.Event) {
		ev.Kind, ev.Note = access.EventDetach, note
	})
	s.live.Release()
	close(s.done)
}

// outcome is how the person's client exits. The lock is held.
func (s *controlSeat) outcome(reason error) gateway.Result {
	var r gateway.Result
	switch {
	case s.silent:
		return gateway.Result{Silent: true}
	case s.last != nil:
		r = gateway.Result{Exit: int(s.last.Code), Message: s.last.Message}
	case reason != nil && !errors.Is(reason, attach.ErrDetached):
		r = gateway.Result{Exit: 1, Message: oneLine(reason.Error())}
	}
	return r
}

// oneLine is text as it can stand behind %exit.
func oneLine(text string) string { return strings.ReplaceAll(tmux.Clean(text), "\n", " ") }

// code is the exit code of a client that leaves by itself: 1 if a command of
// theirs failed, as with tmux.
func (s *controlSeat) code() int32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed {
		return 1
	}
	return 0
}

// reconsider is called when this person's rights may have changed. When it
// returns nil, nothing that they may no longer do or see is still going on.
func (s *controlSeat) reconsider(ctx context.Context, why string) error {
	defer s.ring() // they may answer what they might not
	if d := s.right().Decide(); lost(d) {
		return s.close(ctx, d, why)
	}
	s.arm()
	// What was let through before is over; whatever is queued is decided anew
	// before it is written.
	gateway.Waits(ctx)
	return errors.Join(s.live.Pass(ctx), s.client.Settle(ctx))
}

// close ends it for somebody who may not have it any more. When it returns nil,
// nothing more is shown, and nothing that they sent is done later.
func (s *controlSeat) close(ctx context.Context, d access.Decision, why string) error {
	text := s.taken(d, why)
	reason := fmt.Errorf("%w: %s", gateway.ErrEnded, text)
	gateway.Waits(ctx)
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	ended := s.live.EndWithin(short, reason)
	s.said(&wire.Exit{Code: 1, Message: oneLine(text)}, false)
	s.sever(errors.New(text))
	return errors.Join(ended, s.client.Settle(ctx), s.settle(ctx))
}

// taken words the end of who may not have it any more.
func (s *controlSeat) taken(d access.Decision, why string) string {
	if s.full && s.e.Gateway().Ending() == nil {
		return because("muxward: you do not hold every verb here any more; attach again", d, why)
	}
	return s.e.notViewed(d, why)
}

// settle waits until tmux has forgotten our client with all that it sent.
func (s *controlSeat) settle(ctx context.Context) error {
	if !s.full {
		return nil // it sent nothing
	}
	for range 3 { // reading the end, and what was read before, are turns of its own
		select {
		case <-s.server.Done():
			return nil
		default:
		}
		c, err := s.server.Control(ctx)
		if err == nil {
			short, cancel := context.WithTimeout(ctx, time.Second)
			err = c.Drain(short)
			cancel()
		}
		if err != nil {
			return fmt.Errorf("confirm with the tmux server: %w", err)
		}
	}
	return nil
}

// arm has the person's rights looked at again when the time limit of what they
// rest on has come.
func (s *controlSeat) arm() {
	d := s.right().Decide()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left {
		return
	}
	if s.alarm != nil {
		s.alarm.Stop()
		s.alarm = nil
	}
	if !d.Allow || d.Expires.IsZero() {
		return
	}
	s.alarm = time.AfterFunc(d.Expires.Sub(s.e.Gateway().Time()), func() {
		s.protected(func() {
			ctx, cancel := context.WithTimeout(s.ctx, attachTime)
			defer cancel()
			_ = s.reconsider(ctx, "the time is over") // what cannot be confirmed has ended
		})
	})
}
