package privsep

// The requests, by number. A number is never given to another request.
const (
	NumHello    Number = 1 // the first of all: which version speaks
	NumNotify   Number = 2 // tell the service manager how we are
	NumCtl      Number = 3 // a listener at RUN/ctl
	NumAuthKeys Number = 4 // an account's authorized_keys
	NumPAM      Number = 5 // a process that asks PAM about one login
	NumPAMEnd   Number = 6 // end one, with what it has started
	NumSign     Number = 7 // have the holder of the keys sign
	NumKeys     Number = 8 // the public halves of its keys
)

// Phase is how far the daemon has come. It only goes forward.
type Phase uint8

// The phases. Each is a bit, so that a request can be permitted in several.
const (
	Greeting Phase = 1 << iota // nothing was said yet
	Starting                   // before the daemon said that it is ready
	Serving                    // from then on
)

// Kind is one request as both sides know it.
type Kind struct {
	Number Number
	Name   string
	// Phases are those in which it is permitted.
	Phases Phase
	// Once says that a second one is refused.
	Once bool
	// Most is how many may be under way at once.
	Most int
}

// Kinds are all requests: what is not here is none. The daemon's side waits
// for its turn where Most are under way; the helper ends where they are more.
func Kinds() []Kind {
	const later = Starting | Serving
	return []Kind{
		{NumHello, "hello", Greeting, true, 1},
		{NumNotify, "notify", later, false, 1},
		{NumCtl, "ctl", later, false, 1},
		{NumAuthKeys, "authkeys", later, false, 8},
		{NumPAM, "pam", Serving, false, 256},
		{NumPAMEnd, "pam-end", Serving, false, 256},
		{NumSign, "sign", later, false, 64},
		{NumKeys, "keys", Starting, true, 1},
	}
}

// Hello begins the line; Welcome answers it.
type Hello struct {
	Version int    `json:"version"`
	Release string `json:"release"`
}

// Welcome is the helper's hello.
type Welcome struct {
	Version int `json:"version"`
	// PID is the helper's process.
	PID int `json:"pid"`
}

// Nothing is the body of a message that has nothing to say.
type Nothing struct{}

// Notify is how the daemon is.
type Notify struct {
	State State `json:"state"`
}

// State is a state of a service as sd_notify(3) has it.
type State string

// The states that are passed on.
const (
	Ready     State = "READY=1"
	Reloading State = "RELOADING=1"
	Stopping  State = "STOPPING=1"
)

// AuthKeys asks for the file of an account.
type AuthKeys struct {
	Account string `json:"account"`
}

// AuthKeysFile is such a file.
type AuthKeysFile struct {
	Data []byte `json:"data"`
}

// PAMStarted names a process that asks PAM; its line comes along.
type PAMStarted struct {
	ID      uint32 `json:"id"`
	Program string `json:"program"`
}

// PAMEnd ends such a process.
type PAMEnd struct {
	ID uint32 `json:"id"`
}

// Key names a key of the holder.
type Key string

// The keys.
const (
	HostKey       Key = "host"       // proves the host at the ssh door
	CheckpointKey Key = "checkpoint" // signs checkpoints of the log
)

// Sign has something signed: the hash of an ssh exchange by the host key, the
// text of a checkpoint by the other.
type Sign struct {
	Key  Key    `json:"key"`
	Data []byte `json:"data"`
}

// Signature answers Sign.
type Signature struct {
	Signature []byte `json:"signature"`
}

// Keys are the public halves.
type Keys struct {
	// Host is the ed25519 public key, and HostNew whether it was made just now.
	Host    []byte `json:"host"`
	HostNew bool   `json:"host_new"`
	// Checkpoint is a verifier key of x/mod/sumdb/note.
	Checkpoint    string `json:"checkpoint"`
	CheckpointNew bool   `json:"checkpoint_new"`
}

// Failed is why a request could not be done.
type Failed struct {
	Text string `json:"text"`
	// Errno is the system's error in it, or 0.
	Errno int `json:"errno"`
	// Kind names an error that the other side knows by identity, or "".
	Kind string `json:"kind"`
}
