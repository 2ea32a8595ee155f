package grants

import (
	"errors"
	"fmt"
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
type Requests struct{ desk[Request] }

// Ask has a request wait, with a name of its own. Nobody sees it before record, which is
// called with it, has succeeded.
func (s *Requests) Ask(r Request, record func(Request) error) (Request, error) {
	return s.put(func(open []Request, named func() string) (Request, error) {
		err := tooMany(open, r.owner(), maxRequestsOf, MaxRequests, "requests", "take one back first: muxward request --take-back ID")
		if err != nil {
			return r, err
		}
		for _, o := range open {
			if r.Invite != 0 && o.Invite == r.Invite && o.owner() == r.owner() {
				return r, errors.New("you have knocked with this code already, and it waits for an answer")
			}
		}
		r.ID, r.Answer = named(), Open
		return r, nil
	}, func(r Request) error {
		if err := record(r); err != nil {
			return fmt.Errorf("nobody was asked, because it cannot be recorded: %w", err)
		}
		return nil
	})
}

// ErrNoRequest is what people are told of a request that is not open, or not theirs to
// know of.
func ErrNoRequest(id string) error {
	return fmt.Errorf("there is no open request %s; see: muxward approvals", id)
}

func (r Request) name() string            { return r.ID }
func (r Request) owner() string           { return r.Who.Person() }
func (r Request) since() time.Time        { return r.At }
func (r Request) over() bool              { return r.Answer != Open }
func (r Request) late(now time.Time) bool { return r.Overdue(now) }
func (r Request) none(id string) error    { return ErrNoRequest(id) }
func (r Request) been() error             { return fmt.Errorf("request %s was %s meanwhile", r.ID, r.Answer) }

func (r Request) busy() error {
	return errors.New("others answer that request just then; look with: muxward approvals")
}
