package grants

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
)

// Lease has one person at a time type into a pane, whoever else may. It gives nothing:
// its holder types by their own right.
type Lease struct {
	// ID names the lease for as long as the store lives.
	ID int64 `json:"id"`
	// On is the pane, Target how people call it.
	On     access.Object `json:"on"`
	Target string        `json:"target"`
	// Holder is who types, "" while nobody does.
	Holder string `json:"holder,omitempty"`
	// By is who has turned it on.
	By string `json:"by"`
	// Grace is for how long its holder keeps it when they have left.
	Grace time.Duration `json:"grace"`
	// Line is whose line may be begun there, "" if none is, as far as can be told by
	// what was typed.
	Line string `json:"line,omitempty"`
	// Passed is closed when the keyboard has gone from one to another, and nil while it
	// does not: what the one has typed arrives before the other types. Next is who has it
	// then, whomever it was to go to.
	Passed chan struct{} `json:"-"`
	Next   string        `json:"-"`
	// Last is of whom something that they have typed may still arrive, [Everybody] or "".
	Last string `json:"-"`
	// Gone is since when its holder is not there, zero while they are. It begins anew
	// with each life of muxward.
	Gone time.Time `json:"-"`
}

// Everybody is nobody's name.
const Everybody = "*"

// The length of a grace.
const (
	MinGrace = time.Second
	MaxGrace = time.Hour
)

// String says who types.
func (l Lease) String() string {
	if l.Holder == "" {
		return "nobody has the keyboard here now"
	}
	return l.Holder + " has the keyboard here"
}

// leased are the verbs that a lease takes from all but its holder. What tmux runs by
// itself for somebody is decided no more, and may type.
const leased = access.VerbSet(1<<access.Type | 1<<access.Execute)

// rests reports whether what is done to o may reach the pane: o is the pane, or what it
// lies in. Where in its server a pane lies changes, so every part of that which is no
// pane may hold it. Another life of the server has other panes.
func (l Lease) rests(o access.Object) bool {
	if o.Kind == access.Host || o.Owner != l.On.Owner || o.Incarnation != l.On.Incarnation {
		return false
	}
	return o.Kind < access.Pane || o.Pane.ID == l.On.Pane.ID
}

// Leases is the store of leases: one small file as that of [Denials]. Reading is
// lock-free. A nil one has none.
type Leases struct{ listFile[Lease] }

// OpenLeases reads the store at path, which need not exist yet. A damaged store is an
// error, as with revocations: who was not to type cannot be known.
func OpenLeases(path string) (*Leases, error) {
	s := &Leases{}
	if err := s.open(path, "leases", "have everybody type again who may", parseLeases); err != nil {
		return nil, err
	}
	return s, nil
}

// parseLeases reads the store strictly.
func parseLeases(data []byte) ([]Lease, error) {
	var list []Lease
	if err := strict(data, &list); err != nil {
		return nil, err
	}
	for i, l := range list {
		if l.On.Kind != access.Pane || l.On.Owner == "" || l.On.Incarnation == "" {
			return nil, fmt.Errorf("number %d: it is not said of which pane", i+1)
		}
		if l.ID <= 0 || slices.ContainsFunc(list[:i], func(o Lease) bool { return o.ID == l.ID || o.rests(l.On) }) {
			return nil, fmt.Errorf("number %d: it is there twice", i+1)
		}
		if l.Grace < MinGrace || l.Grace > MaxGrace {
			return nil, fmt.Errorf("number %d: a grace of %v", i+1, l.Grace)
		}
		for _, person := range []string{l.Holder, l.By, l.Line} {
			if _, err := identity.CanonicalName(person); err != nil && person != "" {
				return nil, fmt.Errorf("number %d: %w", i+1, err)
			}
		}
	}
	return list, nil
}

// List gives all leases, oldest first. The slice must not be changed.
func (s *Leases) List() []Lease {
	if s == nil {
		return nil
	}
	return *s.list.Load()
}

// Find gives a lease by its number.
func (s *Leases) Find(id int64) (Lease, bool) {
	return first(s.List(), func(l Lease) bool { return l.ID == id })
}

// Of gives the lease of a pane.
func (s *Leases) Of(pane access.Object) (Lease, bool) {
	return first(s.List(), func(l Lease) bool { return pane.Kind == access.Pane && l.rests(pane) })
}

// Match gives the first lease that keeps somebody from one of the verbs on o.
func (s *Leases) Match(who identity.Identity, verbs access.VerbSet, o access.Object) (Lease, bool) {
	if s == nil || verbs&leased == 0 {
		return Lease{}, false
	}
	return first(*s.list.Load(), func(l Lease) bool { return l.rests(o) && !l.holds(who) })
}

func first(list []Lease, is func(Lease) bool) (Lease, bool) {
	if i := slices.IndexFunc(list, is); i >= 0 {
		return list[i], true
	}
	return Lease{}, false
}

// Change changes the list: f is given a copy of it. What it gives is in force when
// Change returns, which waits for no disk, and on disk when keep has returned nil. keep
// is to be called once.
func (s *Leases) Change(f func([]Lease) ([]Lease, error)) (keep func() error, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next, err := f(slices.Clone(s.List()))
	if err != nil {
		return nil, err
	}
	s.list.Store(&next)
	return s.keep, nil
}

// Edit is Change for one lease.
func (s *Leases) Edit(id int64, f func(*Lease) error) (keep func() error, err error) {
	return s.Change(func(list []Lease) ([]Lease, error) {
		i := slices.IndexFunc(list, func(l Lease) bool { return l.ID == id })
		if i < 0 {
			return nil, ErrNoLease
		}
		return list, f(&list[i])
	})
}

// Remove is Change that ends a lease.
func (s *Leases) Remove(id int64) (keep func() error, err error) {
	return s.Change(func(list []Lease) ([]Lease, error) {
		next := slices.DeleteFunc(list, func(l Lease) bool { return l.ID == id })
		if len(next) == len(list) {
			return nil, ErrNoLease
		}
		return next, nil
	})
}

// ErrNoLease is the error where a lease has ended.
var ErrNoLease = errors.New("there is no lease on this pane any more; see: muxward leases")

// NextID is a number for a new lease of a list, which no lease before had: what was asked
// about one is not answered about another.
func NextID(list []Lease, now time.Time) int64 {
	next := max(1, now.UnixMilli())
	for _, l := range list {
		next = max(next, l.ID+1)
	}
	return next
}

// Typed notes that somebody has typed into a pane, and whether a line is begun there
// then. It waits for no disk: after a crash nobody knows, and [Leases.Unsure] says so.
func (s *Leases) Typed(person string, pane access.Object, begun bool) {
	l, leased := s.Of(pane)
	if !leased || begun == (l.Line != "") {
		return
	}
	_, _ = s.Edit(l.ID, func(l *Lease) error { // it may have ended just then
		switch {
		case !begun:
			l.Line = ""
		case l.Line == "":
			l.Line = person
		}
		return nil
	})
}

// Unsure takes the line of each holder for begun: what was typed last in another life of
// muxward is not known.
func (s *Leases) Unsure() {
	_, _ = s.Change(func(list []Lease) ([]Lease, error) {
		for i := range list {
			if list[i].Line == "" {
				list[i].Line = list[i].Holder
			}
		}
		return list, nil
	})
}
