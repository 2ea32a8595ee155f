package tmux

import (
	"fmt"
	"strings"
)

// Format is a compiled format for people who do not hold every verb on a
// server: variables of an allow-list, conditions, comparisons and a few
// modifiers, with the meaning tmux 3.3a gives them. Values are data: they are
// never expanded a second time, and what could control a terminal is taken out
// of them. A Format is immutable and may be used from many goroutines.
type Format struct{ parts []formatNode }

// FormatError says what in a format is not available, by name.
type FormatError struct{ Text string }

// Error returns the text for people.
func (e *FormatError) Error() string { return e.Text }

func notAvailable(what, name string) error {
	return &FormatError{fmt.Sprintf("format %s %q is not available here", what, name)}
}

func badFormat(why, where string) error {
	return &FormatError{fmt.Sprintf("format %s at %.40q", why, where)}
}

const (
	maxFormat      = 16384 // bytes of a format
	maxFormatDepth = 32    // braces within braces
	maxFormatOut   = 65536 // bytes of one expansion
)

type nodeKind uint8

const (
	textNode    nodeKind = iota // text as it stands
	varNode                     // a variable
	nestedNode                  // left, expanded
	condNode                    // cond ? left : right
	compareNode                 // left op right
)

type formatNode struct {
	kind              nodeKind
	text              string // literal text, or name of the variable, or condition as written
	variable          *formatVariable
	op                string
	cond, left, right []formatNode
	mods              formatMods
}

// CompileFormat reads a format. What is not offered is refused by name: jobs,
// loops, second expansions, searches, environment variables, options, and
// variables outside the allow-list.
func CompileFormat(text string) (*Format, error) {
	if len(text) > maxFormat {
		return nil, &FormatError{fmt.Sprintf("format is too long (%d bytes, at most %d)", len(text), maxFormat)}
	}
	parts, err := compileParts(text, 0)
	if err != nil {
		return nil, err
	}
	return &Format{parts}, nil
}

// compileParts reads text with formats in it.
func compileParts(s string, depth int) ([]formatNode, error) {
	if depth > maxFormatDepth {
		return nil, badFormat("is nested too deep", s)
	}
	var parts []formatNode
	var plain strings.Builder
	flush := func() {
		if plain.Len() > 0 {
			parts = append(parts, formatNode{kind: textNode, text: plain.String()})
			plain.Reset()
		}
	}
	for i := 0; i < len(s); {
		if s[i] != '#' || i+1 == len(s) {
			plain.WriteByte(s[i])
			i++
			continue
		}
		switch c := s[i+1]; c {
		case '(':
			return nil, notAvailable("job", clip(s[i:]))
		case '{':
			end := skipTo(s, i, "}")
			if end < 0 {
				return nil, badFormat("has no closing brace", s[i:])
			}
			node, err := compileBraces(s[i+2:end], depth+1)
			if err != nil {
				return nil, err
			}
			flush()
			parts = append(parts, node)
			i = end + 1
		case '#':
			n := hashRun(s, i)
			plain.WriteString(s[i : i+n])
			i += max(n, 2)
			if n == 0 {
				plain.WriteByte('#')
			}
		case '}', ',':
			plain.WriteByte(c)
			i += 2
		default:
			if v := shortVariable(c); v != nil {
				flush()
				parts = append(parts, formatNode{kind: varNode, variable: v})
			} else {
				plain.WriteString(s[i : i+2])
			}
			i += 2
		}
	}
	flush()
	return parts, nil
}

// hashRun returns the length of a run of two or more # and the [ after it,
// which is a style and stays as it is; 0 if it is none.
func hashRun(s string, i int) int {
	n := i
	for n < len(s) && s[n] == '#' {
		n++
	}
	if n < len(s) && s[n] == '[' {
		return n + 1 - i
	}
	return 0
}

func clip(s string) string { return s[:min(len(s), 40)] }

// skipTo returns the index of the first of the characters in stop that is
// outside of inner braces and not escaped with #, from i on, or -1.
func skipTo(s string, i int, stop string) int {
	depth := 0
	for ; i < len(s); i++ {
		if s[i] == '#' && i+1 < len(s) {
			if s[i+1] == '{' {
				depth++
			}
			if strings.IndexByte(",#{}:", s[i+1]) >= 0 {
				i++
				continue
			}
		}
		if s[i] == '}' {
			depth--
		}
		if depth == 0 && strings.IndexByte(stop, s[i]) >= 0 {
			return i
		}
	}
	return -1
}

// compileBraces reads what stands between #{ and }.
func compileBraces(key string, depth int) (formatNode, error) {
	mods, rest, err := compileMods(key)
	if err != nil {
		return formatNode{}, err
	}
	node := formatNode{kind: varNode, mods: mods, op: mods.compare}
	switch {
	case mods.literal:
		node.kind, node.text = textNode, rest
	case node.op != "":
		node.kind = compareNode
		return compilePair(node, rest, depth)
	case strings.HasPrefix(rest, "?"):
		return compileCondition(node, rest[1:], depth)
	case strings.Contains(rest, "#{"):
		node.kind = nestedNode
		node.left, err = compileParts(rest, depth)
	default:
		if node.variable = findVariable(rest); node.variable == nil {
			err = notAvailable("variable", rest)
		}
	}
	return node, err
}

// compilePair reads left,right.
func compilePair(node formatNode, s string, depth int) (formatNode, error) {
	comma := skipTo(s, 0, ",")
	if comma < 0 {
		return node, badFormat("has no comma", s)
	}
	var err error
	if node.left, err = compileParts(s[:comma], depth); err != nil {
		return node, err
	}
	node.right, err = compileParts(s[comma+1:], depth)
	return node, err
}

// compileCondition reads condition,left,right. A condition is the name of a
// variable, or a format; a format that expands to itself is false.
func compileCondition(node formatNode, s string, depth int) (formatNode, error) {
	comma := skipTo(s, 0, ",")
	if comma < 0 {
		return node, badFormat("has no comma", s)
	}
	node.kind, node.text = condNode, s[:comma]
	if v := findVariable(node.text); v != nil {
		node.cond = []formatNode{{kind: varNode, variable: v}}
		node.text = ""
	} else {
		if looksLikeName(node.text) {
			return node, notAvailable("variable", node.text)
		}
		var err error
		if node.cond, err = compileParts(node.text, depth); err != nil {
			return node, err
		}
	}
	return compilePair(node, s[comma+1:], depth)
}

func looksLikeName(s string) bool {
	if s == "" || s[0] >= '0' && s[0] <= '9' {
		return false
	}
	for i := range len(s) {
		if !alnum(s[i]) && strings.IndexByte("_-@[]", s[i]) < 0 {
			return false
		}
	}
	return true
}
