package policy

import (
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
)

// Case is one expectation of a *.test.yaml file: one person, verb and object.
type Case struct {
	File string `json:"file"`
	Line int    `json:"line"`
	// Name is what the author calls it; it may be empty.
	Name  string `json:"name,omitempty"`
	Who   string `json:"who"`
	Verb  string `json:"verb"`
	On    string `json:"on"`
	Allow bool   `json:"allow"`

	question access.Question
	timed    bool
}

// Result is a Case with what came of it.
type Result struct {
	Case
	Pass bool `json:"pass"`
	// Got is what the policy says, by which rule and why.
	Got    bool   `json:"got"`
	Rule   string `json:"rule"`
	Reason string `json:"reason"`
}

// LoadCases reads the *.test.yaml files of a policy directory whose policy is
// s. The error is of type [Problems].
func LoadCases(dir string, s *Set) ([]Case, error) {
	var r report
	var out []Case
	for _, f := range readDir(dir, owners{}, &r) {
		if strings.HasSuffix(f.name, testEnd) && checkBytes(f, &r) {
			out = append(out, parseCases(f, s.people, &r)...)
		}
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	return out, nil
}

// RunCases asks the policy every case. Cases without a time are asked at the
// one given.
func (s *Set) RunCases(cases []Case, at time.Time) []Result {
	out := make([]Result, len(cases))
	for i, c := range cases {
		if !c.timed {
			c.question.At = at
		}
		d := s.Decide(c.question)
		out[i] = Result{Case: c, Pass: d.Allow == c.Allow, Got: d.Allow, Rule: d.Rule, Reason: d.Reason}
	}
	return out
}

func parseCases(f source, ps *people, r *report) []Case {
	d := &doc{file: f.name, r: r}
	top := d.root(f.data, "tests")
	if top == nil {
		return nil
	}
	if top["tests"] == nil {
		r.add(Problem{File: f.name, Line: 1, Column: 1, Text: `the key "tests" is missing`})
		return nil
	}
	var out []Case
	for _, n := range d.list(top["tests"], "tests") {
		out = append(out, parseCase(d, n, ps)...)
	}
	return out
}

// parseCase reads one entry; several verbs make several cases.
func parseCase(d *doc, n *yaml.Node, ps *people) []Case {
	m := d.mapping(n, "a test", []string{"who", "verb", "on", "allow", "at", "command", "name", "inside", "door", "account", "mfa", "links"})
	if m == nil {
		return nil
	}
	for _, key := range []string{"who", "verb", "on", "allow"} {
		if m[key] == nil {
			d.fail(n, "", "the test has no %q", key)
			return nil
		}
	}
	c := Case{File: d.file, Line: n.Line}
	who := identity.Subject{UID: -1, Door: "tmux"}
	var ok bool
	if c.Who, ok = d.text(m["who"], "who"); ok && !checkName(c.Who) {
		d.fail(m["who"], "", "%q is no name of a person", clip(c.Who))
	}
	who.Person = c.Who
	var sel Selector
	if !d.where(m["on"], ps, &sel) {
		return nil
	}
	if sel.Prefix {
		d.fail(m["on"], "", "a test is about one object; leave out the star")
	}
	c.On = sel.String()
	c.Allow, _ = d.truth(m["allow"], "allow")
	c.Name, _ = d.text(m["name"], "the name")
	if inside, _ := d.truth(m["inside"], "inside"); inside {
		who.Inside = c.Who + "/%0"
	}
	if m["door"] != nil {
		who.Door, _ = d.text(m["door"], "the door")
	}
	who.Account, _ = d.text(m["account"], "the account")
	who.MFA, _ = d.truth(m["mfa"], "mfa")
	c.question = access.Question{Who: who, Object: sel.Object()}
	c.question.Command, _ = d.truth(m["command"], "command")
	c.question.At, c.timed = d.instant(m["at"], "at")
	c.links(d, m["links"], sel)
	var out []Case
	for _, item := range d.oneOrMore(m["verb"]) {
		if v, ok := d.verb(item); ok {
			c.Verb, c.question.Verb = v.String(), v
			out = append(out, c)
		}
	}
	return out
}

// links reads the other sessions that hold the window: windows by selector.
func (c *Case) links(d *doc, n *yaml.Node, sel Selector) {
	if n == nil {
		return
	}
	if sel.Kind < access.Window {
		d.fail(n, "", "only windows and panes have links")
		return
	}
	for _, item := range d.list(n, "links") {
		word, _ := d.text(item, "a link")
		link, err := ParseSelector(word)
		if err != nil || link.Kind != access.Window || link.Owner != sel.Owner {
			d.fail(item, "", "a link is a window of the same server, such as %s/other:0", sel.Owner)
			continue
		}
		c.question.Object.Links = append(c.question.Object.Links, link.Object().Session)
	}
}
