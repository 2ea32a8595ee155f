package executor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/control"
)

// stage is the session that a display shows, with the right to see it and the
// question by which tmux confirms that it is still shown. It is replaced as a
// whole when the display moves or the session is renamed.
type stage struct {
	session tmux.Session
	view    *gateway.Right
	sizes   *gateway.Right // to have a say in the session's size
	asking  string
	clients string // how list-clients is spelled
}

func (s *seat) newStage(at tmux.Session, opts tmux.ParseOptions) *stage {
	clients, ok := tmux.SpellCommand("list-clients", opts)
	if !ok {
		clients = "list-clients"
	}
	on := s.sessionObject(at)
	return &stage{
		session: at,
		view:    s.live.Right(viewing(on)),
		sizes:   s.live.Right(gateway.Need{Verb: access.Resize, Object: on}),
		asking:  where(s.tty, at.ID, opts),
		clients: clients,
	}
}

// viewing is what it takes to look at a session.
func viewing(session access.Object) gateway.Need {
	return gateway.Need{Whole: true, Verbs: access.SetOf(access.View), Object: session}
}

// where asks tmux about one client and one session, however many clients there are:
// which session is found by this id, whether it is the one that the client shows,
// which pane is active in it, and what the client's flags are. A client shows a
// session by its name, which no two have at the same moment. Before 3.3 tmux has to
// be asked about all clients of the session.
func where(tty string, session tmux.SessionID, opts tmux.ParseOptions) string {
	const asked = `"#{client_name} #{session_id} #{==:#{client_session},#{session_name}} #{pane_id} #{client_flags} #{session_name}"`
	command := "display-message"
	if !opts.Version.AtLeast(tmux.Version{Major: 3, Minor: 3}) {
		command = "list-clients"
	}
	name, ok := tmux.SpellCommand(command, opts)
	if !ok {
		name = command // its answer then shows no display
	}
	if command == "list-clients" {
		return name + " -t " + session.String() + " -F " + asked
	}
	return name + " -p -c '" + tty + "' -t '" + session.String() + ":' " + asked
}

func (s *seat) sessionObject(at tmux.Session) access.Object {
	return access.Object{
		Kind: access.Session, Owner: s.server.Owner(), Incarnation: s.server.Incarnation(),
		Session: access.SessionRef{ID: uint32(at.ID), Name: at.Name},
	}
}

// confirm asks tmux whether the display still shows the session it was
// allowed to, and which pane is active there. A display that was moved, or
// whose session has another name, is decided anew.
//
// Whatever comes into that session later, such as a window that is linked
// there, is covered by the right to see all of it, but for what was taken from
// this person elsewhere on the server. From whom something was, for them
// everything is decided that is in the session at the moment at which tmux
// answers: each window by every session that holds it, each pane wherever it
// came from. That moment is after the frame in question was read. So nothing is
// shown that was read while something of that kind was in the session; of what
// was put there and was gone again before tmux answered, a frame may be.
func (s *seat) confirm(ctx context.Context) error {
	ctx = s.asked.within(ctx)
	now := s.stage.Load()
	small, moved := s.settledSmall(), s.moved.Load()
	replies, err := s.ask(ctx, now.asking)
	if err != nil {
		return fmt.Errorf("confirm what the display shows: %w", err)
	}
	shown, sizes := s.shows(replies[0], now, moved)
	if sizes && small {
		if err := s.shrink(ctx); err != nil {
			return err
		}
	}
	if l := s.looks.rests.Load(); l != nil && s.att.Covered() {
		if err := s.stays(ctx, l); err != nil {
			return err
		}
	}
	if (shown || !confined()) && !s.touched() {
		return nil
	}
	return s.restage(ctx, s.full.Load())
}

// stillPause is how long it takes until a server is asked again that has not answered.
const stillPause = 200 * time.Millisecond

// assured is confirm for who has time. While the server, or what leads to it, does not answer, what
// was drawn is held back and the person is told; it ends with an answer, with the server, with their
// attachment or with their right to view. An answer to another question than the first says nothing of what
// was drawn before that: it is [attach.ErrStale].
func (s *seat) assured() error {
	for told := false; ; told = true {
		err := s.confirm(s.ctx)
		if err == nil && told {
			return attach.ErrStale
		}
		if !unanswered(err) || s.ctx.Err() != nil {
			return err
		}
		if gone := s.unviewed(); gone != nil {
			return gone
		}
		if !told {
			s.att.Notice("waiting, and what is drawn is held back: " + err.Error())
		}
		select {
		case <-time.After(stillPause):
		case <-s.server.Done():
			return err
		case <-s.att.Ended():
			return err
		case <-s.ctx.Done():
			return err
		}
	}
}

// unanswered reports whether a question has no answer and may have one when it is asked again: it came to no
// end in time, or the connection it went over was cut for somebody else.
func unanswered(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, control.ErrNotExecuted) || errors.Is(err, control.ErrUnknownOutcome)
}

// patience bounds waits that are many and short. A deadline of its own for each, set
// and taken back, would cost more than the wait: each may last keyTime at least, and
// twice that at most.
type patience struct {
	mu    sync.Mutex
	ctx   context.Context
	until time.Time
}

