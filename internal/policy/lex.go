package policy

import (
	"fmt"
	"unicode/utf8"
)

// Limits of one Cedar policy. The parser, the checker and the evaluator all
// follow the nesting of an expression with their own stacks.
const (
	maxStatement = 64 << 10
	maxNesting   = 64
	maxOperators = 512
)

// statement is the text of one policy and its place in the file.
type statement struct {
	text string
	line int
	col  int
}

// lexer walks over Cedar text just closely enough to find where each policy
// ends, and how deep it is nested, before anything recursive sees it.
type lexer struct {
	file string
	src  string
	r    *report

	pos, line, col int
	start          statement
	begin          int // offset where the statement begins, -1 between two
	nesting, ops   int
	ended          bool // the last token was the ; of a policy
}

// split gives the statements of a Cedar file. ok is false if the file cannot
// be taken apart; then nothing of it may be used.
func split(f source, r *report) (out []statement, ok bool) {
	lx := &lexer{file: f.name, src: string(f.data), r: r, line: 1, col: 1, begin: -1}
	for lx.pos < len(lx.src) {
		if !lx.token() {
			return nil, false
		}
		if lx.begin >= 0 && lx.pos-lx.begin > maxStatement {
			return nil, lx.fail("the policy has more than %d KiB", maxStatement>>10)
		}
		if lx.ended {
			lx.start.text = lx.src[lx.begin:lx.pos]
			out = append(out, lx.start)
			lx.begin, lx.ops, lx.ended = -1, 0, false
			if len(out) > maxPolicies {
				return nil, lx.fail("more than %d policies", maxPolicies)
			}
		}
	}
	if lx.begin >= 0 {
		return nil, lx.fail("the policy has no end; it begins at %d:%d and needs a ;", lx.start.line, lx.start.col)
	}
	return out, true
}

func (lx *lexer) fail(format string, args ...any) bool {
	lx.r.add(Problem{File: lx.file, Line: lx.line, Column: lx.col, Text: fmt.Sprintf(format, args...)})
	return false
}

// token steps over one token, blank or comment.
func (lx *lexer) token() bool {
	c := lx.src[lx.pos]
	switch {
	case c == ' ' || c == '\t' || c == '\n':
		lx.step()
		return true
	case c == '/' && lx.peek(1) == '/':
		for lx.pos < len(lx.src) && lx.src[lx.pos] != '\n' {
			lx.step()
		}
		return true
	}
	if lx.begin < 0 {
		lx.begin, lx.start = lx.pos, statement{line: lx.line, col: lx.col}
	}
	switch c {
	case '"':
		return lx.quoted()
	case '(', '[', '{':
		lx.nesting++
		if lx.nesting > maxNesting {
			return lx.fail("nested deeper than %d", maxNesting)
		}
	case ')', ']', '}':
		if lx.nesting--; lx.nesting < 0 {
			return lx.fail("%q closes nothing", c)
		}
	case '&', '|', '!', '=', '<', '>', '+', '-', '*', '.':
		return lx.operator()
	case ';':
		if lx.nesting > 0 {
			return lx.fail("the policy ends inside brackets")
		}
		lx.ended = true
	}
	if isWord(c) {
		return lx.word()
	}
	lx.step()
	return true
}

func (lx *lexer) operator() bool {
	if lx.ops++; lx.ops > maxOperators {
		return lx.fail("the policy has more than %d operators", maxOperators)
	}
	two := lx.src[lx.pos:min(lx.pos+2, len(lx.src))]
	lx.step()
	switch two {
	case "&&", "||", "==", "!=", "<=", ">=":
		lx.step()
	}
	return true
}

// word steps over an identifier or number; "if" counts as an operator.
func (lx *lexer) word() bool {
	from := lx.pos
	for lx.pos < len(lx.src) && isWord(lx.src[lx.pos]) {
		lx.step()
	}
	if lx.src[from:lx.pos] == "if" {
		if lx.ops++; lx.ops > maxOperators {
			return lx.fail("the policy has more than %d operators", maxOperators)
		}
	}
	return true
}

// quoted steps over a string.
func (lx *lexer) quoted() bool {
	line, col := lx.line, lx.col
	lx.step()
	for lx.pos < len(lx.src) {
		switch lx.src[lx.pos] {
		case '"':
			lx.step()
			return true
		case '\n':
			lx.line, lx.col = line, col
			return lx.fail("the string has no end in its line")
		case '\\':
			lx.step()
			if lx.pos == len(lx.src) {
				break
			}
		}
		if lx.pos < len(lx.src) {
			lx.step()
		}
	}
	lx.line, lx.col = line, col
	return lx.fail("the string has no end")
}

func (lx *lexer) peek(n int) byte {
	if lx.pos+n < len(lx.src) {
		return lx.src[lx.pos+n]
	}
	return 0
}

// step goes one character on.
func (lx *lexer) step() {
	if lx.src[lx.pos] == '\n' {
		lx.line, lx.col = lx.line+1, 0
	}
	_, n := utf8.DecodeRuneInString(lx.src[lx.pos:])
	lx.pos += n
	lx.col++
}

func isWord(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
