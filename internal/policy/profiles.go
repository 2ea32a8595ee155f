package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/strictyaml"
)

// This file is about session profiles: each has an isolated server of its name, and who may
// start it is given that by grants which stand in no file of the policy's, but count as
// those do: a forbid beats them, and so does what was taken.

// Profile is a profile as far as the policy goes by it.
type Profile struct {
	// Account is what its tmux runs as.
	Account string
	Who     []string
	// Role is what they hold in their session; "" is config.DefaultRole.
	Role   string
	Shared bool
	Line   int
}

// Profiles are profiles by their names, and the name of their file for what is said of them.
type Profiles struct {
	File string
	List map[string]Profile
}

// profiled gives the policy together with profiles. Of those in gone, by their accounts, there
// is nothing any more but that they are nobody's: their servers may not have ended yet.
func (s *Set) profiled(p Profiles, gone map[string]string) (*Set, error) {
	if len(p.List)+len(gone) == 0 {
		return s, nil
	}
	ps := *s.people
	ps.list, ps.byAccount = maps.Clone(ps.list), maps.Clone(ps.byAccount)
	var wrong Problems
	given := slices.Clone(s.grants)
	for _, name := range slices.Sorted(maps.Keys(p.List)) {
		is := p.List[name]
		if err := ps.addServer(name, is.Account); err != "" {
			wrong = append(wrong, Problem{File: p.File, Line: is.Line, Text: "the profile " + name + ": " + err})
			continue
		}
		grants, problems := ps.grantsOf(name, is, p.File)
		given, wrong = append(given, grants...), append(wrong, problems...)
	}
	if len(wrong) > 0 {
		return nil, wrong
	}
	for name, account := range gone {
		_ = ps.addServer(name, account) // whoever has the name now has it
	}
	out := &Set{people: &ps, grants: given, rules: s.rules, approvals: s.approvals, declarations: s.declarations}
	out.finish()
	return out, nil
}

// addServer adds a profile's server, or says why there cannot be one. One that people.yaml
// has among its servers is that, so that files of the policy can name it.
func (ps *people) addServer(name, account string) string {
	if p := ps.list[name]; p != nil {
		switch {
		case !p.server:
			return "there is a person of that name: give it one of its own"
		case !slices.Contains(p.accounts, account):
			return fmt.Sprintf("%s has the server %s with another account: write {account: %s} there, or leave it out", peopleFile, name, account)
		}
		return ""
	}
	if other := ps.byAccount[account]; other != nil {
		return fmt.Sprintf("its account %s is that of %s already", account, other.name)
	}
	p := &person{name: name, accounts: []string{account}, server: true}
	ps.list[name], ps.byAccount[account] = p, p
	return ""
}

// ofProfile is how grants by profiles are called.
const ofProfile = "profile:"

// grantsOf gives the grants that a profile is. Each of its people has a session of their own,
// unless it is shared: no grant is on the server, where the sessions of others are.
func (ps *people) grantsOf(name string, p Profile, file string) (out []grant, wrong Problems) {
	role := p.Role
	if role == "" {
		role = config.DefaultRole
	}
	verbs, ok := access.Role(role).Verbs()
	if !ok {
		return nil, Problems{{File: file, Line: p.Line, Text: fmt.Sprintf("the profile %s: there is no role %q", name, strictyaml.Clip(role))}}
	}
	verbs = verbs.With(access.SetOf(access.Spawn))
	if !p.Shared { // it is theirs
		verbs = verbs.With(access.SetOf(access.CloseSession))
	}
	for _, who := range p.Who {
		people, problem := ps.whoever(who)
		if problem != "" {
			wrong = append(wrong, Problem{File: file, Line: p.Line, Text: fmt.Sprintf("the profile %s: who: %s", name, problem)})
			continue
		}
		g := grant{who: who, what: role, verbs: verbs, file: file, line: p.Line, id: ofProfile + name, reason: "the profile " + name,
			on: Selector{Kind: access.Session, Owner: name, Session: config.SharedSession}}
		if p.Shared {
			out = append(out, g)
			continue
		}
		for _, person := range people {
			g.who, g.on.Session = person, config.SessionOf(person, false)
			out = append(out, g)
		}
	}
	return out, wrong
}

// whoever gives the people that a name or a "@group" stands for.
func (ps *people) whoever(who string) (list []string, problem string) {
	group, isGroup := strings.CutPrefix(who, "@")
	switch {
	case isGroup && ps.groups[group] == nil:
		return nil, fmt.Sprintf("there is no group %q in %s", clip(group), peopleFile)
	case !isGroup && ps.named(who) == nil:
		return nil, fmt.Sprintf("there is no person %q in %s", clip(who), peopleFile)
	case !isGroup:
		return []string{who}, ""
	}
	for _, name := range slices.Sorted(maps.Keys(ps.list)) {
		if p := ps.list[name]; !p.server && slices.Contains(p.groups, group) {
			list = append(list, name)
		}
	}
	return list, ""
}

// all gives the people that names and groups stand for, without those that stand for nobody.
func (ps *people) all(who []string) (list []string) {
	for _, w := range who {
		some, _ := ps.whoever(w)
		list = append(list, some...)
	}
	return list
}

// TryProfiles says why profiles could not be offered.
func (e *Engine) TryProfiles(p Profiles) error {
	e.reload.Lock()
	defer e.reload.Unlock()
	_, err := e.files.profiled(p, nil)
	return err
}

// Offer puts profiles in force, in the place of those before. What they give is decided by
// them when Offer returns; who has something by one that is gone has it no more.
func (e *Engine) Offer(p Profiles) error {
	e.reload.Lock()
	defer e.reload.Unlock()
	return e.offer(e.files, p)
}

// ReloadWith is [Engine.Reload] for files that are right only with other profiles: those are in force at
// once with them, for people alone who are meant before and after, also by a group. next are those that are to be offered
// after that; they have to be right with the files, too. What was broken stays so if this is an error.
func (e *Engine) ReloadWith(dir string, p, next Profiles) error {
	e.reload.Lock()
	defer e.reload.Unlock()
	files, digest, err := loadRead(dir, e.own)
	if err == nil {
		_, err = files.profiled(next, nil)
	}
	if err == nil {
		p.List = maps.Clone(p.List)
		for name, is := range p.List {
			before := e.files.people.all(is.Who)
			is.Who = slices.DeleteFunc(files.people.all(is.Who), func(who string) bool { return !slices.Contains(before, who) })
			p.List[name] = is
		}
		err = e.offer(files, p)
	}
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.broken, e.digest = nil, digest
	return nil
}

// offer puts profiles in force with files of the policy. e.reload is held.
func (e *Engine) offer(files *Set, p Profiles) error {
	gone := maps.Clone(e.gone)
	if gone == nil {
		gone = map[string]string{}
	}
	for name, was := range e.profiles.List {
		gone[name] = was.Account
	}
	for name := range p.List {
		delete(gone, name)
	}
	set, err := files.profiled(p, gone)
	if err == nil {
		err = set.isolates(e.isolated)
	}
	if err != nil {
		return err
	}
	e.files, e.profiles, e.gone = files, p, gone
	e.replace(set)
	return nil
}
