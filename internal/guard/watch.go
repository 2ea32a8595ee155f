package guard

import (
	"context"
	"fmt"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/keep"
)

// watch looks at every server again and again. What is on disk is the hands' to watch.
func (g *Guard) watch() {
	tick := time.NewTicker(g.opt.Every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-g.ctx.Done():
			return
		}
		g.adoptLeft()
		g.inspectAll()
	}
}

// inspectAll asks every server what it is like now. A server that does not
// answer holds up nobody else, and is asked once at a time.
func (g *Guard) inspectAll() {
	for _, s := range g.Servers() {
		s.mu.Lock()
		busy := s.seen.busy
		s.seen.busy = true
		s.mu.Unlock()
		if busy {
			continue
		}
		g.wg.Go(func() {
			s.inspect(g.ctx)
			s.mu.Lock()
			s.seen.busy = false
			s.mu.Unlock()
		})
	}
}

// hear takes what happens from the hands, until they are closed.
func (g *Guard) hear() {
	defer close(g.heard)
	for {
		ev, err := g.hands.Next(context.Background())
		if err != nil && g.ctx.Err() != nil {
			return
		}
		if err != nil {
			g.tell(access.EventAlarm, nil, fmt.Sprintf("nobody watches over doors and sockets any more: %v; start muxward again", err))
			return
		}
		g.happened(ev)
	}
}

// happened waits for nobody.
func (g *Guard) happened(ev keep.Event) {
	g.mu.Lock()
	s, d := g.byID[ev.ID], g.doors[ev.Place]
	g.mu.Unlock()
	switch ev.Kind {
	case keep.EventNotice:
		g.tellOf(ev, s)
	case keep.EventEnded:
		if s != nil {
			s.ending = ev.Text
			s.how <- ev.Text // once for each server
		} else if g.wasLeft(ev.ID) {
			g.tellOf(keep.Event{Level: keep.LevelServer, Owner: ev.Owner, Text: fmt.Sprintf("tmux server of %s, which was not adopted, has ended: %s", ev.Owner, ev.Text)}, nil)
		}
	case keep.EventLeft:
		if s != nil {
			g.tellEnded(s, ev.Text)
		} else if ev.Text != "" { // of one that was not adopted
			g.tellOf(keep.Event{Level: keep.LevelAlarm, Owner: ev.Owner, Text: fmt.Sprintf("the tmux server of %s has left behind, without a terminal: %s", ev.Owner, ev.Text)}, nil)
		}
	case keep.EventReplaced:
		if d == nil {
			g.away.Put(ev.Listen) // closed meanwhile
			return
		}
		if err := d.listen(ev.Listen, ev.Generation, false); err != nil {
			g.tell(access.EventAlarm, s, "a door was made anew: "+err.Error())
		}
	}
}

// tellOf passes a notice of the hands on.
func (g *Guard) tellOf(ev keep.Event, s *Server) {
	kind := access.EventAlarm
	switch ev.Level {
	case keep.LevelServer:
		kind = access.EventServer
	case keep.LevelDoor:
		kind = access.EventDoor
	}
	if s == nil && g.opt.Notify != nil {
		g.opt.Notify(Notice{Time: g.opt.Now(), Kind: kind, Owner: ev.Owner, Text: ev.Text})
		return
	}
	g.tell(kind, s, ev.Text)
}

// tellEnded tells of a server's end, and is done with it.
func (g *Guard) tellEnded(s *Server, left string) {
	g.mu.Lock()
	delete(g.byID, s.kept.ID)
	g.mu.Unlock()
	text := fmt.Sprintf("tmux server of %s (process %d) has ended: %s", s.kept.Owner, s.kept.PID, s.ending)
	kind := access.EventServer
	if left != "" {
		kind = access.EventAlarm
		text += "; left behind, without a terminal: " + left
	}
	g.tell(kind, s, text)
}

// supervise waits for the server's end, of which the hands tell.
func (s *Server) supervise() {
	var how string
	select {
	case how = <-s.how:
	case <-s.done:
		return // let go
	}
	s.finish(fmt.Errorf("the tmux server of %s has ended: %s", s.kept.Owner, how))
	if s.inner != nil {
		s.inner.forget() // the hands have closed it
	}
}
