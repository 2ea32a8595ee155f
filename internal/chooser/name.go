package chooser

import (
	"strings"
	"unicode"

	"github.com/muxward/muxward/internal/tmux"
)

// Seen is a name, or what else is anybody's choice, in which everything is seen
// and nothing does anything to a terminal.
func Seen(name string) string {
	return shownAs(name, strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return '?'
		}
		return c
	}, tmux.Clean(name)))
}

// Matches reports whether a part of a name was typed, in small letters or large.
func Matches(name, part string) bool {
	return strings.Contains(strings.ToLower(name), strings.ToLower(part))
}

// Cut makes text fit into so many columns. Characters that may be wide are
// counted as wide, so it is never longer than that.
func Cut(text string, cols int) string {
	used := 0
	for i, c := range text {
		if used += tmux.MostWidth(c); used > cols {
			return text[:i]
		}
	}
	return text
}
