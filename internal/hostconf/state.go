package hostconf

import (
	"context"
	"time"
)

// Kind is what an Item is.
type Kind string

// The kinds of items. They are applied in this order, and undone in the other one.
const (
	// Group is a system group: Name.
	Group Kind = "group"
	// Account is a system account that nobody logs in to: Name, Home, Comment. It has a
	// group of its own, of the same name.
	Account Kind = "account"
	// Directory is a directory: Path, Owner, Group, Mode. What is in it is left alone.
	Directory Kind = "directory"
	// File is a regular file: Path, Content, Owner, Group, Mode.
	File Kind = "file"
	// Link is a symlink: Path, Target.
	Link Kind = "symlink"
	// Absent says that there is no file and no symlink at Path. A directory there is
	// never removed: that is a change that is blocked.
	Absent Kind = "absent"
	// Service is a unit of systemd, by its Name, that is enabled; and that runs, if
	// Running. Where systemd is not pid 1, or another Root is given, it does not apply.
	Service Kind = "service"
)

// Item is one thing that a host should have.
type Item struct {
	// ID is the control's stable id, such as MW-H010. Several items may have the same.
	ID   string `json:"id"`
	Kind Kind   `json:"kind"`
	// Why says in a sentence what it protects, or what it is good for.
	Why string `json:"why"`

	// Path is absolute, clean, and as it is inside of Options.Root.
	Path string `json:"path,omitempty"`
	// Content is that of a File: at most MaxContent bytes.
	Content string `json:"-"`
	// Once is for a File that people are to change: if there is one, its content is theirs
	// to say. Owner and mode are not; one that others can write into is blocked, as nobody
	// knows whose word it is.
	Once bool `json:"once,omitempty"`
	// Secret is for a File whose content no plan may show.
	Secret bool `json:"secret,omitempty"`
	// Final is for an Absent that stays so when no state has it any more: what was there
	// does not come back by an apply, only by Undo.
	Final bool `json:"final,omitempty"`
	// Target is where a Link leads.
	Target string `json:"target,omitempty"`
	// Owner and Group are names, or numbers; "" is root. Both may be those of an Account or
	// Group of the same state.
	Owner string `json:"owner,omitempty"`
	Group string `json:"group,omitempty"`
	// Mode is that of a File or Directory, all of 07777.
	Mode uint32 `json:"mode,omitempty"`

	// Name is that of an Account, a Group, or a Service with its suffix.
	Name string `json:"name,omitempty"`
	// Home and Comment are an Account's. The home directory is not made; "" is /nonexistent.
	Home    string `json:"home,omitempty"`
	Comment string `json:"comment,omitempty"`
	// State is a directory that an Account may come to write, whoever makes it: while anything in it
	// is the account's, the account stays. A home in there is none that it may have: what
	// it puts there would be obeyed by others, such as sshd.
	State string `json:"state,omitempty"`
	// Running says that a Service is to run, too.
	Running bool `json:"running,omitempty"`
}

// MaxContent is the most that a file may have.
const MaxContent = 1 << 20

// State is what a host should have, on one authority.
type State struct {
	// Set names on whose authority: "setup" or "host". What an earlier apply of the same
	// set has made, and is not among the items any more, is removed (see Extra).
	// An item that another set has made is blocked, but for those of Takes.
	Set string `json:"set"`
	// Takes are sets whose things this one may change: they are its own from then on.
	Takes []string `json:"takes,omitempty"`
	// Items may be in any order.
	Items []Item `json:"items"`
	// Under are sets that take over from this one: what they have is not applicable here.
	Under []string `json:"under,omitempty"`
}

// Doing is what an apply would do about an item.
type Doing string

// What an apply does.
const (
	// Make is for what is not there.
	Make Doing = "make"
	// Mend is for what is there and differs.
	Mend Doing = "change"
	// Remove is for what an earlier apply of the set has made and the state does not
	// have any more, and for what is to be absent. What was there before it was
	// first made or changed comes back.
	Remove Doing = "remove"
	// Keep is for what would be removed, but has been changed by somebody since, or has
	// something in it: it stays, and is named. Reason says what was found.
	Keep Doing = "keep"
	// Skip is for what does not apply to this host. Reason says why.
	Skip Doing = "not applicable"
	// Block is for what cannot be applied: an apply fails before anything moves. Reason
	// says what to do about it.
	Block Doing = "blocked"
)

// Difference is one thing in which an item and the host differ.
type Difference struct {
	// What is "missing", "extra", "content", "owner", "group", "mode", "acl" (an access
	// list gives rights to others besides), "target", "home", "enabled" or "running".
	What string `json:"what"`
	Have string `json:"have,omitempty"`
	Want string `json:"want,omitempty"`
}

