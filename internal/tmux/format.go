package tmux

import (
	"fmt"
	"strings"
	"time"
)

// Format is a compiled format for people who do not hold every verb on a
// server: variables and modifiers of an allow-list (docs/formats.md lists
// them), with the meaning that tmux of the server's version gives them. Values
// are data: they are never expanded a second time, and what could control a
// terminal is taken out of them. A Format is immutable and may be used from
// many goroutines.
type Format struct {
	parts   []formatNode
	version Version
}

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
	maxFormatMade  = 65536 // bytes that padding or repeating makes
	// maxFormatOut is for one row. A title may have a MiB, and must not keep
	// others from listing the pane.
	maxFormatOut = 4 << 20
)

type nodeKind uint8

const (
	textNode    nodeKind = iota // text as it stands
	varNode                     // a variable
	nestedNode                  // parts[0], expanded
	condNode                    // the first branch whose condition is true, else parts[0]
	compareNode                 // parts[0] op parts[1]
	boolNode                    // all parts joined by op
	notNode                     // not parts[0]
	truthNode                   // parts[0] as 1 or 0
	charNode                    // the character whose number is parts[0]
	repeatNode                  // parts[0], parts[1] times
	nameNode                    // whether something is called parts[0]
	loopNode                    // parts[0] for each, parts[1] for the current one
	exprNode                    // parts[0] op parts[1] as numbers
)

type formatNode struct {
	kind     nodeKind
	text     string // of a textNode
	variable *formatVariable
	op       string
	branches []formatBranch
	parts    [][]formatNode
	loop     formatLoop
	mods     formatMods
}

// formatBranch is one condition and what it chooses.
type formatBranch struct {
	raw  string // the condition as written
	name *formatVariable
	cond []formatNode // if it is no variable's name
	then []formatNode
}

// CompileFormat reads a format as tmux 3.3a does; see [CompileFormatFor].
func CompileFormat(text string) (*Format, error) { return CompileFormatFor(text, Reference()) }

// CompileFormatFor reads a format as that version of tmux does. What is not
// offered is refused by name: jobs, second expansions, searches, environment
// variables, options, and variables outside of the allow-list.
func CompileFormatFor(text string, v Version) (*Format, error) {
	return (&formatCompiler{version: v.orReference()}).compile(text)
}

// compileFormatAt is [CompileFormatFor] for where tmux also expands times, as
// in display-message.
func compileFormatAt(text string, v Version, now time.Time) (*Format, error) {
	return (&formatCompiler{version: v.orReference(), now: &now}).compile(text)
}

type formatCompiler struct {
	version Version
	now     *time.Time // if times are expanded
}

func (c *formatCompiler) compile(text string) (*Format, error) {
	if len(text) > maxFormat {
		return nil, &FormatError{fmt.Sprintf("format is too long (%d bytes, at most %d)", len(text), maxFormat)}
	}
	parts, err := c.parts(text, 0)
	if err != nil {
		return nil, err
	}
	return &Format{parts, c.version}, nil
}

// partsReader cuts text into nodes.
type partsReader struct {
	*formatCompiler
	s        string
	depth    int
	styleEnd int // short names up to here belong to a style
	plain    strings.Builder
	out      []formatNode
}

// parts reads text with formats in it.
func (c *formatCompiler) parts(s string, depth int) ([]formatNode, error) {
	if depth > maxFormatDepth {
		return nil, badFormat("is nested too deep", s)
	}
	if c.now != nil {
		s = Strftime(s, *c.now)
	}
	r := &partsReader{formatCompiler: c, s: s, depth: depth, styleEnd: -1}
	for i := 0; i < len(s); {
		if s[i] != '#' || i+1 == len(s) {
			r.plain.WriteByte(s[i])
			i++
			continue
		}
		n, err := r.sequence(i)
		if err != nil {
			return nil, err
		}
		i += n
	}
	r.flush()
	return r.out, nil
}

func (r *partsReader) flush() {
	if r.plain.Len() > 0 {
		r.out = append(r.out, formatNode{kind: textNode, text: r.plain.String()})
		r.plain.Reset()
	}
}

// sequence reads what starts with # at i and returns its length.
func (r *partsReader) sequence(i int) (int, error) {
	s := r.s
	switch c := s[i+1]; c {
	case '(':
		return 0, notAvailable("job", clip(s[i:]))
	case '{':
		end := skipTo(s, i, "}")
		if end < 0 {
			return 0, badFormat("has no closing brace", s[i:])
		}
		node, err := r.braces(s[i+2:end], r.depth+1)
		if err != nil {
			return 0, err
		}
		r.flush()
		r.out = append(r.out, node)
		return end + 1 - i, nil
	case '#', '[':
		return r.hashes(i), nil
	case '}', ',':
		r.plain.WriteByte(c)
	default:
		v := shortVariable(c)
		if v == nil || r.styleEnd >= 0 && i+2 <= r.styleEnd {
			r.plain.WriteString(s[i : i+2])
			return 2, nil
		}
		r.flush()
		r.out = append(r.out, formatNode{kind: varNode, variable: v})
	}
	return 2, nil
}

