package keep

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/accounts"
)

// Bounds of what a caller may say. Whatever is longer is refused before it is looked at;
// a line to another process is bounded by them, too.
const (
	// IDLen is the length of a server's id: hexadecimal digits, small.
	IDLen = 8
	// MaxOwner is the longest name of a person, in bytes.
	MaxOwner = 64
	// MaxAccountName is the longest name of an account, in bytes (LOGIN_NAME_MAX).
	MaxAccountName = 256
	// MaxVariable is the longest value of a variable that is taken from a client.
	MaxVariable = 4 << 10
	// MaxEnviron is how many bytes of variables are taken, all in all.
	MaxEnviron = 16 << 10
	// MaxVersion is the longest version that a server may be said to have.
	MaxVersion = 32
	// MaxServers is how many servers there can be.
	MaxServers = 2048
	// MaxPath is the longest home directory or shell of an account that gets a server, and
	// MaxGroups the most groups (limits.h has NGROUPS_MAX): so a Held has a bound, too.
	MaxPath   = 4 << 10
	MaxGroups = 64 << 10
	// MaxText is the longest text of an [Event], or of an error, in bytes.
	MaxText = 8 << 10
)

// Account is an account as the caller knows it. Both have to agree with what the account
// files say at that moment, and everything else comes from there.
type Account struct {
	Name string
	UID  uint32
}

// Order asks for a server.
type Order struct {
	// Owner is the person whose server it is to be: small letters, digits and _ . -.
	Owner   string
	Account Account
	// Environ are variables of the owner's own client. Those that [Taken] gives are
	// used; more than MaxEnviron bytes are refused, so send only what Taken gives.
	Environ []string
	// Isolated says that it is to be an isolated server: whoever takes it for one gets no other,
	// and nobody gets one by mistake.
	Isolated bool
}

// Held is a tmux server that is held: started here, or adopted. A line may leave the
// groups of its account out, which nobody needs behind it.
type Held struct {
	ID      string
	Owner   string
	Account accounts.Account
	PID     int
	// Start is when the process began, in clock ticks since boot.
	Start uint64
	// Isolated says that its panes run as another account than it.
	Isolated bool
	// PAM is the service that PAM sessions of its panes are opened by, "" if none are.
	PAM string
	// Mark is the random value of tmux.MarkOption in the server.
	Mark string
	// Said is what the server said of itself when it was known before.
	Said Said
	// Inner is the path that its inner door has, as TMUX names it inside.
	Inner string
	// Stopped says that it stands still by Halt, Frozen that what is in its panes may.
	Stopped, Frozen bool
}

// Halted is how far a server stands still.
type Halted struct {
	// Stopped says that we have stopped it: it goes on when we are asked for that.
	Stopped bool
	// Before says that it was stopped by others before: that is theirs to end.
	Before bool
	// Panes is how many sessions of its panes were frozen, Free of how many the programs go on, as
	// they have no cgroup that can be.
	Panes, Free int
	// Unwritten is why it is not written down, so that after a restart nobody knows that it was us.
	Unwritten string
}

// Said is what a server says of itself. It is written down for the next muxward, and
// nothing here rests on it.
type Said struct {
	// Started is when it began by its own account, in seconds since 1970; 0 before it
	// was asked.
	Started int64
	Version string
}

// Place names a door: an account's, or a server's inner one. One of both is set.
type Place struct {
	Account Account
	Server  string // its id
}

// Pass asks for a ticket: by it one pane of the isolated server ID runs as Account.
type Pass struct {
	ID      string
	Account Account
	// Pane is the one that a program is started in anew, %N, "" for a new one.
	Pane string
	// Back is a ticket that is given back, as tmux has refused what it was for; none is made.
	Back string
	// Person asks for it, for PAM's modules to know (PAM_RUSER); "" is nobody who is known.
	Person string
}

// named reports whether a name is one that can be told to PAM, whose modules make paths of it
// (pam_timestamp): a person's, and no other.
func (p Pass) named() bool { return p.Person == "" || validOwner(p.Person) }

