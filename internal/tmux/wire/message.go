package wire

// Message is one message of the protocol: a pointer to one of the structs in
// this file. Tell them apart with a type switch; both sides use the same types,
// so that a relay reads from one connection and writes to the other.
type Message interface {
	// Type is the message's number.
	Type() Type
	// appendPayload appends the data after the header. It also keeps other
	// packages from adding messages that no tmux knows.
	appendPayload(b []byte) ([]byte, error)
}

// Version says that the sender does not speak the protocol version of what it
// got.
type Version struct{}

// IdentifyFlags is the low half of the client's flags (sent by tmux up to
// 3.4).
type IdentifyFlags struct {
	Flags uint32
}

// IdentifyTerm is the client's TERM, empty if it has none.
type IdentifyTerm struct {
	Term string
}

// IdentifyTTYName is the name of the client's terminal, empty if it has none.
type IdentifyTTYName struct {
	Name string
}

// IdentifyOldCwd is a working directory as clients before 3.2 sent it.
type IdentifyOldCwd struct {
	Path string
}

// IdentifyStdin carries the client's standard input. Whoever reads it owns FD;
// whoever writes it keeps FD.
type IdentifyStdin struct {
	FD *FD
}

// IdentifyEnviron is one NAME=value of the client's environment.
type IdentifyEnviron struct {
	Var string
}

// IdentifyDone ends a client's introduction.
type IdentifyDone struct{}

// IdentifyClientPID is the client's own idea of its process id.
type IdentifyClientPID struct {
	PID int32
}

// IdentifyCwd is the client's working directory.
type IdentifyCwd struct {
	Path string
}

// IdentifyFeatures are the terminal features asked for with -T, as tmux's
// bits.
type IdentifyFeatures struct {
	Features uint32
}

// IdentifyStdout carries the client's standard output. Whoever reads it owns
// FD; whoever writes it keeps FD.
type IdentifyStdout struct {
	FD *FD
}

// IdentifyLongFlags are the client's flags.
type IdentifyLongFlags struct {
	Flags ClientFlags
}

// IdentifyTerminfo is one NAME=value of the client's terminfo entry.
type IdentifyTerminfo struct {
	Cap string
}

// Command is what the client asks for; an empty Argv means the server's
// default command.
type Command struct {
	Argv []string
}

// Detach tells an attached client that it was detached.
type Detach struct {
	Session string
}

// DetachKill tells it so and to hang up its parent.
type DetachKill struct {
	Session string
}

// Exit tells a client to exit with Code, printing Message unless it is empty.
type Exit struct {
	Code    int32
	Message string
}

// Exited answers [Exiting]: the client may go.
type Exited struct{}

// Exiting says that the client is about to go and waits for [Exited].
type Exiting struct{}

// Lock tells a client to run a shell command that locks the terminal.
type Lock struct {
	Command string
}

// Ready tells a client that it is attached.
type Ready struct{}

// Resize says that the client's terminal has another size, or that it just
// attached.
type Resize struct{}

// Shell from a client asks for the default shell (Path is empty), from a
// server names it.
type Shell struct {
	Path string
}

// Shutdown tells an attached client that the server exits.
type Shutdown struct{}

// Suspend tells a client to stop itself.
type Suspend struct{}

// Unlock says that the lock command came to its end.
type Unlock struct{}

// Wakeup says that the client was continued.
type Wakeup struct{}

// Exec tells an attached client to become `Shell -c Command`.
type Exec struct {
	Command string
	Shell   string
}

// Flags tells a client its flags.
type Flags struct {
	Flags ClientFlags
}

// ReadOpen asks a client to read a file and to send it: the one at Path if FD
// is -1, else the client's own descriptor FD, and Path says nothing ("-", or
// empty).
type ReadOpen struct {
	Stream int32
	FD     int32
	Path   string
}

// Read is a piece of a file the client reads. Data is valid until the next
// ReadMsg.
type Read struct {
	Stream int32
	Data   []byte
}

// ReadDone ends a read; Error is an errno or 0.
type ReadDone struct {
	Stream int32
	Error  int32
}

// WriteOpen asks a client to open a file for writing with the open(2) flags
// Flags: the one at Path if FD is -1, else the client's own descriptor FD, and
// Path says nothing ("-", or empty).
type WriteOpen struct {
	Stream int32
	FD     int32
	Flags  int32
	Path   string
}

// Write is a piece for the client to write. Data is valid until the next
// ReadMsg.
type Write struct {
	Stream int32
	Data   []byte
}

