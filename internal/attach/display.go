package attach

import "time"

// Display is what is shown to a person: a [Pty] that a tmux server draws on, or a
// [Canvas] that muxward draws on.
//
// Read and TryRead belong to one reader, AwaitWrite to one writer; everything
// else may be called from anywhere.
type Display interface {
	// Read waits for what is drawn, for the read deadline or for the end.
	Read(p []byte, before func()) (int, error)
	// TryRead reads what is there now, (0, nil) if nothing is.
	TryRead(p []byte) (int, error)
	SetReadDeadline(t time.Time) error
	// TryWrite gives input to whoever draws, as much as is taken now.
	TryWrite(p []byte) (int, error)
	AwaitWrite(limit time.Duration) error
	// FlushInput throws away input that was not taken yet.
	FlushInput() error
	// Erase sets the character that the person's backspace key sends.
	Erase(c byte) error
	SetSize(w Window) error
	Close() error
}
