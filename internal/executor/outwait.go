package executor

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/control"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// notAll is the end of who may not type directly any more, and cannot be moved to addressed input.
const notAll = "muxward: you no longer hold every verb here, and "

// moving has one at a time move a person between direct and addressed input.
type moving struct {
	turn   chan struct{} // holds who does; of a display that takes keys itself
	undone bool          // theirs: somebody has begun it, and not seen it done
}

// moves has the person type as they may by now. When it returns nil that is done, whoever has
// begun it: rights are looked at by several at once.
func (s *seat) moves(ctx context.Context) error {
	if !s.goes.keyed {
		return s.unstick(ctx)
	}
	gateway.Waits(ctx)
	select {
	case s.moving.turn <- struct{}{}:
		defer func() { <-s.moving.turn }()
	case <-ctx.Done():
		return fmt.Errorf("have keys go to one pane only: it is being done, and does not end: %w", ctx.Err())
	}
	full := s.whole.Decide().Allow
	if full == s.full.Load() && !s.moving.undone {
		return s.unstick(ctx)
	}
	s.moving.undone = true
	err := s.change(ctx, full)
	s.moving.undone = err != nil
	return err
}

// change moves the person between direct and addressed input.
func (s *seat) change(ctx context.Context, full bool) error {
	s.full.Store(full)
	if err := s.att.SetMode(ctx, s.mode(), s.filter()); err != nil {
		return err
	}
	s.live.Describe(s.describe(s.mode()))
	if !full {
		s.uncover(ctx)
	}
	if full || !s.straight.Load() { // nothing that was typed directly is on its way
		return s.settle(ctx)
	}
	why := "keys of yours may wait in tmux for longer (escape-time)"
	if s.outwait(ctx) {
		if err := s.settle(ctx); err != nil {
			return err
		}
		why = "keys of yours wait in tmux behind a prompt, or a command that a key has run"
		if s.p.Plan().ReadOnly { // it takes no command either
			why = "tmux does not tell whether it is done with your keys"
		} else if s.cameThrough(ctx) == nil {
			s.straight.Store(false)
			return s.confirmed(ctx, (*control.Client).Settled) // it is done, and maybe not written yet
		}
	}
	return s.putOut(ctx, notAll+why+"; attach again")
}

// uncover has tmux take away what lies over the display and takes its keys, as a popup or a menu: they
// go to the pane now, which is to be seen. What comes of it is waited for with all else.
func (s *seat) uncover(ctx context.Context) {
	name, ok := tmux.SpellCommand("display-popup", s.readingNow())
	if !ok {
		return
	}
	if c, err := s.server.Control(ctx); err == nil {
		_ = c.SendThen(s, name+" -C -c "+s.tty, func(control.Reply, error) {})
	}
}

// readingNow is reading by what was last heard of the server. While they type directly nothing is
// looked up for them, and aliases may have come since.
func (s *seat) readingNow() tmux.ParseOptions {
	if snap := s.server.Known(); snap != nil {
		return snap.Reading()
	}
	return s.reading()
}

const (
	// heldTime is how much longer than its option escape-time says tmux may hold the begin of a
	// key that may become a longer one.
	heldTime = 100 * time.Millisecond
	// longestHeld is for how long anybody is waited for, and longAgoHeld more than anybody has
	// tmux wait.
	longestHeld = 2 * time.Second
	longAgoHeld = time.Minute
	// optionTime is how long tmux may take to tell the option.
	optionTime = time.Second / 2
	// queueTime is how long it may take over what the display's keys have it do, queueFirst when
	// that is asked first, and queueLook the longest wait between two times.
	queueTime  = time.Second
	queueFirst = 2 * time.Millisecond
	queueLook  = 20 * time.Millisecond
)

// cameThrough waits until tmux has done all that was typed directly. Each client has a queue,
// in which keys wait for what a key before them runs (run-shell without -b, wait-for): a command
// is put behind them, which takes a lock, and is done when somebody else can give that back.
func (s *seat) cameThrough(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, queueTime)
	defer cancel()
	name, ok := tmux.SpellCommand("wait-for", s.readingNow())
	if !ok {
		return errors.New("the server's command-alias hides wait-for")
	}
	lock := "muxward-" + strings.ToLower(rand.Text())
	if err := s.conn.WriteMsg(ctx, &wire.Command{Argv: []string{name, "-L", lock}}); err != nil {
		return fmt.Errorf("wait for what was typed directly: %w", err)
	}
	// A question too early fails, and runs an owner's hook for that (command-error, from 3.5 on) in front
	// of what everybody else asks: tmux has a moment first.
	for wait := queueFirst; ; wait = min(2*wait, queueLook) {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return fmt.Errorf("wait for what was typed directly: %w", ctx.Err())
		}
		// It is no question: what was typed may be on its way to the pane when this is answered, and a
		// lockdown waits for that behind it.
		replies, err := s.repeated(ctx, name+" -U "+lock, (*control.Client).Do)
		if err != nil {
			return fmt.Errorf("wait for what was typed directly: %w", err)
		}
		if replies[0].Err == nil {
			return nil
		}
	}
}

