package policy

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// doc reads one YAML file strictly: every value has a place, no key is
// unknown or given twice, and there are no anchors, aliases, merges or tags.
type doc struct {
	file string
	r    *report
	// zones are those that hours name; nil in files that have none.
	zones zones
}

// root parses the file and gives its top mapping's entries.
func (d *doc) root(data []byte, known ...string) map[string]*yaml.Node {
	var n yaml.Node
	if err := yaml.Load(data, &n); err != nil {
		d.syntax(data, err)
		return nil
	}
	if n.Kind != yaml.DocumentNode || len(n.Content) != 1 {
		d.r.add(Problem{File: d.file, Line: 1, Column: 1, Text: "the file holds nothing but comments", Hint: "its keys are " + strings.Join(known, ", ")})
		return nil
	}
	return d.mapping(n.Content[0], "the file", known)
}

// syntax tells a YAML error, with the hints that policy files need most.
func (d *doc) syntax(data []byte, err error) {
	p := Problem{File: d.file}
	var le *yaml.LoadError
	var les *yaml.LoadErrors
	if errors.As(err, &les) && len(les.Errors) > 0 {
		le = les.Errors[0]
	} else if !errors.As(err, &le) {
		le = &yaml.LoadError{Message: err.Error()}
	}
	p.Line, p.Column = le.Mark.Line, le.Mark.Column
	p.Text = "not YAML: " + strings.TrimPrefix(le.Message, "yaml: ")
	if strings.Contains(le.Message, "multiple") {
		p.Hint = "one document in a file: remove the second ---"
	}
	line := ""
	if lines := strings.Split(string(data), "\n"); p.Line > 0 && p.Line <= len(lines) {
		line = lines[p.Line-1]
	}
	switch trimmed := strings.TrimSpace(line); {
	case strings.HasPrefix(line, "\t"), strings.HasPrefix(strings.TrimLeft(line, " "), "\t"):
		p.Hint = "indent with spaces, not tabs"
	case strings.Contains(line, ": @"), strings.HasPrefix(trimmed, "- @"), strings.Contains(line, "[@"), strings.Contains(line, ", @"):
		p.Hint = `a group is written in quotes: "@oncall"`
	case strings.Contains(line, "*"):
		p.Hint = `a star is written in quotes: "*"`
	}
	if p.Line == 0 {
		p.Line, p.Column = 1, 1
	}
	d.r.add(p)
}

func (d *doc) fail(n *yaml.Node, hint, format string, args ...any) {
	d.r.add(Problem{File: d.file, Line: n.Line, Column: n.Column, Text: fmt.Sprintf(format, args...), Hint: hint})
}

// failAt is fail for a place within a text. What is written otherwise than plainly
// may have more bytes in the file than in the text: then it is the text's own place.
func (d *doc) failAt(n *yaml.Node, at int, hint, text string) {
	p := Problem{File: d.file, Line: n.Line, Column: n.Column, Text: text, Hint: hint}
	if n.Style == 0 {
		p.Column += utf8.RuneCountInString(n.Value[:at])
	}
	d.r.add(p)
}

// ordinary refuses what a policy file never needs and a reader easily misses.
func (d *doc) ordinary(n *yaml.Node) bool {
	switch {
	case n.Kind == yaml.AliasNode:
		d.fail(n, `write it out; a star for "all" is quoted: "*"`, "aliases are not read")
	case n.Anchor != "":
		d.fail(n, "write it out", "anchors are not read")
	case n.Style&yaml.TaggedStyle != 0:
		d.fail(n, "leave the tag out", "the tag %s is not read", n.Tag)
	default:
		return true
	}
	return false
}

// pair is one entry of a mapping.
type pair struct{ key, value *yaml.Node }

// pairs gives the entries of a mapping, each key once; ok is false if there
// is no such mapping.
func (d *doc) pairs(n *yaml.Node, what string) (out []pair, ok bool) {
	if !d.ordinary(n) {
		return nil, false
	}
	if n.Kind != yaml.MappingNode {
		d.fail(n, "", "%s must be a mapping (key: value), not %s", what, kindWord(n))
		return nil, false
	}
	seen := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if !d.ordinary(k) || !d.ordinary(v) {
			continue
		}
		if k.Kind != yaml.ScalarNode || k.Tag == "!!merge" {
			d.fail(k, "", "a key must be a plain word")
			continue
		}
		if line, dup := seen[k.Value]; dup {
			d.fail(k, "", "%q is given twice, first in line %d", clip(k.Value), line)
			continue
		}
		seen[k.Value] = k.Line
		out = append(out, pair{k, v})
	}
	return out, true
}

