package gateway

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/pace"
	"github.com/muxward/muxward/internal/tmux"
)

// Policy answers questions; policy.Engine is one.
type Policy interface {
	Decide(access.Question) access.Decision
	// Holds gives every verb the subject holds on the object.
	Holds(who identity.Subject, o access.Object, at time.Time) access.VerbSet
	// Covers reports whether the subject holds every one of verbs on the
	// object and on all that lies in it, now or later, until the time given
	// (zero: no limit).
	Covers(who identity.Subject, verbs access.VerbSet, o access.Object, at time.Time) access.Decision
	// Duties are all that may come with anything that the subject may do on a server,
	// or in it.
	Duties(who identity.Subject, o access.Object, at time.Time) access.Obligations
	// Holders names people who hold a verb on an object; not all, if there are many.
	Holders(v access.Verb, o access.Object, at time.Time) []string
	// Blind reports that the subject certainly holds nothing on a server, or a
	// session, or in it.
	Blind(who identity.Subject, o access.Object, at time.Time) bool
	// GivenBy reports whether the subject was given a verb on this very pane by a person,
	// and until when.
	GivenBy(who identity.Subject, giver string, v access.Verb, pane access.Object, at time.Time) (bool, time.Time)
	Generation() uint64
}

// Servers are the guarded tmux servers of this host.
type Servers interface {
	// Owners lists the people whose servers run now.
	Owners() []string
	// IsOwner reports whether name is a person who may have a server here,
	// running or not: the first part of owner/name.
	IsOwner(name string) bool
	// Server gives the running server of a person, nil if there is none.
	Server(owner string) Server
}

// Server is one guarded tmux server.
type Server interface {
	Owner() string
	Incarnation() string
	// Snapshot asks the server for its state now.
	Snapshot(ctx context.Context, detail tmux.Detail) (*tmux.Snapshot, error)
	// Known is its state as it was seen last, nil before that. It asks nobody.
	Known() *tmux.Snapshot
}

// Log is where every decision and outcome is written; audit.Log is one.
type Log interface {
	Append(ctx context.Context, class access.Class, ev access.Event) (uint64, error)
}

// Executor carries out permits.
type Executor interface {
	Execute(ctx context.Context, p *Permit) (Result, error)
}

// Parts are what the gateway is made of.
type Parts struct {
	Policy   Policy
	Servers  Servers
	Log      Log
	Executor Executor
	Denials  *grants.Denials
	Leases   *grants.Leases // nil: there are none
	// Declarations keep what sessions' environments declare; nil for none.
	Declarations Declarations
	// Profiles are the session profiles; nil for none.
	Profiles Profiles
	// Strangers says why somebody is not whom they came in as any more, nil if they are: the account by which they
	// came is known to be another's by now. It waits for nobody. Nil: everybody is.
	Strangers func(who identity.Identity) error
	// Now gives wall-clock time; nil means time.Now.
	Now func() time.Time
}

// Gateway is the line. Make one with New.
type Gateway struct {
	Parts
	clock     *clock
	sizes     pace.Pace
	declaring turns
	// governs paces what changes rights, each of which has others decided anew.
	governs pace.Pace
	// stops paces what stops others.
	stops pace.Pace
	// extra counts what changes decisions besides the policy's generation.
	extra atomic.Uint64
	// shut is why nobody gets anything any more.
	shut atomic.Pointer[string]

	mu    sync.Mutex
	lives map[uint64]*Live
	next  uint64
}

// New makes a gateway of its parts.
func New(p Parts) *Gateway {
	if p.Now == nil {
		p.Now = time.Now
	}
	return &Gateway{Parts: p, lives: map[uint64]*Live{}, clock: newClock(p.Now)}
}

