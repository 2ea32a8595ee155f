package tmux

import "strings"

// tokenKind is what a token is to the grammar.
type tokenKind uint8

const (
	tkEnd tokenKind = iota
	tkFail
	tkNewline
	tkSemicolon
	tkOpen   // {
	tkClose  // }
	tkWord   // a word after quotes and escapes
	tkEquals // a word that looks like NAME=value
	tkFormat // #{…} after a condition's keyword
	tkHidden
	tkIf
	tkElse
	tkElif
	tkEndif
)

type token struct {
	kind tokenKind
	text string
	at   int
}

// lexer cuts a text into tokens. As in tmux, what a byte means depends on where
// a token begins: "#" and "%" and "{" are only special there.
type lexer struct {
	reader
	expand    *Expansion
	assigned  map[string]string // what the text itself has assigned so far
	buf       []byte
	fault     *fault
	eol       bool // the token before was a line break
	ended     bool // the line break at the end was handed out
	condition bool // the token before was a keyword: "#{" begins a format

	carriage bool // \r\n ends a line (3.5 on)
	counted  bool // line breaks inside quotes count as lines (3.6 on)
	bounded  bool // an assignment has a greatest length (3.7 on)
}

func (l *lexer) fail(at int, why Reason, text string) {
	if l.fault == nil {
		l.fault = &fault{at: at, ParseError: ParseError{Reason: why, Text: text}}
	}
}

func (l *lexer) syntax(at int) { l.fail(at, Syntax, "syntax error") }

// next returns the next token. A text ends with a line break whether it has one
// or not, and with tkEnd from then on.
func (l *lexer) next() token {
	t := l.scan()
	if l.torn {
		l.fail(t.at, Unreadable, "backslashes before a continued line cannot be read reliably here")
	}
	if l.fault != nil {
		return token{kind: tkFail, at: l.fault.at}
	}
	return t
}

func (l *lexer) scan() token {
	if l.eol {
		l.line++
		l.eol = false
	}
	condition := l.condition
	l.condition = false
	for {
		c := l.getc()
		at := l.at
		if c == '\r' && l.carriage {
			c = l.lineEnd()
		}
		switch c {
		case eof:
			if l.ended {
				return token{kind: tkEnd, at: at}
			}
			l.ended = true
			return token{kind: tkNewline, at: at}
		case ' ', '\t':
			continue
		case '\n':
			l.eol = true
			return token{kind: tkNewline, at: at}
		case ';':
			return token{kind: tkSemicolon, at: at}
		case '{':
			return token{kind: tkOpen, at: at}
		case '}':
			return token{kind: tkClose, at: at}
		case '#':
			if t, ok := l.hash(at, condition); ok {
				return t
			}
			continue
		case '%':
			return l.keyword(at)
		}
		text, ok := l.word(c)
		if !ok {
			l.syntax(at)
			return token{kind: tkFail, at: at}
		}
		if looksAssigned(text) {
			return token{tkEquals, text, at}
		}
		return token{tkWord, text, at}
	}
}

// lineEnd decides what a carriage return is: with a line feed behind it the end
// of the line, else itself.
func (l *lexer) lineEnd() int {
	c := l.getc()
	if c == '\n' {
		return c
	}
	l.ungetc(c)
	return '\r'
}

// hash reads a format after a condition's keyword, and skips a comment
// otherwise. It reports false at a comment that the text ends in.
func (l *lexer) hash(at int, condition bool) (token, bool) {
	c := l.getc()
	if condition && c == '{' {
		text, ok := l.format()
		if !ok {
			l.syntax(at)
		}
		return token{tkFormat, text, at}, true
	}
	for c != '\n' && c != eof {
		c = l.getc()
	}
	if c == eof {
		return token{}, false
	}
	// Counted at once and not with the next token: a command before a comment
	// groups with the next line.
	l.line++
	return token{kind: tkNewline, at: l.at}, true
}

// format reads a format up to its closing brace, on this line.
func (l *lexer) format() (string, bool) {
	l.buf = append(l.buf[:0], "#{"...)
	for depth := 1; ; {
		c := l.getc()
		switch c {
		case '#':
			if c = l.getc(); c == '{' {
				depth++
			}
			l.buf = append(l.buf, '#')
		case '}':
			if depth--; depth == 0 {
				return string(append(l.buf, '}')), true
			}
		}
		if c == eof || c == '\n' {
			return "", false
		}
		l.buf = append(l.buf, byte(c))
	}
}

// keyword reads a word that begins with "%": a plain word if there is nothing
// but "%" and digits, else one of the words of conditions.
func (l *lexer) keyword(at int) token {
	l.buf = append(l.buf[:0], '%')
	c := l.getc()
	for ; c != eof && c != ' ' && c != '\t' && c != '\n'; c = l.getc() {
		l.buf = append(l.buf, byte(c))
	}
	l.ungetc(c)
	word := string(l.buf)
	if strings.Trim(word, "%0123456789") == "" {
		return token{tkWord, word, at}
	}
	l.condition = true
	kind := tkFail
	switch word {
	case "%hidden":
		kind = tkHidden
	case "%if":
		kind = tkIf
	case "%else":
		kind = tkElse
	case "%elif":
		kind = tkElif
	case "%endif":
		kind = tkEndif
	default:
		l.syntax(at)
	}
	return token{kind, word, at}
}

// looksAssigned reports whether a word has the form NAME=value. Quotes make no
// difference: they are gone by now.
func looksAssigned(word string) bool {
	name, _, ok := strings.Cut(word, "=")
	if !ok || name == "" || !inName(int(word[0]), true) {
		return false
	}
	for i := range len(name) {
		if !inName(int(name[i]), false) {
			return false
		}
	}
	return true
}

// inName reports whether a byte may stand in a variable's name.
func inName(c int, first bool) bool {
	if c < 0 || first && c >= '0' && c <= '9' {
		return false
	}
	return c == '_' || c < 0x80 && alnum(byte(c))
}
