package tmux

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// RuneWidth is how many columns a character takes: 0 for what combines with
// the one before, 2 for East Asian wide ones and emoji.
func RuneWidth(c rune) int {
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

// plainWidth is how many columns a text takes as it stands.
func plainWidth(s string) int {
	wide := 0
	for _, c := range s {
		if c > 0x1f && c != 0x7f {
			wide += RuneWidth(c)
		}
	}
	return wide
}

// glyph is a character of a text with styles in it, or a run of # (two of which
// stand for one) with the style after it.
type glyph struct {
	size  int    // bytes of the text
	width int    // columns, of which a style takes none
	plain string // what is shown; empty for a control character
	run   bool   // plain is a run of #, which is cut in pairs
	style string
	open  bool // the style never ends
}

// nextGlyph reads one at the start of s, which is not empty.
func nextGlyph(s string) glyph {
	if s[0] != '#' {
		c, size := utf8.DecodeRuneInString(s)
		if c <= 0x1f || c == 0x7f {
			return glyph{size: size}
		}
		return glyph{size: size, width: RuneWidth(c), plain: s[:size]}
	}
	n := 1
	for n < len(s) && s[n] == '#' {
		n++
	}
	if n == len(s) || s[n] != '[' {
		return glyph{size: n, width: (n + 1) / 2, plain: s[:n], run: n > 1}
	}
	g := glyph{size: n, width: n / 2, plain: s[:n], run: true}
	if n%2 == 0 {
		return g
	}
	g.plain = s[:n-1]
	end := skipTo(s, n+1, "]")
	if g.open = end < 0; !g.open {
		g.size, g.style = end+1, s[n-1:end+1]
	}
	return g
}

// cut returns what is shown of the glyph in so many columns.
func (g glyph) cut(columns int) string {
	switch {
	case g.run:
		return strings.Repeat("#", 2*max(min(columns, g.width), 0)) + g.style
	case columns >= g.width:
		return g.plain + g.style
	}
	return g.style
}

// textWidth is how many columns a text takes. A style that never ends makes it
// all 0.
func textWidth(s string) int {
	wide := 0
	for s != "" {
		g := nextGlyph(s)
		if g.open {
			return 0
		}
		wide += g.width
		s = s[g.size:]
	}
	return wide
}

// trimWidth keeps at most limit columns of the start, or, if limit is
// negative, of the end. Styles on the way are kept.
func trimWidth(s string, limit int) string {
	if limit < 0 {
		return trimFront(s, -limit)
	}
	var b strings.Builder
	for at := 0; s != "" && at < limit; {
		g := nextGlyph(s)
		b.WriteString(g.cut(limit - at))
		if g.open {
			break
		}
		at += g.width
		s = s[g.size:]
	}
	return b.String()
}

// trimFront keeps at most columns of the end.
func trimFront(s string, columns int) string {
	skip := textWidth(s) - columns
	if skip <= 0 {
		return s
	}
	var b strings.Builder
	for at := 0; s != ""; {
		g := nextGlyph(s)
		switch {
		case g.run:
			b.WriteString(g.cut(g.width - max(skip-at, 0)))
		case at >= skip:
			b.WriteString(g.plain)
		}
		if g.open {
			break
		}
		at += g.width
		s = s[g.size:]
	}
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
			b.WriteString(strings.Repeat("_", RuneWidth(c)))
		}
		i += size
	}
	return b.String()
}
