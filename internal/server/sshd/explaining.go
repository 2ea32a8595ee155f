package sshd

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/reach"
)

// Explain says what would be decided for such a command line, and does nothing of it: a name
// is looked up as it would be.
func Explain(ctx context.Context, g *gateway.Gateway, r Reaching, who identity.Identity, argv []string) (gateway.Explanation, error) {
	all, err := Wants(argv)
	if err != nil {
		return gateway.Explanation{}, err
	}
	var acts []*gateway.Act
	for _, want := range all {
		w := want.w
		if w.verb == access.Subsystem && w.name != sftp && r.Subsystems[w.name] == nil {
			return gateway.Explanation{}, fmt.Errorf("there is no subsystem %.40q here", w.name)
		}
		acts = append(acts, &gateway.Act{Name: "ssh", Args: w.args(), Verb: w.verb, Reaches: func(ctx context.Context) ([]access.Object, error) {
			on, _, line, err := r.found(ctx, who.Person(), w)
			if line != nil {
				err = errors.Join(err, line.End())
			}
			return on, err
		}})
	}
	return g.ExplainActs(ctx, gateway.Request{Identity: who, Door: Door}, acts)
}

// found finds out what is asked for. What can be told without looking is decided as it is:
// no process is there for it then. So is a name that nothing here could permit.
func (r *Reaching) found(ctx context.Context, person string, w wanted) (on []access.Object, addrs []netip.Addr, line *reach.Line, err error) {
	as := ""
	if r.Account != nil {
		as = r.Account(person)
	}
	defer func() {
		for i := range on {
			on[i].Reach.Account = as
		}
	}()
	plain := w.plain()
	if r.Start == nil || r.May == nil {
		return []access.Object{{Reach: plain}}, nil, nil, nil
	}
	if addrs, ok := w.told(); ok {
		return w.objects(addrs, w.ask.Path), addrs, nil, nil
	}
	if !r.May(person, w.verb, plain) {
		return []access.Object{{Reach: plain}}, nil, nil, nil
	}
	if line, err = r.start(ctx, person); err != nil {
		return nil, nil, nil, err
	}
	on, addrs, err = w.look(ctx, line)
	return on, addrs, line, err
}

func (r *Reaching) start(ctx context.Context, person string) (*reach.Line, error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	return r.Start(ctx, person)
}
