package keep

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"unicode/utf8"

	"github.com/muxward/muxward/internal/passed"
)

// maxWaiting is how many notices may wait to be fetched. What is beyond is counted: a
// receiver that stands still costs us no memory.
const maxWaiting = 1024

// maxEnds is how many ends of servers, with what follows each, may wait to be fetched. No
// server is started or adopted while there are more, so the servers that are held are the
// bound of what comes beyond.
const maxEnds = 2 * MaxServers

// queue is what has happened and was not fetched yet. Of what is no notice there are two
// for each server that was there since it was fetched last, and one for each open door.
type queue struct {
	more chan struct{} // told when something comes

	mu      sync.Mutex
	list    []Event
	notices int // in list
	ends    int // in list, and what follows them
	dropped int // notices, since
	closed  bool
}

// put gives the socket that has waited for whom this one is for, which is the caller's.
func (q *queue) put(ev Event) (was *os.File) {
	ev.Text = clip(ev.Text)
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return ev.Listen
	case ev.Kind == EventNotice && q.notices == maxWaiting:
		q.dropped++
		return nil
	case ev.Kind == EventNotice:
		q.notices++
	case ev.Kind == EventReplaced: // the last one counts
		for i := range q.list {
			if of := &q.list[i]; of.Kind == EventReplaced && of.Place == ev.Place {
				was, of.Listen, of.Generation = of.Listen, ev.Listen, ev.Generation
				return was
			}
		}
	default:
		q.ends++
	}
	q.list = append(q.list, ev)
	q.tell()
	return nil
}

func (q *queue) tell() {
	select {
	case q.more <- struct{}{}:
	default:
	}
}

// again wakes whoever waits next, too, once it is closed.
func (q *queue) again() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		q.tell()
	}
}

// next gives the first that waits, if any.
func (q *queue) next() (ev Event, ok bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case len(q.list) > 0:
		ev = q.list[0]
		q.list[0] = Event{}
		q.list = q.list[1:]
		switch ev.Kind {
		case EventNotice:
			q.notices--
		case EventEnded, EventLeft:
			q.ends--
		}
		return ev, true, nil
	case q.dropped > 0:
		n := q.dropped
		q.dropped = 0
		return Event{Kind: EventNotice, Level: LevelAlarm, Text: fmt.Sprintf("%d notices were not fetched in time and are lost", n)}, true, nil
	case q.closed:
		return Event{}, false, ErrClosed
	}
	return Event{}, false, nil
}

// full reports whether as many ends wait as may.
func (q *queue) full() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.ends >= maxEnds
}

// dropReplaced forgets that a door was made anew, which is closed now.
func (q *queue) dropReplaced(generation uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.list = slices.DeleteFunc(q.list, func(ev Event) bool {
		if ev.Kind != EventReplaced || ev.Generation != generation {
			return false
		}
		ev.forget()
		return true
	})
}

// close ends it. What has been told before can still be fetched, but for sockets.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.list = slices.DeleteFunc(q.list, func(ev Event) bool {
		ev.forget()
		return ev.Kind == EventReplaced
	})
	q.closed = true
	q.tell()
}

// forget closes what nobody has received, and waits for nothing that lies there.
func (ev *Event) forget() {
	if ev.Listen != nil {
		new(passed.Away).Put(ev.Listen)
	}
}

// Next gives what has happened, in order, and waits for it.
func (k *Keep) Next(ctx context.Context) (Event, error) {
	for {
		ev, ok, err := k.events.next()
		if ok || err != nil {
			return ev, err
		}
		select {
		case <-k.events.more:
			k.events.again()
		case <-ctx.Done():
			return Event{}, ctx.Err()
		}
	}
}

func (k *Keep) tell(level Level, s *server, text string) {
	ev := Event{Kind: EventNotice, Level: level, Text: text}
	if s != nil {
		ev.ID, ev.Owner = s.rec.ID, s.rec.Owner
	}
	k.events.put(ev)
}

// clip shortens a text to MaxText bytes.
func clip(text string) string {
	if len(text) <= MaxText {
		return text
	}
	n := MaxText - len("…")
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "…"
}