// Opened is a door that is open.
type Opened struct {
	Path string
	UID  uint32
	// Generation tells this opening of the door from every other.
	Generation uint64
	// Listen is the listening socket, which is the caller's.
	Listen *os.File
}

// EventKind says what an Event tells.
type EventKind uint8

const (
	// EventNotice is something that people should hear: Level and Text, and ID and Owner
	// if it is about a server.
	EventNotice EventKind = 1 + iota
	// EventEnded tells that the server ID has ended, and in Text how ("it exited with
	// code 0"). From here on its owner may have another one.
	EventEnded
	// EventLeft follows EventEnded when its door and its files are gone: Text names the processes that the server has left
	// behind without a terminal, if any. It is the last event about ID.
	EventLeft
	// EventReplaced tells that the door Place was tampered with and has been made anew:
	// Listen is the socket to accept at from now on. It is about the opening of the door
	// that has the same Generation, and about none that came later.
	EventReplaced
)

// Level is how grave a notice is.
type Level uint8

const (
	// LevelServer is the life of a server.
	LevelServer Level = 1 + iota
	// LevelDoor is something at a door.
	LevelDoor
	// LevelAlarm is something that is wrong.
	LevelAlarm
)

// Event is something that has happened without having been asked for.
type Event struct {
	Kind  EventKind
	Level Level
	ID    string
	Owner string
	Text  string // may hold names that others chose: sinks escape it
	Place Place
	// Generation is that of the door's opening.
	Generation uint64
	Listen     *os.File // is the receiver's
}

// Fault is an error that callers tell from others. All other errors are text for people.
type Fault uint8

const (
	// ErrInUse is the error of a directory that another muxward holds.
	ErrInUse Fault = 1 + iota
	// ErrEnded is the error about a server that does not run any more, or of an id that
	// names none.
	ErrEnded
	// ErrBusy is the error of a server that takes no connection at the moment: it is
	// stopped, or many come at once. It may be tried again.
	ErrBusy
	// ErrNobody is the error of a server's socket at which nobody listens any more. It is
	// unix.ECONNREFUSED, too, for who knows nothing of hands.
	ErrNobody
	// ErrNoSocket is the error of a server's socket that is gone.
	ErrNoSocket
	// ErrNotTheServer is the error of a socket behind which somebody else listens.
	ErrNotTheServer
	// ErrRefused is the error of what no caller may ask for: an account that is not
	// there or not permitted, a name or a length that is not valid.
	ErrRefused
	// ErrClosed is the error of everything after Close.
	ErrClosed
	// faults is how many there are.
	faults
)

// Error is the text of the fault where there is no other.
func (f Fault) Error() string {
	switch f {
	case ErrInUse:
		return "another muxward uses this directory; stop it first, or use another directory"
	case ErrEnded:
		return "it does not run any more"
	case ErrBusy:
		return "it accepts nobody; is it stopped?"
	case ErrNobody:
		return "nobody listens there"
	case ErrNoSocket:
		return "its socket is gone"
	case ErrNotTheServer:
		return "another process than the server we started listens there"
	case ErrRefused:
		return "that is not permitted"
	case ErrClosed:
		return "the hands are closed"
	}
	return fmt.Sprintf("fault %d", uint8(f))
}

// Is makes the error of a connection that was refused also what the kernel calls it.
func (f Fault) Is(target error) bool { return f == ErrNobody && target == unix.ECONNREFUSED }

// Valid reports whether there is such a fault.
func (f Fault) Valid() bool { return f > 0 && f < faults }

// FaultOf gives the fault that an error is, or 0: what a line to another process carries
// beside the text.
func FaultOf(err error) Fault {
	if f, ok := errors.AsType[Fault](err); ok {
		return f
	}
	return 0
}

// WithText gives the error with this text of which FaultOf gives f: what such a line
// makes of both at its other end. It is plain text where f is no fault.
func (f Fault) WithText(text string) error {
	if !f.Valid() {
		return errors.New(text)
	}
	return &faultText{f, text}
}

type faultText struct {
	fault Fault
	text  string
}

func (e *faultText) Error() string { return e.text }
func (e *faultText) Unwrap() error { return e.fault }
