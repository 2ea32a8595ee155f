package executor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/control"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// seat is one attached person: their client, their terminal, their display,
// and the permit that all of it hangs on.
type seat struct {
	e      *Executor
	p      *gateway.Permit
	live   *gateway.Live
	server Server
	client gateway.Client
	conn   *wire.Conn // the display's connection to tmux
	argv   []string
	exit   *wire.Exit // tmux did not attach

	terminal attach.Terminal
	display  attach.Display
	own      *own   // their place, if it is not the session's; nil otherwise
	leaves   func() // gives up the place; nil if there is none
	tty      string // the display's terminal: its name as a tmux client
	att      *attach.Attachment
	keys     KeyLog

	parting
	ctx      context.Context
	full     atomic.Bool // they hold every verb: their input is direct
	resizes  atomic.Bool // the display has a say in the session's size
	stage    atomic.Pointer[stage]
	asked    patience       // for confirm, with each frame
	whole    *gateway.Right // every verb on the server: what direct input takes
	active   atomic.Pointer[tmux.PaneID]
	moved    atomic.Uint64         // counts the person's own commands: they may go elsewhere
	scene    atomic.Pointer[scene] // what addressed input rests on
	spelling spelling              // of characters that are typed; the input pump's
	typing   *scene                // of what is being typed; the input pump's
	sending  chan struct{}         // holds one for each key whose fate is not known, or not heard
	fates    chan fate             // of keys that are not done, for hear
	// unsettled is set while tmux may not have come to what was typed; the input
	// pump's.
	unsettled bool
	// by is the connection by which something was sent in the seat's name last.
	by atomic.Pointer[control.Client]
	// decided is when it was last decided that what is typed may be, the input's as well.
	decided  time.Time
	keyboard *keyboard      // nil before begin
	looks    showing        // what they look back at
	snap     *tmux.Snapshot // of a session that was just made
	made     *gateway.Made  // by attaching to it
	// unwritten is set while what was read from the terminal could not be
	// recorded.
	unwritten atomic.Bool
	// weighing is set while resizes changes; shrunk once it was told that
	// somebody else has changed it.
	weighing, shrunk atomic.Bool
	// straight is set while tmux may not have come to what was typed directly; escape is the
	// last escape that was typed so, and unread what the input pump has to ask about.
	straight atomic.Bool
	escape   atomic.Pointer[escaped]
	unread   *escaped
	lasting  lasting // a lockdown, or a suggestion, on the last line
	barred   barred
	bell     bell // for requests that wait for this person
	// blind is set once they look on no more; watched is what they typed in last that
	// somebody has to watch, the input pump's; paused is set while nobody does.
	blind   atomic.Bool
	watched underWatch
	paused  atomic.Bool
	// panicking is set while they lock down by the key.
	panicking atomic.Bool
	wg        sync.WaitGroup
	heard     chan struct{} // closed when tmux has said all it says

	// Under mu of the parting:
	last   []wire.Message // what the client hears at the end
	silent bool
	alarm  *time.Timer
	due    time.Time // of the alarm
	anchor *hold
	goes   seeingOff
	moving moving
	done   chan struct{}
	result gateway.Result // set before done is closed
}

// abandon gives up what open and begin have made.
func (s *seat) abandon() {
	s.mu.Lock()
	weight := s.anchor
	s.parted = true
	s.mu.Unlock()
	s.part(weight)
	if s.keys != nil {
		_ = s.keys.Close()
	}
	if s.own != nil {
		s.own.ear.close() // before it is forgotten: a respawn would not find it
	}
	s.getUp()
	if s.display != nil {
		_ = s.display.Close()
	}
	if s.terminal != nil {
		_ = s.terminal.Close()
	}
	if s.cancel != nil {
		s.cancel(gateway.ErrEnded)
	}
}

// getUp gives up the keyboard, when nobody types on it any more.
func (s *seat) getUp() {
	s.e.unsit(s)
	if s.leaves != nil {
		s.leaves()
	}
	if s.keyboard != nil {
		s.e.drop(s.keyboard.board)
		s.keyboard.share.leave()
	}
}

