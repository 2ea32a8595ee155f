package tmux

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clean returns text that is safe to print on anybody's terminal: control
// characters, what is not UTF-8, and characters that change the direction of
// writing become "?". Newlines stay.
func Clean(s string) string {
	return strings.Map(func(c rune) rune {
		if c == utf8.RuneError || c != '\n' && unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c) ||
			unicode.In(c, unicode.Zl, unicode.Zp) {
			return '?'
		}
		return c
	}, s)
}

// OneLine gives words of others as they may come to a terminal, in one line.
func OneLine(s string) string { return Clean(strings.ReplaceAll(s, "\n", " ")) }
