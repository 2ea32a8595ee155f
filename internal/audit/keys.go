package audit

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/muxward/muxward/internal/access"
)

// KeyStream writes what one person types into one pane: a short key record
// before each delivery, and once a second a keys event with the sums, for
// people to read.
type KeyStream struct {
	l      *Log
	ctx    context.Context
	base   access.Event
	prefix []byte // of each key record, as far as it is always the same

	mu         sync.Mutex
	bytes      int
	deliveries int
	content    []byte
	closed     bool
}

// Keys begins a stream of key records. base says who types where: Person,
// Request, Objects and Server go into each record, all of it into the sums.
// The stream ends with Close or with ctx.
func (l *Log) Keys(ctx context.Context, base access.Event) *KeyStream {
	each := access.Event{Kind: access.EventKey, Request: base.Request, Person: base.Person,
		Objects: base.Objects, Server: base.Server}
	body := appendBody(nil, &each, nil)
	k := &KeyStream{l: l, ctx: ctx, base: base, prefix: body[:len(body)-1]}
	l.streams.add(k)
	return k
}

// Add writes that n bytes are about to be delivered; content is what they
// are, where the policy says so, else nil. If must is set it returns when that
// is on disk. If it returns an error, they must not be delivered.
//
// Content that is too long for a record goes into several.
func (k *KeyStream) Add(ctx context.Context, n int, content []byte, must bool) error {
	for len(content) > roomContent {
		// The parts wait for nothing: the last one's sync serves them all.
		if err := k.add(ctx, roomContent, content[:roomContent], false); err != nil {
			return err
		}
		content = content[roomContent:]
		n -= roomContent
	}
	return k.add(ctx, max(n, len(content)), content, must)
}

func (k *KeyStream) add(ctx context.Context, n int, content []byte, must bool) error {
	l := k.l
	r, _ := l.pool.Get().(*request)
	r.state.Store(waiting)
	r.must, r.kind, r.rank, r.id, r.at = must, access.EventKey, ordinary, 0, l.opt.Now()
	r.intent, r.seq, r.err = nil, 0, nil
	w := writing{b: append(r.body[:0], k.prefix...)}
	w.name("bytes")
	w.b = strconv.AppendInt(w.b, int64(n), 10)
	w.content(content)
	r.body = append(w.b, '}')
	if _, err := l.submit(ctx, r); err != nil {
		return err
	}
	k.mu.Lock()
	k.bytes += n
	k.deliveries++
	if room := roomContent - len(k.content); room > 0 {
		k.content = append(k.content, content[:min(room, len(content))]...)
	}
	k.mu.Unlock()
	return nil
}

// Close ends the stream; its last sums are written within a second.
func (k *KeyStream) Close() {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
}

// sum gives the event for what was typed since the last call, if anything
// was, and whether the stream has ended.
func (k *KeyStream) sum(now time.Time) (ev access.Event, any, ended bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	ended = k.closed || k.ctx.Err() != nil
	if k.deliveries == 0 {
		return ev, false, ended
	}
	ev = k.base
	ev.Kind, ev.Time, ev.Bytes, ev.Count, ev.Content = access.EventKeys, now, k.bytes, k.deliveries, k.content
	k.bytes, k.deliveries, k.content = 0, 0, nil
	return ev, true, ended
}

// streamSet are the streams whose sums are to be written.
type streamSet struct {
	mu  sync.Mutex
	all map[*KeyStream]bool
}

func (s *streamSet) add(k *KeyStream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[*KeyStream]bool{}
	}
	s.all[k] = true
}

// take gives the sums of all streams and forgets those that ended.
func (s *streamSet) take(now time.Time) []access.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []access.Event
	for k := range s.all {
		ev, any, ended := k.sum(now)
		if any {
			out = append(out, ev)
		}
		if ended {
			delete(s.all, k)
		}
	}
	return out
}
