package gateway

import (
	"context"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
)

// changing permits until a moment after it is first asked, and changes the policy while it is
// decided anew by the old one: an earlier time holds then.
type changing struct {
	rules
	g       *Gateway
	first   time.Time
	earlier time.Time
	asked   int
}

func (p *changing) Decide(q access.Question) access.Decision {
	if p.first.IsZero() {
		p.first = q.At.Add(50 * time.Millisecond)
	}
	switch {
	case !p.earlier.IsZero() && q.At.Before(p.earlier):
		return access.Decision{Allow: true, Rule: "two", Expires: p.earlier}
	case !p.earlier.IsZero():
		return access.Decision{Rule: "default"}
	case q.At.Before(p.first):
		return access.Decision{Allow: true, Rule: "one", Expires: p.first}
	}
	if p.asked++; p.asked == 2 {
		p.earlier = q.At.Add(100 * time.Millisecond)
		over := make(chan struct{})
		go func() {
			defer close(over)
			p.g.Reconsider(context.Background(), "", "the policy has changed")
		}()
		<-over
	}
	return access.Decision{Allow: true, Rule: "one", Expires: q.At.Add(time.Hour)}
}

// A limit that comes in while the one before is just over is waited for.
func TestEarlierLimit(t *testing.T) {
	p := &changing{}
	g := newGateway(t, p)
	p.g = g
	l, ctx := g.begin(context.Background(), bob(t))
	defer l.Release()
	d := l.decide(&Plan{Needs: []Need{{Verb: access.View, Object: access.Object{Kind: access.Host}}}})
	defer l.until(d)()
	go func() { // what runs ends when it is told to
		<-ctx.Done()
		l.Release()
	}()
	select {
	case <-ctx.Done():
	case <-time.After(10 * time.Second):
		t.Error("it goes on past the earlier limit")
	}
}
