package sshd

import (
	"context"
	"fmt"
	"sync"

	"github.com/muxward/muxward/internal/access"
)

// maxRefusals is how many refused connections wait to be written to the log.
const maxRefusals = 64

// refusals are the connections that came to nothing. The log may take its time, and
// nobody waits for it who comes or goes: what is too much is counted.
type refusals struct {
	mu      sync.Mutex
	list    []access.Event
	dropped int
	more    chan struct{}
}

// signal is what put wakes.
func (r *refusals) signal() chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.more == nil {
		r.more = make(chan struct{}, 1)
	}
	return r.more
}

func (r *refusals) put(ev access.Event) {
	more := r.signal()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.list) >= maxRefusals {
		r.dropped++
		return
	}
	r.list = append(r.list, ev)
	wake(more)
}

// take gives what waits, the last of it with the count of those that did not fit.
func (r *refusals) take() []access.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.list
	if n := len(list); n > 0 && r.dropped > 0 {
		more := fmt.Sprintf("%d more connections are not told of about then", r.dropped)
		if note := list[n-1].Note; note != "" {
			more = note + "; " + more
		}
		list[n-1].Note = more
	}
	r.list, r.dropped = nil, 0
	return list
}

// write writes them until ctx ends.
func (r *refusals) write(ctx context.Context, record func(context.Context, access.Event)) {
	more := r.signal()
	for {
		for _, ev := range r.take() {
			record(ctx, ev)
		}
		select {
		case <-more:
		case <-ctx.Done():
			for _, ev := range r.take() {
				record(ctx, ev)
			}
			return
		}
	}
}

// refuse has it written that a connection came to nothing.
func (s *Server) refuse(ev access.Event) {
	ev.Door = Door
	s.out.put(ev)
}

func (s *Server) record(ctx context.Context, ev access.Event) {
	if err := s.Gateway.AtDoor(ctx, ev); err != nil {
		s.seldom(&s.unlogged, "ssh door: refused connections are not recorded: "+err.Error())
	}
}
