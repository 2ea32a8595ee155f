package audit

import (
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/muxward/muxward/internal/access"
)

// flood keeps refused tries from filling the log: of one identity's, the
// first few of each second are written one by one, the rest are counted into
// one event per second. So is what exceeds a bound for all identities
// together.
type flood struct {
	perPerson, total int
	// peopleMax bounds memory; people beyond it share one place.
	peopleMax int

	mu     sync.Mutex
	second int64
	sum    int
	seen   map[string]*absorbed
}

// absorbed counts one identity's refused tries in the current second.
type absorbed struct {
	first access.Event // without what belongs to one try
	n     int          // all of this second
	more  int          // not written, since last told
}

func newFlood(perPerson int) *flood {
	return &flood{perPerson: perPerson, total: 50 * perPerson, peopleMax: 4096, seen: map[string]*absorbed{}}
}

// absorb reports whether ev is only to be counted.
func (f *flood) absorb(ev *access.Event, now time.Time) bool {
	if !counting() || ev.Allowed || ev.Kind != access.EventDenied && ev.Kind != access.EventDoor {
		return false
	}
	key := floodKey(ev)
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := now.Unix(); s != f.second {
		f.second, f.sum = s, 0
		for _, a := range f.seen {
			a.n = 0
		}
	}
	a := f.seen[key]
	if a == nil && len(f.seen) >= f.peopleMax {
		key = ""
		a = f.seen[key]
	}
	if a == nil {
		a = &absorbed{first: access.Event{Person: ev.Person, Account: ev.Account, UID: ev.UID, Door: ev.Door, From: fromHost(ev.From)}}
		if key == "" {
			a.first = access.Event{}
		}
		f.seen[key] = a
	}
	if a.n++; a.n <= f.perPerson {
		// Only what is written one by one uses up the common bound: one
		// noisy identity must not hide the others.
		if f.sum++; f.sum <= f.total {
			return false
		}
	}
	a.more++
	return true
}

func floodKey(ev *access.Event) string {
	switch {
	case ev.Person != "":
		return string(ev.Kind) + " person " + ev.Person
	case ev.UID != nil:
		return string(ev.Kind) + " uid " + strconv.FormatInt(*ev.UID, 10)
	case ev.From != "":
		return string(ev.Kind) + " from " + fromHost(ev.From)
	}
	return string(ev.Kind) + " account " + ev.Account
}

// fromHost is an address without its port, which every try chooses anew.
func fromHost(from string) string {
	if host, _, err := net.SplitHostPort(from); err == nil {
		return host
	}
	return from
}

// take gives the events that stand for what was counted since the last call,
// and forgets identities that were quiet.
func (f *flood) take(now time.Time) []access.Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []access.Event
	for key, a := range f.seen {
		if a.more == 0 && (a.n == 0 || now.Unix() != f.second) {
			delete(f.seen, key)
		}
		if a.more == 0 {
			continue
		}
		ev := a.first
		ev.Kind, ev.Time, ev.Count = access.EventAbsorbed, now, a.more
		ev.Note = "refused tries beyond " + strconv.Itoa(f.perPerson) + " a second, counted only"
		if key == "" {
			ev.Note = "refused tries of many identities, counted only"
		}
		out = append(out, ev)
		a.more = 0
	}
	return out
}
