package attach

import (
	"context"
	"time"

	"github.com/muxward/muxward/internal/attach/screen"
)

// Terminal is a person's own terminal, wherever it is. [TTY] is one on this
// host.
//
// Read belongs to one goroutine, AwaitWrite to another; everything else may be
// called from anywhere, at any time, more than once.
type Terminal interface {
	// Enter takes the terminal over: raw mode, old output thrown away. It may
	// be called again after Leave.
	Enter() error
	// Leave gives the terminal back: no read or write begins after it was
	// called, and when it returned none is under way, unless ctx ended first.
	Leave(ctx context.Context, how Leaving) error
	// Mark says what is now, or was ever, changed on the screen, before the
	// bytes that change it are written, so that somebody can undo it should
	// this process be killed.
	Mark(now, ever screen.Marks)

	// Read waits for what the person types, for the read deadline
	// (os.ErrDeadlineExceeded) or for the end (io.EOF). While the terminal is
	// left it returns ErrAway. before is called directly before each try to
	// read, not while it waits.
	Read(p []byte, before func()) (int, error)
	SetReadDeadline(t time.Time) error
	// TryWrite writes what the terminal takes now, and never waits.
	TryWrite(p []byte) (int, error)
	// AwaitWrite waits until TryWrite may take something, at most for limit;
	// running out of time is not an error.
	AwaitWrite(limit time.Duration) error
	// Drop throws away what was written and is not shown yet, as far as it is
	// here, and never waits. That may be the rest of anything: what is written next
	// begins with [screen.Resync]. A terminal that was left is let alone.
	Drop() error
	// Gone waits until nothing is here any more of what was written before Drop.
	Gone(ctx context.Context) error

	// Window is the terminal's size as it says, not clamped.
	Window() (Window, error)
	// Erase is the character the terminal sends for the backspace key.
	Erase() byte
	// FlushInput throws away what the person typed and nobody has read.
	FlushInput() error
	// Close gives up the descriptor, after Leave.
	Close() error
}

// Remote is a client whose terminal is no descriptor of this host. Its terminal
// is handed over as it is, and closed by whoever was given it.
type Remote interface {
	// Screen is the client's terminal, or an error that says why it has none.
	Screen() (Terminal, error)
}

// Leaving says how a terminal is left.
type Leaving struct {
	// Now and Ever are the marks of what was drawn.
	Now, Ever screen.Marks
	// Discard throws away what the person typed and what the terminal has not
	// shown yet. A plain detach does not need that; a revocation does.
	Discard bool
	// Text is one line to print at the end, if not empty. It is escaped.
	Text string
}
