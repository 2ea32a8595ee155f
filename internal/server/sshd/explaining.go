package sshd

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/pace"
	"github.com/muxward/muxward/internal/reach"
)

// Explainer says what would be decided for command lines of ssh's.
type Explainer struct{ turns pace.Pace }

// explainPace is how much of command lines somebody has explained: each thing may cost a
// process and the look-up of a name, as if it were asked for.
func explainPace() pace.Rate {
	r := reachPace()
	r.AtOnce, r.ASecond = 2*maxWants, r.ASecond/5
	return r
}

// Explain says what would be decided for such a command line, and does nothing of it: a name
// is looked up as it would be. by is who asks. For who asks from inside a pane nothing is
// looked up: whoever may type there is not who would be answered.
func (e *Explainer) Explain(ctx context.Context, g *gateway.Gateway, r Reaching, by, who identity.Identity, argv []string) (gateway.Explanation, error) {
	all, err := Wants(argv)
	if err != nil {
		return gateway.Explanation{}, err
	}
	if err := e.turns.Wait(ctx, explainPace(), by.Person(), len(all)); err != nil {
		return gateway.Explanation{}, fmt.Errorf("more was asked than is explained at once, wait a while: %w", err)
	}
	var acts []*gateway.Act
	for _, want := range all {
		w := want.w
		if w.verb == access.Subsystem && w.name != sftp && r.Subsystems[w.name] == nil {
			return gateway.Explanation{}, fmt.Errorf("there is no subsystem %.40q here", w.name)
		}
		acts = append(acts, &gateway.Act{Name: "ssh", Args: w.args(), Verb: w.verb, Reaches: func(ctx context.Context) ([]access.Object, error) {
			if who.Inside() != "" {
				return []access.Object{{Reach: w.plain()}}, nil
			}
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
	addrs, told := w.told()
	switch may := r.May(person, w.verb, plain); {
	case may && r.Whose != nil:
		if err := r.Whose(ctx, person); err != nil {
			return nil, nil, nil, err
		}
	case !may && !told:
		return []access.Object{{Reach: plain}}, nil, nil, nil
	}
	if told {
		return w.objects(addrs, w.ask.Path), addrs, nil, nil
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