// Wait waits until the person has left, and gives the exit of their client.
func (s *seat) Wait(context.Context) (gateway.Result, error) {
	<-s.done // everything in run ends with the person's own context
	return s.result, nil
}

// run starts what an attached person needs: the pumps between terminal and
// display, and the ears for their client and for tmux.
func (s *seat) run() {
	s.heard = make(chan struct{})
	s.mayGoLate()
	s.wg.Go(func() {
		defer close(s.heard)
		s.protected(s.fromServer)
	})
	s.wg.Go(func() { s.protected(s.fromClient) })
	s.wg.Go(func() { s.protected(s.hear) })
	if s.own != nil {
		s.wg.Go(func() { s.protected(s.own.listen) })
		s.wg.Go(func() { s.protected(s.own.paint) })
	}
	s.wg.Go(func() { s.protected(func() { s.keyboard.lookEarly(s.ctx) }) })
	if s.e.Asking != nil {
		s.e.sit(s)
		s.wg.Go(func() { s.protected(s.hearBell) })
	}
	s.looksOnBeside(true)
	s.mindAnchor()
	go s.serve()
}

// serve shows the display until the person leaves. Whatever goes wrong here,
// their client is told and the permit is released.
func (s *seat) serve() {
	err := s.show()
	if fault := attach.Guard(func() error { s.finish(err); return nil }); fault != nil {
		s.tell(fault)
		_ = s.conn.Close()
		s.vacate()
		s.handOver()
		s.live.Release()
		close(s.done)
	}
}

// show runs the attachment. A part of it that does not end when it should is
// left behind: their client and their permit are not held up by it.
func (s *seat) show() error {
	ran := make(chan error, 1)
	go func() {
		err := attach.Guard(func() error {
			failpoint.At("seat-run")
			return s.att.Run(s.ctx)
		})
		if fault := new(attach.Fault); errors.As(err, &fault) {
			err = errors.Join(err, s.salvage())
		}
		ran <- err
	}()
	select {
	case err := <-ran:
		if errors.Is(err, attach.ErrDisplayGone) {
			// The server says why, or is gone, at the same time.
			select {
			case <-s.heard:
			case <-time.After(exitTime):
			}
		}
		return err
	case <-s.ctx.Done():
	}
	select {
	case err := <-ran:
		return err
	case <-time.After(stuckTime):
		ctx, cancel := context.WithTimeout(context.Background(), exitTime)
		defer cancel()
		return errors.Join(stuck(), s.att.Stop(ctx, ""))
	}
}

// salvage gives the terminal back after a fault that may have kept the
// attachment from doing so.
func (s *seat) salvage() error {
	ctx, cancel := context.WithTimeout(context.Background(), exitTime)
	defer cancel()
	stopped := s.att.Stop(ctx, "")
	_ = s.terminal.Close() // it may be closed already, as the display
	_ = s.display.Close()
	return stopped
}

// stuckTime is how long the parts of an attachment may take to end once its context has:
// by then most of their waits are over, and what is not is shorter than this.
const stuckTime = keyTime + time.Second

func stuck() error { return &attach.Fault{What: "a part of this service does not end"} }

// settled waits until the ears of the attachment have ended.
func (s *seat) settled(weight *hold) error {
	done := make(chan error, 1)
	go func() {
		s.wg.Wait()
		done <- weight.settle()
	}()
	select {
	case fault := <-done:
		return fault
	case <-time.After(stuckTime):
		return stuck()
	}
}

// protected keeps a fault in one person's service from ending the others'.
func (s *seat) protected(f func()) {
	if err := attach.Guard(func() error { f(); return nil }); err != nil {
		s.blame(err)
	}
}

// blame ends the attachment for a fault, which is told in any case.
func (s *seat) blame(fault error) {
	if !s.leave(fault) {
		s.tell(fault) // it is not why they leave, so nobody else does
	}
}

// inTime is protected for what nobody waits for: if it does not end, the
// person's service does.
func (s *seat) inTime(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.protected(f)
	}()
	select {
	case <-done:
	case <-time.After(stuckTime):
		s.blame(stuck())
	}
}

// Say tells the person something, at their display.
func (s *seat) Say(text string) { s.att.Notice(text) }

func (s *seat) tell(err error) { s.e.tell(s.p, err) }

