package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/muxward/muxward/internal/access"
)

// grant is one standing grant of grants.yaml, or one that was given.
type grant struct {
	who    string // person, "@group" or "*"
	what   string // the role, or the verbs, as written
	verbs  access.VerbSet
	on     Selector
	from   time.Time // of those that were given; zero: no limit
	until  time.Time // zero: no limit
	when   *schedule // the hours of the week in which it counts; nil: all
	reason string
	by     string
	id     string
	duties access.Obligations
	file   string
	line   int
	// What decisions say of it, which is put together once: rule and why.
	named, said string

	given  *Given   // what was given, nil for those of the files
	givers []string // those through whose hands it went
}

// worded puts together, once, what decisions say of the grant.
func (g *grant) worded() *grant {
	g.named, g.said = g.rule(), g.why()
	return g
}

// rule names the grant in decisions: file:line and what it is.
func (g *grant) rule() string {
	if g.given != nil {
		return "grant " + g.id
	}
	id := g.id
	if id == "" {
		id = g.who + ":" + g.what
	}
	return fmt.Sprintf("%s:%d %s", g.file, g.line, id)
}

// why says in one line what the grant gives.
func (g *grant) why() string {
	b := fmt.Sprintf("granted to %s on %s as %s", g.who, g.on, g.what)
	if g.by != "" {
		b += " by " + g.by
	}
	if g.when != nil {
		b += " in the hours " + g.when.String()
	}
	if !g.until.IsZero() {
		b += " until " + g.until.Format(time.RFC3339)
	}
	if g.reason != "" {
		b += ": " + g.reason
	}
	return b
}

// gives reports whether the grant permits the verb. A spawn that names its
// own command runs what its giver never typed: it needs a grant that could
// have typed or executed it as well.
func (g *grant) gives(v access.Verb, command bool) bool {
	if !g.verbs.Has(v) {
		return false
	}
	if v == access.Spawn && command {
		return g.verbs.Has(access.Type) || g.verbs.Has(access.Execute)
	}
	return true
}

// parseGrants reads one file of grants, into s.
func (s *Set) parseGrants(f source, r *report) {
	d := &doc{file: f.name, r: r, zones: zones{}}
	top := d.root(f.data, "grants", "approvals", "declarations")
	if top == nil {
		return
	}
	if n := top["approvals"]; n != nil {
		s.approvals = listed(d, s.approvals, n, "approvals", "rules for approvals", maxApprovalRules,
			func(n *yaml.Node) (approvalRule, bool) { return d.approvalRule(n, s.people) })
	}
	if n := top["declarations"]; n != nil {
		s.declarations = listed(d, s.declarations, n, "declarations", "rules for declarations", maxDeclarationRules,
			func(n *yaml.Node) (declarationRule, bool) { return d.declarationRule(n, s.people) })
	}
	if top["grants"] == nil {
		d.r.add(Problem{File: d.file, Line: 1, Column: 1, Text: `the key "grants" is missing`, Hint: "for no grants at all, write grants: []"})
		return
	}
	s.grants = listed(d, s.grants, top["grants"], "grants", "grants", maxGrants,
		func(n *yaml.Node) (grant, bool) { return parseGrant(d, n, s.people) })
}

// listed adds what read makes of the items of a list to what other files have of that, of
// which there may be so many in all.
func listed[T any](d *doc, all []T, n *yaml.Node, key, what string, most int, read func(*yaml.Node) (T, bool)) []T {
	for _, item := range d.list(n, key) {
		if len(all) >= most {
			d.fail(item, "", "more than %d %s", most, what)
			break
		}
		if t, ok := read(item); ok {
			all = append(all, t)
		}
	}
	return all
}

func parseGrant(d *doc, n *yaml.Node, ps *people) (grant, bool) {
	known := []string{"who", "role", "verbs", "on", "when", "until", "reason", "by", "record", "requires", "id"}
	m := d.mapping(n, "a grant", known)
	if m == nil {
		return grant{}, false
	}
	g := grant{file: d.file, line: n.Line}
	for _, key := range []string{"who", "on", "reason"} {
		if m[key] == nil {
			d.fail(n, "", "the grant has no %q", key)
			return grant{}, false
		}
	}
	ok := true
	g.who, ok = d.who(m["who"], ps)
	ok = d.what(n, m, &g) && ok
	ok = d.where(m["on"], ps, &g.on) && ok
	g.reason, _ = d.text(m["reason"], "the reason")
	if by := m["by"]; by != nil {
		g.by, _ = d.text(by, "by")
		if ps.named(g.by) == nil {
			d.fail(by, ps.hintPerson(d.r, g.by), "there is no person %q in %s", clip(g.by), peopleFile)
			ok = false
		}
	}
	if m["until"] != nil {
		var good bool
		g.until, good = d.instant(m["until"], "until")
		ok = ok && good
	}
	if m["when"] != nil {
		var good bool
		g.when, good = d.when(m["when"])
		ok = ok && good
	}
	if m["record"] != nil {
		ok = d.duty(m["record"], &g) && ok
	}
	if m["requires"] != nil {
		ok = d.requires(m["requires"], &g) && ok
		if ok && g.verbs&access.Acting == 0 {
			d.fail(m["requires"], "leave it out: to look on, and to govern, takes no watcher", "nobody has to watch %s", g.what)
			ok = false
		}
	}
	if m["id"] != nil {
		if g.id, _ = d.text(m["id"], "the id"); !idForm.MatchString(g.id) {
			d.fail(m["id"], "", "an id has 1 to 64 letters, digits and _ . -")
			ok = false
		}
	}
	return g, ok
}

