package tmux

import (
	"fmt"
	"strings"
)

// QuoteControl writes one command as one line of tmux's command language, for
// a control-mode connection or as a command inside another one, so that tmux
// parses it back to exactly these words: nothing in them is expanded or ends
// the line. The words are not escaped for an argument vector (see
// [Invocation.Words]). NUL cannot be said in tmux at all and is refused.
func QuoteControl(words []string) (string, error) {
	if len(words) == 0 {
		return "", fmt.Errorf("no command to write")
	}
	var b strings.Builder
	for i, word := range words {
		if strings.IndexByte(word, 0) >= 0 {
			return "", fmt.Errorf("argument %d holds a NUL byte, which tmux cannot take", i)
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		quoteWord(&b, word)
	}
	return b.String(), nil
}

// QuoteLine is [QuoteControl] of several commands, one after the other.
func QuoteLine(commands [][]string) (string, error) {
	lines := make([]string, len(commands))
	for i, words := range commands {
		line, err := QuoteControl(words)
		if err != nil {
			return "", err
		}
		lines[i] = line
	}
	return strings.Join(lines, " ; "), nil
}

// quoteWord leaves plain words alone, puts what is printable into single
// quotes, which tmux reads verbatim, and everything else into double quotes
// with escapes: a line break inside quotes would eat the blanks after it, and
// in a control line it would end the line.
func quoteWord(b *strings.Builder, word string) {
	plain, single := word != "", true
	for i := range len(word) {
		c := word[i]
		if !alnum(c) && strings.IndexByte("-_./@+,:", c) < 0 {
			plain = false
		}
		if mustEscape(c) || c == '\'' {
			single = false
		}
	}
	switch {
	case plain:
		b.WriteString(word)
	case single:
		b.WriteByte('\'')
		b.WriteString(word)
		b.WriteByte('\'')
	default:
		doubleQuote(b, word)
	}
}

// mustEscape reports the bytes that cannot stand in a line as they are:
// control characters, and 0xff, which tmux's lexer takes for the end.
func mustEscape(c byte) bool { return c < ' ' || c == 0x7f || c == 0xff }

func doubleQuote(b *strings.Builder, word string) {
	b.WriteByte('"')
	for i := range len(word) {
		switch c := word[i]; {
		case c == '"' || c == '\\' || c == '$' || c == '~':
			b.WriteByte('\\')
			b.WriteByte(c)
		case mustEscape(c):
			// Three octal digits: the only escape that takes every byte.
			fmt.Fprintf(b, `\%03o`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
}
