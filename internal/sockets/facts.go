package sockets

import (
	"time"
)

// Schema is the version of the JSON form of a [Scan] and its findings. It grows
// when a field changes its meaning or goes; new fields leave it as it is.
const Schema = 1

// Life says whether somebody listens at a socket.
type Life string

// The lives of a socket. What is not certain is Unknown, and never touched.
const (
	Live    Life = "live"
	Dead    Life = "dead"
	Unknown Life = "unknown"
)

// Scan is everything that was seen at one time, joined. Nothing changes it.
type Scan struct {
	Schema int       `json:"schema"`
	Time   time.Time `json:"time"`
	// UID is who looked: there may be more that this account cannot see.
	UID uint32 `json:"uid"`
	// List is where the kernel's list of sockets comes from: sock_diag,
	// /proc/net/unix, or none.
	List string `json:"list"`
	// Settle is how old a socket had to be before it was called dead.
	Settle  time.Duration `json:"settle"`
	Dirs    []Dir         `json:"dirs"`
	Sockets []Socket      `json:"sockets"`
	Others  []Other       `json:"others"`
	Servers []Server      `json:"servers"`
	Skipped []Skipped     `json:"skipped"`
	// Locks is what this host sets about session locks; nil if that was not looked at.
	Locks *Locks `json:"locks,omitempty"`
}

// File is what the file system says of something.
type File struct {
	Kind  string `json:"kind"` // socket, directory, file, symlink, fifo, device
	UID   uint32 `json:"uid"`
	GID   uint32 `json:"gid"`
	Mode  Mode   `json:"mode"`
	Links uint64 `json:"links"`
	Dev   uint64 `json:"dev"`
	Ino   uint64 `json:"ino"`
	// Changed is when the inode last changed.
	Changed time.Time `json:"changed"`
	// ACL lists entries of other accounts and groups that count, such as
	// "user:1001:rw-".
	ACL []string `json:"acl,omitempty"`
}

// Dir is a directory in which tmux, or a fork of it, keeps an account's sockets,
// or what is in the place of one.
type Dir struct {
	Path Path `json:"path"`
	File
	// For is the account that the name speaks of.
	For uint32 `json:"for"`
	// Program is tmux or tmate, by the name.
	Program string `json:"program"`
	// FS is the kind of file system.
	FS string `json:"fs"`
	// Far says why sockets here may be somebody's on another host or in a
	// container, though they look dead; empty if they cannot.
	Far string `json:"far,omitempty"`
	// Above is the directory that it is in, with AbovePath for its path.
	Above     *File `json:"above,omitempty"`
	AbovePath Path  `json:"abovePath"`
}

// Socket is a Unix socket in the file system that is tmux's, by its place or by
// who listens.
type Socket struct {
	Path Path `json:"path"`
	File
	// Dir is the path of its tmux directory; empty if it is somewhere else.
	Dir Path `json:"dir,omitempty"`
	// Above is the directory that it is in.
	Above *File `json:"above,omitempty"`
	Life  Life  `json:"life"`
	// Why says what Life rests on.
	Why string `json:"why"`
	// PID is who listens, 0 if that is not known.
	PID int `json:"pid,omitempty"`
	// Program is what listens: tmux, tmate, muxward, or other.
	Program string `json:"program,omitempty"`
	// Pending are connections that wait to be accepted.
	Pending uint32 `json:"pending,omitempty"`
}

// Other is something in a tmux directory that is no socket.
type Other struct {
	Path Path `json:"path"`
	File
	Dir Path `json:"dir"`
	// Lockers are the accounts of those who hold a lock on it.
	Lockers []uint32 `json:"lockers,omitempty"`
}

// Server is a process that is a tmux server, or one of a fork of tmux.
type Server struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // clock ticks since the machine started
	UID   uint32 `json:"uid"`
	GID   uint32 `json:"gid"`
	// NoAccount: no account has this uid.
	NoAccount bool `json:"noAccount,omitempty"`
	// Known says by what it was recognised: executable or name.
	Known   string `json:"known"`
	Program string `json:"program"` // tmux, tmate
	Exe     Path   `json:"exe,omitempty"`
	// ExeGone: the file that it runs has been removed or replaced.
	ExeGone bool          `json:"exeGone,omitempty"`
	Age     time.Duration `json:"age"`
	Stopped bool          `json:"stopped,omitempty"`
	// Apart lists the namespaces in which it is not with who looks: net, mnt, pid; and
	// root, if it has another root directory.
	Apart []string `json:"apart,omitempty"`
	// LoggedOut: the login manager knows neither a session nor lingering.
	LoggedOut bool `json:"loggedOut,omitempty"`
	// Secrets are names of environment variables that look like secrets.
	Secrets []string `json:"secrets,omitempty"`
	Sockets []Bound  `json:"sockets"`
	// Ready: it handles the signal that has tmux make its socket anew.
	Ready bool `json:"ready"`
	// Asked is what it says of itself, if it was asked.
	Asked *Asked `json:"asked,omitempty"`
}

// Place says what is at the path that a server's socket was bound to.
type Place string

// What may be there.
const (
	Here    Place = "here"    // the socket itself
	Gone    Place = "gone"    // nothing
	Taken   Place = "taken"   // something else
	Door    Place = "door"    // a door of muxward's: the server is guarded
	Unseen  Place = "unseen"  // it cannot be looked at
	NoPlace Place = "nowhere" // the path means something else to everybody
)

// Bound is a socket that a server listens at.
type Bound struct {
	Path  Path  `json:"path"` // as it was bound
	Place Place `json:"place"`
	// File is what is there, if that is the socket itself.
	File *File `json:"file,omitempty"`
	// Above is the directory that Path is in, if there is one.
	Above *File `json:"above,omitempty"`
	// Emptied says who removes what is at Path while the server runs, if somebody does.
	Emptied string `json:"emptied,omitempty"`
	// Inode is the kernel's number of the socket itself.
	Inode uint64 `json:"inode"`
	// Clients are the accounts of those who are connected, each once, but for
	// muxward.
	Clients []uint32 `json:"clients,omitempty"`
	// ClientsUnknown: there may be more, which cannot be seen.
	ClientsUnknown bool `json:"clientsUnknown,omitempty"`
}

// Skipped is something that was not looked at.
type Skipped struct {
	Path   Path   `json:"path"`
	Reason string `json:"reason"`
	// Denied: it is not for who looks, who is not root. That is as it should be.
	Denied bool `json:"denied,omitempty"`
	// Others: there are other places that were not looked at, either.
	Others bool `json:"others,omitempty"`
}

// covers reports whether something may not have been seen, as this was skipped.
func (k Skipped) covers(path Path) bool { return k.Others || under(string(path), string(k.Path)) }

// Complete reports whether everything was looked at that who looks may see.
func (s Scan) Complete() bool {
	for _, k := range s.Skipped {
		if !k.Denied {
			return false
		}
	}
	return true
}

// orderly reports whether a directory is what tmux would make and use: then
// what is in it is its account's to have mended.
func orderly(d *Dir) bool { return d != nil && d.Kind == "directory" && d.UID == d.For }
