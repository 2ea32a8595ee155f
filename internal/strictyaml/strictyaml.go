package strictyaml

import (
	"errors"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Fail tells a mistake at a node.
type Fail func(n *yaml.Node, hint, format string, args ...any)

// Syntax says where a file is no YAML, and why, by the library's error. Both numbers are 0
// if it does not say where.
func Syntax(err error) (line, column int, text string) {
	var one *yaml.LoadError
	var all *yaml.LoadErrors
	if errors.As(err, &all) && len(all.Errors) > 0 {
		one = all.Errors[0]
	} else if !errors.As(err, &one) {
		one = &yaml.LoadError{Message: err.Error()}
	}
	return one.Mark.Line, one.Mark.Column, "not YAML: " + strings.TrimPrefix(one.Message, "yaml: ")
}

// Ordinary refuses what such a file never needs and a reader easily misses.
func Ordinary(n *yaml.Node, fail Fail) bool {
	switch {
	case n.Kind == yaml.AliasNode:
		fail(n, `write it out; a star is quoted: "*"`, "aliases are not read")
	case n.Anchor != "":
		fail(n, "write it out", "anchors are not read")
	case n.Style&yaml.TaggedStyle != 0:
		fail(n, "leave the tag out", "the tag %s is not read", Clip(n.Tag))
	default:
		return true
	}
	return false
}

// Pair is one entry of a mapping.
type Pair struct{ Key, Value *yaml.Node }

// Pairs gives the entries of a mapping, each key once; ok is false if there is no such
// mapping. What says what it is.
func Pairs(n *yaml.Node, what string, fail Fail) (out []Pair, ok bool) {
	if !Ordinary(n, fail) {
		return nil, false
	}
	if n.Kind != yaml.MappingNode {
		fail(n, "", "%s must be a mapping (key: value), not %s", what, Kind(n))
		return nil, false
	}
	seen := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if !Ordinary(k, fail) || !Ordinary(v, fail) {
			continue
		}
		if k.Kind != yaml.ScalarNode || k.Tag == "!!merge" {
			fail(k, "", "a key must be a plain word")
			continue
		}
		if line, twice := seen[k.Value]; twice {
			fail(k, "", "%q is given twice, first in line %d", Clip(k.Value), line)
			continue
		}
		seen[k.Value] = k.Line
		out = append(out, Pair{k, v})
	}
	return out, true
}

// Kind says what a node is, as in "must be a list, not a text".
func Kind(n *yaml.Node) string {
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

// Value gives what a node says, if it says something, else what it is.
func Value(n *yaml.Node) string {
	if n.Kind == yaml.ScalarNode && n.Tag != "!!null" {
		return strconv.Quote(Clip(n.Value))
	}
	return Kind(n)
}

// Clip keeps a foreign word short in a message.
func Clip(s string) string {
	if len(s) > 64 {
		return s[:61] + "..."
	}
	return s
}
