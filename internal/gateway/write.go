package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/failpoint"
)

// writeTime bounds the writing of an outcome or a refusal, whose own context
// may have ended already.
const writeTime = 5 * time.Second

// UrgentTime is how long an urgent act waits for each of its records. Where it has to be done by
// some time, what it does ends so much before that.
const UrgentTime = 500 * time.Millisecond

// leastTime is how long the outcome of an urgent act is waited for in any case.
const leastTime = 100 * time.Millisecond

// event is what all events of a request have in common.
func (g *Gateway) event(req Request, plan *Plan, kind access.EventKind) access.Event {
	id := req.Identity
	ev := access.Event{
		Kind: kind, Time: g.Time(),
		Person: id.Person(), Account: id.Account(), PID: id.PID(),
		Door: id.Door(), Inside: id.Inside(), Claims: id.Claims(),
		From: id.From(), Key: id.Key(),
		Asked: req.asked(),
	}
	if uid, ok := id.UID(); ok {
		n := int64(uid)
		ev.UID = &n
	}
	if req.Act != nil {
		ev.Author, ev.Note = req.Act.Author, req.Act.Note
	}
	if doubt := id.Doubt(); doubt != nil && !id.IsNobody() {
		ev.Note = strings.TrimPrefix(ev.Note+"; it could not be told whether a forced command had started the process: "+doubt.Error(), "; ")
	}
	if plan == nil {
		return ev
	}
	ev.RunAs = plan.runsAs()
	if plan.Server != nil {
		ev.Server = plan.Server.Owner() + "#" + plan.Server.Incarnation()
	} else if o := plan.Object; o.Incarnation != "" { // of an act
		ev.Server = o.Owner + "#" + o.Incarnation
	}
	for _, n := range plan.Needs {
		ev.Verbs = append(ev.Verbs, n.word())
		ev.Objects = append(ev.Objects, n.Object.String())
	}
	return ev
}

// errSupposed keeps anything from being done in the name of somebody who was
// not proved to be here.
var errSupposed = errors.New("nobody proved to be this person, so nothing is done for them")

// writeIntent writes that something is about to be done, and makes the permit
// for it. No record, no permit.
func (g *Gateway) writeIntent(ctx context.Context, req Request, plan *Plan, d access.Decision, l *Live) (*Permit, error) {
	failpoint.At("gateway-decided")
	defer failpoint.At("gateway-permitted")
	if req.Identity.IsSupposed() {
		return nil, errSupposed
	}
	ev := g.event(req, plan, access.EventIntent)
	ev.Request, ev.Allowed, ev.Rule, ev.Reason = l.id, true, d.Rule, d.Reason
	if plan.Invocation != nil {
		ev.Executed = plan.Invocation.Words()
	}
	class := access.MustRecordClass
	if req.unwritten() {
		class = access.BestEffortClass
	}
	p := &Permit{request: req, plan: plan, decision: d, live: l}
	if req.urgent() {
		short, cancel := context.WithTimeout(ctx, UrgentTime)
		defer cancel()
		if p.seq, p.unrecorded = g.Log.Append(short, access.UrgentClass, ev); p.unrecorded != nil {
			p.unrecorded = fmt.Errorf("it holds, but is not recorded: %w", p.unrecorded)
		}
		return p, nil
	}
	var err error
	if p.seq, err = g.Log.Append(ctx, class, ev); err != nil && !req.unwritten() {
		return nil, fmt.Errorf("refused, because it cannot be recorded: %w", err)
	}
	return p, nil
}

// writeRefusal writes that something was refused and gives the error for the
// person. That it cannot be written is said too, but changes nothing: it
// stays refused.
func (g *Gateway) writeRefusal(ctx context.Context, req Request, plan *Plan, d access.Decision, why error) error {
	ev := g.event(req, plan, access.EventDenied)
	ev.Rule, ev.Reason = d.Rule, d.Reason
	if why != nil {
		ev.Reason = why.Error()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTime)
	defer cancel()
	_, werr := g.Log.Append(ctx, access.BestEffortClass, ev)
	if why == nil {
		why = g.refused(req, plan, d)
	}
	if werr != nil {
		return fmt.Errorf("%w (and the log cannot be written: %v)", why, werr)
	}
	return why
}

