package tmux

import (
	"fmt"
	"strconv"
	"unicode/utf8"
)

// longestName is the most that tmux takes for the name of a variable or a user.
const longestName = 1022

// longestAssigned is the most that an assignment may be, from 3.7 on.
const longestAssigned = 16384

// quoting is the kind of quotes that a byte of a word stands in.
type quoting uint8

const (
	atStart quoting = iota // before the first byte, whatever quotes were opened
	unquoted
	inDouble
	inSingle
)

// word reads one word that begins with c. Quotes may begin and end anywhere in
// it; those that are open at the end of the text end there.
func (l *lexer) word(c int) (string, bool) {
	state, last := unquoted, atStart
	l.buf = l.buf[:0]
	for ; c != eof; c = l.getc() {
		if state == unquoted && c == '\r' && l.carriage {
			c = l.lineEnd()
		}
		for c == '\n' && state != unquoted {
			c = l.quotedBreak()
		}
		if c == eof || state == unquoted && endsWord(c) {
			break
		}
		if next, ok := quote(state, c); ok {
			state = next
			continue
		}
		if !l.wordByte(c, state, last) {
			return "", false
		}
		last = state
	}
	l.ungetc(c)
	return string(l.buf), true
}

func endsWord(c int) bool { return c == ' ' || c == '\t' || c == '\n' || c == ';' || c == '}' }

// quote returns what quotes are open after c, if c is one that opens or closes.
func quote(state quoting, c int) (quoting, bool) {
	switch {
	case c == '\'' && state == unquoted:
		return inSingle, true
	case c == '"' && state == unquoted:
		return inDouble, true
	case c == '\'' && state == inSingle, c == '"' && state == inDouble:
		return unquoted, true
	}
	return state, false
}

// wordByte adds a byte of a word, or what it stands for. A "~" is special only
// where the quotes have changed since the byte before it.
func (l *lexer) wordByte(c int, state, last quoting) bool {
	switch {
	case state == inSingle:
	case c == '\\':
		return l.escape()
	case c == '~' && state != last:
		return l.tilde()
	case c == '$':
		return l.variable()
	}
	l.buf = append(l.buf, byte(c))
	return true
}

// quotedBreak adds a line break inside quotes. The blanks that begin the next
// line are dropped, and with them a line that is a comment. It returns the byte
// to go on with.
func (l *lexer) quotedBreak() int {
	if l.counted {
		l.line++
	}
	l.buf = append(l.buf, '\n')
	c := l.getc()
	for c == ' ' || c == '\t' {
		c = l.getc()
	}
	if c != '#' {
		return c
	}
	switch c = l.getc(); c {
	case ',', '#', '{', '}', ':':
		// A format rather than a comment.
		l.ungetc(c)
		return '#'
	}
	// As in tmux, the byte after "#" is passed over whatever it is: after a
	// comment without text the line that follows goes too.
	for c = l.getc(); c != '\n' && c != eof; {
		c = l.getc()
	}
	return c
}

// escape reads what follows a backslash.
func (l *lexer) escape() bool {
	at := l.at
	c := l.getc()
	switch {
	case c == eof:
		return false
	case c >= '0' && c <= '7':
		return l.octal(at, c)
	case c == 'u':
		return l.unicode(at, 'u', 4)
	case c == 'U':
		return l.unicode(at, 'U', 8)
	}
	l.buf = append(l.buf, unescaped(byte(c)))
	return true
}

func unescaped(c byte) byte {
	switch c {
	case 'a':
		return '\a'
	case 'b':
		return '\b'
	case 'e':
		return 0x1b
	case 'f':
		return '\f'
	case 's':
		return ' '
	case 'v':
		return '\v'
	case 'r':
		return '\r'
	case 'n':
		return '\n'
	case 't':
		return '\t'
	}
	return c
}

