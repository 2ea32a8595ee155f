package policy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/strictyaml"
)

// people is people.yaml as read: who there is, and who is in which group.
type people struct {
	list      map[string]*person
	groups    map[string]*group
	byUID     map[uint32]*person
	byAccount map[string]*person
	keys      []*identity.SSHKey
	byKey     map[string]*person // by fingerprint
}

// person is one entry of people.yaml.
type person struct {
	name     string
	uids     []uint32
	accounts []string
	line     int
	// groups are all groups the person is in, through others too, sorted.
	groups []string
	// server is set if it is none, but an isolated server: see servers.go.
	server bool
}

// group is one group of people.yaml.
type group struct {
	name    string
	line    int
	node    *yaml.Node
	members []string // people
	within  []string // groups that are members of it
}

// Uids that prove nothing: the kernel shows 65534 for every uid that has no
// place in the user namespace, and the last one means "no uid".
const (
	overflowUID = 65534
	noUID       = 1<<32 - 1
)

// parsePeople reads people.yaml.
func parsePeople(f source, r *report) *people {
	ps := &people{
		list: map[string]*person{}, groups: map[string]*group{},
		byUID: map[uint32]*person{}, byAccount: map[string]*person{}, byKey: map[string]*person{},
	}
	d := &doc{file: f.name, r: r}
	top := d.root(f.data, "people", "groups", "servers")
	if top == nil {
		return ps
	}
	if top["people"] == nil {
		r.add(Problem{File: f.name, Line: 1, Column: 1, Text: `the key "people" is missing`, Hint: "for nobody at all, write people: {}"})
		return ps
	}
	entries, _ := d.pairs(top["people"], "people")
	var groupsOf []func()
	for _, e := range entries {
		if len(ps.list) == maxPeople {
			d.fail(e.Key, "", "more than %d people", maxPeople)
			break
		}
		if later := ps.addPerson(d, e); later != nil {
			groupsOf = append(groupsOf, later)
		}
	}
	ps.readServers(d, top["servers"])
	if n := top["groups"]; n != nil {
		entries, _ := d.pairs(n, "groups")
		for i, e := range entries {
			if i == maxGroups {
				d.fail(e.Key, "", "more than %d groups", maxGroups)
				break
			}
			ps.addGroup(d, e)
		}
	}
	for _, join := range groupsOf {
		join()
	}
	ps.readMembers(d)
	ps.closeGroups(d)
	return ps
}

// addPerson reads one person. What it returns joins their groups, once all
// groups are known.
func (ps *people) addPerson(d *doc, e strictyaml.Pair) (join func()) {
	name := e.Key.Value
	if _, err := identity.CanonicalName(name); err != nil {
		d.fail(e.Key, "", "%v", err)
		return nil
	}
	p := &person{name: name, line: e.Key.Line}
	ps.list[name] = p
	fields := map[string]*yaml.Node{}
	if e.Value.Tag != "!!null" { // `alice:` alone is a person without more
		fields = d.mapping(e.Value, "the person "+name, []string{"uid", "account", "groups", "keys", "about"})
	}
	for _, n := range d.oneOrMore(fields["uid"]) {
		if uid, ok := d.number(n, "a uid", noUID-1); ok {
			ps.claimUID(d, n, p, uint32(uid))
		}
	}
	if fields["account"] == nil {
		// The name is recorded with the uid, so that a uid that was given
		// away does not take the person along.
		ps.claimAccount(d, e.Key, p, name)
	}
	for _, n := range d.oneOrMore(fields["account"]) {
		if a, ok := d.text(n, "an account"); ok {
			ps.claimAccount(d, n, p, a)
		}
	}
	for _, n := range d.oneOrMore(fields["keys"]) {
		if line, ok := d.text(n, "a key"); ok {
			ps.claimKey(d, n, p, line)
		}
	}
	if n := fields["about"]; n != nil {
		d.text(n, "about")
	}
	return func() {
		for _, n := range d.oneOrMore(fields["groups"]) {
			if g := ps.groupNamed(d, n); g != nil && !slices.Contains(g.members, name) {
				g.members = append(g.members, name)
			}
		}
	}
}

func (ps *people) claimUID(d *doc, n *yaml.Node, p *person, uid uint32) {
	switch other := ps.byUID[uid]; {
	case uid == overflowUID:
		d.fail(n, "", "the uid %d is what the kernel shows for uids it cannot name: it proves nothing", uid)
	case other == p:
		d.fail(n, "", "the uid %d is given twice", uid)
	case other != nil:
		d.fail(n, "", "the uid %d belongs to %s already, in line %d", uid, other.name, other.line)
	default:
		ps.byUID[uid] = p
		p.uids = append(p.uids, uid)
	}
}

