package attach

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/muxward/muxward/internal/attach/screen"
	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/tmux"
)

// input is the way from the terminal to the sink or the display. The pump
// alone uses what is not under mu.
type input struct {
	a   *Attachment
	dec *Decoder

	// gen is the number of the batch: what was read under an older one is
	// never delivered. It changes under mu, which is held around a delivery.
	mu  sync.Mutex
	gen atomic.Uint64

	batch uint64 // gen directly before the read
	tried bool   // the terminal was read, and not only its deadline
	fed   uint64 // gen of what the decoder was fed last
	rest  []byte // direct: what the display has not taken
	event Event  // addressed: what is being delivered
	asked *asked // addressed: a paste that the person is asked about
	// claimed is set if the last batch was claimed, though input is direct.
	claimed bool
	pasted  bracket // of what goes directly to the display

	directFn, eventFn func() error
	numberFn          func()
}

func (in *input) init(a *Attachment) {
	in.a, in.dec = a, NewDecoder(a.cfg.Keys)
	in.directFn, in.eventFn = in.direct, in.addressed
	in.numberFn = func() { in.batch, in.tried = in.gen.Load(), true }
}

// drop makes everything read so far worthless; mu is held.
func (in *input) drop() { in.gen.Add(1) }

// stale reports whether the batch must not be delivered.
func (in *input) stale() bool { return in.a.closed.Load() || in.gen.Load() != in.batch }

// A terminal is read once more before what it has begun is over: we may have been
// late, and not the terminal. What it has sent by then is there at once; the next part
// of a paste may take so long.
const (
	lastLook  = time.Millisecond
	pasteLook = 20 * time.Millisecond
)

// batchSize is how much is read from the terminal at once.
const batchSize = 1024

// pumpInput reads the terminal.
func (a *Attachment) pumpInput() error {
	in := &a.in
	buf := make([]byte, batchSize)
	var armed time.Time
	looked := false // whether the deadline was that of the last look
	for !a.closed.Load() {
		n, err := a.term.Read(buf, in.numberFn)
		failpoint.At("attach-input")
		switch {
		case n > 0:
			a.dismiss(a.note.notice.Load())
			looked = false
			err = in.take(buf[:n])
		case errors.Is(err, os.ErrDeadlineExceeded) && !in.dec.Deadline().IsZero() && (!looked || !in.tried):
			looked, in.tried, armed = true, false, time.Now().Add(lastLook)
			if in.dec.Pasting() {
				armed = armed.Add(pasteLook)
			}
			_ = a.term.SetReadDeadline(armed) // as below
			continue
		case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, ErrAway):
			a.waitBack()
			armed = longAgo // whatever the deadline was, it is over
			in.numberFn()
			looked = false
			err = in.take(nil)
		case errors.Is(err, io.EOF):
			err = ErrTerminalGone
		}
		if err != nil {
			return err
		}
		if due := in.dec.Deadline(); !due.Equal(armed) {
			armed = due
			_ = a.term.SetReadDeadline(due) // end sets one of its own after closed
		}
	}
	return nil
}

// take delivers a batch of bytes, or with none looks at what is overdue.
func (in *input) take(p []byte) error {
	mode := Mode(in.a.mode.Load())
	claimed := mode == Direct && !in.stale() && in.claims(p)
	if in.batch != in.fed || mode == Direct && !(claimed && in.claimed) {
		in.dec.Reset() // half a key from before
		in.a.cfg.Bound.Reset()
		in.forget()
		in.fed = in.batch
	}
	in.claimed = claimed
	switch {
	case in.stale():
		return nil
	case mode == Direct && !claimed:
		in.pasted.follow(p, time.Now())
		return in.pass(p)
	}
	in.dec.SetEscapeTime(in.a.cfg.Bound.EscapeTime())
	events := in.dec.Feed(p, time.Now())
	for i, e := range events {
		if i+1 < len(events) && e.passedBy(events[i+1]) {
			continue
		}
		before := in.asked
		if err := in.route(e, mode); err != nil {
			return err
		}
		if in.asked != nil && in.asked != before {
			in.dec.unhold() // nobody has seen the question yet: it is no answer
			break
		}
	}
	return nil
}