// who reads a person, "@group" or "*".
func (d *doc) who(n *yaml.Node, ps *people) (string, bool) {
	word, ok := d.text(n, "who")
	switch group, isGroup := strings.CutPrefix(word, "@"); {
	case !ok:
		return "", false
	case word == "*":
		return word, true
	case isGroup && ps.groups[group] == nil:
		d.fail(n, ps.hintGroup(d.r, group), "there is no group %q", clip(group))
		return "", false
	case !isGroup && ps.named(word) == nil:
		d.fail(n, ps.hintPerson(d.r, word), "there is no person %q in %s", clip(word), peopleFile)
		return "", false
	}
	return word, true
}

// what reads the role or the verbs of a grant.
func (d *doc) what(n *yaml.Node, m map[string]*yaml.Node, g *grant) bool {
	if (m["role"] == nil) == (m["verbs"] == nil) {
		d.fail(n, "", `the grant needs either "role" or "verbs"`)
		return false
	}
	if m["role"] != nil {
		word, ok := d.text(m["role"], "the role")
		if !ok {
			return false
		}
		if g.verbs, ok = roleVerbs(word); !ok {
			d.fail(m["role"], DidYouMean(word, roleWords()), "there is no role %q", clip(word))
		}
		g.what = word
		return ok
	}
	all := true
	var words []string
	for _, item := range d.oneOrMore(m["verbs"]) {
		v, ok := d.verb(item)
		if all = all && ok; ok {
			g.verbs = g.verbs.With(access.SetOf(v))
			words = append(words, v.String())
		}
	}
	if all && g.verbs == 0 {
		d.fail(m["verbs"], "", "the list of verbs is empty")
		return false
	}
	g.what = strings.Join(words, ",")
	return all
}

// verb reads one verb.
func (d *doc) verb(n *yaml.Node) (access.Verb, bool) {
	word, ok := d.text(n, "a verb")
	if !ok {
		return 0, false
	}
	v, err := access.ParseVerb(word)
	if err != nil {
		hint := DidYouMean(word, verbWords())
		if slices.Contains(roleWords(), word) {
			hint = fmt.Sprintf("that is a role: write role: %s", word)
		}
		d.fail(n, hint, "there is no verb %q", clip(word))
		return 0, false
	}
	return v, true
}

// where reads a selector whose owner is a person we know.
func (d *doc) where(n *yaml.Node, ps *people, sel *Selector) bool {
	word, ok := d.text(n, "on")
	if !ok {
		return false
	}
	s, err := ParseSelector(word)
	if err != nil {
		d.fail(n, "", "%v", err)
		return false
	}
	if s.Kind >= access.Server && ps.list[s.Owner] == nil {
		d.fail(n, ps.hintPerson(d.r, s.Owner), "there is no person %q in %s to own %s", clip(s.Owner), peopleFile, clip(word))
		return false
	}
	*sel = s
	return true
}

// maxHours is how many hours one grant may have: more than the days of two weeks.
const maxHours = 16

// when reads the hours in which a grant counts, one or several.
func (d *doc) when(n *yaml.Node) (*schedule, bool) {
	list := d.oneOrMore(n)
	switch {
	case len(list) == 0:
		d.fail(n, "leave the key out for all hours", "the list of hours is empty")
		return nil, false
	case len(list) > maxHours:
		d.fail(n, "", "more than %d hours of one grant", maxHours)
		return nil, false
	}
	s, all := &schedule{}, true
	for _, item := range list {
		text, ok := d.text(item, "when")
		if !ok {
			all = false
			continue
		}
		h, err := parseHours(text, d.zones.zone)
		if err != nil {
			d.failAt(item, err.at, err.hint, err.text)
			all = false
			continue
		}
		s.hours = append(s.hours, h)
	}
	return s, all
}

// duty reads the record key: what must be written of what the grant permits.
func (d *doc) duty(n *yaml.Node, g *grant) bool {
	word, ok := d.text(n, "record")
	if !ok {
		return false
	}
	switch word {
	case "must":
		g.duties |= access.MustRecord
	case "content":
		g.duties |= access.MustRecord | access.LogContent
	default:
		d.fail(n, "must: keys wait until they are on disk; content: what was typed is written too", "record is must or content, not %q", clip(word))
		return false
	}
	return true
}

// requiresWatcher is the one thing that a grant, or a permit, may require.
const requiresWatcher = "watcher"

// requires reads the requires key: what there has to be while somebody does what the
// grant permits.
func (d *doc) requires(n *yaml.Node, g *grant) bool {
	word, ok := d.text(n, "requires")
	if ok && word != requiresWatcher {
		d.fail(n, "watcher: somebody else who holds approve there has to look on", "requires is watcher, not %q", clip(word))
		return false
	}
	g.duties |= access.Watched
	return ok
}

func roleWords() []string {
	var out []string
	for _, r := range access.Roles() {
		out = append(out, string(r))
	}
	return out
}

func verbWords() []string {
	var out []string
	for _, v := range access.Verbs() {
		out = append(out, v.String())
	}
	return out
}