func (ps *people) claimAccount(d *doc, n *yaml.Node, p *person, account string) {
	switch other := ps.byAccount[account]; {
	case account == "" || len(account) > 256:
		d.fail(n, "", "an account's name has 1 to 256 bytes")
	case other == p:
		d.fail(n, "", "the account %q is given twice", account)
	case other != nil:
		d.fail(n, fmt.Sprintf("%s has the account of that name unless it says account:", other.name), "the account %q belongs to %s already, in line %d", account, other.name, other.line)
	default:
		ps.byAccount[account] = p
		p.accounts = append(p.accounts, account)
	}
}

// claimKey takes one of a person's public keys over, as a line of
// authorized_keys.
func (ps *people) claimKey(d *doc, n *yaml.Node, p *person, line string) {
	k, err := identity.ParseSSHKey(line, p.name, fmt.Sprintf("%s:%d", d.file, n.Line))
	if err != nil {
		d.fail(n, "", "a key of %s: %v", p.name, err)
		return
	}
	switch other := ps.byKey[k.Fingerprint()]; {
	case len(ps.keys) == maxKeys:
		d.fail(n, "", "more than %d keys", maxKeys)
	case other == p:
		d.fail(n, "", "the key %s is given twice", k.Fingerprint())
	case other != nil:
		d.fail(n, "a key proves one person", "the key %s belongs to %s already", k.Fingerprint(), other.name)
	default:
		ps.byKey[k.Fingerprint()] = p
		ps.keys = append(ps.keys, k)
	}
}

// addGroup notes a group; its members are read once all groups are known.
func (ps *people) addGroup(d *doc, e strictyaml.Pair) {
	if _, err := identity.CanonicalName(e.Key.Value); err != nil {
		d.fail(e.Key, "a group has a name like a person's", "%s", strings.ReplaceAll(err.Error(), "a person's", "a group's"))
		return
	}
	ps.groups[e.Key.Value] = &group{name: e.Key.Value, line: e.Key.Line, node: e.Value}
}

// groupNamed gives the group that a node names, with or without the @.
func (ps *people) groupNamed(d *doc, n *yaml.Node) *group {
	word, ok := d.text(n, "a group")
	if !ok {
		return nil
	}
	word = strings.TrimPrefix(word, "@")
	g := ps.groups[word]
	if g == nil {
		d.fail(n, ps.hintGroup(d.r, word), "there is no group %q", clip(word))
	}
	return g
}

func (ps *people) readMembers(d *doc) {
	for _, key := range slices.Sorted(maps.Keys(ps.groups)) {
		g := ps.groups[key]
		if g.node.Tag == "!!null" { // declared, with members named elsewhere
			continue
		}
		for _, n := range d.list(g.node, "the group "+g.name) {
			word, ok := d.text(n, "a member")
			switch {
			case !ok:
			case strings.HasPrefix(word, "@"):
				if sub := ps.groupNamed(d, n); sub != nil {
					g.within = append(g.within, sub.name)
				}
			case ps.named(word) == nil:
				d.fail(n, ps.hintPerson(d.r, word), "there is no person %q in %s", clip(word), peopleFile)
			case !slices.Contains(g.members, word):
				g.members = append(g.members, word)
			}
		}
	}
}

// hintGroup says which group an unknown name may have meant.
func (ps *people) hintGroup(r *report, word string) string {
	if r.full() {
		return ""
	}
	if hint := DidYouMean(word, slices.Sorted(maps.Keys(ps.groups))); strings.HasPrefix(hint, "did") {
		return hint
	}
	return "declare it under groups: in " + peopleFile
}

// hintPerson says whom an unknown name may have meant.
func (ps *people) hintPerson(r *report, word string) string {
	if r.full() {
		return ""
	}
	if ps.groups[word] != nil {
		return fmt.Sprintf(`the group is written "@%s"`, word)
	}
	if hint := DidYouMean(word, slices.Collect(maps.Keys(ps.list))); strings.HasPrefix(hint, "did") {
		return hint
	}
	if _, err := identity.CanonicalName(word); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("add `%s: {}` to %s", word, peopleFile)
}

