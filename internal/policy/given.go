package policy

import (
	"slices"
	"strings"
	"time"
	"unique"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
)

// Given is a grant that somebody gave while muxward ran. It counts while the
// giver holds what they gave on the whole of the object, and may share it, or
// approve it if it was asked for.
type Given struct {
	ID string
	// Who is a person or "@group", What the role or verbs in words.
	Who   string
	What  string
	Verbs access.VerbSet
	// On is the object as it was when it was given. Names and indexes count as
	// in the files; a session, window or pane has to be the same one, too.
	On          access.Object
	From, Until time.Time // zero: no bound
	Reason      string
	// Key, if set, is the fingerprint of the one key with which it counts.
	Key string
	// Giver is who gave it, as they came in then.
	Giver identity.Subject
	// Approved: it was asked for, and its giver approved it. They need approve then,
	// in the place of share.
	Approved bool
	// Declared: a session's environment says so. It gives no more than the policy has
	// such declarations give.
	Declared bool

	// by is what its giver has to hold, once that was put together: see Ready.
	by unique.Handle[holding]
}

// Ready gives the grant to be put in force, however often.
func (g Given) Ready() *Given {
	g.by = unique.Make(g.toHold())
	return &g
}

// holding is what the giver has to hold: it takes long to compare.
func (g *Given) holding() unique.Handle[holding] {
	if g.by != (unique.Handle[holding]{}) {
		return g.by
	}
	return unique.Make(g.toHold())
}

func (g *Given) toHold() holding { return holding{g.Giver, g.gives(), g.On.Key()} }

// Moving is what changes without the policy files: the grants that were given,
// and what was taken from people, of whom it is asked as often as it matters.
// Taken may be nil.
type Moving struct {
	Given []*Given // not to be changed any more
	Taken func(person string, o access.Object) bool
	// At is the time for which it is worked out in advance what counts. If it is
	// zero the first question waits for that.
	At time.Time
}

// MaxChain is through how many hands a right may go: what is handed on further
// counts for nothing.
const MaxChain = 8

// grantOf gives what was given the form of a grant of the files.
func grantOf(g *Given) *grant {
	on := Selector{Kind: g.On.Kind, Owner: g.On.Owner}
	if on.Kind >= access.Session {
		on.Session = g.On.Session.Name
	}
	if on.Kind >= access.Window {
		on.Window = g.On.Session.Index
	}
	if on.Kind >= access.Pane {
		on.Pane = g.On.Pane.Index
	}
	return &grant{
		who: g.Who, what: g.What, verbs: g.Verbs, on: on, from: g.From, until: g.Until,
		reason: g.Reason, by: g.Giver.Person, id: g.ID, given: g,
	}
}

// stands reports whether what was given is about this very object, and nothing
// was taken on it from those through whose hands it went.
func (g *grant) stands(o *access.Object, taken func(string, access.Object) bool) bool {
	on := &g.given.On
	switch {
	case on.Kind >= access.Session && o.Incarnation != on.Incarnation,
		on.Kind == access.Session && o.Session.ID != on.Session.ID,
		on.Kind >= access.Window && o.Window.ID != on.Window.ID,
		on.Kind >= access.Pane && o.Pane.ID != on.Pane.ID:
		return false
	case taken == nil:
		return true
	}
	for _, giver := range g.givers {
		if taken(giver, *o) {
			return false
		}
	}
	return true
}

// fits reports whether a grant is for who comes in as somebody did.
func (g *grant) fits(who *identity.Subject) bool {
	return g.given == nil || g.given.Key == "" || bound(g.given.Key == who.Key)
}

// with gives the policy together with those grants that count at a time. Its
// limit says when that has to be found out again; no grant in it counts longer
// than what it rests on is known to.
//
// It begins with what the files permit and adds what that lets people give,
// then what that lets people give, and so on: of grants that rest on each other
// in a circle none is ever added.
//
// was is what counted before, nil for nothing: what is the same in both is made once, as
// of ten thousand grants there are mostly all but one.
func (s *Set) with(m Moving, at time.Time, was *Set) *Set {
	if len(m.Given) == 0 {
		return s
	}
	if was != nil && was.files != s {
		was = nil
	}
	var limit time.Time
	made, before := make([]fate, len(m.Given)), was.fatesOf(m.Given)
	standing := make([]*grant, 0, len(m.Given))
	left := make([]int, 0, len(m.Given))
	for i, g := range m.Given {
		if (g.Until.IsZero() || at.Before(g.Until)) && s.most(g) != 0 {
			left = append(left, i)
		}
	}
	cur := s.derive(nil, m.Taken, nil)
	for range MaxChain {
		looks := look{s: cur, at: at, held: map[unique.Handle[holding]]*backing{}, moved: map[string]bool{}}
		var later []int
		stood := len(standing)
		for _, i := range left {
			g := m.Given[i]
			b := looks.backing(g, before[i].backing)
			made[i].backing = b
			limit = sooner(limit, b.expires)
			if !b.holds {
				later = append(later, i)
				continue
			}
			made[i].grant = s.standingOf(g, b, before[i].grant)
			standing = append(standing, made[i].grant)
		}
		left = later
		if len(standing) == stood {
			break
		}
		cur = s.derive(standing, m.Taken, was)
	}
	cur.moved, cur.fates = m.Given, made
	if cur.limit = limit; !limit.IsZero() {
		cur.waiting = make(map[string]bool, len(left))
		for _, i := range left {
			cur.waiting[m.Given[i].Who] = true
		}
	}
	return cur
}

