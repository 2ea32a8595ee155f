package attach

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/muxward/muxward/internal/ctxlock"
	"github.com/muxward/muxward/internal/failpoint"
)

const (
	// leaveWithin bounds how long a terminal may take to be given back.
	leaveWithin = time.Second
)

// How an attachment ends, beside errors of the Gate and the InputSink.
var (
	// ErrDetached: the person pressed the detach key.
	ErrDetached = errors.New("detached")
	// ErrStopped: Stop was called.
	ErrStopped = errors.New("the attachment was stopped")
	// ErrDisplayGone: the tmux server gave up the display.
	ErrDisplayGone = errors.New("the tmux server closed the display")
	// ErrTerminalGone: the person's terminal hung up.
	ErrTerminalGone = errors.New("the terminal is gone")
)

// Config is what an attachment is made of. Terminal, Display, Gate, Sink and
// Redraw must be set.
type Config struct {
	// Terminal and Display are taken over: they are closed when Run returns.
	Terminal Terminal
	Display  Display
	Gate     Gate
	// Sink takes events; with Direct mode only it is never called.
	Sink InputSink
	Mode Mode
	// Filter is what the person may be shown beside plain drawing: Guest(),
	// DirectGuest() or Owner(). The questions that tmux asks are answered here unless it is Wide.
	Filter Policy
	// TmuxMajor and TmuxMinor are the server's version, which decides what it
	// may ask; zero is taken as 3.3.
	TmuxMajor, TmuxMinor int
	// Keys says how keys are read. Erase is taken from the terminal if zero.
	Keys KeyOptions
	// Bound says what keys mean; nil: each is typed.
	Bound Bindings
	// Claims is asked, at the pump of the input, about each batch that goes directly to
	// the display, before it does: of what it claims the keys are read for Bound, which
	// is to take them all; pasted tells that the batch may be inside a paste. nil claims
	// nothing.
	Claims func(p []byte, pasted bool) bool
	// Redraw has the tmux server draw everything again and forget what it
	// believes about the terminal: MSG_RESIZE on the display's connection does
	// that; refresh-client alone does not, as tmux then goes on from a cursor
	// and colours that the terminal may not have. It is called from a
	// goroutine of its own and may wait for ctx.
	Redraw func(ctx context.Context) error
	// Refresh is Redraw for a display that has its size and its terminal in the state that
	// tmux believes it in, nil for the same: it may be asked for twice a second, for all who
	// are attached at once, and nobody's window is to take another size by it.
	Refresh func(ctx context.Context) error
	// OnResize is told the display's new size after it was set, at most 20
	// times a second; the tmux server must then be told by MSG_RESIZE.
	OnResize func(Size)
	// Log gets what goes wrong beside the attachment's end; nil is silence.
	Log *slog.Logger
}

// Attachment is one attached person: their terminal, a display that a tmux
// server draws on, and what is between.
//
// Methods may be called from any goroutine.
type Attachment struct {
	cfg     Config
	term    Terminal
	display Display
	gate    Gate
	ctx     context.Context // ends with the attachment
	cancel  context.CancelFunc

	closed atomic.Bool            // nothing is shown or delivered any more
	mode   atomic.Uint32          // Mode
	sized  atomic.Pointer[Policy] // what its sizes go by

	mu      sync.Mutex // the lifecycle, below
	running bool
	away    bool          // suspended
	back    chan struct{} // closed when the suspension ends
	cause   error         // why it ended
	left    chan struct{} // closed when the terminal was given back
	leaving bool
	how     Leaving // as Stop wants it
	leftErr error
	over    bool // Run returns: no new goroutine

	in     input
	out    output
	resize resizer
	note   overlay
	side   sync.WaitGroup // goroutines beside the two pumps, while over is false
}

