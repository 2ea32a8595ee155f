package gateway

import (
	"context"
	"fmt"
	"sync"

	"github.com/muxward/muxward/internal/access"
)

// Owing is a [Server] that knows whose single commands, and whose keys that have left, it was sent, while it is
// not sure that what they typed is written to the pane: these are no permits in use any more.
type Owing interface {
	// Owing gives those people. Nobody is asked.
	Owing() []string
	// Written waits until that is sure of what one of them has typed so before. What the server has not read by
	// the time that it may take is taken back.
	Written(ctx context.Context, person string) error
}

// written waits until what those people typed by what is no permit in use any more, on the servers that an object is
// on, is written to the panes. It gives what could not be confirmed.
func (g *Gateway) written(ctx context.Context, o access.Object, about func(person string) bool) (unconfirmed []string) {
	if g.Servers == nil {
		return nil
	}
	owners := []string{o.Owner}
	if o.Kind == access.Host {
		owners = g.Servers.Owners()
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, owner := range owners {
		server, ok := g.Servers.Server(owner).(Owing)
		if !ok {
			continue
		}
		for _, person := range server.Owing() {
			if !about(person) {
				continue
			}
			wg.Go(func() {
				err := recovered(func() error { return server.Written(ctx, person) })
				if err == nil {
					return
				}
				mu.Lock()
				defer mu.Unlock()
				unconfirmed = append(unconfirmed, fmt.Sprintf("what %s has typed last: %v", person, err))
			})
		}
	}
	wg.Wait()
	return unconfirmed
}
