package grants

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// MaxRequests is how many requests are open at once, maxRequestsOf how many of
	// them of one person.
	MaxRequests   = 64
	maxRequestsOf = 8
)

// Requests are those that wait for an answer. The zero value has none. It is safe for
// use by several goroutines.
type Requests struct {
	mu    sync.Mutex
	open  map[string]*waiting
	count int // how many there have been
}

// waiting is a request that waits.
type waiting struct {
	turn  chan struct{} // taken by who answers it, or takes it back
	ended chan struct{} // closed at its end
	// Under mu of Requests:
	now   Request
	asked bool // it is on record, and others may see it
}

// Ask has a request wait, with a name of its own. Nobody sees it before record, which is
// called with it, has succeeded.
func (s *Requests) Ask(r Request, record func(Request) error) (Request, error) {
	r, err := s.reserve(r)
	if err != nil {
		return r, err
	}
	err = record(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		delete(s.open, r.ID)
		return r, fmt.Errorf("nobody was asked, because it cannot be recorded: %w", err)
	}
	s.open[r.ID].asked = true
	return r, nil
}

// reserve gives a request its name, and room.
func (s *Requests) reserve(r Request) (Request, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	theirs := 0
	for _, w := range s.open {
		if w.now.Who.Person() == r.Who.Person() {
			theirs++
		}
	}
	switch {
	case theirs >= maxRequestsOf:
		return r, fmt.Errorf("%d requests of yours are open; take one back first: muxward request --take-back ID", theirs)
	case len(s.open) >= MaxRequests:
		return r, fmt.Errorf("%d requests are open; try again when some of them are answered", len(s.open))
	}
	for r.ID == "" || s.open[r.ID] != nil {
		s.count++
		r.ID = drawn(s.count)
	}
	r.Answer = Open
	for _, w := range s.open {
		if r.Invite != 0 && w.now.Invite == r.Invite && w.now.Who.Person() == r.Who.Person() {
			return r, errors.New("you have knocked with this code already, and it waits for an answer")
		}
	}
	if s.open == nil {
		s.open = map[string]*waiting{}
	}
	s.open[r.ID] = &waiting{turn: make(chan struct{}, 1), ended: make(chan struct{}), now: r}
	return r, nil
}

// List gives the open requests, oldest first.
func (s *Requests) List() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Request, 0, len(s.open))
	for _, w := range s.open {
		if w.asked {
			all = append(all, w.now)
		}
	}
	slices.SortFunc(all, func(a, b Request) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return all
}

// Find gives an open request.
func (s *Requests) Find(id string) (Request, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.find(id)
	if w == nil {
		return Request{}, false
	}
	return w.now, true
}

// find gives a request that others may see; mu is held.
func (s *Requests) find(id string) *waiting {
	if w := s.open[id]; w != nil && w.asked {
		return w
	}
	return nil
}

// Ending gives what waits for the end of a request, and gives it as it is then, also if
// that comes before it is called. It is for who records it: others answer it only then.
// The error is the cause of ctx's end.
func (s *Requests) Ending(id string) func(context.Context) (Request, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.open[id]
	return func(ctx context.Context) (Request, error) { return s.wait(ctx, id, w) }
}

func (s *Requests) wait(ctx context.Context, id string, w *waiting) (Request, error) {
	if w == nil {
		return Request{}, ErrNoRequest(id)
	}
	select {
	case <-w.ended:
		s.mu.Lock()
		defer s.mu.Unlock()
		return w.now, nil
	case <-ctx.Done():
		return Request{}, context.Cause(ctx)
	}
}

// ErrNoRequest is what people are told of a request that is not open, or not theirs to
// know of.
func ErrNoRequest(id string) error {
	return fmt.Errorf("there is no open request %s; see: muxward approvals", id)
}

// Change has f say what becomes of an open request, and puts it so. Meanwhile nobody
// else changes it: of an answer and a taking back one comes first, and the other finds
// what that came to. With an error of f nothing changes, unless the request that it
// gives has ended.
func (s *Requests) Change(ctx context.Context, id string, f func(Request) (Request, error)) (Request, error) {
	s.mu.Lock()
	w := s.find(id)
	s.mu.Unlock()
	if w == nil {
		return Request{}, ErrNoRequest(id)
	}
	select {
	case w.turn <- struct{}{}:
	case <-ctx.Done():
		return Request{}, errors.New("others answer that request just then; look with: muxward approvals")
	}
	defer func() { <-w.turn }()
	s.mu.Lock()
	now := w.now
	s.mu.Unlock()
	if now.Answer != Open && answeredOnce() {
		return now, fmt.Errorf("request %s was %s meanwhile", id, now.Answer)
	}
	next, err := f(now)
	if err != nil && next.Answer == Open {
		return now, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	w.now = next
	if next.Answer != Open && now.Answer == Open {
		close(w.ended)
	}
	if next.Answer != Open && answeredOnce() {
		delete(s.open, id)
	}
	return next, err
}

// Overdue gives the names of those whose time to be answered is over.
func (s *Requests) Overdue(now time.Time) []string {
	var ids []string
	for _, r := range s.List() {
		if r.Answer == Open && r.Overdue(now) {
			ids = append(ids, r.ID)
		}
	}
	return ids
}