// Handle is the line. Every command of every person goes through it, and
// there is no other way to the executor.
//
// The error is for the person: what was refused, or what failed.
func (g *Gateway) Handle(ctx context.Context, req Request) (Result, error) {
	live, ctx := g.begin(ctx, req.Identity) // from here on a revocation finds us
	defer live.end()

	if err := g.byHand(ctx, req); err != nil { // whose hand it was is asked of the door alone
		return Result{}, err
	}
	if err := g.paced(ctx, req); err != nil { // tmux hears of sizes now and then, and rights change so
		return Result{}, err
	}
	req, err := g.prepared(ctx, live, req) // a profile's session is there first, by this same line
	if err != nil {
		return Result{}, err
	}
	plan, err := g.resolve(ctx, req) // names become ids, once
	if err != nil {
		return Result{}, g.writeRefusal(ctx, req, plan, access.Decision{}, err)
	}
	decision := live.decide(plan) // by policy, on what was resolved
	if !decision.Allow {
		return Result{}, g.writeRefusal(ctx, req, plan, decision, nil)
	}
	permit, err := g.writeIntent(ctx, req, plan, decision, live) // or nothing happens, but a lockdown
	if err != nil {
		return Result{}, err
	}
	defer live.until(decision)()           // a time limit is a deadline
	live.into(plan)                        // whose line is begun, where that is told
	result, err := g.carryOut(ctx, permit) // exactly what was decided
	if result.Current != nil {
		result.CurrentOn = plan.owner()
	}
	return result, g.writeOutcome(ctx, permit, result, errors.Join(err, plan.Doubt))
}

// Preview decides a request as Handle would, and does nothing: a sequence of
// commands is refused whole if any of them is, before the first one runs.
// What cannot be found yet may be made by an earlier command of the
// sequence: Handle decides on it when its turn comes.
func (g *Gateway) Preview(ctx context.Context, req Request) error {
	live, ctx := g.begin(ctx, req.Identity)
	defer live.end()
	req, begins, err := g.byProfile(ctx, live, req)
	if err != nil {
		return g.refuseProfile(ctx, req, err)
	}
	if begins != nil {
		if err := g.Preview(ctx, *begins); err != nil {
			return err
		}
	}
	plan, err := g.resolve(ctx, req)
	if err != nil {
		var nf *NotFound
		if errors.As(err, &nf) && (nf.MayAppear || begins != nil) {
			return nil
		}
		return g.writeRefusal(ctx, req, plan, access.Decision{}, err)
	}
	if d := live.decide(plan); !d.Allow {
		return g.writeRefusal(ctx, req, plan, d, nil)
	}
	return nil
}

// PreviewAll decides a whole command line before its first command runs. A
// command that is alone is decided by Handle.
func (g *Gateway) PreviewAll(ctx context.Context, reqs []Request) error {
	if len(reqs) < 2 {
		return nil
	}
	var now *tmux.Snapshot // of a server that several are about in turn
	for _, req := range reqs {
		if req.fresh == nil {
			req.fresh = now
		}
		if req.fresh == nil && req.Bound {
			if _, err := g.reading(ctx, &req); err != nil {
				return err
			}
			now = req.fresh
		}
		if err := steadily(func() error { return g.Preview(ctx, req) }); err != nil {
			return err
		}
	}
	return nil
}

// generation changes whenever a decision may.
func (g *Gateway) generation() uint64 { return g.Policy.Generation() + g.extra.Load() }

// Time gives the gateway's clock: wall time that never runs slower than the
// time that really passed, so that setting the clock back makes no right last
// longer.
func (g *Gateway) Time() time.Time { return g.clock.now() }

// NoEarlier tells the clock that a time has come: longer has passed than it
// counts, as while the machine slept.
func (g *Gateway) NoEarlier(t time.Time) { g.clock.noEarlier(t) }

// clock never goes back and never runs slower than real time.
type clock struct {
	wall func() time.Time
	// passed is how long this process has run, whatever is set.
	passed func() time.Duration

	mu   sync.Mutex
	last time.Time     // what it said last
	when time.Duration // and when that was
}

func newClock(wall func() time.Time) *clock {
	began := time.Now()
	return &clock{wall: wall, passed: func() time.Duration { return time.Since(began) }}
}

func (c *clock) noEarlier(t time.Time) {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.After(now) && t.After(c.last) {
		c.last = t.Round(0)
	}
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall, when := c.wall().Round(0), c.passed()
	if steady := c.last.Add(when - c.when); !c.last.IsZero() && neverBack() && wall.Before(steady) {
		wall = steady // the clock was set back: go on from where it was
	}
	c.last, c.when = wall, when
	return wall
}