// New checks the configuration and sets the display to the terminal's size.
// Nothing else happens before Run; until Run is called, Terminal and Display
// are the caller's to close.
func New(cfg Config) (*Attachment, error) {
	switch {
	case cfg.Terminal == nil || cfg.Display == nil:
		return nil, errors.New("attach: no terminal or no display")
	case cfg.Gate == nil || cfg.Redraw == nil:
		return nil, errors.New("attach: no gate or no way to redraw")
	case cfg.Sink == nil && cfg.Mode != Direct:
		return nil, errors.New("attach: no sink for the input")
	case cfg.Mode > Direct:
		return nil, fmt.Errorf("attach: %v", cfg.Mode)
	}
	if cfg.Refresh == nil {
		cfg.Refresh = cfg.Redraw
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.TmuxMajor == 0 {
		cfg.TmuxMajor, cfg.TmuxMinor = 3, 3
	}
	if cfg.Keys.Erase == 0 {
		cfg.Keys.Erase = cfg.Terminal.Erase()
	}
	if cfg.Bound == nil {
		cfg.Bound = plainKeys{cfg.Keys.EscapeTime}
	}
	a := &Attachment{cfg: cfg, term: cfg.Terminal, display: cfg.Display, gate: cfg.Gate,
		left: make(chan struct{})}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	a.mode.Store(uint32(cfg.Mode))
	a.sized.Store(&a.cfg.Filter)
	a.in.init(a)
	a.out.init(a)
	a.resize.init(a)
	if err := a.display.Erase(cfg.Keys.Erase); err != nil {
		return nil, fmt.Errorf("attach: %w", err)
	}
	if err := a.display.SetSize(a.window()); err != nil {
		return nil, fmt.Errorf("attach: %w", err)
	}
	return a, nil
}

// Run shows the display and takes input until something ends it, gives the
// terminal back, and returns why: ErrDetached, ErrStopped, ErrDisplayGone,
// ErrTerminalGone, the context's error, or the Gate's or the sink's. It is
// called once, also after Stop.
func (a *Attachment) Run(ctx context.Context) error {
	a.mu.Lock()
	begun := a.running
	a.running = true
	a.mu.Unlock()
	if begun {
		return errors.New("attach: run twice")
	}
	defer a.release()
	if err := a.enter(); err != nil {
		return err
	}
	unwatch := context.AfterFunc(ctx, func() { a.end(context.Cause(ctx)) })
	defer unwatch()
	var pumps sync.WaitGroup
	pumps.Go(func() { a.end(Guard(a.pumpInput)) })
	a.end(Guard(a.pumpOutput))
	limit, cancel := context.WithTimeout(context.Background(), leaveWithin)
	defer cancel()
	left := a.leave(limit)
	if left != nil {
		a.cfg.Log.Warn("terminal not given back", "err", left)
	}
	pumps.Wait()
	return errors.Join(a.reason(), left)
}

// enter takes the terminal unless Stop was called before; Stop either sees it
// entered or keeps it from being entered.
func (a *Attachment) enter() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed.Load() {
		return a.cause
	}
	if err := a.term.Enter(); err != nil {
		return fmt.Errorf("attach: %w", err)
	}
	return nil
}

// release gives up descriptors and goroutines when Run is over.
func (a *Attachment) release() {
	a.end(ErrStopped)
	a.resize.stop()
	a.note.stop()
	a.mu.Lock()
	a.over = true
	a.mu.Unlock()
	a.side.Wait()
	a.term.Close()
	a.display.Close()
}

// end notes the first cause and has both pumps return.
func (a *Attachment) end(cause error) {
	a.mu.Lock()
	if a.cause == nil && cause != nil {
		a.cause = cause
	}
	a.mu.Unlock()
	a.closed.Store(true)
	a.cancel()
	_ = a.term.SetReadDeadline(longAgo)
	_ = a.display.SetReadDeadline(longAgo)
}

func (a *Attachment) reason() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.cause
}

// leave gives the terminal back, once; others wait for it.
func (a *Attachment) leave(ctx context.Context) error {
	a.mu.Lock()
	first, how := !a.leaving, a.how
	a.leaving = true
	if refused(a.cause) {
		how.Discard = true
		if how.Text == "" {
			how.Text = a.cause.Error()
		}
	}
	a.mu.Unlock()
	if !first {
		select {
		case <-a.left:
			return a.leftErr
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	how.Now, how.Ever = a.out.marks()
	a.leftErr = a.term.Leave(ctx, how)
	close(a.left)
	return a.leftErr
}

// refused reports whether the attachment ended because a Gate or sink said so,
// which may be before its Stop is called: then the person is told why. What a Gate had no
// answer to in time is such an end, the end of Run's own context is none.
func refused(cause error) bool {
	for _, ordinary := range []error{nil, ErrDetached, ErrStopped, ErrDisplayGone,
		ErrTerminalGone, context.Canceled} {
		if errors.Is(cause, ordinary) {
			return false
		}
	}
	return cause != context.DeadlineExceeded
}

// Stop ends the attachment: when it has returned, nothing that the person
// typed before is queued here or in the display's input, no byte more is
// written to their terminal, what the terminal had not taken is thrown away,
// and the terminal is as it was before, with reason printed on a line of its
// own if it is not empty.
//
// It may be called at any time and more than once, also while a Gate holds the
// attachment up. It returns at ctx's deadline (a second from now if ctx has
// none) at the latest; an error says that the terminal could not be given
// back, not that anything still flows.
func (a *Attachment) Stop(ctx context.Context, reason string) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, leaveWithin)
		defer cancel()
	}
	a.mu.Lock()
	a.how = Leaving{Discard: true, Text: reason}
	a.mu.Unlock()
	a.end(ErrStopped)
	// The terminal first: from there on nothing is written to it, and a write
	// that its owner made block is freed.
	left := a.leave(ctx)
	settled := lockWithin(ctx, &a.in.mu, a.in.drop)
	flushed := a.display.FlushInput()
	return errors.Join(left, settled, flushed)
}

// lockWithin runs f under mu, or returns when ctx ends: who holds it may wait for a delivery.
func lockWithin(ctx context.Context, mu *sync.Mutex, f func()) error {
	if err := ctxlock.Lock(ctx, mu); err != nil {
		return fmt.Errorf("a delivery does not end: %w", err)
	}
	defer mu.Unlock()
	f()
	return nil
}