// WriteReady answers [WriteOpen]; Error is an errno or 0.
type WriteReady struct {
	Stream int32
	Error  int32
}

// WriteClose ends a write.
type WriteClose struct {
	Stream int32
}

// ReadCancel tells a client (3.4 and newer) to stop a read.
type ReadCancel struct {
	Stream int32
}

// Type returns [TypeVersion].
func (*Version) Type() Type { return TypeVersion }

// Type returns [TypeIdentifyFlags].
func (*IdentifyFlags) Type() Type { return TypeIdentifyFlags }

// Type returns [TypeIdentifyTerm].
func (*IdentifyTerm) Type() Type { return TypeIdentifyTerm }

// Type returns [TypeIdentifyTTYName].
func (*IdentifyTTYName) Type() Type { return TypeIdentifyTTYName }

// Type returns [TypeIdentifyOldCwd].
func (*IdentifyOldCwd) Type() Type { return TypeIdentifyOldCwd }

// Type returns [TypeIdentifyStdin].
func (*IdentifyStdin) Type() Type { return TypeIdentifyStdin }

// Type returns [TypeIdentifyEnviron].
func (*IdentifyEnviron) Type() Type { return TypeIdentifyEnviron }

// Type returns [TypeIdentifyDone].
func (*IdentifyDone) Type() Type { return TypeIdentifyDone }

// Type returns [TypeIdentifyClientPID].
func (*IdentifyClientPID) Type() Type { return TypeIdentifyClientPID }

// Type returns [TypeIdentifyCwd].
func (*IdentifyCwd) Type() Type { return TypeIdentifyCwd }

// Type returns [TypeIdentifyFeatures].
func (*IdentifyFeatures) Type() Type { return TypeIdentifyFeatures }

// Type returns [TypeIdentifyStdout].
func (*IdentifyStdout) Type() Type { return TypeIdentifyStdout }

// Type returns [TypeIdentifyLongFlags].
func (*IdentifyLongFlags) Type() Type { return TypeIdentifyLongFlags }

// Type returns [TypeIdentifyTerminfo].
func (*IdentifyTerminfo) Type() Type { return TypeIdentifyTerminfo }

// Type returns [TypeCommand].
func (*Command) Type() Type { return TypeCommand }

// Type returns [TypeDetach].
func (*Detach) Type() Type { return TypeDetach }

// Type returns [TypeDetachKill].
func (*DetachKill) Type() Type { return TypeDetachKill }

// Type returns [TypeExit].
func (*Exit) Type() Type { return TypeExit }

// Type returns [TypeExited].
func (*Exited) Type() Type { return TypeExited }

// Type returns [TypeExiting].
func (*Exiting) Type() Type { return TypeExiting }

// Type returns [TypeLock].
func (*Lock) Type() Type { return TypeLock }

// Type returns [TypeReady].
func (*Ready) Type() Type { return TypeReady }

// Type returns [TypeResize].
func (*Resize) Type() Type { return TypeResize }

// Type returns [TypeShell].
func (*Shell) Type() Type { return TypeShell }

// Type returns [TypeShutdown].
func (*Shutdown) Type() Type { return TypeShutdown }

// Type returns [TypeSuspend].
func (*Suspend) Type() Type { return TypeSuspend }

// Type returns [TypeUnlock].
func (*Unlock) Type() Type { return TypeUnlock }

// Type returns [TypeWakeup].
func (*Wakeup) Type() Type { return TypeWakeup }

// Type returns [TypeExec].
func (*Exec) Type() Type { return TypeExec }

// Type returns [TypeFlags].
func (*Flags) Type() Type { return TypeFlags }

// Type returns [TypeReadOpen].
func (*ReadOpen) Type() Type { return TypeReadOpen }

// Type returns [TypeRead].
func (*Read) Type() Type { return TypeRead }

// Type returns [TypeReadDone].
func (*ReadDone) Type() Type { return TypeReadDone }

// Type returns [TypeWriteOpen].
func (*WriteOpen) Type() Type { return TypeWriteOpen }

// Type returns [TypeWrite].
func (*Write) Type() Type { return TypeWrite }

// Type returns [TypeWriteReady].
func (*WriteReady) Type() Type { return TypeWriteReady }

// Type returns [TypeWriteClose].
func (*WriteClose) Type() Type { return TypeWriteClose }

// Type returns [TypeReadCancel].
func (*ReadCancel) Type() Type { return TypeReadCancel }
