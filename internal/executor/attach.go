package executor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// attachTime is how long tmux may take to attach a display.
const attachTime = 5 * time.Second

// attach gives the person a display: muxward attaches to tmux on a pty of its
// own, and shows what tmux draws there on the person's terminal.
func (e *Executor) attach(ctx context.Context, p *gateway.Permit, server Server) (gateway.Result, error) {
	s := &seat{e: e, p: p, live: p.Live(), server: server, client: p.Request().Client, done: make(chan struct{})}
	if err := s.open(ctx); err != nil {
		s.abandon()
		return gateway.Result{}, err
	}
	if s.exit != nil { // tmux would not attach, and has said why
		s.abandon()
		return gateway.Result{Exit: int(s.exit.Code), Message: s.exit.Message, Executed: s.argv}, nil
	}
	if err := s.begin(ctx); err != nil {
		s.abandon()
		return gateway.Result{}, err
	}
	return gateway.Result{Attached: s, Executed: s.argv, Current: s.here(), Made: s.made}, nil
}

// take takes over the person's terminal: one of this host, which their client
// has passed, or one at the other end of a connection.
func (s *seat) take() error {
	if remote, ok := s.client.(attach.Remote); ok {
		terminal, err := remote.Screen()
		if err == nil {
			s.terminal = terminal
		}
		return err
	}
	file, err := s.client.Terminal()
	if err != nil {
		return err
	}
	door, err := s.client.Connection()
	if err != nil {
		return err
	}
	defer door.Close()
	terminal, err := attach.OpenTTY(file, s.e.Keeper(), door)
	if err != nil {
		return fmt.Errorf("open terminal failed: %w", err)
	}
	s.terminal = terminal
	return nil
}

// open makes the display and has tmux attach to it.
func (s *seat) open(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, attachTime)
	defer cancel()
	if err := s.take(); err != nil {
		return err
	}
	if s.p.Plan().Own {
		return s.openOwn(ctx)
	}
	size, err := s.terminal.Window()
	if err != nil {
		return fmt.Errorf("open terminal failed: %w", err)
	}
	pty, err := attach.OpenPty(size.Size)
	if err != nil {
		return err
	}
	s.display, s.goes.display, s.goes.keyed = lastDisplay{pty, s}, pty, s.p.Plan().Full
	if err := pty.Erase(s.terminal.Erase()); err != nil { // tmux looks once, when it is told of the display
		return fmt.Errorf("set the display's erase character: %w", err)
	}
	if err := pty.SetSize(s.filterOf(s.p.Plan().Full).Window(size)); err != nil {
		return err
	}
	peer, err := pty.Peer()
	if err != nil {
		return err
	}
	defer peer.Close() // tmux has its own by then
	s.tty = peer.Name()
	if name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", peer.Fd())); err == nil {
		s.tty = name
	}
	if s.argv, err = words(s.p.Plan()); err != nil {
		return err
	}
	if flags, _ := s.p.Plan().Invocation.Get('f'); !s.p.Plan().Full && strings.Contains(flags, "ignore-size") {
		if err := s.weighDown(ctx, s.p.Plan().Found.Session.ID, s.p.Plan().Snapshot.Reading()); err != nil {
			return err
		}
	}
	if s.conn, err = s.server.Dial(ctx); err != nil {
		return fmt.Errorf("reach the tmux server: %w", err)
	}
	hello, err := s.hello(ctx, peer)
	if err != nil {
		return err
	}
	defer hello.Close()
	if err := s.conn.Identify(ctx, hello); err != nil {
		return err
	}
	return s.untilReady(ctx)
}

