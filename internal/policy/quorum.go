package policy

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/muxward/muxward/internal/access"
)

// Quorum is what it takes for a request to be approved. That nobody approves their own
// needs no rule.
type Quorum struct {
	// Need is how many people have to approve, one at least.
	Need int
	// From are groups ("@…"): whoever approves is in all of them.
	From []string
	// Apart: whoever approves is in no group of the asker's.
	Apart bool
	// Rules name what says so, file:line each.
	Rules []string
}

// approvalRule is one rule of the key approvals.
type approvalRule struct {
	on    Selector
	need  int
	from  string
	apart bool
	named string
}

const (
	// maxApprovalRules is how many rules there may be, maxNeed how many people one
	// may ask for.
	maxApprovalRules = 1000
	maxNeed          = 8
)

// Quorum gives what it takes for a request about an object to be approved: of all
// rules about it, about what it lies in and about what lies in it, the strictest of
// each kind.
func (s *Set) Quorum(o access.Object) Quorum {
	q := Quorum{Need: 1}
	for i := range s.approvals {
		r := &s.approvals[i]
		if !r.on.meets(o) {
			continue
		}
		q.Need, q.Apart = max(q.Need, r.need), q.Apart || r.apart
		if r.from != "" && !slices.Contains(q.From, r.from) {
			q.From = append(q.From, r.from)
		}
		q.Rules = append(q.Rules, r.named)
	}
	return q
}

// Fits says why the yes of somebody does not count for a request of asker's, nil if
// it does.
func (s *Set) Fits(q Quorum, asker, by string) error {
	groups := s.people.groupsOf(by)
	for _, g := range q.From {
		if !slices.Contains(groups, strings.TrimPrefix(g, "@")) {
			return fmt.Errorf("who approves this has to be in %s (%s)", g, strings.Join(q.Rules, ", "))
		}
	}
	if !q.Apart {
		return nil
	}
	for _, g := range s.people.groupsOf(asker) {
		if slices.Contains(groups, g) {
			return fmt.Errorf("who approves this is in no group of the asker's, and both are in @%s (%s)", g, strings.Join(q.Rules, ", "))
		}
	}
	return nil
}

// meets reports whether an object is what the selector names, lies in it, or holds
// something that does, by whichever session its window is reached.
func (s Selector) meets(o access.Object) bool {
	kind := min(s.Kind, o.Kind)
	switch {
	case kind == access.Host:
		return true
	case s.Owner != o.Owner:
		return false
	case kind == access.Server:
		return true
	}
	for i := -1; i < len(o.Links); i++ {
		at := o.Session
		if i >= 0 {
			at = o.Links[i]
		}
		named := at.Name == s.Session || s.Prefix && strings.HasPrefix(at.Name, s.Session)
		if named && (kind < access.Window || at.Index == s.Window) && (kind < access.Pane || o.Pane.Index == s.Pane) {
			return true
		}
	}
	return false
}

func (d *doc) approvalRule(n *yaml.Node, ps *people) (approvalRule, bool) {
	m := d.mapping(n, "a rule for approvals", []string{"on", "need", "from", "apart", "reason"})
	if m == nil {
		return approvalRule{}, false
	}
	r := approvalRule{need: 1, named: fmt.Sprintf("%s:%d", d.file, n.Line)}
	if m["on"] == nil {
		d.fail(n, "", `the rule has no "on"`)
		return r, false
	}
	ok := d.where(m["on"], ps, &r.on)
	if m["need"] != nil {
		need, good := d.number(m["need"], "need", maxNeed)
		if good && need == 0 {
			d.fail(m["need"], "leave the rule out for one person", "need is how many people approve, 1 or more")
		}
		r.need, ok = int(need), ok && good && need > 0
	}
	if m["from"] != nil {
		word, good := d.who(m["from"], ps)
		if good && !strings.HasPrefix(word, "@") {
			d.fail(m["from"], `write it as "@oncall"`, "from is a group, not %q", clip(word))
		}
		r.from, ok = word, ok && good && strings.HasPrefix(word, "@")
	}
	if m["apart"] != nil {
		var good bool
		r.apart, good = d.truth(m["apart"], "apart")
		ok = ok && good
	}
	if m["reason"] != nil {
		_, good := d.text(m["reason"], "the reason")
		ok = ok && good
	}
	return r, ok
}
