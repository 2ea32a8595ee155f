package wire

import (
	"errors"
	"fmt"
)

// ErrClosed is what every use of a connection returns after Close.
var ErrClosed = errors.New("connection is closed")

// Reason says in which respect the other end broke the protocol.
type Reason uint8

const (
	// ReasonFrame: a header that is none, or a length out of bounds.
	ReasonFrame Reason = iota + 1
	// ReasonType: no such message, or one that only we may send.
	ReasonType
	// ReasonPayload: the data does not have the message's shape.
	ReasonPayload
	// ReasonDescriptor: a descriptor too many, misplaced, or missing.
	ReasonDescriptor
	// ReasonOrder: a message at a time it has no place, or twice.
	ReasonOrder
	// ReasonLimit: more environment, terminfo or data than we hold.
	ReasonLimit
)

// String is one word, fit for a log.
func (r Reason) String() string {
	switch r {
	case ReasonFrame:
		return "frame"
	case ReasonType:
		return "type"
	case ReasonPayload:
		return "payload"
	case ReasonDescriptor:
		return "descriptor"
	case ReasonOrder:
		return "order"
	case ReasonLimit:
		return "limit"
	}
	return "none"
}

// ProtocolError is why a connection was closed: the other end sent something
// that is not the protocol. Everything it had sent is dropped, descriptors
// included.
type ProtocolError struct {
	Reason Reason
	Type   Type   // the offending message as its header names it
	Detail string // for people, without the other end's own text
}

// Error describes the breach.
func (e *ProtocolError) Error() string {
	return fmt.Sprintf("bad %s in %s message: %s", e.Reason, e.Type, e.Detail)
}

// VersionError means that the other end speaks another protocol version, or
// said that ours is not its own.
type VersionError struct {
	Theirs uint8
}

// Error describes the mismatch.
func (e *VersionError) Error() string {
	return fmt.Sprintf("protocol version mismatch (ours %d, theirs %d): use tmux 3.2 or newer at both ends", Protocol, e.Theirs)
}

func refuse(r Reason, t Type, format string, args ...any) error {
	return &ProtocolError{Reason: r, Type: t, Detail: fmt.Sprintf(format, args...)}
}
