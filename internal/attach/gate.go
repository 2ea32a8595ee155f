package attach

import (
	"context"
	"errors"
)

// Gate is a person's live permit. Both methods run deliver only while it is
// permitted; a revocation waits for a deliver that is running and lets none
// begin after it. deliver never waits for a terminal.
//
// An error that is [ErrFrozen] means not now: what was to be delivered is
// dropped for good. Any other error ends the attachment with that error.
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
// Gate, and only in Addressed mode. Command and Detach are not prepared and not
// in the Gate: they are requests of their own,
// to be decided by the gateway; they come in Watch mode, too. A slow Deliver
// holds up this person only. ctx ends when the attachment does.
//
// The event's slices are valid during the call.
type InputSink interface {
	Deliver(ctx context.Context, e Event) error
	// Prepare does what may take long and must come before: the event is
	// recorded. It is not in the Gate, so that a disk that stands still holds
	// up no revocation. With an error the event is dropped, and the person
	// has been told why.
	Prepare(ctx context.Context, e Event) error
}

// Mode says where a person's input goes.
type Mode uint8

const (
	// Watch: nowhere. Prefix keys still detach and navigate.
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