// escaped is an escape that was typed directly. From at on tmux holds the key that may have begun
// with it; where heard is false, tmux has not been heard to have read it by now.
type escaped struct {
	at    time.Time
	heard bool
}

// noteEscape notes that an escape is about to be typed directly. One behind which the key is whole
// is held by no tmux, however late that reads it.
func (s *seat) noteEscape(typed []byte) {
	last := bytes.LastIndexByte(typed, 0x1b)
	if last < 0 {
		return
	}
	e := &escaped{at: time.Now(), heard: wholeKey(typed[last+1:])}
	if s.escape.Store(e); !e.heard {
		s.unread = e
	}
}

// wholeKey reports whether what follows an escape ends a key. What is no plain key is asked about. A plain one with which
// a key of the owner's own (user-keys) begins is typed at once all the same, or never.
func wholeKey(tail []byte) bool {
	if len(tail) < 2 { // alone, or an M-key, where these begin longer ones
		return len(tail) == 1 && bytes.IndexByte([]byte("[OP]X^_"), tail[0]) < 0
	}
	end := tail[len(tail)-1]
	switch {
	case tail[0] == 'O':
		return true
	case tail[0] != '[' || tail[1] == 'M' && len(tail) < 5: // a mouse, in three more bytes
		return false
	}
	return end >= '@' && end <= '~' && (len(tail) > 2 || end != '[')
}

// askOfEscape asks tmux something behind an escape that was typed: when it answers it has read that.
func (s *seat) askOfEscape() {
	e := s.unread
	if e == nil {
		return
	}
	s.unread = nil
	name, ok := tmux.SpellCommand("show-options", s.readingNow())
	ctx, cancel := context.WithTimeout(s.ctx, optionTime)
	defer cancel()
	c, err := s.server.Control(ctx)
	if err != nil || !ok {
		return // outwait asks itself
	}
	_ = c.SendThen(s, name+" -sv escape-time", func(_ control.Reply, err error) {
		if err == nil {
			s.escape.CompareAndSwap(e, &escaped{time.Now(), true})
		}
	})
}

// outwait waits until tmux holds no begun key any more that was typed directly:
// it would reach the pane later. It reports false where that takes too long, or is not known.
func (s *seat) outwait(ctx context.Context) bool {
	before := s.escape.Load()
	if before == nil || time.Since(before.at) > longAgoHeld {
		return true
	}
	held, err := s.escapeTime(ctx)
	begun := time.Now() // tmux has read it by now
	if e := s.escape.Load(); e.heard {
		begun = e.at
	}
	left := held + heldTime - time.Since(begun)
	switch {
	case err != nil || left > longestHeld:
		return false
	case left <= 0:
		return true
	}
	select {
	case <-time.After(left):
	case <-ctx.Done():
	}
	return true
}

// escapeTime asks for the server's option as it is now, 500 ms up to tmux 3.4 if nobody has set
// it. One that was longer when the key was typed is taken for the default.
func (s *seat) escapeTime(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, optionTime)
	defer cancel()
	c, err := s.server.Control(ctx)
	if err != nil {
		return 0, fmt.Errorf("ask the tmux server for its escape-time: %w", err)
	}
	replies, err := c.Ask(ctx, "show-options -sv escape-time")
	if err == nil {
		err = replies[0].Err
	}
	if err != nil {
		return 0, fmt.Errorf("ask the tmux server for its escape-time: %w", err)
	}
	ms, err := strconv.ParseUint(strings.TrimSpace(string(replies[0].Data)), 10, 31)
	if err != nil {
		return 0, fmt.Errorf("read the tmux server's escape-time: %w", err)
	}
	return max(time.Duration(ms)*time.Millisecond, attach.DefaultEscapeTime), nil
}
