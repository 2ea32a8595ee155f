package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"

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
	// Runs is set if it runs.
	Runs bool
}

// ActProfile is how the act that starts one is called.
const ActProfile = "profile"

// Offered lists the profiles that a person may start.
func (g *Gateway) Offered(ctx context.Context, who identity.Identity) []Offered {
	if g.Profiles == nil {
		return nil
	}
	live, ctx := g.begin(ctx, who)
	defer live.end()
	var out []Offered
	for _, name := range g.Profiles.Names() {
		if o, ok := g.startable(ctx, live, name); ok {
			out = append(out, Offered{Name: name, Session: o.Session.Name, Runs: o.Session.ID != noSessionID})
		}
	}
	return out
}

// noSessionID is an id that no session ever has.
const noSessionID = 1<<32 - 1

// startable gives a person's session of a profile, if they may start it. There need be none.
func (g *Gateway) startable(ctx context.Context, live *Live, name string) (access.Object, bool) {
	session, _, ok := g.Profiles.Session(name, live.who.Person())
	if !ok {
		return access.Object{}, false
	}
	o := access.Object{Kind: access.Session, Owner: name, Session: access.SessionRef{ID: noSessionID, Name: session}}
	out := teeth.Out(teeth.Startable)
	if !out && g.Policy.Blind(live.who.Subject(), access.Object{Kind: access.Server, Owner: name}, g.Time()) {
		return o, false // nothing is asked for who knows nothing of it
	}
	if server := g.Servers.Server(name); server != nil {
		o.Incarnation = server.Incarnation()
		if snap, err := server.Snapshot(ctx, tmux.Core); err == nil { // else it has ended, or starting it fails
			if s := snap.SessionByName(session); s != nil {
				o.Session.ID = uint32(s.ID)
			}
		}
	}
	return o, out || live.Decide(Need{Verb: access.Spawn, Object: o}).Allow
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
	return g.Policy.Blind(who.Subject(), access.Object{Kind: access.Server, Owner: name}, g.Time())
}

// OwnerFor reports, for one person, whether a name is an owner's.
func (g *Gateway) OwnerFor(who identity.Identity) func(string) bool {
	return func(name string) bool { return g.Servers.IsOwner(name) && !g.hidden(who, name) }
}

// byProfile has what names a profile name the person's session of it, and has that start
// first where somebody attaches to it.
func (g *Gateway) byProfile(ctx context.Context, base Request, reqs []Request) ([]Request, error) {
	if g.Profiles == nil || base.Bound || len(g.Profiles.Names()) == 0 {
		return reqs, nil
	}
	live, ctx := g.begin(ctx, base.Identity)
	defer live.end()
	for i := range reqs {
		if err := g.nameProfile(ctx, live, &reqs[i]); err != nil {
			return nil, err
		}
	}
	return reqs, nil
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

// nameProfile does that for one command.
func (g *Gateway) nameProfile(ctx context.Context, live *Live, req *Request) error {
	inv := req.Invocation
	if inv.Row.Name == "new-session" {
		return g.newOfProfile(ctx, live, req)
	}
	for i, f := range inv.Flags {
		if flag := inv.Row.Flag(f.Letter); flag == nil || flag.Kind != tmux.TargetValue || !f.HasValue {
			continue
		}
		name, session, rest, ok := g.profileOf(f.Value, live.who.Person())
		if !ok {
			continue
		}
		o, ok := g.startable(ctx, live, name)
		if !ok {
			continue
		}
		inv.Flags[i].Value = tmux.JoinOwner(name, session) + rest
		if inv.Row.Name == "attach-session" && f.Letter == 't' && o.Session.ID == noSessionID {
			req.begins = g.begins(*req, name, o)
		}
	}
	return nil
}

// newOfProfile makes of a new-session that names a profile what attaches to it: there is one
// session of it for each person, or one for all, with the profile's own program.
func (g *Gateway) newOfProfile(ctx context.Context, live *Live, req *Request) error {
	inv := req.Invocation
	word, given := inv.Get('t')
	if !given {
		word, _ = inv.Get('s')
	}
	name, session, rest, ok := g.profileOf(word, live.who.Person())
	if !ok || rest != "" {
		return nil
	}
	o, ok := g.startable(ctx, live, name)
	if !ok {
		return nil
	}
	target := tmux.JoinOwner(name, session)
	switch other, both := inv.Get('s'); {
	case given && both && other != name && other != target:
		return fmt.Errorf("new-session: the session of the profile %s is called %s: leave -s out", name, target)
	case len(inv.Args) > 0:
		return errors.New("new-session: " + ownProgram(name))
	case !inv.HasOnly("AdDEXfstxy"):
		return fmt.Errorf("new-session: where %s begins, and its environment and names, are its profile's", name)
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
		return perr
	}
	req.Invocation = made[0]
	if o.Session.ID == noSessionID {
		req.begins = g.begins(*req, name, o)
	}
	return nil
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

// Begin does what has to be there before a request can be handled, in the line like anything
// else: a profile's session is started.
func (g *Gateway) Begin(ctx context.Context, req Request) error {
	if req.begins == nil {
		return nil
	}
	if on := req.begins.Act.On[0]; teeth.Out(teeth.Startable) {
		return g.Profiles.Start(ctx, on.Owner, on.Session.Name)
	}
	_, err := g.Handle(ctx, *req.begins)
	return err
}

// ofProfile refuses what would have a profile's server be more than the profile says, whatever
// somebody holds there: what panes run, and where, is the administrator's. (Sessions are made and named there by nobody, as nobody holds
// every verb: by their names they are whose they are.)
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
