package attach

import (
	"context"
	"errors"
	"time"
)

// Gate is a person's live permit. Both methods run deliver only while it is
// permitted; a revocation waits for a deliver that is running and lets none
// begin after it. deliver never waits for a terminal.
//
// An error that is [ErrFrozen] means not now: what was to be delivered is
// dropped for good. With [ErrStale] output is drawn anew behind that. Any other error ends
// the attachment with that error.
type Gate interface {
	// Input is passed once per batch of keys.
	Input(deliver func() error) error
	// Output is passed once per batch of what the display drew.
	Output(deliver func() error) error
}

// ErrFrozen is what a Gate returns for input (or output) that is suspended,
// such as after the loss of one verb or while the log cannot be written.
var ErrFrozen = errors.New("frozen")

// InputSink takes what a person types when their input is addressed.
//
// Keys, Named and Paste events are prepared first, then delivered inside the
// Gate, and only in Addressed mode. A slow Deliver holds up this person only.
// ctx ends when the attachment does.
//
// The event's slices are valid during the call.
type InputSink interface {
	Deliver(ctx context.Context, e Event) error
	// Prepare does what may take long and must come before: the event is
	// recorded. It is not in the Gate, so that a disk that stands still holds
	// up no revocation. With an error the event is dropped, and the person
	// has been told why.
	Prepare(ctx context.Context, e Event) error
	// Where names the pane that what is typed now would go to, for [Event.Where].
	Where(ctx context.Context) (string, error)
}

// Bindings says what keys mean: by the key tables of the server that the display is
// at, and where this person is in them. One goroutine asks, about each key in
// its turn, in Watch mode, too, but not in Direct mode.
//
// What keys are bound to is not in the Gate: it is a request of its own, for the
// gateway to decide.
type Bindings interface {
	// Plain returns how many bytes at the begin of p are keys that are bound to
	// nothing now. It is fast, and may hold too few of them to be plain.
	Plain(p []byte) int
	// Press takes one key by tmux's name for it, or "" if it has none. It
	// reports false if the key is to be typed. Otherwise it has been dealt with;
	// [ErrDetached] means that the person leaves.
	Press(ctx context.Context, key string) (taken bool, err error)
	// Paste is told of a paste, and reports whether it was for what the person is
	// asked, so that nothing is to be typed.
	Paste(text []byte) (taken bool)
	// Mouse takes a report of the mouse.
	Mouse(ctx context.Context, m Mouse) error
	// Reset forgets what keys have begun, and what the person is asked: what was
	// typed before is dropped, or goes another way from now on.
	Reset()
	// EscapeTime is how long the begin of a longer key is waited for.
	EscapeTime() time.Duration
}

// plainKeys are bound to nothing.
type plainKeys struct{ escape time.Duration }

func (plainKeys) Plain(p []byte) int                          { return len(p) }
func (plainKeys) Press(context.Context, string) (bool, error) { return false, nil }
func (plainKeys) Mouse(context.Context, Mouse) error          { return nil }
func (plainKeys) Paste([]byte) bool                           { return false }
func (plainKeys) Reset()                                      {}
func (k plainKeys) EscapeTime() time.Duration                 { return k.escape }

// Mode says where a person's input goes.
type Mode uint8

const (
	// Watch: nowhere. What keys are bound to is still done, where permitted.
	Watch Mode = iota
	// Addressed: decoded, event by event to the InputSink.
	Addressed
	// Direct: byte by byte to the display.
	Direct
)

func (m Mode) String() string {
	switch m {
	case Watch:
		return "watch"
	case Addressed:
		return "addressed"
	case Direct:
		return "direct"
	}
	return "unknown mode"
}
