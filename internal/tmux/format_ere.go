package tmux

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	maxPattern      = 1024 // bytes of a regular expression
	maxPatternDepth = 32   // parentheses in parentheses
	maxPatternSize  = 2000 // steps of the compiled expression
	maxRepeat       = 255  // what POSIX grants to a{n}
)

// compileERE makes an expression out of a POSIX extended one. Go's engine needs
// time in proportion to the text, which matters more here than the last
// extension: it is given only what means the same to both, and everything else
// (escapes of letters, back references, collation, double brackets) is refused
// by name.
func compileERE(pattern string, fold bool) (*boundedRegexp, error) {
	if len(pattern) > maxPattern {
		return nil, notAvailable("regular expression", clip(pattern)+"…")
	}
	r := &ereReader{s: pattern}
	text, err := r.choice(0)
	if err == nil && r.at < len(pattern) {
		err = r.refuse("parenthesis that closes nothing")
	}
	if err != nil {
		return nil, err
	}
	flags := "(?s)"
	if fold {
		flags = "(?is)"
	}
	re, err := regexp.Compile(flags + text)
	if err != nil {
		return nil, notAvailable("regular expression", clip(pattern))
	}
	re.Longest()
	size, err := programSize(flags + text)
	if err != nil || size > maxPatternSize {
		return nil, notAvailable("regular expression of this size", clip(pattern))
	}
	return &boundedRegexp{re, size, r.groups && r.vague}, nil
}

func programSize(text string) (int, error) {
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return 0, err
	}
	program, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return 0, err
	}
	return len(program.Inst), nil
}

// ereReader rewrites an extended regular expression.
type ereReader struct {
	s      string
	at     int
	groups bool // there is a group in what is being read
	anchor bool // there is a ^ or $ in what is being read
	vague  bool // there is a choice, or a repeated group
}

func (r *ereReader) refuse(what string) error {
	return &FormatError{fmt.Sprintf("regular expression %q: %s is not available here", clip(r.s), what)}
}

func (r *ereReader) peek(c byte) bool { return r.at < len(r.s) && r.s[r.at] == c }

// choice reads branches up to a closing parenthesis or the end.
func (r *ereReader) choice(depth int) (string, error) {
	if depth > maxPatternDepth {
		return "", r.refuse("such deep nesting")
	}
	var b strings.Builder
	for {
		for r.at < len(r.s) && !r.peek('|') && !r.peek(')') {
			piece, err := r.piece(depth)
			if err != nil {
				return "", err
			}
			b.WriteString(piece)
		}
		if !r.peek('|') {
			return b.String(), nil
		}
		r.vague = true
		b.WriteByte('|')
		r.at++
	}
}

// piece reads an atom and how often it comes.
func (r *ereReader) piece(depth int) (string, error) {
	hadGroups, hadAnchor := r.groups, r.anchor
	r.groups, r.anchor = false, false
	atom, err := r.atom(depth)
	if err != nil {
		return "", err
	}
	for n := 0; ; n++ {
		times, err := r.times()
		if err != nil {
			return "", err
		}
		if times == "" {
			break
		}
		if r.anchor {
			return "", r.refuse("repetition of an anchor")
		}
		r.vague = r.vague || r.groups
		if n > 0 {
			atom = "(?:" + atom + ")"
		}
		atom += times
	}
	r.groups, r.anchor = r.groups || hadGroups, r.anchor || hadAnchor
	return atom, nil
}

func (r *ereReader) atom(depth int) (string, error) {
	c, size := utf8.DecodeRuneInString(r.s[r.at:])
	r.at += size
	switch c {
	case '^', '$':
		r.anchor = true
		return string(c), nil
	case '.':
		return ".", nil
	case '*', '+', '?', '{':
		return "", r.refuse(strconv.Quote(string(c)) + " after nothing")
	case '[':
		return r.set()
	case '(':
		inner, err := r.choice(depth + 1)
		if err == nil && !r.peek(')') {
			err = r.refuse("parenthesis that is not closed")
		}
		r.at++
		r.groups = true
		return "(" + inner + ")", err
	case '\\':
		if r.at == len(r.s) {
			return "", r.refuse("backslash at the end")
		}
		if !punct(r.s[r.at]) || strings.IndexByte("<>`'", r.s[r.at]) >= 0 {
			return "", r.refuse(strconv.Quote(r.s[r.at-1 : r.at+1]))
		}
		r.at++
		return regexp.QuoteMeta(r.s[r.at-1 : r.at]), nil
	case utf8.RuneError:
		return "", r.refuse("what is not UTF-8")
	}
	return regexp.QuoteMeta(string(c)), nil
}