// Freeze drops everything the person typed up to now, wherever it waits: in
// their terminal, here, and in the display's input. It is called after the
// Gate was closed for input, and makes sure that nothing typed before is
// delivered after the Gate opened again.
func (a *Attachment) Freeze(ctx context.Context) error {
	if a.closed.Load() {
		return nil
	}
	// First the kernel's queue, then the number of the batch: what is read in
	// between carries the old number and is dropped.
	flushed := a.term.FlushInput()
	settled := lockWithin(ctx, &a.in.mu, a.in.drop)
	a.Answered() // nobody is asked any more what they were asked before
	if err := errors.Join(flushed, settled, a.display.FlushInput()); err != nil {
		return fmt.Errorf("freeze: %w", err)
	}
	return nil
}

// Unread drops what the person typed up to now and that was not delivered: it was
// meant for what they saw before. What the display has is delivered.
func (a *Attachment) Unread(ctx context.Context) error {
	flushed := a.term.FlushInput()
	if err := errors.Join(flushed, lockWithin(ctx, &a.in.mu, a.in.drop)); err != nil {
		return fmt.Errorf("drop what was typed before: %w", err)
	}
	return nil
}

// SetMode changes where input goes and what is shown, such as when an owner
// lost a verb: what was typed before under the other mode is dropped first, and
// what was drawn is drawn anew.
func (a *Attachment) SetMode(ctx context.Context, m Mode, p Policy) error {
	if m > Direct || m != Direct && a.cfg.Sink == nil {
		return fmt.Errorf("attach: cannot change to %v", m)
	}
	a.mode.Store(uint32(m))
	a.sized.Store(&p)
	return errors.Join(a.out.setPolicy(ctx, p), a.Freeze(ctx))
}

// Suspend gives the terminal back for a while, as when the stock client is
// stopped by its shell. The display is still read, and thrown away. It reports false if it has no terminal any more.
func (a *Attachment) Suspend(ctx context.Context) (given bool, err error) {
	a.mu.Lock()
	if a.away || a.leaving {
		a.mu.Unlock()
		return false, nil
	}
	a.away, a.back = true, make(chan struct{})
	a.mu.Unlock()
	how := Leaving{}
	how.Now, how.Ever = a.out.marks()
	left := a.term.Leave(ctx, how)
	if err := errors.Join(left, lockWithin(ctx, &a.out.mu, a.out.suspend)); err != nil {
		return false, fmt.Errorf("suspend: %w", err)
	}
	return true, nil
}

// Resume takes the terminal again after Suspend, reads its size anew and has
// everything redrawn.
func (a *Attachment) Resume(ctx context.Context) error {
	if back, err := a.comeBack(); err != nil || !back {
		return err
	}
	if err := lockWithin(ctx, &a.out.mu, a.out.resume); err != nil {
		return fmt.Errorf("resume: %w", err)
	}
	a.resize.request()
	return nil
}

func (a *Attachment) comeBack() (bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.away || a.leaving {
		return false, nil
	}
	if err := a.term.Enter(); err != nil {
		return false, fmt.Errorf("resume: %w", err)
	}
	a.away = false
	close(a.back)
	return true, nil
}

// waitBack waits until the attachment is no longer suspended.
func (a *Attachment) waitBack() {
	a.mu.Lock()
	back := a.back
	away := a.away
	a.mu.Unlock()
	if !away {
		return
	}
	select {
	case <-back:
	case <-a.ctx.Done():
	}
}

// Ended is closed once nothing is shown and nothing is taken any more.
func (a *Attachment) Ended() <-chan struct{} { return a.ctx.Done() }

// Size is the terminal's size within bounds; 80 by 24 if it cannot tell.
func (a *Attachment) Size() Size { return a.window().Size }

// window is what the display hears of the terminal's size.
func (a *Attachment) window() Window {
	w, err := a.term.Window()
	if err != nil {
		w = Window{}
	}
	return a.sized.Load().Window(w)
}

// redraw asks for a redraw in the background, and again if that fails.
func (a *Attachment) redraw() { a.redrawBy(a.cfg.Redraw) }

func (a *Attachment) redrawBy(redraw func(ctx context.Context) error) {
	a.spawn(func() {
		failpoint.At("attach-redraw")
		for try := range 3 {
			err := Guard(func() error { return redraw(a.ctx) })
			if err == nil || a.ctx.Err() != nil {
				return
			}
			a.cfg.Log.Warn("no redraw", "err", err, "try", try+1)
			select {
			case <-a.ctx.Done():
				return
			case <-time.After(500 * time.Millisecond):
			}
		}
	})
}

// spawn runs f beside the pumps, unless the attachment is over. Run waits for
// it.
func (a *Attachment) spawn(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.over {
		a.side.Go(func() {
			if err := Guard(func() error { f(); return nil }); err != nil {
				a.end(err)
			}
		})
	}
}
