package gateway

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/tmux"
)

// This file is about what is done only while somebody else looks on.

// RuleWatcher is the rule of decisions that refuse what nobody watches.
const RuleWatcher = "requires watcher"

// Eyes says whether an attached person is shown an object at this moment, on a terminal
// that takes what is drawn: by which tmux client, "" if muxward draws it. It must not
// wait.
type Eyes func(o access.Object) (display string, shown bool)

// Watch tells by whom something is watched.
type Watch struct {
	People []string
	// Displays are the tmux clients that show it to them; Drawn is set if muxward
	// itself shows it to one of them.
	Displays []string
	Drawn    bool
}

// Opens has the attached person of a permit be a watcher of whatever eyes says.
func (l *Live) Opens(eyes Eyes) { l.eyes.Store(&eyes) }

// Shuts is the end of Opens.
func (l *Live) Shuts() { l.eyes.Store(nil) }

// WatchedBy gives by whom what a need is about is watched now, for the person of the
// permit: never by themselves.
func (l *Live) WatchedBy(n Need) Watch { return l.g.watch(l.who, n.Object, l.g.Time()) }

// attended refuses what somebody has to watch and nobody does. d is what allows it.
func (g *Gateway) attended(who identity.Identity, n Need, d access.Decision, now time.Time) access.Decision {
	if !needsWatcher(n) {
		d.Obligations &^= access.Watched
		return d
	}
	if n.Direct {
		return unbounded(d)
	}
	if len(g.watch(who, n.Object, now).People) == 0 {
		why := "nobody watches: it takes somebody else who holds approve there" + g.mightWatch(who, n.Object, now) +
			", in a terminal of their own on this host: " + joinedBy(n.Object)
		if !strings.HasPrefix(d.Rule, "builtin") { // what gives it to owners does not require that
			why += "; so says " + d.Rule
		}
		d.Allow, d.Rule, d.Reason = false, RuleWatcher, why
	}
	return d
}

// unbounded refuses what may do anything, now or later, to whoever has to be watched in
// something of it.
func unbounded(d access.Decision) access.Decision {
	d.Allow, d.Rule, d.Reason = false, RuleWatcher, "in a part of it each thing that you do has to be watched, so each is decided for itself"
	return d
}

// runsAnything reports whether a need is for having tmux run programs or commands, which
// may do anything on that server.
func runsAnything(n Need) bool {
	return n.Verb == access.Execute && !n.Whole && n.Object.Kind == access.Server && n.Object.Incarnation != ""
}

// maxMightWatch is how many of those who could watch are named.
const maxMightWatch = 3

// mightWatch names those who hold approve on an object, to whoever is told who is there.
func (g *Gateway) mightWatch(who identity.Identity, o access.Object, now time.Time) string {
	if !sees(g.heldAt(who, o, now)) {
		return ""
	}
	names := slices.DeleteFunc(g.Policy.Holders(access.Approve, o, now), func(name string) bool {
		_, taken := g.Denials.Match(name, access.SetOf(access.Approve), o)
		return taken || name == who.Person()
	})
	if len(names) == 0 {
		return ""
	}
	more := ""
	if len(names) > maxMightWatch {
		names, more = names[:maxMightWatch], " and others"
	}
	return " (" + strings.Join(names, ", ") + more + ")"
}

// joinedBy is how somebody comes to look on.
func joinedBy(o access.Object) string {
	switch {
	case o.Kind < access.Server:
		return "tmux attach"
	case o.Kind < access.Session:
		return "tmux attach -t one of " + o.Owner + "'s sessions"
	}
	s := access.Object{Kind: access.Session, Owner: o.Owner, Session: o.Session}
	return "tmux attach -t " + quoted(tmux.Clean(objectName(s)))
}

// needsWatcher reports whether a need that is permitted on that duty is for something
// that is done. Who holds rights to give them on does nothing by that, and on a server
// that does not run yet there is nothing to look at.
func needsWatcher(n Need) bool {
	if n.Apart || n.Object.Kind <= access.Server && n.Object.Incarnation == "" {
		return false
	}
	return n.verbs()&access.Acting != 0 && (!n.Whole || n.Direct)
}

