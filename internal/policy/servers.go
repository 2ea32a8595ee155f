package policy

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/teeth"
)

// This file is about isolated servers: they have a name as a person has, and are nobody's.
// Whoever is named so by an account or a key is nobody, and what tmux itself would run
// there is permitted to nobody: it would run as the server's account, beside tmux.

const serverReason = "on an isolated server nothing runs but what is in its panes, and its configuration is the administrator's"

// notThere are the verbs that nobody holds on an isolated server.
var notThere = access.SetOf(access.Configure, access.Execute)

// readServers reads the isolated servers of the people file.
func (ps *people) readServers(d *doc, n *yaml.Node) {
	if n == nil {
		return
	}
	entries, _ := d.pairs(n, "servers")
	for _, e := range entries {
		name := e.Key.Value
		_, err := identity.CanonicalName(name)
		switch {
		case err != nil:
			d.fail(e.Key, "a server has a name like a person's", "%v", err)
		case ps.list[name] != nil:
			d.fail(e.Key, "an isolated server is nobody's: give it a name of its own", "there is a person %s already, in line %d", name, ps.list[name].line)
		case len(ps.list) == maxPeople:
			d.fail(e.Key, "", "more than %d people and servers", maxPeople)
		default:
			p := &person{name: name, line: e.Key.Line, server: true}
			ps.list[name] = p
			fields := d.mapping(e.Value, "the server "+name, []string{"account", "about"})
			if fields["account"] == nil {
				d.fail(e.Key, "say which account tmux runs as: account: NAME", "the server %s has no account", name)
			} else if a, ok := d.text(fields["account"], "an account"); ok {
				ps.claimAccount(d, fields["account"], p, a)
			}
			if n := fields["about"]; n != nil {
				d.text(n, "about")
			}
		}
	}
}

// named gives the person of a name, nil for a server.
func (ps *people) named(name string) *person {
	if p := ps.list[name]; p != nil && !p.server {
		return p
	}
	return nil
}

// isServer reports whether a name is an isolated server's.
func (ps *people) isServer(name string) bool {
	p := ps.list[name]
	return p != nil && p.server
}

// IsServer reports whether the people file names an isolated server so.
func (s *Set) IsServer(name string) bool { return s.people.isServer(name) }

// builtin gives the rule that refuses a verb whatever the files say, "" if none does.
func (s *Set) builtin(who identity.Subject, verb access.Verb, o access.Object) (rule, reason string) {
	switch {
	case byPane(who, verb):
		return "builtin inside", insideReason
	case s.withheld(verb, o):
		return "builtin isolated", serverReason
	}
	return "", ""
}

// withheld reports whether a verb is nobody's on an object. Of the host it is what no
// server keeps it from.
func (s *Set) withheld(verb access.Verb, o access.Object) bool {
	return o.Kind >= access.Server && notThere.Has(verb) && s.people.isServer(o.Owner) && !teeth.Out(teeth.Isolated)
}

// Isolate has the policy be one that names these isolated servers, with their accounts:
// another one is refused from here on, as by it they could be somebody's.
func (e *Engine) Isolate(servers map[string]string) error {
	e.reload.Lock()
	defer e.reload.Unlock()
	if err := e.Set().isolates(servers); err != nil {
		return err
	}
	e.isolated = maps.Clone(servers)
	return nil
}

// isolates says what is missing for servers, by their accounts, to be nobody's.
func (s *Set) isolates(servers map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(servers)) {
		p := s.people.list[name]
		if p == nil || !p.server || !slices.Contains(p.accounts, servers[name]) {
			return Problems{{File: peopleFile, Text: fmt.Sprintf("the isolated server %s, with the account %s, is not among the servers", name, servers[name]),
				Hint: fmt.Sprintf("write servers: {%s: {account: %s}} there, or take it out of the configuration of muxward", name, servers[name])}}
		}
	}
	return nil
}

// GivenBy reports whether somebody was given a verb on this very pane by a person, and
// until when that is so; zero: no limit. What a file gives at a place is no such grant: another pane may come there.
func (s *Set) GivenBy(who identity.Subject, giver string, verb access.Verb, pane access.Object, at time.Time) (bool, time.Time) {
	q := access.Question{Who: who, Verb: verb, Object: pane, At: at}
	if s.unanswerable(&q) != "" {
		return false, time.Time{}
	}
	given := false
	var limit time.Time
	for _, h := range s.view(who.Person).holders {
		h.visit(pane, func(g *grant) {
			if g.given == nil || g.given.On.Kind != access.Pane || g.given.Giver.Person != giver || !g.gives(verb, false) || !g.fits(&who) {
				return
			}
			counts, change := g.at(at)
			limit = sooner(limit, change)
			given = given || counts
		})
	}
	return given, limit
}
