package grants

import (
	"fmt"
	"slices"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
)

// Denial takes everything on Scope from a person, whatever the policy files
// say, until it is lifted; or it is a lockdown, which freezes Scope for
// everybody.
type Denial struct {
	// Person is "" for a lockdown.
	Person string `json:"person"`
	// Lock makes it a lockdown, Views one that nobody looks at either.
	Lock  bool `json:"lock,omitempty"`
	Views bool `json:"views,omitempty"`
	// Scope is what they lose; the zero Object is the host, that is all.
	Scope access.Object `json:"scope"`
	// Target is what was asked, with its owner, so that it means the same
	// whoever says it; "" is the host.
	Target string    `json:"target"`
	Reason string    `json:"reason,omitempty"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	// Above is by how many steps what By held then is wider than Scope: who
	// holds less does not lift it.
	Above int `json:"above,omitempty"`
}

// Keeper is on what whoever lifts the denial has to hold the right to, or on
// what that lies in.
func (d Denial) Keeper() access.Object {
	o := d.Scope
	for range d.Above {
		o = o.Up()
	}
	return o
}

// watching are the verbs that a lockdown leaves to those who are attached.
const watching = access.VerbSet(1<<access.View | 1<<access.Scroll)

// unlocking are the verbs that no lockdown takes: who may end it can end it, and
// take from people what they have.
const unlocking = access.VerbSet(1<<access.Kick | 1<<access.Lock | 1<<access.Audit)

// everything is what can be taken: on the host, what is reached through it as well.
const everything = access.AllVerbs | access.Reaching

// takes gives the verbs that the denial takes.
func (d Denial) takes() access.VerbSet {
	switch {
	case !d.Lock:
		return everything
	case d.Views:
		return everything &^ unlocking
	}
	return everything &^ unlocking &^ watching
}

// String says by whom it is and why.
func (d Denial) String() string {
	text := "revoked by " + d.By
	if d.Lock {
		text = "locked down by " + d.By
	}
	if d.Reason != "" {
		text += ": " + d.Reason
	}
	return text
}

// ruling are the governing verbs that show nothing of what they are held on. Audit and
// record do: a log or a recording of the whole has the denied part in it.
const ruling = access.Governing &^ (1<<access.Audit | 1<<access.Record)

// takesOn gives the verbs that the denial takes on o: all of them if o lies in the
// scope. If the scope lies in o it leaves the ruling verbs, or whoever governs a
// part would take from those who govern the whole what they govern it by.
func (d Denial) takesOn(o access.Object) access.VerbSet {
	switch {
	case !d.matches(o):
		return 0
	case o.Kind < d.Scope.Kind:
		return d.takes() &^ ruling
	}
	return d.takes()
}

// matches reports whether the denial touches o: o lies in the scope, or the
// scope lies in o. The second holds because whoever has a verb on a whole
// session could use it on the part that was denied. Nothing is used on the host
// itself: what is held there is looked at again on each server.
func (d Denial) matches(o access.Object) bool {
	s := d.Scope
	if s.Kind == access.Host || o.Kind == access.Host {
		return s.Kind == access.Host
	}
	if s.Owner != o.Owner {
		return false
	}
	if s.Kind == access.Server || o.Kind == access.Server {
		return true
	}
	if s.Kind == access.Pane && o.Kind == access.Pane && s.Incarnation == o.Incarnation && s.Pane.ID == o.Pane.ID {
		return true // wherever it was moved to meanwhile
	}
	if !sameWindow(s, o) && !slices.ContainsFunc(append([]access.SessionRef{o.Session}, o.Links...),
		func(ref access.SessionRef) bool { return reachedBy(s, o, ref) }) {
		return false
	}
	return s.Kind < access.Pane || o.Kind < access.Pane || samePane(s, o)
}

// reachedBy compares by id within one incarnation and by name and index
// always: a rename must not shed a denial, nor a restart of the server.
func reachedBy(s, o access.Object, ref access.SessionRef) bool {
	same := s.Session.Name == ref.Name || (s.Incarnation == o.Incarnation && s.Session.ID == ref.ID)
	return same && (s.Kind == access.Session || o.Kind == access.Session || s.Session.Index == ref.Index)
}

func sameWindow(s, o access.Object) bool {
	return s.Kind >= access.Window && o.Kind >= access.Window &&
		s.Incarnation == o.Incarnation && s.Window.ID == o.Window.ID
}

func samePane(s, o access.Object) bool {
	return s.Pane.Index == o.Pane.Index || (s.Incarnation == o.Incarnation && s.Pane.ID == o.Pane.ID)
}

// Denials is the store of revocations and lockdowns: one small file, replaced as a
// whole and synced before a change counts. Reading is lock-free.
type Denials struct{ listFile[Denial] }

// OpenDenials reads the store at path, which need not exist yet. A damaged
// store is an error: what it denied cannot be known, so nothing may start on
// it.
func OpenDenials(path string) (*Denials, error) {
	d := &Denials{}
	if err := d.open(path, "revocations", "forget every revocation", parse); err != nil {
		return nil, err
	}
	return d, nil
}

// parse reads the store strictly: what would be read and not understood would
// be a revocation that does not hold.
func parse(data []byte) ([]Denial, error) {
	var list []Denial
	if err := strict(data, &list); err != nil {
		return nil, err
	}
	for i, den := range list {
		if den.Lock != (den.Person == "") || den.Views && !den.Lock {
			return nil, fmt.Errorf("number %d: it is not said from whom", i+1)
		}
		if _, err := identity.CanonicalName(den.Person); err != nil && !den.Lock {
			return nil, fmt.Errorf("number %d: %w", i+1, err)
		}
		if den.Scope.Kind > access.Pane || (den.Scope.Kind == access.Host) != (den.Scope.Owner == "") {
			return nil, fmt.Errorf("number %d: it is not said on what", i+1)
		}
		if den.Above < 0 || den.Above > int(den.Scope.Kind) {
			return nil, fmt.Errorf("number %d: it is not said who lifts it", i+1)
		}
	}
	return list, nil
}

// List gives all denials, oldest first. The slice must not be changed.
func (d *Denials) List() []Denial { return *d.list.Load() }

// Match gives the first denial that takes one of the verbs from the person on
// o.
func (d *Denials) Match(person string, verbs access.VerbSet, o access.Object) (Denial, bool) {
	for _, den := range *d.list.Load() {
		if (den.Lock || den.Person == person) && den.takesOn(o)&verbs != 0 {
			return den, true
		}
	}
	return Denial{}, false
}

// Taken gives all that denials take from the person on o.
func (d *Denials) Taken(person string, o access.Object) access.VerbSet {
	var taken access.VerbSet
	for _, den := range *d.list.Load() {
		if den.Lock || den.Person == person {
			taken = taken.With(den.takesOn(o))
		}
	}
	return taken
}

// Revoked reports whether everything on o, or on a part of it, was taken from
// this person in particular.
func (d *Denials) Revoked(person string, o access.Object) bool {
	return slices.ContainsFunc(*d.list.Load(), func(den Denial) bool {
		return !den.Lock && den.Person == person && den.matches(o)
	})
}

// Locked gives the first lockdown that touches o.
func (d *Denials) Locked(o access.Object) (Denial, bool) {
	for _, den := range *d.list.Load() {
		if den.Lock && den.matches(o) {
			return den, true
		}
	}
	return Denial{}, false
}

// same reports whether both take the same thing from the same person. The
// words it was asked for with are not enough: work:0 is another window today.
func (d Denial) same(o Denial) bool {
	return d.Person == o.Person && d.Lock == o.Lock && d.Views == o.Views &&
		d.Target == o.Target && d.Scope.Key() == o.Scope.Key()
}

// Add remembers a denial, beside all others but an older one of the same. It
// is in force when Add returns, whatever Add returns; on disk, and so beyond a
// restart, only if that is nil.
func (d *Denials) Add(den Denial) error { return d.Deny(den)() }

// Deny is Add for who has more to do while the disk works: the denial is in
// force when Deny returns, which waits for no disk, and on disk when keep has
// returned nil. keep is to be called once.
func (d *Denials) Deny(den Denial) (keep func() error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	next := slices.Clone(d.List())
	for _, old := range next {
		if old.same(den) { // who holds less does not make it easier to lift
			den.Above = max(den.Above, old.Above)
		}
	}
	next = append(slices.DeleteFunc(next, den.same), den)
	d.list.Store(&next)
	return d.keep
}

// Asked gives the denials of a person ("" for the lockdowns) that were asked for by
// these words. "" is the host, and all denials of a person.
func (d *Denials) Asked(person, target string) []Denial {
	var out []Denial
	for _, den := range d.List() {
		if den.Person == person && (den.Target == target || target == "" && person != "") {
			out = append(out, den)
		}
	}
	return out
}

// LockedBut reports whether a lockdown of all of o, and not only of a part, is in force besides these.
func (d *Denials) LockedBut(o access.Object, these []Denial) bool {
	list := d.List()
	if len(these) > 0 {
		list = without(list, these)
	}
	return slices.ContainsFunc(list, func(den Denial) bool {
		return den.Lock && den.Scope.Kind <= o.Kind && den.matches(o)
	})
}

// without gives a list but for these.
func without(list, these []Denial) []Denial {
	return slices.DeleteFunc(slices.Clone(list), func(o Denial) bool {
		return slices.ContainsFunc(these, func(l Denial) bool {
			return o.same(l) && o.At.Equal(l.At) && o.By == l.By && o.Above == l.Above
		})
	})
}

// Lift forgets these denials, and tells how many of them there were. Nothing is
// lifted unless that is on disk. One that was asked for again meanwhile stays.
func (d *Denials) Lift(these []Denial) (int, error) {
	d.disk.Lock()
	defer d.disk.Unlock()
	without := func(list []Denial) []Denial { return without(list, these) }
	if err := d.save(without(d.List())); err != nil {
		return 0, fmt.Errorf("nothing was lifted: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	// What was denied while the disk worked is in the list by now, and is written
	// by who denied it.
	before := d.List()
	next := without(before)
	d.list.Store(&next)
	return len(before) - len(next), nil
}
