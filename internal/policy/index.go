package policy

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
)

// index finds the grants for a person and an object with a few look-ups,
// however many grants there are.
type index struct {
	by map[string]*holder // "person", "@group" or "*"
}

// holder is what one person, group or everybody was given, in one policy.
type holder struct {
	*belongings
	// taken is asked about those who gave moving grants; nil if none are here.
	taken func(person string, o access.Object) bool
	// doubt is of the moving grants here.
	doubt *atomic.Pointer[doubt]
}

// belongings are the grants of one, with the ways to find them. They do not change: policies
// that differ in what others were given have the same.
type belongings struct {
	all   []*grant
	exact map[place][]*grant
	// prefix are the grants on sessions by the beginning of their name, and
	// lengths the lengths of those beginnings, by owner.
	prefix  map[place][]*grant
	lengths map[string][]int
	// touched has each owner on whose server there is a grant ("" for the
	// host), with the duties of all grants there.
	touched map[string]access.Obligations
	// reach has each owner on whose server there is a grant; host is set if there is
	// one on the host.
	reach map[string]*reach
	host  bool
}

// reach says where on a server there are grants.
type reach struct {
	wide     bool            // on all of it, or on sessions by the beginning of their name
	sessions map[string]bool // on sessions by their name, or in them
}

// place is where a grant lies. Fields below kind are zero.
type place struct {
	kind    access.Kind
	owner   string
	session string
	window  int
	pane    int
}

func placeOf(s Selector) place {
	return place{s.Kind, s.Owner, s.Session, s.Window, s.Pane}
}

// reaches notes that there is a grant.
func (h *belongings) reaches(on Selector) {
	if on.Kind < access.Server {
		h.host = true
		return
	}
	r := h.reach[on.Owner]
	if r == nil {
		r = &reach{sessions: map[string]bool{}}
		h.reach[on.Owner] = r
	}
	if on.Kind < access.Session || on.Prefix {
		r.wide = true
		return
	}
	r.sessions[on.Session] = true
}

// touches reports whether a grant of h may lie on an object, or on what lies in
// the same session or, above that, on the same server. It may say so in vain.
func (h *belongings) touches(o *access.Object) bool {
	if h.host || o.Kind < access.Server {
		return true
	}
	r := h.reach[o.Owner]
	if r == nil || o.Kind < access.Session {
		return r != nil
	}
	return r.wide || r.sessions[o.Session.Name]
}

// newIndex makes the index of grants. Whoever has the same ones as in another, the same in
// memory, has what was made for that; was may be nil.
func newIndex(grants []*grant, was *index) *index {
	each := map[string][]*grant{}
	for _, g := range grants {
		each[g.who] = append(each[g.who], g)
	}
	ix := &index{by: make(map[string]*holder, len(each))}
	for who, theirs := range each {
		h := &holder{}
		if was != nil && was.by[who] != nil && slices.Equal(was.by[who].all, theirs) {
			h.belongings = was.by[who].belongings
		} else {
			h.belongings = belongingsOf(theirs)
		}
		ix.by[who] = h
	}
	return ix
}

func belongingsOf(grants []*grant) *belongings {
	h := &belongings{
		all: grants, exact: map[place][]*grant{}, prefix: map[place][]*grant{}, lengths: map[string][]int{},
		touched: map[string]access.Obligations{}, reach: map[string]*reach{},
	}
	for _, g := range grants {
		h.touched[g.on.Owner] |= g.duties
		h.reaches(g.on)
		key := placeOf(g.on)
		if !g.on.Prefix {
			h.exact[key] = append(h.exact[key], g)
			continue
		}
		h.prefix[key] = append(h.prefix[key], g)
		if ls := h.lengths[g.on.Owner]; !slices.Contains(ls, len(g.on.Session)) {
			h.lengths[g.on.Owner] = append(ls, len(g.on.Session))
		}
	}
	return h
}