// watch finds out who watches an object for somebody. It is asked for each key, and goes
// by what is so at that moment.
func (g *Gateway) watch(who identity.Identity, o access.Object, now time.Time) Watch {
	var all []*Live
	g.mu.Lock()
	for _, l := range g.lives {
		if l.eyes.Load() != nil && somebodyElse(l.who, who) {
			all = append(all, l)
		}
	}
	g.mu.Unlock()
	var w Watch
	for _, l := range all {
		was := l.counted.Load() // before it is looked: whoever ends that looks at this behind it
		display, counts := g.counts(l, o, now)
		if counts && !was {
			l.counted.Store(true)
			display, counts = g.counts(l, o, g.Time())
		}
		if !counts {
			continue
		}
		if !slices.Contains(w.People, l.who.Person()) {
			w.People = append(w.People, l.who.Person())
		}
		if display == "" {
			w.Drawn = true
		} else {
			w.Displays = append(w.Displays, display)
		}
	}
	slices.Sort(w.People)
	slices.Sort(w.Displays)
	return w
}

// counts reports whether the person of a permit watches an object now, and on which
// display.
func (g *Gateway) counts(l *Live, o access.Object, now time.Time) (display string, counts bool) {
	eyes := l.eyes.Load()
	if eyes == nil {
		return "", false
	}
	display, shown := (*eyes)(o)
	return display, onScreen(shown) && g.mayWatch(l.who, o, now)
}

// mayWatch reports whether somebody counts as a watcher: they hold approve on the object
// now, and come from where approvals are answered. Whoever is watched may type where
// somebody's key lies, and would have them watch by that.
func (g *Gateway) mayWatch(who identity.Identity, o access.Object, now time.Time) bool {
	if !handOf(who) {
		return false
	}
	d := g.verdict(nil, who, Need{Verb: access.Approve, Object: o}, g.generation(), now)
	return holdsApprove(d.Allow)
}

// Watched has those who may do something on a server only while somebody watches looked
// at anew: a watcher, l, has come or gone. When it returns without anything unconfirmed,
// whoever nobody watches any more has nothing under way. No right has changed by that,
// and who watches is remembered of no decision. Who never counted as a watcher and would
// not now has nobody looked at: others come and go as they like.
func (g *Gateway) Watched(ctx context.Context, l *Live, server access.Object, why string) Report {
	lives := g.livesOf(ctx, func(o *Live) bool { return o != l && o.bound.Load() && o.restsOn(server) })
	if len(lives) == 0 || !l.counted.Load() && !g.mayCount(l.who, server) {
		return Report{}
	}
	return lookAt(ctx, lives, why)
}

// mayCount reports whether somebody would be a watcher of anything on a server, as it was
// seen last.
func (g *Gateway) mayCount(who identity.Identity, server access.Object) bool {
	s := g.Servers.Server(server.Owner)
	if s == nil || s.Known() == nil || !handOf(who) {
		return false
	}
	now, at := g.Time(), scene{server.Owner, server.Incarnation, s.Known()}
	if g.mayWatch(who, server, now) {
		return true
	}
	for i := range at.snap.Sessions {
		t := &at.snap.Sessions[i]
		if slices.ContainsFunc(at.seeing(t), func(n Need) bool { return g.mayWatch(who, n.Object, now) }) {
			return true
		}
	}
	return false
}

// lookBehind looks once more at whoever may have been watched by those of whom something
// was taken, after that: what was decided while they still looked on, or held approve,
// may be under way, of people from whom nothing was taken, too.
func (g *Gateway) lookBehind(ctx context.Context, lives []*Live, why string) Report {
	var servers []access.Object
	for _, l := range lives {
		if !l.counted.Load() {
			continue
		}
		l.mu.Lock()
		server := access.Object{Kind: access.Server, Owner: l.about.Owner}
		l.mu.Unlock()
		if server.Owner == "" {
			server.Kind = access.Host // not known: everything is looked at
		}
		servers = append(servers, server)
	}
	if len(servers) == 0 {
		return Report{}
	}
	return g.lookAgain(ctx, func(o *Live) bool {
		return o.bound.Load() && slices.ContainsFunc(servers, o.restsOn)
	}, why)
}