// hashes reads a run of # with or without the [ of a style after it. A style
// stays as it is; otherwise two # stand for one.
func (r *partsReader) hashes(i int) int {
	n := i
	for n < len(r.s) && r.s[n] == '#' {
		n++
	}
	if n < len(r.s) && r.s[n] == '[' {
		// From 3.4 on the short names within a style are left alone.
		if r.version.AtLeast(v34) {
			r.styleEnd = skipTo(r.s, i, "]")
		}
		r.plain.WriteString(r.s[i : n+1])
		return n + 1 - i
	}
	r.plain.WriteByte('#')
	return 2
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

// splitCommas cuts s at its outer commas.
func splitCommas(s string) []string {
	var all []string
	for {
		comma := skipTo(s, 0, ",")
		if comma < 0 {
			return append(all, s)
		}
		all = append(all, s[:comma])
		s = s[comma+1:]
	}
}

// braces reads what stands between #{ and }.
func (c *formatCompiler) braces(key string, depth int) (formatNode, error) {
	what, rest, err := c.mods(key, depth)
	if err != nil {
		return formatNode{}, err
	}
	node := formatNode{kind: what.kind, op: what.op, loop: what.loop, mods: what.mods}
	switch what.kind {
	case textNode:
		node.text = rest
		if c.version.AtLeast(v34) {
			node.text = unescapeFormat(rest)
		}
	case charNode, nameNode, notNode, truthNode:
		err = c.operands(&node, []string{rest}, depth)
	case loopNode:
		err = c.loopParts(&node, rest, depth)
	case boolNode:
		if c.version.AtLeast(v36) {
			err = c.operands(&node, splitCommas(rest), depth)
		} else {
			err = c.pair(&node, rest, depth)
		}
	case compareNode, repeatNode:
		err = c.pair(&node, rest, depth)
		if err == nil && node.mods.match.regex {
			err = node.compileMatch()
		}
	default:
		if strings.HasPrefix(rest, "?") {
			return c.condition(node, rest[1:], depth)
		}
		if what.kind == exprNode {
			return node, c.pair(&node, rest, depth)
		}
		if strings.Contains(rest, "#{") {
			node.kind = nestedNode
			err = c.operands(&node, []string{rest}, depth)
		} else if node.variable = findVariable(rest); node.variable == nil {
			err = notAvailable("variable", rest)
		}
	}
	return node, err
}

func (c *formatCompiler) operands(node *formatNode, texts []string, depth int) error {
	for _, text := range texts {
		parts, err := c.parts(text, depth)
		if err != nil {
			return err
		}
		node.parts = append(node.parts, parts)
	}
	return nil
}

// pair reads left,right.
func (c *formatCompiler) pair(node *formatNode, s string, depth int) error {
	comma := skipTo(s, 0, ",")
	if comma < 0 {
		return badFormat("has no comma", s)
	}
	return c.operands(node, []string{s[:comma], s[comma+1:]}, depth)
}

// loopParts reads what is repeated, and what stands for the current one if it
// differs.
func (c *formatCompiler) loopParts(node *formatNode, s string, depth int) error {
	comma := -1
	if node.loop.over == 'W' || node.loop.over == 'P' || node.loop.over == 'S' && c.version.AtLeast(v36) {
		comma = skipTo(s, 0, ",")
	}
	if comma < 0 {
		return c.operands(node, []string{s}, depth)
	}
	return c.operands(node, []string{s[:comma], s[comma+1:]}, depth)
}

// condition reads condition,value pairs and the value for else: up to 3.5 one
// condition and both values, from 3.6 on any number of pairs.
func (c *formatCompiler) condition(node formatNode, s string, depth int) (formatNode, error) {
	node.kind = condNode
	list := splitCommas(s)
	if !c.version.AtLeast(v36) {
		if len(list) < 3 {
			return node, badFormat("has no comma", list[len(list)-1])
		}
		list = []string{list[0], list[1], strings.Join(list[2:], ",")}
	}
	for ; len(list) > 1; list = list[2:] {
		branch, err := c.branch(list[0], list[1], depth)
		if err != nil {
			return node, err
		}
		node.branches = append(node.branches, branch)
	}
	return node, c.operands(&node, list, depth)
}

// branch reads one condition, the name of a variable or a format, and its
// value. A format that expands to itself is false.
func (c *formatCompiler) branch(cond, then string, depth int) (formatBranch, error) {
	b := formatBranch{raw: cond, name: findVariable(cond)}
	if b.name == nil && looksLikeName(cond) {
		return b, notAvailable("variable", cond)
	}
	var err error
	if b.cond, err = c.parts(cond, depth); err != nil {
		return b, err
	}
	b.then, err = c.parts(then, depth)
	return b, err
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

// unescapeFormat takes the # away from what it escapes outside of braces.
func unescapeFormat(s string) string {
	var b strings.Builder
	depth := 0
	for i := 0; i < len(s); i++ {
		if s[i] == '#' && i+1 < len(s) {
			if s[i+1] == '{' {
				depth++
			}
			if depth == 0 && strings.IndexByte(",#{}:", s[i+1]) >= 0 {
				i++
			}
		} else if s[i] == '}' {
			depth--
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
