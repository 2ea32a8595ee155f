package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/teeth"
	"github.com/muxward/muxward/internal/tmux"
)

// This file is about session profiles: named sessions on isolated servers of their own, whose
// program is the administrator's. Who may start one does so by its name, at any door: the
// name stands for their session of it, which is started first. That is an act of its own, which
// takes the right to spawn there, and is decided and written as any other.

// Profiles are the session profiles of this host.
type Profiles interface {
	// Names lists them, sorted.
	Names() []string
	// Session gives how a person's session of a profile is called, and whether panes there
	// take other commands than the profile's; ok is false if there is no such profile.
	Session(profile, person string) (session string, shell, ok bool)
	// Gone reports whether there was a profile of that name: its server may not have ended yet.
	Gone(name string) bool
	// Start has a session of a profile run, if it does not.
	Start(ctx context.Context, profile, session string) error
}

// Offered is a profile that somebody may start.
type Offered struct {
	Name, Session string
	Runs          Running
}

// Running says whether a session of a profile runs.
type Running string

// What is known of that.
const (
	IsRunning  Running = "yes"
	NotRunning Running = "no"
	// MayRun: its server does not answer.
	MayRun Running = "unknown"
)

// ActProfile is how the act that starts one is called.
const ActProfile = "profile"

// Offered lists the profiles that a person may start.
func (g *Gateway) Offered(ctx context.Context, who identity.Identity) []Offered {
	if g.Profiles == nil {
		return nil
	}
	live, ctx := g.begin(ctx, who)
	defer live.end()
	names := g.Profiles.Names()
	all := make([]*Offered, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() { // beside the others, as in places
			_ = recovered(func() error {
				if o, runs, d := g.startable(ctx, live, name); d.Allow {
					all[i] = &Offered{Name: name, Session: o.Session.Name, Runs: runs}
				}
				return nil
			})
		})
	}
	wg.Wait()
	var out []Offered
	for _, o := range all {
		if o != nil {
			out = append(out, *o)
		}
	}
	return out
}

// noSessionID is an id that no session ever has.
const noSessionID = 1<<32 - 1

// startable gives a person's session of a profile, whether it runs, and whether they may start
// it. There need be none.
func (g *Gateway) startable(ctx context.Context, live *Live, name string) (access.Object, Running, access.Decision) {
	session, _, ok := g.Profiles.Session(name, live.who.Person())
	if !ok {
		return access.Object{}, NotRunning, access.Decision{}
	}
	o := access.Object{Kind: access.Session, Owner: name, Session: access.SessionRef{ID: noSessionID, Name: session}}
	out := teeth.Out(teeth.Startable)
	if !out && g.blind(live.who, name) {
		return o, NotRunning, access.Decision{} // nothing is asked for who knows nothing of it
	}
	runs := NotRunning
	server := g.Servers.Server(name)
	if server != nil && !isolated(server) {
		return o, NotRunning, access.Decision{Rule: "default", Reason: "a server of that name runs that is no profile's"}
	}
	if server != nil {
		o.Incarnation = server.Incarnation()
		snap, err := server.Snapshot(ctx, tmux.Core)
		switch {
		case err != nil && !errors.Is(err, ErrServerEnded):
			runs = MayRun // starting it finds out
		case err == nil:
			if s := snap.SessionByName(session); s != nil {
				o.Session.ID, runs = uint32(s.ID), IsRunning
			}
		}
	}
	d := live.Decide(Need{Verb: access.Spawn, Object: o})
	d.Allow = d.Allow || out
	return o, runs, d
}

// blind reports whether somebody certainly knows nothing of a profile.
func (g *Gateway) blind(who identity.Identity, profile string) bool {
	return g.Policy.Blind(who.Subject(), access.Object{Kind: access.Server, Owner: profile}, g.Time())
}

// another reports whether a server has the name of a profile and is none's: it has run since before
// there was the profile. What that gives is not had there.
func (g *Gateway) another(owner string, server Server) bool {
	if g.Profiles == nil || server == nil || isolated(server) {
		return false
	}
	_, _, ok := g.Profiles.Session(owner, "")
	return ok
}

// server gives a person's server, or a profile's, nil if there is none: one that has the name of
// a profile and is none's is nobody's by that name.
func (g *Gateway) server(owner string) Server {
	if s := g.Servers.Server(owner); s != nil && !g.another(owner, s) {
		return s
	}
	return nil
}

