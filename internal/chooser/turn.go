package chooser

import (
	"strings"
	"unicode"
)

// The characters between which text has a direction of its own.
const (
	isolateFirst = "\u2068"
	isolateEnd   = "\u2069"
)

// Isolated is a line in which each word that is written from right to left is kept
// from turning around what is beside it: what may be done there, and who is there.
// Its other characters are those of [Seen], so that nothing ends that before.
func Isolated(line string) string {
	if !strings.ContainsFunc(line, leftwards) {
		return line
	}
	var b strings.Builder
	for line != "" {
		begin := strings.IndexFunc(line, leftwards)
		if begin < 0 {
			break
		}
		end := begin + words(line[begin:])
		b.WriteString(line[:begin] + isolateFirst + line[begin:end] + isolateEnd)
		line = line[end:]
	}
	return b.String() + line
}

// words is how long the words are from right to left that text begins with.
func words(text string) (end int) {
	space := false
	for i, c := range text {
		switch {
		case leftwards(c), unicode.Is(unicode.M, c) && !space:
			end, space = i+len(string(c)), false
		case c == ' ' && !space:
			space = true
		default:
			return end
		}
	}
	return end
}

// leftwards reports whether a letter is of a script that is written from right to
// left.
func leftwards(c rune) bool {
	return c >= 0x590 && c <= 0x8ff || c >= 0xfb1d && c <= 0xfdff || c >= 0xfe70 && c <= 0xfeff || c >= 0x10800 && c <= 0x10fff || c >= 0x1e800 && c <= 0x1efff
}
