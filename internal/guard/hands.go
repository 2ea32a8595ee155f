package guard

import (
	"context"
	"os"

	"github.com/muxward/muxward/internal/keep"
)

// Hands is what guard needs of whoever has the rights of the accounts: [keep.Keep], in
// this process or behind a line to a privileged one. Each method is one request of plain
// values and one answer of plain values and descriptors, so that a line can carry it; the
// descriptors of an answer are the caller's, and so are theirs that come with an event.
//
// All may be called at once. Adopt, Start and Mend can take seconds, until ctx ends;
// Next waits for as long as nothing happens; the others wait for nobody but the disk.
// Errors that are told apart are [keep.Fault]s, by [errors.Is]; the rest is text.
//
// Whoever asks goes when their ctx ends. In one process nothing is left then; a line has to
// undo what an answer that comes later has given: abandon the server of a Start, close the
// door of an OpenDoor, and every descriptor.
//
// What an implementation must make sure: no event about a server comes before its inner
// door was asked for ([Hands.OpenDoor]), except notices; [keep.EventEnded] comes once for
// each server for which that was asked, and after it [keep.EventLeft].
type Hands interface {
	// Doors is the directory of the doors, which is to be exported as TMUX_TMPDIR.
	Doors() string

	// Found lists the ids of the servers that an earlier muxward has left written down,
	// each to be adopted, and clears away what else it has left. Call it once, first: it
	// is refused later, and Start, Adopt and OpenDoor are (keep.ErrBusy) until it has ended.
	Found(ctx context.Context) ([]string, error)

	// Adopt takes hold of one of them, if it still runs. keep.ErrEnded: it does not,
	// all that was left of it was cleared away, and that was told by a notice. Any other
	// error is why it is left as it is; it may be tried again. One that is held can be
	// asked for again while its inner door is not open.
	Adopt(ctx context.Context, id string) (keep.Held, error)

	// Start starts a server for a person and returns when it has a socket; it may take
	// another moment until it listens there (keep.ErrNobody). One person has one server:
	// another is refused until keep.EventEnded has come for the one before.
	Start(ctx context.Context, o keep.Order) (keep.Held, error)

	// Abandon ends a server that was started, and whose inner door is not open, and clears
	// it away. No event tells of it. An error that is no keep.Fault says that it does not
	// end: its owner gets no other until it has.
	Abandon(ctx context.Context, id string) error

	// Connect connects to a server as its account, after making sure that it is the server
	// that listens. Nothing has been said on the connection. It does not wait:
	// keep.ErrBusy may be tried again. keep.ErrNobody, keep.ErrNoSocket and
	// keep.ErrNotTheServer have the files looked at; [Hands.Mend] does more.
	Connect(ctx context.Context, id string) (*os.File, error)

	// Mend does something about a server that cannot be connected to: what the files
	// tell, or if they are as they should be and it still cannot, has it make its socket
	// anew. What was done is told by a notice. keep.ErrBusy: it is done already.
	Mend(ctx context.Context, id string) error

	// Note writes down what a server says of itself, for the next muxward.
	Note(ctx context.Context, id string, said keep.Said) error

	// OpenDoor opens a door, an account's or a server's inner one, and watches over it: if
	// it has to be made anew keep.EventReplaced brings the socket. It is an error if the
	// door is open, or somebody else listens there. One that was closed can be opened again.
	OpenDoor(ctx context.Context, p keep.Place) (keep.Opened, error)

	// CloseDoor removes the door's socket. The directory stays, so that no client starts
	// a server of its own in its place.
	CloseDoor(ctx context.Context, p keep.Place) error

	// Reach starts a process of an account for what its person asks for besides tmux, and
	// gives the line to it, which it ends with. keep.ErrBusy: there are too many.
	Reach(ctx context.Context, a keep.Account) (*os.File, error)

	// Ticket gives a ticket by which one pane of an isolated server runs as an account:
	// once, for some seconds. keep.ErrRefused: it may not, by root's configuration.
	Ticket(ctx context.Context, p keep.Pass) (string, error)

	// Halt stops a server, and what runs in the panes of an isolated one, or lets go on what
	// it has stopped, and nothing else. It can be asked for again.
	Halt(ctx context.Context, id string, stop bool) (keep.Halted, error)

	// Next gives what has happened, in order, and waits for it. Only one may wait.
	// keep.ErrClosed: nothing comes any more.
	Next(ctx context.Context) (keep.Event, error)

	// Close closes what is open and lets go of the servers, which go on. Next then gives
	// what has happened before, and after that keep.ErrClosed.
	Close() error
}