// mapping gives the entries of a mapping whose keys are among known. It is
// nil only if there is no mapping.
func (d *doc) mapping(n *yaml.Node, what string, known []string) map[string]*yaml.Node {
	list, ok := d.pairs(n, what)
	if !ok {
		return nil
	}
	out := make(map[string]*yaml.Node, len(list))
	for _, p := range list {
		if !slices.Contains(known, p.key.Value) {
			d.fail(p.key, DidYouMean(p.key.Value, known), "unknown key %q in %s", clip(p.key.Value), what)
			continue
		}
		out[p.key.Value] = p.value
	}
	return out
}

// list gives the items of a sequence.
func (d *doc) list(n *yaml.Node, what string) []*yaml.Node {
	if n == nil || !d.ordinary(n) {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		d.fail(n, "", "%s must be a list, not %s", what, kindWord(n))
		return nil
	}
	return n.Content
}

// oneOrMore gives the items of a sequence, or the node itself if it is a
// single value.
func (d *doc) oneOrMore(n *yaml.Node) []*yaml.Node {
	if n == nil {
		return nil
	}
	if n.Kind == yaml.SequenceNode && d.ordinary(n) {
		return n.Content
	}
	return []*yaml.Node{n}
}

// text gives a string that prints on one line.
func (d *doc) text(n *yaml.Node, what string) (string, bool) {
	if n == nil || !d.ordinary(n) {
		return "", false
	}
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" {
		hint := ""
		if n.Kind == yaml.ScalarNode && n.Tag != "!!null" {
			hint = fmt.Sprintf("to mean the word, quote it: %q", n.Value)
		}
		d.fail(n, hint, "%s must be a text, not %s", what, kindWord(n))
		return "", false
	}
	if len(n.Value) > 1024 {
		d.fail(n, "", "%s has more than 1024 bytes", what)
		return "", false
	}
	if err := checkText(what, n.Value); err != nil {
		d.fail(n, "", "%v", err)
		return "", false
	}
	return n.Value, true
}

// number gives a plain decimal number from 0 to limit.
func (d *doc) number(n *yaml.Node, what string, limit int64) (int64, bool) {
	if !d.ordinary(n) {
		return 0, false
	}
	v, err := strconv.ParseInt(n.Value, 10, 64)
	if n.Kind != yaml.ScalarNode || n.Tag != "!!int" || err != nil || strconv.FormatInt(v, 10) != n.Value || v < 0 || v > limit {
		d.fail(n, "", "%s must be a number from 0 to %d, not %s", what, limit, valueWord(n))
		return 0, false
	}
	return v, true
}

// truth gives true or false, and no other spelling of them.
func (d *doc) truth(n *yaml.Node, what string) (value, ok bool) {
	if n == nil || !d.ordinary(n) {
		return false, false
	}
	if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" || (n.Value != "true" && n.Value != "false") {
		d.fail(n, "", "%s must be true or false, not %s", what, valueWord(n))
		return false, false
	}
	return n.Value == "true", true
}

// instant gives a moment in RFC 3339, with its zone.
func (d *doc) instant(n *yaml.Node, what string) (time.Time, bool) {
	if n == nil || !d.ordinary(n) {
		return time.Time{}, false
	}
	const example = "write it as 2027-01-31T18:00:00Z or 2027-01-31T18:00:00+01:00"
	if n.Kind != yaml.ScalarNode || (n.Tag != "!!timestamp" && n.Tag != "!!str") {
		d.fail(n, example, "%s must be a moment, not %s", what, valueWord(n))
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339, n.Value)
	if err != nil || t.Year() < 1970 || t.Year() > 9999 {
		d.fail(n, example, "%s is no moment: %q", what, clip(n.Value))
		return time.Time{}, false
	}
	return t, true
}

// clip keeps a foreign word short in a message.
func clip(s string) string {
	if len(s) > 64 {
		return s[:61] + "..."
	}
	return s
}

func kindWord(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	switch n.Tag {
	case "!!null":
		return "nothing"
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "true or false"
	case "!!timestamp":
		return "a date"
	}
	return "a text"
}

func valueWord(n *yaml.Node) string {
	if n.Kind == yaml.ScalarNode && n.Tag != "!!null" {
		return strconv.Quote(clip(n.Value))
	}
	return kindWord(n)
}

// idForm is the form of the ids that authors give to policies and grants.
var idForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$`)
