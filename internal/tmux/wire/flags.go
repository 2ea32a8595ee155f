package wire

// ClientFlags are what a client says about itself and, in [Flags], what the
// server says the client is. The bits are those of tmux's own client flags;
// those that no end ever sends are left out.
type ClientFlags uint64

// Bits that a client sets while it introduces itself (tmux 3.2a to 3.7c agree).
const (
	FlagLogin          ClientFlags = 0x2        // -l, or argv[0] begins with a dash
	FlagNoStartServer  ClientFlags = 0x1000     // -N
	FlagControl        ClientFlags = 0x2000     // -C
	FlagControlControl ClientFlags = 0x4000     // -CC (always with FlagControl)
	FlagUTF8           ClientFlags = 0x10000    // -u, or the locale says so
	FlagDefaultSocket  ClientFlags = 0x8000000  // neither -L nor -S nor TMUX
	FlagStartServer    ClientFlags = 0x10000000 // the command may start one
	FlagNoFork         ClientFlags = 0x40000000 // -D
)

// Bits that the server sets, and tells the client in a [Flags] message.
const (
	FlagAttached          ClientFlags = 0x80
	FlagReadOnly          ClientFlags = 0x800
	FlagFocused           ClientFlags = 0x8000
	FlagIgnoreSize        ClientFlags = 0x20000
	FlagIdentified        ClientFlags = 0x40000
	FlagControlNoOutput   ClientFlags = 0x4000000
	FlagActivePane        ClientFlags = 0x80000000
	FlagControlPauseAfter ClientFlags = 0x100000000
	FlagControlWaitExit   ClientFlags = 0x200000000
)

// ClientSettable is every bit a tmux client can set by its command line.
// Whatever else a client sends is the server's own state, and forged.
const ClientSettable = FlagLogin | FlagNoStartServer | FlagControl |
	FlagControlControl | FlagUTF8 | FlagDefaultSocket | FlagStartServer | FlagNoFork

// Has reports whether every bit of f is set.
func (c ClientFlags) Has(f ClientFlags) bool { return c&f == f }
