package privsep

import (
	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/keep"
)

// The requests, by number. A number is never given to another request.
const (
	NumHello    Number = 1  // the first of all: which version speaks
	NumNotify   Number = 2  // tell the service manager how we are
	NumCtl      Number = 3  // a listener at RUN/ctl
	NumAuthKeys Number = 4  // an account's authorized_keys
	NumPAM      Number = 5  // begin a login by a password
	NumPAMEnd   Number = 6  // end one
	NumSign     Number = 7  // have the holder of the keys sign
	NumKeys     Number = 8  // the public halves of its keys
	NumServing  Number = 9  // have it written where muxward serves
	NumForced   Number = 10 // whether a process came in by `muxward attach`
	NumProfiles Number = 11 // read root's file of session profiles
	NumTake     Number = 12 // put in force what was read there
	NumSSHD     Number = 13 // whether a process is a connection of the host's sshd
	NumSigned   Number = 14 // of how much of the log a checkpoint was signed
	NumAccount  Number = 15 // an account that no file has, of a directory service

	// Those of the hands: see internal/keep, and guard.Hands.
	NumFound     Number = 20
	NumAdopt     Number = 21
	NumStart     Number = 22
	NumAbandon   Number = 23
	NumConnect   Number = 24
	NumMend      Number = 25
	NumNote      Number = 26
	NumOpenDoor  Number = 27
	NumCloseDoor Number = 28
	NumReach     Number = 29
	NumTicket    Number = 30
	NumHalt      Number = 31
)

// AtOnce tells how many requests of each number may be under way at once; one
// that is not listed is none. The daemon's side waits for its turn, and the
// helper ends where they are more. In the helper's table each has more columns.
func AtOnce() map[Number]int {
	return map[Number]int{
		NumHello: 1, NumNotify: 1, NumCtl: 1, NumAuthKeys: 8, NumSign: 32, NumKeys: 1,
		NumPAM: 32, NumPAMEnd: 32, NumServing: 1, NumForced: 32, NumProfiles: 1, NumTake: 1, NumSSHD: 32, NumSigned: 1, NumAccount: 32,
		NumFound: 1, NumAdopt: 16, NumStart: 32, NumAbandon: 16, NumConnect: 32, NumMend: 16, NumNote: 16,
		NumOpenDoor: 16, NumCloseDoor: 16, NumReach: 32, NumTicket: 32, NumHalt: 16,
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
	// Doors is the directory of the doors, whose path it has resolved.
	Doors string `json:"doors"`
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

// AuthKeys asks for the authorized_keys of an account. What comes along is a
// copy in memory, which has room for files that are larger than a packet.
type AuthKeys struct {
	Account string `json:"account"`
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
	// Proof is that the log goes on from the one of which a checkpoint was signed last: the hashes
	// of a tlog.TreeProof.
	Proof [][]byte `json:"proof,omitempty"`
}

// Signed is how many records the checkpoint has that was signed last, or 0.
type Signed struct {
	Size uint64 `json:"size"`
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

// PAM has a login begin: by the service of the helper's configuration. What comes along is the
// line to the process that asks PAM, which was told whom it is about.
type PAM struct {
	Account string `json:"account"`
	// From is the address that they come from.
	From string `json:"from"`
}

// Login names a login that has begun.
type Login struct {
	ID uint64 `json:"id"`
}

// Serving is where the daemon serves: what the helper does not know itself.
type Serving struct {
	// Addr is where the ssh door listens, "" if it is closed.
	Addr string `json:"addr"`
}

// Process names a process by its id. Who asks makes sure that it is still the one that they
// mean after the answer.
type Process struct {
	PID int `json:"pid"`
}

// Forced is whether a process has ForcedMark in its environment.
type Forced struct {
	Forced bool `json:"forced"`
}

// Whose asks about an account by its name, or, where that is "", by its uid.
type Whose struct {
	Name string `json:"name"`
	UID  uint32 `json:"uid"`
}

// Told is an account that a directory service has, if it has it.
type Told struct {
	Found   bool             `json:"found"`
	Account accounts.Account `json:"account"`
}

// Take takes the profiles that were read with this number.
type Take struct {
	Number uint64 `json:"number"`
}

// ForcedMark is what `muxward attach` leaves in the environment of the client that it becomes
// (identity.ForcedMark).
const ForcedMark = "MUXWARD_FORCED"

// Failed is why a request could not be done.
type Failed struct {
	Text string `json:"text"`
	// Errno is the system's error in it, or 0.
	Errno int `json:"errno"`
	// Fault is that of internal/keep, or 0.
	Fault keep.Fault `json:"fault"`
}

// Server names a server by its id.
type Server struct {
	ID string `json:"id"`
}

// Reach has a process of an account begin; what comes along is the line to it.
type Reach struct {
	Account keep.Account `json:"account"`
}

// Servers are the ids of servers.
type Servers struct {
	IDs []string `json:"ids"`
}

// Noted is what a server says of itself.
type Noted struct {
	ID   string    `json:"id"`
	Said keep.Said `json:"said"`
}

// Order is a keep.Order. What the environment holds need not be UTF-8.
type Order struct {
	Owner   string       `json:"owner"`
	Account keep.Account `json:"account"`
	Environ [][]byte     `json:"environ"`
	// Isolated says that it is to be an isolated server.
	Isolated bool `json:"isolated"`
}

// Halt has a server stopped, or go on that was stopped so.
type Halt struct {
	ID   string `json:"id"`
	What Motion `json:"what"`
}

// Motion is what a server is to do.
type Motion string

// The motions.
const (
	Stop Motion = "stop"
	GoOn Motion = "go on"
)

// Ticket is one for a pane of an isolated server.
type Ticket struct {
	Ticket string `json:"ticket"`
}

// Opened is a door that is open; its socket comes along.
type Opened struct {
	Path       string `json:"path"`
	UID        uint32 `json:"uid"`
	Generation uint64 `json:"generation"`
}

// Happened is a keep.Event; a socket comes along where that has one.
type Happened struct {
	Kind  keep.EventKind `json:"kind"`
	Level keep.Level     `json:"level"`
	ID    string         `json:"id"`
	Owner string         `json:"owner"`
	Text  string         `json:"text"`
	Place keep.Place     `json:"place"`
	// Generation is that of the door's opening.
	Generation uint64 `json:"generation"`
}