// claims reports whether a batch is not for the display, though input is direct. With
// none, it is that of the key which was begun.
func (in *input) claims(p []byte) bool {
	if len(p) == 0 {
		return in.claimed
	}
	return in.a.cfg.Claims != nil && in.a.cfg.Claims(p, in.pasted.inside(time.Now()))
}

// route delivers what is typed, and has done what keys are bound to.
func (in *input) route(e Event, mode Mode) error {
	switch {
	case in.stale():
		return nil
	case in.asking():
		return in.answer(e, mode)
	case e.Kind == Keys && e.Key == "":
		return in.characters(e.Bytes, mode)
	case e.Kind == Keys, e.Kind == Named:
		return in.key(e, e.Key, mode)
	case e.Kind == MouseReport:
		if now, _ := in.a.out.marks(); now&screen.Mouse == 0 {
			return nil // nobody has asked the terminal for it
		}
		return in.a.cfg.Bound.Mouse(in.a.ctx, e.Mouse)
	case e.Kind == PasteRefused:
		return in.deliver(e, mode)
	case in.a.cfg.Bound.Paste(e.Bytes):
		return nil
	case e.Kind == Paste:
		return in.paste(e, mode)
	}
	return in.deliver(e, mode)
}

// characters are keys each. Those that are bound to nothing are typed together.
func (in *input) characters(p []byte, mode Mode) error {
	for len(p) > 0 && !in.stale() {
		n := in.a.cfg.Bound.Plain(p)
		if n > 0 {
			if err := in.deliver(Event{Kind: Keys, Bytes: p[:n]}, mode); err != nil {
				return err
			}
			p = p[n:]
			continue
		}
		c, n := utf8.DecodeRune(p)
		if err := in.key(Event{Kind: Keys, Bytes: p[:n]}, tmux.CharKey(c), mode); err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// key is one key, of this name.
func (in *input) key(e Event, name string, mode Mode) error {
	taken, err := in.a.cfg.Bound.Press(in.a.ctx, name)
	if in.stale() && !in.a.closed.Load() {
		in.a.cfg.Bound.Reset() // nobody is asked any more what was asked meanwhile
	}
	if err != nil || taken {
		return err
	}
	return in.deliver(e, mode)
}

// pass writes a batch to the display, waiting outside of the Gate while the
// tmux server does not read.
func (in *input) pass(p []byte) error {
	for in.rest = p; len(in.rest) > 0; {
		err := in.a.gate.Input(in.directFn)
		switch {
		case errors.Is(err, ErrFrozen):
			return nil
		case err != nil:
			return err
		case len(in.rest) > 0:
			if err := in.a.display.AwaitWrite(stuckPoll); err != nil {
				return err
			}
		}
	}
	return nil
}

// direct is one write to the display; it runs inside the Gate.
func (in *input) direct() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.stale() {
		in.rest = nil
		return nil
	}
	n, err := in.a.display.TryWrite(in.rest)
	in.rest = in.rest[n:]
	if errors.Is(err, io.EOF) {
		return ErrDisplayGone
	}
	return err
}

// deliver hands one event on.
func (in *input) deliver(e Event, mode Mode) error {
	if in.stale() || mode == Direct { // what was claimed is no key of the display's
		return nil
	}
	in.event = e
	switch e.Kind {
	case Keys, Named, Paste, MouseReport:
		if mode == Watch || in.a.cfg.Sink.Prepare(in.a.ctx, e) != nil {
			return nil
		}
		err := in.a.gate.Input(in.eventFn)
		if errors.Is(err, ErrFrozen) {
			return nil
		}
		return err
	case PasteRefused:
		if mode != Watch {
			in.a.Notice(fmt.Sprintf("the paste is larger than %d bytes and was not sent; whoever keeps muxward may raise paste_limit", in.dec.opt.PasteLimit))
		}
	}
	return nil
}

// Type delivers what the person did not type as it stands, as if they had: what
// they paste of their own, or what a program is to hear of their mouse. It is for
// Bound, at the pump of their input.
func (a *Attachment) Type(e Event) error { return a.in.deliver(e, Mode(a.mode.Load())) }

// addressed hands one event to the sink; it runs inside the Gate.
func (in *input) addressed() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.stale() {
		return nil
	}
	return in.a.cfg.Sink.Deliver(in.a.ctx, in.event)
}
