package access

import (
	"fmt"
	"strings"
)

// Verb is one right, the unit in which policy decides. The words are those of
// the policy files and of every message to people.
type Verb uint8

// The verbs. Their order is the order in which people see them listed.
const (
	View         Verb = iota // see a pane's output
	Scroll                   // read history, privately
	Copy                     // buffers and capture
	Suggest                  // write a line that who may type may run
	Type                     // keys, paste and mouse to the program
	Navigate                 // one's own current window and pane
	Layout                   // split sizes, swap, rename, select for all
	Spawn                    // new pane or window, respawn
	ClosePane                // kill a pane
	CloseWindow              // kill a window
	CloseSession             // kill a session or the server
	Resize                   // let my terminal size the window
	DetachOthers             // detach or move other people's clients
	Configure                // options, bindings, hooks, environment
	Execute                  // anything where tmux itself runs a shell
	Share                    // hand on what one holds
	Kick                     // revoke people
	Lock                     // lock down
	Approve                  // answer requests
	Record                   // recordings
	Audit                    // read the log
	numVerbs
)

// The verbs of what is no tmux at all: see [Reach]. No role has them, no grant gives
// them and no owner holds them; each is permitted by an entry of ssh.yaml alone.
const (
	Forward   = numVerbs + iota // have connections made from this host
	Listen                      // have connections to this host taken
	Agent                       // have an ssh agent here
	Subsystem                   // run a subsystem, such as sftp
	numWords
)

// Reaching are those verbs. They are in no other set.
const Reaching = VerbSet(1<<Forward | 1<<Listen | 1<<Agent | 1<<Subsystem)

var verbWords = [numWords]string{
	"view", "scroll", "copy", "suggest", "type", "navigate", "layout", "spawn",
	"close-pane", "close-window", "close-session", "resize", "detach-others",
	"configure", "execute", "share", "kick", "lock", "approve", "record", "audit",
	"forward", "listen", "agent", "subsystem",
}

// String gives the verb's word, as in policy files.
func (v Verb) String() string {
	if v < numWords {
		return verbWords[v]
	}
	return fmt.Sprintf("verb(%d)", uint8(v))
}

// ParseVerb reads a verb's word. Unknown words are an error that lists the
// known ones. Those of [Reaching] are none of them.
func ParseVerb(word string) (Verb, error) {
	for i, w := range verbWords[:numVerbs] {
		if w == word {
			return Verb(i), nil
		}
	}
	return 0, fmt.Errorf("unknown verb %q; the verbs are %s", word, strings.Join(verbWords[:numVerbs], ", "))
}

// Verbs lists all verbs in order, but for those of [Reaching].
func Verbs() []Verb {
	all := make([]Verb, numVerbs)
	for i := range all {
		all[i] = Verb(i)
	}
	return all
}

// VerbSet is a set of verbs. The zero value is empty.
type VerbSet uint32

// AllVerbs is the set of every verb but those of [Reaching].
const AllVerbs VerbSet = 1<<numVerbs - 1

// Governing are the verbs by which people govern other people's rights. They
// are never held from inside a pane: whoever may type there could use them.
const Governing = VerbSet(1<<Share | 1<<Kick | 1<<Lock | 1<<Approve | 1<<Record | 1<<Audit)

// TmuxVerbs are what tmux commands need: all the others but Suggest, by which nothing
// is done in tmux. Who holds these on a server may do there whatever tmux can.
const TmuxVerbs = AllVerbs &^ Governing &^ VerbSet(1<<Suggest)

// Acting are the verbs by which something is done, and not only looked at.
const Acting = TmuxVerbs &^ VerbSet(1<<View|1<<Scroll)

// SetOf makes a set of the given verbs.
func SetOf(verbs ...Verb) VerbSet {
	var s VerbSet
	for _, v := range verbs {
		s |= 1 << v
	}
	return s
}

// Has reports whether v is in the set.
func (s VerbSet) Has(v Verb) bool { return s&(1<<v) != 0 }

// With is the union of both sets.
func (s VerbSet) With(t VerbSet) VerbSet { return s | t }

// Covers reports whether every verb of t is in s.
func (s VerbSet) Covers(t VerbSet) bool { return s&t == t }

// List gives the verbs of the set in order.
func (s VerbSet) List() []Verb {
	var out []Verb
	for v := Verb(0); v < numWords; v++ {
		if s.Has(v) {
			out = append(out, v)
		}
	}
	return out
}

// Brief is a person's rights on something in few words. What they hold in a part
// of it only is not among them.
func (s VerbSet) Brief() string {
	switch {
	case s.Covers(TmuxVerbs):
		return "everything"
	case s.Has(Type) && s.Has(View):
		return "view, type"
	case s.Has(Suggest) && s.Has(View):
		return "view, suggest"
	case s.Has(View):
		return "view"
	}
	return "in part"
}

// Names gives the words, in their order; nil for none.
func (s VerbSet) Names() (words []string) {
	for _, v := range s.List() {
		words = append(words, v.String())
	}
	return words
}

// String gives the words, separated by commas.
func (s VerbSet) String() string { return strings.Join(s.Names(), ",") }

// Role is a named set of verbs.
type Role string

// The built-in roles, from least to most. Each contains the one before, but
// for admin, who governs without being at the keyboard.
const (
	Viewer    Role = "viewer"
	Suggester Role = "suggester"
	Typist    Role = "typist"
	Operator  Role = "operator"
	Owner     Role = "owner"
	Admin     Role = "admin"
)

// Roles lists the built-in roles in order.
func Roles() []Role { return []Role{Viewer, Suggester, Typist, Operator, Owner, Admin} }

// Verbs gives the role's verbs and whether there is such a role. A viewer suggests
// nothing: a suggestion interrupts others, who gave somebody no more than to look on. Who
// may type may suggest, which is less than to type.
func (r Role) Verbs() (VerbSet, bool) {
	viewer := SetOf(View, Scroll)
	suggester := viewer.With(SetOf(Suggest))
	typist := suggester.With(SetOf(Type))
	operator := typist.With(SetOf(Copy, Navigate, Layout, Spawn, ClosePane, CloseWindow, Resize))
	switch r {
	case Viewer:
		return viewer, true
	case Suggester:
		return suggester, true
	case Typist:
		return typist, true
	case Operator:
		return operator, true
	case Owner:
		return AllVerbs, true
	case Admin:
		return SetOf(View, Scroll, Kick, Lock, Approve, Audit, Record, DetachOthers, CloseSession), true
	}
	return 0, false
}