// within gives a context with such a deadline, which ends with parent: always the same,
// the attachment's. Who has less time than that has to ask with a context of their own.
func (p *patience) within(parent context.Context) context.Context {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); p.ctx == nil || p.until.Sub(now) < keyTime {
		p.until = now.Add(2 * keyTime)
		ctx, cancel := context.WithDeadline(parent, p.until)
		context.AfterFunc(ctx, cancel) // and not before: somebody may still wait by it
		p.ctx = ctx
	}
	return p.ctx
}

// ask asks tmux a question, which changes nothing. The connection is everybody's: it may have been cut
// for somebody else, and then it is asked again.
func (s *seat) ask(ctx context.Context, question string) ([]control.Reply, error) {
	return s.repeated(ctx, question, (*control.Client).Ask)
}

// repeated sends what may be done more than once, until there is an answer.
func (s *seat) repeated(ctx context.Context, line string, by func(*control.Client, context.Context, ...string) ([]control.Reply, error)) (replies []control.Reply, err error) {
	for range 3 {
		var c *control.Client
		if c, err = s.server.Control(ctx); err == nil {
			replies, err = by(c, ctx, line)
		}
		if err == nil || ctx.Err() != nil {
			break
		}
	}
	return replies, err
}

// shows reports whether the answer has the display, whose pane is kept, and
// whether the display has a say in the size of windows.
func (s *seat) shows(reply control.Reply, now *stage, moved uint64) (shown, sizes bool) {
	if reply.Err != nil {
		return false, false
	}
	lines := reply.Lines()
	at := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, s.tty+" ") })
	if at < 0 { // it is not there
		return false, false
	}
	fields := strings.SplitN(lines[at], " ", 6)
	if len(fields) != 6 {
		return false, false
	}
	sizes = !unsized(fields[4])
	pane, err := tmux.ParsePaneID(fields[3])
	if err != nil || fields[1] != now.session.ID.String() || fields[2] != "1" || fields[5] != now.session.Name {
		return false, sizes
	}
	if s.moved.Load() == moved { // where they were before may not be where they are
		s.active.Store(&pane)
	}
	return true, sizes
}

// where gives the session that the display shows by a state of the server. One that
// it was not known to show is decided on first.
func (s *seat) where(ctx context.Context, snap *tmux.Snapshot) (tmux.SessionID, error) {
	now := s.stage.Load().session.ID
	if s.own != nil {
		return now, nil
	}
	if c := snap.Client(s.tty); c == nil || c.Session == now {
		return now, nil
	}
	if err := s.restage(ctx, s.full.Load()); err != nil {
		return 0, err
	}
	return s.stage.Load().session.ID, nil
}

// restage finds what the display shows now, and decides on that, unless the
// person holds every verb anyway. The person's own commands and what tmux draws
// may both ask for it: what was found out while somebody else did is dropped, and
// then looked at again.
func (s *seat) restage(ctx context.Context, full bool) error {
	for range 3 {
		if done, err := s.tryRestage(ctx, full); done || err != nil {
			return err
		}
	}
	return errors.New("confirm what the display shows: it changes all the time")
}

// errMoved is the end of who was moved to where they may not be. why is told to who
// may view it, only not now.
func errMoved(why string) error {
	return errors.New(because("you were moved to a session that you may not view", access.Decision{Reason: why}, ""))
}

func (s *seat) tryRestage(ctx context.Context, full bool) (done bool, err error) {
	old := s.stage.Load()
	snap, err := s.server.Snapshot(ctx, tmux.Core)
	if err != nil {
		return false, fmt.Errorf("confirm what the display shows: %w", err)
	}
	lost := errors.New("the session that you were looking at has ended")
	c := snap.Client(s.tty)
	if c == nil {
		return false, lost
	}
	at := snap.Session(c.Session)
	if at == nil {
		return false, lost
	}
	if !full {
		d := s.live.DecideAll(gateway.Seeing(s.server.Owner(), s.server.Incarnation(), snap, at))
		switch {
		case !d.Allow && at.ID != old.session.ID:
			return false, errMoved("")
		case !d.Allow:
			// Not from memory, which is told of what was taken only behind that, and by the
			// name that it has by now.
			if view := s.live.Decide(viewing(s.sessionObject(*at))); !view.Allow {
				return false, unviewed(s.e.notViewed(view, ""))
			}
			return false, fmt.Errorf("not all of this session is for you to see (%s)", cmp.Or(d.Reason, d.Rule))
		}
	}
	if at.ID != old.session.ID {
		if d := s.live.Decide(gateway.Joining(s.sessionObject(*at))); confined() && !d.Allow {
			return false, errMoved(d.Reason)
		}
		s.active.Store(nil)
	}
	next := s.newStage(*at, snap.Reading())
	if at.ID != old.session.ID || at.Name != old.session.Name || next.asking != old.asking {
		if !s.stage.CompareAndSwap(old, next) {
			return false, nil
		}
		s.live.Describe(s.describe(s.mode()))
		s.tellLocked()
		if l := s.looks.rests.Load(); l != nil { // it was decided on as it was called before
			if _, err := s.looks.hide(ctx, l); err != nil {
				return false, err
			}
		}
	}
	return true, nil
}