// hidden reports whether a name is that of a profile of which somebody knows nothing: to them
// it is a name like any other that means nothing.
func (g *Gateway) hidden(who identity.Identity, name string) bool {
	if g.Profiles == nil || teeth.Out(teeth.Hidden) {
		return false
	}
	if _, _, ok := g.Profiles.Session(name, who.Person()); !ok && !g.Profiles.Gone(name) {
		return false
	}
	return g.blind(who, name)
}

// OwnerFor reports, for one person, whether a name is an owner's.
func (g *Gateway) OwnerFor(who identity.Identity) func(string) bool {
	return func(name string) bool { return g.Servers.IsOwner(name) && !g.hidden(who, name) }
}

// inProfiles does that for all commands of a line.
func (g *Gateway) inProfiles(ctx context.Context, reqs []Request) ([]Request, error) {
	if g.Profiles == nil || len(reqs) == 0 {
		return reqs, nil
	}
	live, ctx := g.begin(ctx, reqs[0].Identity)
	defer live.end()
	for i := range reqs {
		var err error
		if reqs[i], _, err = g.byProfile(ctx, live, reqs[i]); err != nil {
			return nil, err
		}
	}
	return reqs, nil
}

// byProfile has a command that names a profile name the person's session of it. begins, if it
// is not nil, is the act that has that run: it takes its turn before. What was named so before
// comes to the same.
func (g *Gateway) byProfile(ctx context.Context, live *Live, req Request) (named Request, begins *Request, err error) {
	switch {
	case g.Profiles == nil || req.Invocation == nil:
		return req, nil, nil
	case req.Invocation.Row.Name == "new-session":
		return g.newOfProfile(ctx, live, req)
	}
	return g.nameProfile(ctx, live, req)
}

// prepared is a request whose names are those of sessions, which run: one of a profile that it
// attaches to is started, in the line like anything else.
func (g *Gateway) prepared(ctx context.Context, live *Live, req Request) (Request, error) {
	named, begins, err := g.byProfile(ctx, live, req)
	switch {
	case err != nil:
		return req, g.refuseProfile(ctx, req, err)
	case begins == nil:
		return named, nil
	case teeth.Out(teeth.Startable):
		on := begins.Act.On[0]
		return named, g.Profiles.Start(ctx, on.Owner, on.Session.Name)
	}
	_, err = g.Handle(ctx, *begins)
	named.fresh, named.Ahead = nil, Ahead{} // servers have come since
	return named, err
}

// refuseProfile writes that a session of a profile is not begun, and by which rule.
func (g *Gateway) refuseProfile(ctx context.Context, req Request, why error) error {
	var refused *Refused
	if !errors.As(why, &refused) {
		return g.writeRefusal(ctx, req, nil, access.Decision{}, why)
	}
	return g.writeRefusal(ctx, req, &Plan{Object: refused.Need.Object, Needs: []Need{refused.Need}}, refused.Decision, why)
}

// profileOf gives the profile that a word names as a target, alone or with a place in it:
// prod-psql:0.1 is one in their session of it.
func (g *Gateway) profileOf(word, person string) (name, session, rest string, ok bool) {
	head, below, slash := strings.Cut(word, "/")
	if !slash {
		var colon bool
		if head, rest, colon = strings.Cut(word, ":"); colon {
			rest = ":" + rest
		}
	}
	session, _, ok = g.Profiles.Session(head, person)
	if slash && ok {
		var named string
		if named, rest, _ = strings.Cut(below, ":"); named != session {
			return "", "", "", false // another's, by its name
		}
		if rest = strings.TrimPrefix(below, named); rest == ":" {
			rest = ""
		}
	}
	return head, session, rest, ok
}

// means gives the profile that a word of a command names for a person. A key, and what it asks
// for, is about the server that it is pressed at: there that one's name is theirs, and no other.
func (g *Gateway) means(req Request, word string) (name, session, rest string, ok bool) {
	name, session, rest, ok = g.profileOf(word, req.Identity.Person())
	return name, session, rest, ok && (!req.Bound || name == req.Here)
}