// hello introduces the display to tmux: as the owner's own terminal, or as a
// terminal of ours for everybody else, of which tmux hears nothing that a
// guest said. One that takes keys directly says which keys there are.
func (s *seat) hello(ctx context.Context, peer *os.File) (*wire.Hello, error) {
	h := hello(s.p, s.argv)
	h.TTYName = s.tty
	own := s.client.Hello()
	if plan := s.p.Plan(); !plan.Home {
		h.Flags |= own.Flags & wire.FlagUTF8
		var err error
		if h.Term, h.Terminfo, err = terminal(own.Term); err != nil {
			return nil, err
		}
		h.Terminfo = slices.Concat(h.Terminfo, mouseOf(h.Term))
		if plan.Full {
			h.Terminfo = append(h.Terminfo, keysOf(h.Term)...)
			if h.Env, err = environment(ctx, s.server, plan); err != nil {
				return nil, err
			}
		}
	} else if len(own.Terminfo) == 0 && s.remote() { // nobody there reads a terminal's description
		var err error
		if h.Term, h.Terminfo, err = terminal(own.Term); err != nil {
			return nil, err
		}
		h.Terminfo = slices.Concat(h.Terminfo, keysOf(h.Term))
	} else if own.Term != "" && !termName(own.Term) { // of none tmux makes what it makes of it
		return nil, fmt.Errorf("open terminal failed: missing or unsuitable terminal: %.64q", own.Term)
	}
	var err error
	if h.Stdin, err = wire.DupFD(peer); err != nil {
		return nil, err
	}
	if h.Stdout, err = wire.DupFD(peer); err != nil {
		_ = h.Close()
		return nil, err
	}
	return h, nil
}

func (s *seat) remote() bool {
	_, ok := s.client.(attach.Remote)
	return ok
}

// untilReady passes what tmux says before it has attached: that it is ready,
// or why it is not.
func (s *seat) untilReady(ctx context.Context) error {
	r := relay{server: s.conn, client: s.client, plan: s.p.Plan(), streams: map[int32]stream{},
		onlyStreams: s.p.Request().Identity.OnlyStreams()}
	for {
		m, err := s.conn.ReadMsg(ctx)
		if err != nil {
			return r.gone(ctx, err)
		}
		if _, ok := m.(*wire.Ready); ok {
			return nil
		}
		if s.exit, err = r.take(ctx, m); err != nil {
			return err
		}
		if s.exit != nil {
			r.bye(ctx)
			return nil
		}
	}
}

// begin puts the attachment together, makes the permit last, and starts to
// show.
func (s *seat) begin(ctx context.Context) error {
	s.mu.Lock()
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	s.mu.Unlock()
	if err := s.locate(ctx); err != nil {
		return err
	}
	s.whole = s.live.Right(wholeNeed(s.server))
	// A display that was attached for a guest takes no keys, whatever they
	// come to hold later.
	s.full.Store(s.p.Plan().Full && s.whole.Decide().Allow)
	flags, _ := s.p.Plan().Invocation.Get('f')
	s.resizes.Store(!strings.Contains(flags, "ignore-size"))
	mode := s.mode()
	s.keys = s.e.Keys(s.p.Base(access.EventKeys))
	s.bell.rung, s.moving.turn = make(chan struct{}, 1), make(chan struct{}, 1)
	s.sending, s.fates = make(chan struct{}, maxSending), make(chan fate, maxSending)
	s.keyboard = &keyboard{s: s, board: s.e.board(s.server), early: make(chan *view, 1),
		share: &share{of: &s.e.looks}}
	v := s.p.Plan().Snapshot
	cfg := attach.Config{
		Terminal: recorded{s.terminal, s}, Display: s.display, Mode: mode, Filter: s.filter(),
		Gate: gate{s}, Sink: sink{s},
		Redraw:   s.redraw,
		Refresh:  s.refresh,
		OnResize: func(attach.Size) { s.resized() },
		Bound:    s.keyboard,
		Claims:   s.keyboard.claims,
		Keys: attach.KeyOptions{
			Terminfo:   entry(s.client.Hello(), s.reading().Version),
			PasteLimit: s.e.PasteLimit, ConfirmLines: s.e.PasteConfirmLines,
		},
	}
	if v != nil {
		cfg.TmuxMajor, cfg.TmuxMinor = v.Version.Major, v.Version.Minor
	}
	var err error
	if s.att, err = attach.New(cfg); err != nil {
		return err
	}
	s.looks.cover = s.att
	s.p.Settle()
	if err := s.live.Keep(s.reconsider, s.describe(mode)); err != nil {
		return err
	}
	if err := s.client.Send(ctx, &wire.Ready{}); err != nil {
		s.live.Release()
		return err
	}
	s.live.Opens(s.sees)
	s.tellLocked()
	s.run()
	s.arm()
	return nil
}