// Refuse writes that a command line was refused unread, and gives the error for
// the person: why. Doors use it for what they do not offer at all.
func (g *Gateway) Refuse(ctx context.Context, base Request, argv []string, why error) error {
	base.Act = &Act{Name: "tmux", Args: argv}
	return g.writeRefusal(ctx, base, nil, access.Decision{Rule: "command table"}, why)
}

// AtDoor writes what happened at a door that is no request: somebody was let in, or was
// not. Tries of the same address that come too often are counted together.
func (g *Gateway) AtDoor(ctx context.Context, ev access.Event) error {
	ev.Kind, ev.Time = access.EventDoor, g.Time()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTime)
	defer cancel()
	_, err := g.Log.Append(ctx, access.BestEffortClass, ev)
	return err
}

// refused words a denial. What a person may not even know of is not there.
func (g *Gateway) refused(req Request, plan *Plan, d access.Decision) *Refused {
	for _, n := range plan.Needs {
		if !g.May(req.Identity, n).Allow {
			return g.Refused(req.Identity, n, d)
		}
	}
	return &Refused{Decision: d}
}

// writeOutcome writes how it ended.
func (g *Gateway) writeOutcome(ctx context.Context, p *Permit, r Result, err error) error {
	failpoint.At("gateway-executed")
	defer failpoint.At("gateway-written")
	ev := g.event(p.request, p.plan, access.EventOutcome)
	ev.Asked, ev.Verbs, ev.Objects = nil, nil, nil
	ev.Request, ev.Ref, ev.Allowed, ev.Executed = p.live.id, p.seq, true, r.Executed
	ev.Answer = r.Answer
	if m := r.Made; m != nil {
		ev.Objects, ev.Process, ev.Server = []string{m.Pane.String()}, m.Process, m.Pane.Owner+"#"+m.Pane.Incarnation
	}
	exit := r.Exit
	ev.Exit = &exit
	if m := r.Moved; m != nil {
		ev.Bytes, ev.Note = int(m.To+m.From), fmt.Sprintf("%d bytes to it, %d from it", m.To, m.From)
	}
	if err != nil {
		exit = max(exit, 1) // as the client is told
		ev.Reason = err.Error()
		var more interface{ Detail() string } // of a fault: for the log only
		if errors.As(err, &more) {
			ev.Note = more.Detail()
		}
	}
	if r.Attached != nil {
		ev.Kind = access.EventAttach
	}
	if errors.Is(err, ErrUnsure) {
		p.live.goesOn(err)
		defer g.alarm(ctx, p, err)
	}
	patience := writeTime
	if p.request.urgent() {
		patience = UrgentTime
		if by, ok := ctx.Deadline(); ok {
			patience = max(leastTime, min(patience, time.Until(by)))
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if p.unrecorded != nil {
		err = errors.Join(err, p.unrecorded)
	}
	// What was done is done, and its intent is on disk already.
	if _, werr := g.Log.Append(ctx, access.BestEffortClass, ev); werr != nil && !p.request.unwritten() {
		return errors.Join(err, fmt.Errorf("it was done, but its outcome cannot be recorded: %w", werr))
	}
	return err
}

// Note writes an event that belongs to a permit in use.
func (g *Gateway) Note(ctx context.Context, p *Permit, class access.Class, edit func(*access.Event)) error {
	ev := g.event(p.request, p.plan, access.EventOutcome)
	ev.Asked, ev.Request, ev.Ref, ev.Allowed = nil, p.live.id, p.seq, true
	edit(&ev)
	_, err := g.Log.Append(ctx, class, ev)
	return err
}

// ErrUnsure is that something may go on of what a permit was for, which has ended. It is told
// by an alarm, and whoever has ended the permit is told that it is not confirmed.
var ErrUnsure = errors.New("something of it may go on")

func (l *Live) goesOn(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unsure = err
}

// alarm tells what may go on.
func (g *Gateway) alarm(ctx context.Context, p *Permit, what error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTime)
	defer cancel()
	_ = g.Note(ctx, p, access.BestEffortClass, func(ev *access.Event) { // the outcome says it, too
		ev.Kind, ev.Note = access.EventAlarm, what.Error()
	})
}