// nameProfile is byProfile for a command that makes no session.
func (g *Gateway) nameProfile(ctx context.Context, live *Live, req Request) (Request, *Request, error) {
	var begins *Request
	shows := req.anew || req.Invocation.Row.Name == "attach-session" || req.Invocation.Row.Name == "switch-client"
	for i, f := range req.Invocation.Flags {
		if flag := req.Invocation.Row.Flag(f.Letter); flag == nil || flag.Kind != tmux.TargetValue || !f.HasValue {
			continue
		}
		name, session, rest, ok := g.means(req, f.Value)
		to := tmux.JoinOwner(name, session) + rest
		if !ok || to == f.Value && !shows {
			continue
		}
		o, runs, d := g.startable(ctx, live, name)
		if !d.Allow {
			continue
		}
		req.Invocation = req.Invocation.Clone()
		req.Invocation.Flags[i].Value = to
		if shows && f.Letter == 't' && runs != IsRunning {
			begins = g.begins(req, name, o)
		}
	}
	return req, begins, nil
}

// newOfProfile makes of a new-session that names a profile what attaches to it: there is one
// session of it for each person, or one for all, with the profile's own program. Whoever knows of
// it and may not start it has none of their own by that name: it would be taken for the other.
func (g *Gateway) newOfProfile(ctx context.Context, live *Live, req Request) (Request, *Request, error) {
	inv := req.Invocation
	word, given := inv.Get('t')
	if !given {
		word, _ = inv.Get('s')
	}
	name, session, rest, ok := g.means(req, word)
	if !ok || rest != "" {
		return req, nil, nil
	}
	o, runs, d := g.startable(ctx, live, name)
	if !d.Allow {
		if g.blind(live.who, name) {
			return req, nil, nil
		}
		return req, nil, g.Refused(live.who, Need{Verb: access.Spawn, Object: o}, d)
	}
	target := tmux.JoinOwner(name, session)
	switch other, both := inv.Get('s'); {
	case given && both && other != name && other != target:
		return req, nil, fmt.Errorf("new-session: the session of the profile %s is called %s: leave -s out", name, target)
	case len(inv.Args) > 0:
		return req, nil, errors.New("new-session: " + ownProgram(name))
	case !inv.HasOnly("AdDEXfstxy"):
		return req, nil, fmt.Errorf("new-session: where %s begins, and its environment and names, are its profile's", name)
	}
	argv := []string{"attach-session", "-t", target}
	if inv.Has('d') {
		argv[0] = "has-session"
	} else {
		for _, f := range []struct{ of, to byte }{{'D', 'd'}, {'X', 'x'}, {'E', 'E'}} {
			if inv.Has(f.of) {
				argv = append(argv, "-"+string(f.to))
			}
		}
		if flags, ok := inv.Get('f'); ok {
			argv = append(argv, "-f", flags)
		}
	}
	made, perr := tmux.ParseArgv(argv, req.fresh.Reading())
	if perr != nil {
		return req, nil, perr
	}
	req.Invocation, req.anew = made[0], true
	if runs == IsRunning {
		return req, nil, nil
	}
	return req, g.begins(req, name, o), nil
}

func ownProgram(name string) string {
	return fmt.Sprintf("panes of %s run its profile's own command, and no other", name)
}

// begins is the act that starts a session of a profile.
func (g *Gateway) begins(req Request, name string, o access.Object) *Request {
	return &Request{Identity: req.Identity, Door: req.Door, Here: req.Here, Client: req.Client, Act: &Act{
		Name: ActProfile, Args: []string{name, o.Session.Name}, Verb: access.Spawn, On: []access.Object{o},
		Do: func(ctx context.Context, on access.Object) (Result, error) {
			return Result{}, g.Profiles.Start(ctx, on.Owner, on.Session.Name)
		},
	}}
}

// ofProfile refuses what would have a profile's server be more than the profile says, whatever
// somebody holds there: what panes run, and where, is the administrator's. (That nobody makes
// sessions there, or names them, is so on every isolated server.)
func (r *resolver) ofProfile() error {
	if r.g.Profiles == nil || !isolated(r.plan.Server) || teeth.Out(teeth.Profiled) {
		return nil
	}
	_, shell, ok := r.g.Profiles.Session(r.owner, r.req.Identity.Person())
	if !ok && !r.g.Profiles.Gone(r.owner) {
		return nil
	}
	inv := r.plan.Invocation
	switch {
	case inv.Row.Args != tmux.ShellArgs:
	case inv.Has('c') || inv.Has('e'):
		return fmt.Errorf("%s: where panes of %s begin, and their environment, are its profile's", inv.Row.Name, r.owner)
	case len(inv.Args) > 0 && !shell && inv.Args[0] != "":
		return errors.New(inv.Row.Name + ": " + ownProgram(r.owner))
	}
	return nil
}
