package sshd

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/pace"
)

// Who comes to a listener has proved nothing, and may come as often as they like: so records
// of them are bounded by whose listener it is.
const (
	// sumTime is for how long comers are summed up that are not told of one by one.
	sumTime = 10 * time.Second
	// maxFrom is of how many of them a sum has the addresses.
	maxFrom = 8
	// noteTime is how long the log may take for one record: two may hold up a revocation.
	noteTime = 2 * time.Second
)

// comePace is how often comers are told of one by one, of all listeners of a person.
func comePace() pace.Rate {
	if !paces() {
		return pace.Rate{AtOnce: 1 << 20, ASecond: 1 << 20, Longest: time.Hour}
	}
	return pace.Rate{AtOnce: 8, ASecond: 2, Longest: time.Nanosecond}
}

// comers are those who come to one listener. Nobody who comes waits for the log.
type comers struct {
	name string // of the listener
	// told takes a turn to be told of by itself.
	told func() bool
	note func(ctx context.Context, text string)

	mu   sync.Mutex
	wait []string     // addresses of those to be told of by themselves
	more int          // others
	from []netip.Addr // of those, while they fit
	news chan struct{}
}

// newComers tells of them in records of a permit.
func (c *conn) newComers(name string, p *gateway.Permit) *comers {
	return &comers{name: name, news: make(chan struct{}, 1),
		told: func() bool {
			_, ok := c.s.comes.Take(comePace(), c.who.Person(), 1, time.Now())
			return ok
		},
		note: func(ctx context.Context, text string) {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTime)
			defer cancel()
			err := c.s.Gateway.Note(ctx, p, access.BestEffortClass, func(ev *access.Event) { ev.Kind, ev.Door, ev.Note = access.EventDoor, Door, text })
			if err != nil {
				c.s.seldom(&c.s.unlogged, "ssh door: who comes to listeners is not recorded: "+err.Error())
			}
		}}
}

// came counts one more.
func (s *comers) came(far net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	from, addr := "this host", netip.Addr{}
	if tcp, is := far.RemoteAddr().(*net.TCPAddr); is {
		from, addr = tcp.String(), tcp.AddrPort().Addr().Unmap()
	}
	if len(s.wait) < maxRefusals && s.told() {
		s.wait = append(s.wait, from)
		wake(s.news)
		return
	}
	s.more++
	if addr.IsValid() && len(s.from) < maxFrom && !slices.Contains(s.from, addr) {
		s.from = append(s.from, addr)
	}
}

// take gives what is to be told now; with all of it also the sum, in one text.
func (s *comers) take(all bool) (texts []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, from := range s.wait {
		texts = append(texts, "somebody from "+from+" is connected to what listens at "+s.name)
	}
	s.wait = nil
	if !all || s.more == 0 {
		return texts
	}
	text := fmt.Sprintf("%d more were connected to what listens at %s", s.more, s.name)
	for i, a := range s.from {
		if i == 0 {
			text += ", from "
		} else {
			text += ", "
		}
		text += a.String()
	}
	if len(s.from) == maxFrom {
		text += " and perhaps others"
	}
	s.more, s.from = 0, nil
	return append(texts, text)
}

// tell has them written until over is closed. What is left then is one record.
func (s *comers) tell(ctx context.Context, over <-chan struct{}) {
	sums := time.NewTicker(sumTime)
	defer sums.Stop()
	for {
		all := false
		select {
		case <-s.news:
		case <-sums.C:
			all = true
		case <-over:
			if rest := s.take(true); len(rest) > 0 {
				s.note(ctx, strings.Join(rest, "; "))
			}
			return
		}
		texts := s.take(all)
		for i, text := range texts {
			select {
			case <-over:
				texts = append(texts[i:], s.take(true)...)
				s.note(ctx, strings.Join(texts, "; "))
				return
			default:
				s.note(ctx, text)
			}
		}
	}
}