// tell writes a fault in somebody's service to the log in full; the person
// hears only that there was one.
func (e *Executor) tell(p *gateway.Permit, err error) {
	var fault *attach.Fault
	if !errors.As(err, &fault) {
		return
	}
	e.alarm(p, fault.Detail())
}

// alarm writes an alarm about somebody's service.
func (e *Executor) alarm(p *gateway.Permit, note string) {
	ctx, cancel := context.WithTimeout(context.Background(), exitTime)
	defer cancel()
	_ = e.Gateway().Note(ctx, p, access.BestEffortClass, func(ev *access.Event) {
		ev.Kind, ev.Note = access.EventAlarm, note
	})
}

// fromServer hears what tmux says about the display. A tmux client obeys its
// server; we pass on that the display ends or pauses, and nothing else.
func (s *seat) fromServer() {
	for {
		m, err := s.conn.ReadMsg(s.ctx)
		failpoint.At("seat-fromServer")
		if err != nil {
			if s.ctx.Err() == nil && (errors.Is(err, io.EOF) || s.conn.Err() != nil) {
				s.say(true)
				s.leave(errServerGone)
			}
			return
		}
		switch m := m.(type) {
		case *wire.Detach:
			s.say(false, &wire.Detach{Session: s.sessionName(m.Session)})
		case *wire.DetachKill:
			// The person's shell is not the server's to hang up.
			s.say(false, &wire.Detach{Session: s.sessionName(m.Session)})
		case *wire.Exec:
			// detach-client -E: what runs in the person's place is not the
			// server's to say either.
			s.say(false, &wire.Exit{Message: "detached; muxward runs no command in place of a client"})
		case *wire.Exit:
			s.say(false, &wire.Exit{Code: m.Code, Message: m.Message})
		case *wire.Shutdown:
			s.say(false, &wire.Shutdown{})
		case *wire.Suspend:
			s.suspend()
			continue
		case *wire.Lock:
			// We know no lock command, and tmux waits for its end.
			s.att.Notice("locking the terminal is not offered here")
			_ = s.conn.WriteMsg(s.ctx, &wire.Unlock{})
			continue
		default:
			continue
		}
		s.leave(nil)
		return
	}
}

// sessionName is how this person calls the session.
func (s *seat) sessionName(name string) string {
	if s.server.Owner() == s.live.Who().Person() {
		return name
	}
	return tmux.Clean(tmux.JoinOwner(s.server.Owner(), name))
}

// fromClient hears the person's own client: sizes, and being continued.
func (s *seat) fromClient() {
	for {
		select {
		case m, open := <-s.client.Events():
			if !open {
				s.leave(errors.New("the client has gone"))
				return
			}
			failpoint.At("seat-fromClient")
			switch m.(type) {
			case *wire.Resize:
				s.att.Resize()
			case *wire.Wakeup:
				s.wake()
			}
		case <-s.ctx.Done():
			return
		}
	}
}

// redraw has tmux look at the display's size and draw everything anew.
func (s *seat) redraw(ctx context.Context) error {
	if s.own != nil {
		s.own.redraw()
		return nil
	}
	return s.conn.WriteMsg(ctx, &wire.Resize{})
}

// say sets what the client hears at the end; the first word counts.
func (s *seat) say(silent bool, msgs ...wire.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil && !s.silent {
		s.last, s.silent = msgs, silent
	}
}