func (s *seat) describe(mode attach.Mode) gateway.Attached {
	who, at := s.live.Who(), s.stage.Load()
	about := gateway.Attached{
		Person: who.Person(), Door: who.Door(), Account: who.Account(),
		Owner: s.server.Owner(), Session: at.session.ID.String(), Name: at.session.Name,
		Mode: mode.String(), TTY: s.client.Hello().TTYName, Display: s.tty, Since: time.Now(),
	}
	if s.own != nil {
		about.At = at.view.Need().Object
	}
	return about
}

// locate finds the session that tmux attached the display to: the one that
// was named by its id, or the one that was just made.
func (s *seat) locate(ctx context.Context) error {
	if s.own != nil {
		return nil // it is known
	}
	at := s.p.Plan().Found.Session
	if s.p.Plan().Invocation.Row.Name != "attach-session" || at == nil {
		snap, err := s.server.Snapshot(ctx, tmux.Core)
		if err != nil {
			return fmt.Errorf("ask the tmux server for its state: %w", err)
		}
		c := snap.Client(s.tty)
		if c == nil {
			return errors.New("the display was closed as soon as it was opened")
		}
		if at = snap.Session(c.Session); at == nil {
			return errors.New("the session ended as soon as the display was opened")
		}
		s.snap = snap
		s.made = firstPane(s.p.Plan(), s.server, snap, at)
	}
	s.stage.Store(s.newStage(*at, s.p.Plan().Snapshot.Reading()))
	return nil
}

// here is where the display is, for the rest of the command line.
func (s *seat) here() *tmux.Found {
	if s.snap == nil {
		f := s.p.Plan().Found
		return &f
	}
	f, err := tmux.Resolve(s.snap, tmux.Lookup{Kind: tmux.TargetPane}, s.stage.Load().session.ID.String()+":", tmux.ResolveContext{})
	if err != nil {
		return nil // the next command then has tmux's default
	}
	return &f
}

// recorded writes how much an owner types, before it goes anywhere.
type recorded struct {
	attach.Terminal
	s *seat
}

// Read gives what was typed, once that is written. What cannot be written is
// given, too, and dropped by the gate, which tells the person.
func (r recorded) Read(p []byte, before func()) (int, error) {
	r.s.askOfEscape() // what was read before is written
	n, err := r.Terminal.Read(p, before)
	switch {
	case n == 0:
	case r.s.full.Load():
		r.s.record(p[:n])
	default: // not direct when it was read, so never direct
		r.s.unwritten.Store(true)
	}
	return n, err
}

func (s *seat) record(typed []byte) {
	s.straight.Store(true)
	s.noteEscape(typed)
	s.keyboard.board.typed.Store(time.Now().UnixNano())
	if typed[0] != 0x1b || len(typed) == 1 { // what a terminal says by itself is not typed
		s.live.Typed()
		if !s.keyboard.claims(typed, false) {
			s.live.IntoActive(s.server, s.stage.Load().session.ID, typed)
		}
	}
	d := s.whole.Decide()
	err := s.write(s.ctx, s.keys, len(typed), typed, d.Obligations)
	s.unwritten.Store(err != nil)
	if err != nil && s.ctx.Err() == nil {
		s.att.Notice(err.Error())
	}
}