// closeGroups gives every person all their groups, through other groups too,
// and refuses groups that contain themselves.
func (ps *people) closeGroups(d *doc) {
	const open, done = 1, 2
	state, total := map[string]int{}, 0
	all := map[string]map[string]bool{} // group → everybody in it
	type frame struct {
		g    *group
		next int
	}
	for _, top := range slices.Sorted(maps.Keys(ps.groups)) {
		if state[top] == done {
			continue
		}
		stack := []frame{{g: ps.groups[top]}} // no recursion: chains may be long
		state[top] = open
		for len(stack) > 0 {
			f := &stack[len(stack)-1]
			if f.next < len(f.g.within) {
				sub := ps.groups[f.g.within[f.next]]
				f.next++
				switch state[sub.name] {
				case open:
					d.r.add(Problem{File: d.file, Line: f.g.line, Column: 1, Text: fmt.Sprintf("the group %s contains itself, through @%s", sub.name, f.g.name), Hint: "remove one of the two"})
				case 0:
					state[sub.name] = open
					stack = append(stack, frame{g: sub})
				}
				continue
			}
			in := map[string]bool{}
			for _, m := range f.g.members {
				in[m] = true
			}
			for _, sub := range f.g.within {
				maps.Copy(in, all[sub])
			}
			if total += len(in); total > maxMembers {
				d.r.add(Problem{File: d.file, Line: f.g.line, Column: 1, Text: fmt.Sprintf("the groups have more than %d members together, groups in groups included", maxMembers)})
				return
			}
			all[f.g.name] = in
			state[f.g.name] = done
			stack = stack[:len(stack)-1]
		}
	}
	for _, g := range slices.Sorted(maps.Keys(all)) {
		for m := range all[g] {
			ps.list[m].groups = append(ps.list[m].groups, g)
		}
	}
}

// ErrNobodys is what errors.Is finds in the error of [Set.PersonOf] about an account that is certainly
// nobody's, as no person can have it by the people file.
var ErrNobodys = errors.New("the account is nobody's")

// nobodys is such an error.
type nobodys struct{ error }

func (nobodys) Is(target error) bool { return target == ErrNobodys }

// nobodysf makes one.
func nobodysf(format string, args ...any) error { return nobodys{fmt.Errorf(format, args...)} }

// personOf says who a Unix account is: see [Set.PersonOf].
func (ps *people) personOf(uid uint32, account string) (string, error) {
	if uid == overflowUID || uid == noUID {
		return "", fmt.Errorf("uid %d names nobody: the kernel shows it for uids it cannot name", uid)
	}
	if p := ps.byAccount[account]; p != nil && p.server {
		return "", nobodysf("the account %q is that of the isolated server %s, and nobody's", account, p.name)
	}
	if p := ps.byUID[uid]; p != nil {
		if account == "" {
			return "", fmt.Errorf("uid %d is %s in %s, and there is no account of that number now; one that a directory service has counts with accounts_from: [files, nss], and while that tells of it",
				uid, p.name, peopleFile)
		}
		if !slices.Contains(p.accounts, account) {
			return "", fmt.Errorf("uid %d is %s in %s, with the account %s, but the system calls it %q; if that is right, write the account there",
				uid, p.name, peopleFile, strings.Join(p.accounts, " or "), account)
		}
		return p.name, nil
	}
	if p := ps.byAccount[account]; p != nil && account != "" {
		if len(p.uids) > 0 {
			return "", fmt.Errorf("the account %q is %s in %s, with the uid %s, but this is uid %d; if that is right, write the uid there",
				account, p.name, peopleFile, uidWords(p.uids), uid)
		}
		return p.name, nil
	}
	if account == "" {
		return "", fmt.Errorf("uid %d has no account and no person in %s", uid, peopleFile)
	}
	if _, err := identity.CanonicalName(account); err != nil {
		return "", nobodysf("the account %q (uid %d) cannot be a person of that name: %w; give it one in %s with account:", account, uid, err, peopleFile)
	}
	if p := ps.list[account]; p != nil && p.server {
		return "", nobodysf("the account %q has the name of an isolated server, and so is nobody's; give it a person of another name in %s with account:", account, peopleFile)
	}
	if p := ps.list[account]; p != nil {
		return "", nobodysf("the account %q (uid %d) is not the person %s of %s, who has the account %s", account, uid, p.name, peopleFile, strings.Join(p.accounts, " or "))
	}
	return account, nil
}

func uidWords(uids []uint32) string {
	words := make([]string, len(uids))
	for i, u := range uids {
		words[i] = fmt.Sprint(u)
	}
	return strings.Join(words, " or ")
}