// times reads one *, +, ? or {n,m}.
func (r *ereReader) times() (string, error) {
	if r.at == len(r.s) {
		return "", nil
	}
	switch c := r.s[r.at]; c {
	case '*', '+', '?':
		r.at++
		return string(c), nil
	case '{':
		end := strings.IndexByte(r.s[r.at:], '}')
		if end < 0 {
			return "", r.refuse("brace that is not closed")
		}
		text := r.s[r.at : r.at+end+1]
		low, high, several := strings.Cut(text[1:end], ",")
		n, ok := strtonum(low, 0, maxRepeat)
		if !ok || !allDigits(low) || several && high != "" && !isRepeat(high, n) {
			return "", r.refuse(strconv.Quote(text))
		}
		r.at += end + 1
		return text, nil
	}
	return "", nil
}

func isRepeat(s string, least int64) bool {
	_, ok := strtonum(s, least, maxRepeat)
	return ok && allDigits(s)
}

// set reads a bracket expression after its [.
func (r *ereReader) set() (string, error) {
	var b strings.Builder
	b.WriteByte('[')
	if r.peek('^') {
		b.WriteByte('^')
		r.at++
	}
	for first := true; ; first = false {
		if r.at >= len(r.s) {
			return "", r.refuse("bracket that is not closed")
		}
		if r.peek(']') && !first {
			r.at++
			b.WriteByte(']')
			return b.String(), nil
		}
		item, err := r.setItem(first)
		if err != nil {
			return "", err
		}
		b.WriteString(item)
	}
}

// setItem reads one character, range or class.
func (r *ereReader) setItem(first bool) (string, error) {
	rest := r.s[r.at:]
	if strings.HasPrefix(rest, "[:") {
		name, _, ok := strings.Cut(rest[2:], ":]")
		class := ereClass(name)
		if !ok || class == "" {
			return "", r.refuse(strconv.Quote(clip(rest)))
		}
		r.at += len(name) + 4
		return class, nil
	}
	low, size := utf8.DecodeRuneInString(rest)
	last := strings.HasPrefix(rest[size:], "]")
	if low == '\\' || low == '[' || low == utf8.RuneError || low == '-' && !first && !last {
		return "", r.refuse(strconv.Quote(string(low)) + " there in brackets")
	}
	r.at += size
	rest = rest[size:]
	if len(rest) < 2 || rest[0] != '-' || rest[1] == ']' {
		return setChars(low, low), nil
	}
	high, size := utf8.DecodeRuneInString(rest[1:])
	if high < low || strings.ContainsRune(`[\-`, high) || high == utf8.RuneError {
		return "", r.refuse("this range in brackets")
	}
	r.at += 1 + size
	return setChars(low, high), nil
}

func setChars(low, high rune) string {
	if low == high {
		return fmt.Sprintf(`\x{%x}`, low)
	}
	return fmt.Sprintf(`\x{%x}-\x{%x}`, low, high)
}

func ereClass(name string) string {
	switch name {
	case "alpha":
		return `\p{L}`
	case "digit":
		return `0-9`
	case "alnum":
		return `\p{L}0-9`
	case "upper":
		return `\p{Lu}`
	case "lower":
		return `\p{Ll}`
	case "space":
		return `\t-\r\x20`
	case "blank":
		return `\t\x20`
	case "punct":
		return `\p{P}\p{S}`
	case "cntrl":
		return `\x00-\x1f\x7f`
	case "graph":
		return `\p{L}\p{M}\p{N}\p{P}\p{S}`
	case "print":
		return `\p{L}\p{M}\p{N}\p{P}\p{S}\x20`
	case "xdigit":
		return `0-9A-Fa-f`
	}
	return ""
}

// Pattern compiles a POSIX extended regular expression within the bounds that
// hold for guests. later matches one more character and then the same: what is
// found somewhere in a text does not begin that text. steps is how many either
// takes at most for each character.
func Pattern(pattern string, fold bool) (first, later *regexp.Regexp, steps int, err error) {
	r, err := compileERE(pattern, fold)
	if err != nil {
		return nil, nil, 0, err
	}
	later, err = regexp.Compile("(?s:.)(?:" + r.re.String() + ")")
	if err != nil {
		return nil, nil, 0, notAvailable("regular expression", clip(pattern))
	}
	later.Longest()
	return r.re, later, r.size + 1, nil
}