// finish is reached once, when the terminal has been given back.
func (s *seat) finish(err error) {
	failpoint.At("seat-finish")
	s.cancel(err)
	s.leavesOff()
	s.mu.Lock()
	if s.alarm != nil {
		s.alarm.Stop()
	}
	weight := s.anchor
	s.parted = true
	late := s.goes.late
	s.mu.Unlock()
	rest := s.partBehind(late, weight)
	if s.own != nil {
		s.own.ear.close()
	}
	err = errors.Join(err, s.settled(rest))
	if last := s.unheard(); last != nil {
		s.unsure(last)
	}
	_ = s.keys.Close()
	s.getUp()
	if now := s.scene.Load(); now != nil {
		_ = now.keys.Close()
	}
	s.mu.Lock()
	last, silent, reason := s.last, s.silent, s.reason
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), exitTime)
	defer cancel()
	s.result = gateway.Result{Silent: silent}
	switch {
	case silent:
	case len(last) > 0:
		if e, ok := last[0].(*wire.Exit); ok {
			s.result = gateway.Result{Exit: int(e.Code), Message: e.Message}
			break
		}
		s.result.Told = true
		_ = s.client.Send(ctx, last...)
	case s.ended() != nil:
		s.result.Exit = 1
	}
	s.tell(errors.Join(reason, err))
	note := "left"
	if reason != nil {
		note = reason.Error()
	} else if err != nil {
		note = err.Error()
	}
	_ = s.e.Gateway().Note(ctx, s.p, access.BestEffortClass, func(ev *access.Event) {
		ev.Kind, ev.Note = access.EventDetach, note
	})
	s.handOver()
	s.live.Release()
	close(s.done)
}

func (s *seat) ended() error {
	if cause := context.Cause(s.ctx); cause != nil && !errors.Is(cause, attach.ErrDetached) {
		return cause
	}
	return nil
}

// arm has the person's rights looked at again when the time limit of what they
// rest on has come, also if nothing happens on their screen.
func (s *seat) arm() {
	limit := s.limit()
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.e.Gateway().Time()
	if s.alarm != nil && !s.due.After(now) {
		s.alarm.Reset(0) // it looks at all of them, and sets the next
		return
	}
	if s.alarm != nil {
		s.alarm.Stop()
		s.alarm = nil
	}
	if limit.IsZero() || s.left {
		return
	}
	s.due = limit
	s.alarm = time.AfterFunc(limit.Sub(now), func() {
		s.mu.Lock()
		s.alarm = nil
		s.mu.Unlock()
		s.inTime(func() {
			failpoint.At("seat-expire")
			ctx, cancel := context.WithTimeout(s.ctx, attachTime)
			defer cancel()
			_ = s.reconsider(ctx, "the time is over") // what cannot be confirmed has ended
		})
	})
}

// limit is when the first of the rights that are in use here is over; zero if
// none has a limit.
func (s *seat) limit() time.Time {
	rests := []access.Decision{s.stage.Load().view.Decide()}
	if l := s.looks.rests.Load(); l != nil {
		rests = append(rests, l.decide())
	}
	if s.own != nil {
		for _, r := range s.own.rights() {
			rests = append(rests, r.Decide())
		}
	}
	if s.full.Load() {
		rests = append(rests, s.whole.Decide())
	} else if s.resizes.Load() {
		rests = append(rests, s.stage.Load().sizes.Decide())
	}
	var first time.Time
	for _, d := range rests {
		if d.Allow && !d.Expires.IsZero() && (first.IsZero() || d.Expires.Before(first)) {
			first = d.Expires
		}
	}
	return first
}

// reconsider is called when this person's rights may have changed. When it
// returns nil, nothing that they may no longer do is still going on.
func (s *seat) reconsider(ctx context.Context, why string) error {
	defer gateway.Afterwards(ctx, s.bell.ring) // they may answer what they might not, or the other way
	undrawn := s.unsuggest()
	return errors.Join(s.bar(ctx), s.anew(ctx, why), undrawn(ctx))
}

// anew has what they are shown, and how they type, be as they may by now.
func (s *seat) anew(ctx context.Context, why string) error {
	if s.own != nil {
		return s.own.reconsider(ctx, why)
	}
	full := s.p.Plan().Full && s.whole.Decide().Allow
	view := s.stage.Load().view.Decide()
	// What an owner looked at was not followed until now; of what a guest looks
	// at, a part may have been taken.
	if was := s.full.Load(); !full && (was || view.Allow && s.touched()) {
		gateway.Waits(ctx)
		short, cancel := context.WithTimeout(ctx, exitTime)
		err := s.restage(short, false)
		cancel()
		if gone := unviewed(""); errors.As(err, &gone) {
			return s.putOut(ctx, gone.Error())
		}
		if err != nil {
			return s.close(ctx, access.Decision{Reason: err.Error()}, why)
		}
		view = s.stage.Load().view.Decide()
	}
	defer s.arm()
	if view.Allow || full {
		if closed, err := s.unlook(ctx, why); closed {
			return err
		}
		sized := s.sizing(ctx, full)
		gateway.Afterwards(ctx, s.tellStanding)
		return errors.Join(sized, s.moves(ctx))
	}
	return s.close(ctx, view, why)
}

