package tmux

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// runeWidth is how many columns a character takes: 0 for what combines with
// the one before, 2 for East Asian wide ones and emoji.
func runeWidth(c rune) int {
	switch {
	case c < 0x300:
		return 1
	case unicode.In(c, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case isWide(c):
		return 2
	}
	return 1
}

func isWide(c rune) bool {
	return c >= 0x1100 && (c <= 0x115f ||
		c >= 0x2e80 && c <= 0x303e ||
		c >= 0x3041 && c <= 0xa4cf ||
		c >= 0xa960 && c <= 0xa97c ||
		c >= 0xac00 && c <= 0xd7a3 ||
		c >= 0xf900 && c <= 0xfaff ||
		c >= 0xfe30 && c <= 0xfe6f ||
		c >= 0xff00 && c <= 0xff60 ||
		c >= 0xffe0 && c <= 0xffe6 ||
		c >= 0x1f300 && c <= 0x1f64f ||
		c >= 0x1f680 && c <= 0x1f6ff ||
		c >= 0x1f900 && c <= 0x1f9ff ||
		c >= 0x20000 && c <= 0x3fffd)
}

// textWidth is how many columns a text takes. A style (#[…]) takes none.
func textWidth(s string) int {
	wide := 0
	eachGlyph(s, func(_ string, w int) bool {
		wide += w
		return true
	})
	return wide
}

// eachGlyph calls fn with each character and its width, and with each style,
// whose width is 0, until fn says no.
func eachGlyph(s string, fn func(glyph string, width int) bool) {
	for i := 0; i < len(s); {
		n := 0
		switch {
		case strings.HasPrefix(s[i:], "#["):
			if end := strings.IndexByte(s[i:], ']'); end > 0 {
				n = end + 1
			}
		case strings.HasPrefix(s[i:], "##"):
			if !fn(s[i:i+2], 1) {
				return
			}
			i += 2
			continue
		}
		if n > 0 {
			if !fn(s[i:i+n], 0) {
				return
			}
			i += n
			continue
		}
		c, size := utf8.DecodeRuneInString(s[i:])
		if !fn(s[i:i+size], runeWidth(c)) {
			return
		}
		i += size
	}
}

// trimWidth keeps at most limit columns of the start, or, if limit is
// negative, of the end. Styles are kept.
func trimWidth(s string, limit int) string {
	var b strings.Builder
	skip := 0
	if limit < 0 {
		limit = -limit
		if skip = textWidth(s) - limit; skip <= 0 {
			return s
		}
	}
	at := 0
	eachGlyph(s, func(glyph string, w int) bool {
		if w == 0 && strings.HasPrefix(glyph, "#[") || at >= skip && at+w-skip <= limit {
			b.WriteString(glyph)
		}
		at += w
		return true
	})
	return b.String()
}

// Sanitize returns text as tmux prints it to a client whose terminal is not
// UTF-8: an underscore for each column that is not printable ASCII.
func Sanitize(s string) string {
	if plainText(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		c, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case size == 1 && c >= ' ' && c <= '~':
			b.WriteByte(s[i])
		case size == 1:
			b.WriteByte('_')
		default:
			b.WriteString(strings.Repeat("_", runeWidth(c)))
		}
		i += size
	}
	return b.String()
}
