package executor

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// maxOwn is at how many places of their own one person is on one server at a time.
const maxOwn = 8

// painters are those who draw for people at places of their own, on each server: one
// after the other, so that all of them together take no more of it than one does.
type painters struct {
	mu sync.Mutex
	of map[string]*easel // by the owner of the server
}

// easel is what those share who draw of one server.
type easel struct {
	turn   chan struct{} // holds one while somebody's turn is not over
	places map[string]int
}

// join adds a place of a person's.
func (p *painters) join(owner, person string) (*easel, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.of == nil {
		p.of = map[string]*easel{}
	}
	e := p.of[owner]
	if e == nil {
		e = &easel{turn: make(chan struct{}, 1), places: map[string]int{}}
	}
	if e.places[person] >= maxOwn {
		return nil, fmt.Errorf("you are at %d places of your own on this server; leave one of them first", maxOwn)
	}
	p.of[owner] = e
	e.places[person]++
	return e, nil
}

// leave takes a place away again.
func (p *painters) leave(owner, person string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.of[owner]
	if e == nil {
		return
	}
	if e.places[person]--; e.places[person] <= 0 {
		delete(e.places, person)
	}
	if len(e.places) == 0 {
		delete(p.of, owner)
	}
}

// begin waits for one's turn.
func (e *easel) begin(ctx context.Context) error {
	select {
	case e.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// end ends the turn, and has nobody's begin for a while, by how long it took.
func (e *easel) end(took time.Duration) {
	time.AfterFunc(frameShare*took, func() { <-e.turn })
}