// close ends the attachment of somebody who may not view it any more. When it
// returns nil, nothing more is shown and nothing that they typed is under way.
func (s *seat) close(ctx context.Context, view access.Decision, why string) error {
	return s.putOut(ctx, s.e.notViewed(view, why))
}

// putOut is close, saying why.
func (s *seat) putOut(ctx context.Context, text string) error {
	gateway.Waits(ctx)
	s.blinds() // whoever they watch is waited for behind this: see gateway.Watched
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	ended := s.live.EndWithin(short, fmt.Errorf("%w: %s", gateway.ErrEnded, text))
	s.say(false, &wire.Exit{Code: 1, Message: ""})
	// Keys that were addressed are done before the display is closed: that has
	// tmux draw anew for everybody who looks at the same window. A display that takes keys itself
	// may have some yet, or tmux the begin of one, whatever takes them by now: they are moved to
	// addressed input just then.
	direct := s.goes.keyed
	var confirmed error
	if !direct {
		confirmed = s.settleTyped(ctx)
	}
	late := !direct && s.closesLate()
	if late { // when this is over, whatever goes wrong
		defer gateway.Afterwards(ctx, s.goesLate)
	}
	stopped := s.att.Stop(ctx, text)
	s.leave(errors.New(text))
	if !late { // closing the display has tmux forget what it had read and not yet done
		_ = s.conn.Close()
	}
	if direct {
		confirmed = s.settle(ctx)
	}
	return errors.Join(ended, stopped, confirmed)
}

// mode is where the person's input goes.
func (s *seat) mode() attach.Mode {
	switch {
	case s.full.Load():
		return attach.Direct // tmux, too, knows a display that takes no keys
	case s.p.Plan().ReadOnly:
		return attach.Watch
	}
	return attach.Addressed
}

// filter is what may reach the person's terminal. Their own tmux decides for
// itself; somebody else's does not, whatever they hold there.
func (s *seat) filter() attach.Policy { return s.filterOf(s.full.Load()) }

// filterOf is filter for somebody who types directly, or does not.
func (s *seat) filterOf(full bool) attach.Policy {
	switch {
	case !full:
		return attach.Guest()
	case s.p.Plan().Home:
		return attach.Owner()
	}
	return attach.DirectGuest()
}

// settle waits until tmux has done everything that was sent before, and written what that
// typed, so that nothing of it can happen later. A server that does not answer has what it
// did not read taken back.
func (s *seat) settle(ctx context.Context) error {
	return s.confirmed(ctx, (*control.Client).Still)
}

// settleTyped is settle for what was typed by addressed input, all of which is sent over
// the connection that is everybody's, in this seat's name. A round trip of its own for each of
// a thousand people would take longer than they all type, and so would waiting for what others
// send.
func (s *seat) settleTyped(ctx context.Context) error {
	if c, err := s.server.Control(ctx); err == nil && !c.Owes(s) {
		return nil // as with nearly everybody when all are asked at once
	}
	gateway.Waits(ctx)
	return s.confirmed(ctx, func(c *control.Client, ctx context.Context) error { return c.SettledOf(ctx, s) })
}

func (s *seat) confirmed(ctx context.Context, by func(*control.Client, context.Context) error) error {
	select {
	case <-s.server.Done():
		return nil
	default:
	}
	c, err := s.server.Control(ctx)
	if err != nil {
		return fmt.Errorf("confirm with the tmux server: %w", err)
	}
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := by(c, short); err != nil {
		late, stop := context.WithTimeout(ctx, exitTime) // others wait for the next connection meanwhile
		defer stop()
		c.Cut(late)
		return fmt.Errorf("the tmux server does not answer; what it had not read was taken back: %w", err)
	}
	return nil
}

// wholeNeed is the right to everything, which is what direct input takes.
func wholeNeed(server Server) gateway.Need {
	return gateway.Everything(access.Object{
		Kind: access.Server, Owner: server.Owner(), Incarnation: server.Incarnation(),
	})
}