// Change is one line of a plan.
type Change struct {
	Item    Item         `json:"item"`
	Do      Doing        `json:"do"`
	Differs []Difference `json:"differs,omitempty"`
	// Diff is what changes in a File's content, as a unified diff; "" if nothing, if the
	// content is secret, or no text.
	Diff   string `json:"diff,omitempty"`
	Reason string `json:"reason,omitempty"`

	before fact // what was found
	want   fact // what is to be there; owners that are to be made have no numbers yet
	way    bool // a directory only for what is in it
}

// Broken is an apply, or an undo, that did not come to its end.
type Broken struct {
	// Number is that of the apply.
	Number int    `json:"number"`
	Set    string `json:"set"`
	// Undoing says that it was being put back.
	Undoing bool      `json:"undoing,omitempty"`
	Began   time.Time `json:"began"`
	// Running says that it is going on right now: somebody has the lock.
	Running bool `json:"running,omitempty"`
	// Moved says how many of its Steps have reached the host.
	Moved int `json:"moved"`
	Steps int `json:"steps"`
}

// Plan is how a host differs from a state.
type Plan struct {
	Set  string `json:"set"`
	Root string `json:"root"`
	// Changes are the items that differ, in the order of an apply, and those that do not
	// apply here or are kept.
	Changes []Change `json:"changes"`
	// Same is how many items are as they should be.
	Same int `json:"same"`
	// Broken is an apply that was broken off. The next apply, or Recover, takes it back
	// first: what a plan says about items is what is there meanwhile.
	Broken *Broken `json:"broken,omitempty"`
}

// Drift reports whether an apply would do something, or could not.
func (p Plan) Drift() bool {
	if p.Broken != nil {
		return true
	}
	for _, c := range p.Changes {
		if c.Do != Keep && c.Do != Skip {
			return true
		}
	}
	return false
}

// Blocked gives the changes that cannot be applied.
func (p Plan) Blocked() []Change {
	var out []Change
	for _, c := range p.Changes {
		if c.Do == Block {
			out = append(out, c)
		}
	}
	return out
}

// Check looks at files before any of them moves to its place.
type Check struct {
	// Name says in an error what was checked: "the policy".
	Name string
	// Run is given a directory in which each File of the state lies at its Path, as it will
	// be: one that is kept as the host has it. They belong to whoever applies, modes are
	// 0600 and 0700, and the directory is removed afterwards. An error ends the apply;
	// nothing has changed then. Its context has the deadline of Options.Patience.
	Run func(ctx context.Context, tree string) error
	// Without, in the place of Run, is told as well which paths the host will not have any more.
	Without func(ctx context.Context, tree string, gone []string) error
}

// Options say how.
type Options struct {
	// Root is the directory that stands for /; "" is /. Accounts are those of its
	// etc/passwd and etc/group if it has them, else this machine's.
	Root string
	// Records is where journals and copies are, inside of Root; "" is DefaultRecords.
	Records string
	// Checks run before anything moves.
	Checks []Check
	// Health is asked once everything is in its place, and told what was done. If it
	// fails, everything is put back.
	Health func(ctx context.Context, done []Change) error
	// NoOwners leaves owners and accounts out, for who is not root and applies to a tree.
	NoOwners bool
	// Patience is how long each check, the health check and each program may take; 0 is
	// a minute.
	Patience time.Duration
	// Tell is told what is done, a line each; it may be nil.
	Tell func(line string)
	// Recovering is told which apply was broken off before it is taken back, with nobody else at
	// work; its error keeps that from being begun. It may be nil.
	Recovering func(number int) error

	// Returning is given what files will have in them, by their paths, once an apply is taken back:
	// those that come back. Its error keeps that from being begun. It may be nil.
	Returning func(files map[string][]byte) error

	// For tests of this package:
	step     func(string) // is told of each step before it is made
	programs []string     // directories of programs
	booted   *bool        // whether systemd is pid 1
}

// DefaultRecords is root's alone. It is not inside of muxward's state directory, which may
// belong to the account that the daemon runs as: root puts back what lies here.
const DefaultRecords = "/var/lib/muxward-host"

// Result is what became of an apply, an undo, or a recovery.
type Result struct {
	// Number is that of the apply that was made or put back; 0 if there was nothing to do.
	Number int `json:"number"`
	// Done are the changes that were made, or put back.
	Done []Change `json:"done"`
	// Left are those that were not, and why: kept, not applicable.
	Left []Change `json:"left,omitempty"`
	// Recovered is the broken apply that was taken back first.
	Recovered *Broken `json:"recovered,omitempty"`
}

// Errors that callers tell apart.
var (
	// ErrBusy is the error of an apply or undo while another is going on.
	ErrBusy = staticError("another apply is going on on this host; wait for it")
	// ErrNothing is the error of an undo when there is nothing to put back.
	ErrNothing = staticError("nothing to undo: nothing was applied, or it was put back already")
)

type staticError string

func (e staticError) Error() string { return string(e) }