// holders are those whose grants count for a person.
func (ix *index) holders(name string, groups []string) []*holder {
	var out []*holder
	add := func(who string) {
		if h := ix.by[who]; h != nil {
			out = append(out, h)
		}
	}
	add(name)
	for _, g := range groups {
		add("@" + g)
	}
	add("*")
	return out
}

// visit calls f with every grant of h whose selector holds o. Time limits are
// f's to look at.
func (h *holder) visit(o access.Object, f func(*grant)) {
	at := func(p place) {
		for _, g := range h.exact[p] {
			if g.given == nil || g.stands(&o, h.taken) && !h.doubt.Load().holds(g) {
				f(g)
			}
		}
	}
	at(place{kind: access.Host})
	if o.Kind < access.Server {
		return
	}
	at(place{kind: access.Server, owner: o.Owner})
	if o.Kind < access.Session {
		return
	}
	at(place{kind: access.Session, owner: o.Owner, session: o.Session.Name})
	for _, n := range h.lengths[o.Owner] {
		if n <= len(o.Session.Name) {
			for _, g := range h.prefix[place{kind: access.Session, owner: o.Owner, session: o.Session.Name[:n]}] {
				f(g)
			}
		}
	}
	if o.Kind < access.Window {
		return
	}
	at(place{kind: access.Window, owner: o.Owner, session: o.Session.Name, window: o.Session.Index})
	if o.Kind < access.Pane {
		return
	}
	at(place{access.Pane, o.Owner, o.Session.Name, o.Session.Index, o.Pane.Index})
}

// found is what the grants say about one question.
type found struct {
	rule    *grant // the one that decides; nil if none does
	duties  access.Obligations
	expires time.Time // when the answer may change; zero: never
	turns   time.Time // when the duties may; zero: never
}

// also adds the duties that there are on another way to the same thing.
func (f *found) also(other found) {
	f.duties |= other.duties
	f.turns = sooner(f.turns, other.turns)
}

// findAlong is find with the duties of every way to what is asked about: whoever comes
// by another session is not rid of them.
func findAlong(hs []*holder, q *access.Question) found {
	out := find(hs, q)
	if q.Object.Kind < access.Window {
		return out
	}
	for _, link := range q.Object.Links {
		other := *q
		other.Object = along(q.Object, link)
		out.also(find(hs, &other))
	}
	return out
}

// find asks the grants of the holders for one verb.
func find(hs []*holder, q *access.Question) found {
	var out found
	for _, h := range hs {
		h.visit(q.Object, func(g *grant) {
			if !g.gives(q.Verb, q.Command) || !g.fits(&q.Who) {
				return
			}
			counts, change := g.at(q.At)
			out.expires = sooner(out.expires, change)
			if g.duties != 0 {
				out.turns = sooner(out.turns, change)
			}
			if !counts {
				return
			}
			if out.rule == nil || lasts(g, out.rule) {
				out.rule = g
			}
			out.duties |= g.duties
		})
	}
	return out
}

// all asks the grants of the holders for every verb at once.
func all(hs []*holder, who *identity.Subject, o access.Object, at time.Time) access.VerbSet {
	var verbs access.VerbSet
	for _, h := range hs {
		h.visit(o, func(g *grant) {
			if counts, _ := g.at(at); counts && g.fits(who) {
				verbs = verbs.With(g.verbs)
			}
		})
	}
	return verbs
}

// at reports whether the grant counts at a time, and when that may change; zero: never.
func (g *grant) at(t time.Time) (counts bool, change time.Time) {
	switch {
	case !g.until.IsZero() && !t.Before(g.until):
		return false, time.Time{}
	case t.Before(g.from):
		return false, g.from
	case g.when == nil:
		return true, g.until
	}
	counts, change = g.when.at(t)
	return counts, sooner(change, g.until)
}

// lasts reports whether a counts for longer than b.
func lasts(a, b *grant) bool {
	return !b.until.IsZero() && (a.until.IsZero() || a.until.After(b.until))
}

// sooner is the earlier of two limits, of which zero is none.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
