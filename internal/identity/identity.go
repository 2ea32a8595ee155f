package identity

import (
	"maps"
	"strings"
)

// Identity is a proved person at a door. The zero value is nobody; so is a process that
// stands for no person, of which it says which one it is.
// It is a small handle to an immutable value: copy it freely.
type Identity struct{ p *proof }

type proof struct {
	person  string
	account string
	uid     uint32
	gids    []uint32
	pid     int
	door    string
	inside  string
	// detached is set for a process without a terminal or parent of its own.
	detached bool
	serial   uint64
	claims   map[string]string
	// key and from are what an SSH connection proved, and where it came from.
	key, from string
	// peer is the process that was proved, as long as its connection is open; nil at
	// other doors.
	peer *Peer
	// streams is set for a process that a forced command has started, ticket for one
	// that brought a ticket.
	streams bool
	ticket  *ticket
	// forced is set for a process that says that a forced command has started it.
	forced bool
	// doubt is why that could not be told, undoubted what it is if it does not say so.
	doubt     error
	undoubted *proof
	// why is set for a process that is nobody: for whoever that is.
	why error
	// login is the uid of the account whose password was proved, nil where none was.
	login *uint32
	// mfa is set if a second factor was proved as well.
	mfa bool
	// supposed is set for what [Supposed] makes.
	supposed bool
}

// Person is the canonical name of the person, or "" for nobody.
func (i Identity) Person() string {
	if i.p == nil {
		return ""
	}
	return i.p.person
}

// Account is the Unix account the connection came from ("" if the uid has no
// account), as it was named when the connection was made, or at the ssh door the one
// that a password has proved.
func (i Identity) Account() string {
	if i.p == nil {
		return ""
	}
	return i.p.account
}

// UID is the effective uid the kernel gave for the peer, and whether the
// identity was proved by peer credentials at all.
func (i Identity) UID() (uint32, bool) {
	if i.p == nil || i.p.uid == noUID {
		return 0, false
	}
	return i.p.uid, true
}

// GIDs are the peer's groups as the kernel knew them when it connected.
func (i Identity) GIDs() []uint32 {
	if i.p == nil {
		return nil
	}
	return append([]uint32(nil), i.p.gids...)
}

// PID is the peer's process id when it connected: for logs only, as ids of
// processes are reused.
func (i Identity) PID() int {
	if i.p == nil {
		return 0
	}
	return i.p.pid
}

// Door names the door at which the identity was proved.
func (i Identity) Door() string {
	if i.p == nil {
		return ""
	}
	return i.p.door
}

// Inside is the guarded pane the connection comes from, as owner/%N, or "".
// Whoever may type into that pane could have made the connection, so policy
// may give it less.
func (i Identity) Inside() string {
	if i.p == nil {
		return ""
	}
	return i.p.inside
}

// Detached reports whether the process that connected had no controlling terminal then,
// or no parent: nothing tells where it comes from, and [Identity.Inside] does not know.
// So it is for whoever comes by no process of this host.
func (i Identity) Detached() bool { return i.p == nil || i.p.peer == nil || i.p.detached }

// Serial tells this proof from every other of this process.
func (i Identity) Serial() uint64 {
	if i.p == nil {
		return 0
	}
	return i.p.serial
}

// Claims are statements of the peer that nothing proves, for the log only.
func (i Identity) Claims() map[string]string {
	if i.p == nil {
		return nil
	}
	out := make(map[string]string, len(i.p.claims))
	maps.Copy(out, i.p.claims)
	return out
}

// Key names the key that proved the identity, with the certificate if it was
// one, or "" where no key did.
func (i Identity) Key() string {
	if i.p == nil {
		return ""
	}
	return i.p.key
}

// MFA reports whether a second factor was proved beside the first.
func (i Identity) MFA() bool { return i.p != nil && i.p.mfa }

// From is the network address the connection came from, or "" for one from this
// host.
func (i Identity) From() string {
	if i.p == nil {
		return ""
	}
	return i.p.from
}

// OnlyStreams reports that the person's client is no program of theirs, but one that an
// sshd of the host has started: it has its standard streams and a terminal to offer, and
// is to open no files and not to be stopped.
func (i Identity) OnlyStreams() bool { return i.p != nil && i.p.streams }

// Freezing gives the identity by which a process may freeze what its person may, and do
// nothing else: of one of which it cannot be told whether a forced command has started it, as
// the helper hangs that could tell, that of its account. Whoever freezes takes, and gets
// nothing by it; not to be able to is worse. Any other has its own.
func (i Identity) Freezing() Identity {
	if i.p == nil || i.p.undoubted == nil {
		return i
	}
	return Identity{i.p.undoubted}
}

// Doubt is why it could not be told whether a forced command has started the process, nil if
// there is none.
func (i Identity) Doubt() error {
	if i.p == nil {
		return nil
	}
	return i.p.doubt
}

// IsNobody reports whether the identity is the zero one, or a process that stands for no
// person.
func (i Identity) IsNobody() bool { return i.p == nil || i.p.person == "" }

// Why tells a process that stands for no person why, nil if there is nothing to tell.
func (i Identity) Why() error {
	if i.p == nil {
		return nil
	}
	return i.p.why
}

// Subject is what decisions rest on: the facts of an Identity as plain data.
// It proves nothing: the gateway takes Subjects only from Identities, and
// `muxward policy explain` makes them up.
type Subject struct {
	Person  string
	Account string
	// UID is -1 where the door proves no account.
	UID int64
	// Door is the door's name, such as "tmux" or "ctl".
	Door string
	// Inside is the guarded pane the connection comes from, as owner/%N.
	Inside string
	// Key is the fingerprint of the key that proved them, of a certificate that of
	// the key in it; "" where no key did.
	Key string `json:",omitempty"`
	// MFA says that a second factor was proved beside the first.
	MFA bool
}

// Subject gives the facts of the identity that decisions rest on. The account of those
// who came with a ticket is none of them: it is lent to everybody.
func (i Identity) Subject() Subject {
	if i.p == nil {
		return Subject{UID: -1}
	}
	uid := int64(-1)
	if n, ok := i.UID(); ok {
		uid = int64(n)
	} else if i.p.login != nil { // as whoever comes from that account here
		uid = int64(*i.p.login)
	}
	account := i.p.account
	if i.p.ticket != nil {
		account = ""
	}
	key := i.p.key
	if end := strings.IndexAny(key, " ,"); end >= 0 { // what a certificate says is behind it, and that there was more
		key = key[:end]
	}
	return Subject{i.p.person, account, uid, i.p.door, i.p.inside, key, i.p.mfa}
}