func (l *lexer) octal(at, first int) bool {
	value := first - '0'
	for range 2 {
		c := l.getc()
		if c < '0' || c > '7' || first > '3' {
			l.fail(at, Syntax, "invalid octal escape")
			return false
		}
		value = value<<3 | (c - '0')
	}
	if value == 0 {
		return l.noNUL(at)
	}
	l.buf = append(l.buf, byte(value))
	return true
}

func (l *lexer) unicode(at int, kind byte, digits int) bool {
	var hex [8]byte
	for i := range digits {
		c := l.getc()
		if c == eof || c == '\n' {
			return false
		}
		if !hexDigit(c) {
			l.fail(at, Syntax, `invalid \`+string(kind)+" argument")
			return false
		}
		hex[i] = byte(c)
	}
	value, err := strconv.ParseUint(string(hex[:digits]), 16, 32)
	if err == nil && value > utf8.MaxRune {
		// Some C libraries have characters beyond Unicode's, and tmux has what
		// they have.
		l.fail(at, Unreadable, fmt.Sprintf(`\%c%s is no character`, kind, hex[:digits]))
		return false
	}
	if err != nil || !utf8.ValidRune(rune(value)) {
		l.fail(at, Syntax, `invalid \`+string(kind)+" argument")
		return false
	}
	if value == 0 {
		return l.noNUL(at)
	}
	l.buf = utf8.AppendRune(l.buf, rune(value))
	return true
}

func hexDigit(c int) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// noNUL refuses an escape that would end the word for tmux, whatever follows.
func (l *lexer) noNUL(at int) bool {
	l.fail(at, Unreadable, "a NUL byte cannot be part of a word")
	return false
}

// variable reads $NAME or ${NAME}. A "$" before anything else is itself.
func (l *lexer) variable() bool {
	at := l.at
	c := l.getc()
	if c == eof {
		return false
	}
	braces := c == '{'
	if !braces && !inName(c, true) {
		l.ungetc(c)
		l.buf = append(l.buf, '$')
		return true
	}
	var name []byte
	if !braces {
		name = append(name, byte(c))
	}
	for c = l.getc(); inName(c, false); c = l.getc() {
		if len(name) == longestName {
			l.fail(at, Syntax, "environment variable is too long")
			return false
		}
		name = append(name, byte(c))
	}
	switch {
	case !braces:
		l.ungetc(c)
	case c != '}':
		l.fail(at, Syntax, "invalid environment variable")
		return false
	}
	if l.expand == nil || l.expand.Variable == nil {
		l.fail(at, NotExpanded, "$"+string(name)+": not expanded here; write it out")
		return false
	}
	value, _ := l.lookUp(string(name))
	l.buf = append(l.buf, value...)
	return true
}

// lookUp returns a variable as tmux sees it at this point of the text.
func (l *lexer) lookUp(name string) (string, bool) {
	if value, ok := l.assigned[name]; ok {
		return value, true
	}
	return l.expand.Variable(name)
}

// tilde reads ~ or ~user, up to a slash, a blank or a quote.
func (l *lexer) tilde() bool {
	at := l.at
	var name []byte
	c := l.getc()
	for ; c != eof; c = l.getc() {
		if c == '/' || c == ' ' || c == '\t' || c == '\n' || c == '"' || c == '\'' {
			break
		}
		if len(name) == longestName {
			l.fail(at, Syntax, "user name is too long")
			return false
		}
		name = append(name, byte(c))
	}
	l.ungetc(c)
	if l.expand == nil || l.expand.Variable == nil || l.expand.Home == nil {
		l.fail(at, NotExpanded, "~"+string(name)+": not expanded here; write it out")
		return false
	}
	if len(name) == 0 {
		if dir, _ := l.lookUp("HOME"); dir != "" {
			l.buf = append(l.buf, dir...)
			return true
		}
	}
	dir, ok := l.expand.Home(string(name))
	l.buf = append(l.buf, dir...)
	return ok
}