// standingOf is a grant that counts by what its giver holds: was, if that says the same.
func (s *Set) standingOf(g *Given, b *backing, was *grant) *grant {
	until, verbs := sooner(g.Until, b.expires), s.most(g)
	if was != nil && was.given == g && was.until.Equal(until) && was.verbs == verbs && was.duties == b.duties && slices.Equal(was.givers, b.givers) {
		return was
	}
	made := grantOf(g)
	made.until, made.duties, made.givers = until, b.duties, b.givers
	if made.verbs = verbs; made.verbs != g.Verbs {
		made.what = LeftOf(made.verbs, g.What)
	}
	return made.worded()
}

// fate is what became of a grant that was given: what its giver holds, and what is made of it,
// nil if it does not count.
type fate struct {
	backing *backing
	grant   *grant
}

// fatesOf gives what became of each of those that were given, as far as it is known. They
// are mostly in the order of before, with what is new behind it: where that ends is looked up.
func (s *Set) fatesOf(given []*Given) []fate {
	out := make([]fate, len(given))
	if s == nil {
		return out
	}
	next := 0             // in the order of before
	var at map[*Given]int // once something new came in the middle
	for i, g := range given {
		n, found := next, false
		if at != nil {
			n, found = at[g]
		} else {
			for n < len(s.moved) && s.moved[n] != g {
				n++
			}
			found = n < len(s.moved)
		}
		switch {
		case found:
			out[i], next = s.fates[n], n+1
		case at == nil && next < len(s.moved):
			at = make(map[*Given]int, len(s.moved))
			for n, g := range s.moved {
				at[g] = n
			}
		}
	}
	return out
}

// look looks at what givers hold by one policy.
type look struct {
	s     *Set
	at    time.Time
	held  map[unique.Handle[holding]]*backing
	moved map[string]bool // who has moving grants by it
}

// backing is what a giver holds: was, if nothing on which that rests can have changed. By the
// files alone it changes with the time, when it says. What may soon do so is found out anew with
// the rest: what is asked for again each second would be due at another moment for each.
func (l *look) backing(g *Given, was *backing) *backing {
	moved, known := l.moved[g.Giver.Person]
	if !known {
		moved = len(l.s.moving.holders(g.Giver.Person, l.s.people.groupsOf(g.Giver.Person))) > 0
		l.moved[g.Giver.Person] = moved
	}
	if !moved && was != nil && was.byFiles && !l.at.Before(was.at) && (was.expires.IsZero() || l.at.Add(recheck).Before(was.expires)) {
		return was
	}
	h := g.holding()
	b := l.held[h]
	if b == nil {
		b = l.s.backing(g, l.at)
		b.byFiles = !moved
		l.held[h] = b
	}
	return b
}

// waitsUntil says when something that somebody was given may begin to count, which
// does not yet because of its giver; zero: not because of the time.
func (s *Set) waitsUntil(person string) time.Time {
	if len(s.waiting) == 0 {
		return time.Time{}
	}
	if s.waiting[person] {
		return s.limit
	}
	for _, group := range s.people.groupsOf(person) {
		if s.waiting["@"+group] {
			return s.limit
		}
	}
	return time.Time{}
}

// gives are the verbs that it takes to give it.
func (g *Given) gives() access.VerbSet {
	if g.Approved {
		return g.Verbs.With(access.SetOf(access.Approve))
	}
	return g.Verbs.With(access.SetOf(access.Share))
}

// holding is what a giver has to hold.
type holding struct {
	giver identity.Subject
	verbs access.VerbSet
	on    access.Key
}

// backing says whether a giver holds what they gave, on what duties, until
// when, and through whose hands it came.
type backing struct {
	holds   bool
	duties  access.Obligations
	expires time.Time
	givers  []string

	at      time.Time // for which it was found out
	byFiles bool      // the giver had no moving grants then
}

// backing looks at what a giver holds.
func (s *Set) backing(g *Given, at time.Time) *backing {
	o := g.On
	verbs := g.gives()
	d := s.Covers(g.Giver, verbs, o, at)
	b := &backing{holds: held(d.Allow), duties: d.Obligations, expires: d.Expires, at: at}
	if !d.Allow || held(false) {
		return b
	}
	b.givers = []string{g.Giver.Person}
	if owns(g.Giver.Person, o) {
		return b
	}
	for _, verb := range verbs.List() {
		q := access.Question{Who: g.Giver, Verb: verb, Object: o, At: at, Command: true}
		if r := find(s.view(g.Giver.Person).holders, &q).rule; r != nil {
			b.givers = append(b.givers, r.givers...)
		}
	}
	return b
}

// derive gives the same policy with other moving grants, of which was may have some.
func (s *Set) derive(given []*grant, taken func(string, access.Object) bool, was *Set) *Set {
	d := &Set{people: s.people, grants: s.grants, rules: s.rules, approvals: s.approvals, declarations: s.declarations, reach: s.reach,
		index: s.index, static: s.static, files: s, given: given, taken: taken}
	var before *index
	if was != nil {
		before = was.moving
	}
	d.moving = newIndex(given, before)
	for _, h := range d.moving.by {
		h.taken, h.doubt = taken, &d.doubt
	}
	return d
}

// Knows reports whether the files name this person or "@group".
func (s *Set) Knows(who string) bool {
	if group, ok := strings.CutPrefix(who, "@"); ok {
		return s.people.groups[group] != nil
	}
	return s.IsPerson(who)
}

// GroupsOf lists the groups that a person is in, sorted.
func (s *Set) GroupsOf(person string) []string { return s.people.groupsOf(person) }
