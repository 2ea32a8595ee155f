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
	case unicode.In(c, unicode.Mn, unicode.Me, unicode.Cf), c >= 0x1160 && c <= 0x11ff: // vowels and ends of Hangul
		return 0
	case unicode.Is(wide, c):
		return 2
	}
	return 1
}

// MostColumns is how many columns text takes at most. Terminals do not agree on what is
// wide; nothing that comes before Hangul is.
func MostColumns(text string) (n int) {
	for _, c := range text {
		n += MostWidth(c)
	}
	return n
}

// MostWidth is MostColumns of one character.
func MostWidth(c rune) int {
	if c >= 0x1100 {
		return 2
	}
	return 1
}

// wide are the characters that Unicode calls wide or full width, as far as they
// are assigned or blocks are given over to them: emoji that are shown as such by
// themselves among them.
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x1100, 0x115f, 1}, {0x231a, 0x231b, 1}, {0x2329, 0x232a, 1}, {0x23e9, 0x23ec, 1}, {0x23f0, 0x23f0, 1},
		{0x23f3, 0x23f3, 1}, {0x25fd, 0x25fe, 1}, {0x2614, 0x2615, 1}, {0x2648, 0x2653, 1}, {0x267f, 0x267f, 1},
		{0x2693, 0x2693, 1}, {0x26a1, 0x26a1, 1}, {0x26aa, 0x26ab, 1}, {0x26bd, 0x26be, 1}, {0x26c4, 0x26c5, 1},
		{0x26ce, 0x26ce, 1}, {0x26d4, 0x26d4, 1}, {0x26ea, 0x26ea, 1}, {0x26f2, 0x26f3, 1}, {0x26f5, 0x26f5, 1},
		{0x26fa, 0x26fa, 1}, {0x26fd, 0x26fd, 1}, {0x2705, 0x2705, 1}, {0x270a, 0x270b, 1}, {0x2728, 0x2728, 1},
		{0x274c, 0x274c, 1}, {0x274e, 0x274e, 1}, {0x2753, 0x2755, 1}, {0x2757, 0x2757, 1}, {0x2795, 0x2797, 1},
		{0x27b0, 0x27b0, 1}, {0x27bf, 0x27bf, 1}, {0x2b1b, 0x2b1c, 1}, {0x2b50, 0x2b50, 1}, {0x2b55, 0x2b55, 1},
		{0x2e80, 0x303e, 1}, {0x3041, 0x4dbf, 1}, {0x4e00, 0xa4cf, 1}, {0xa960, 0xa97c, 1}, {0xac00, 0xd7a3, 1},
		{0xf900, 0xfaff, 1}, {0xfe10, 0xfe19, 1}, {0xfe30, 0xfe6f, 1}, {0xff01, 0xff60, 1}, {0xffe0, 0xffe6, 1},
	},
	R32: []unicode.Range32{
		{0x16fe0, 0x16ff1, 1}, {0x17000, 0x18cff, 1}, {0x18d00, 0x18d08, 1}, {0x1aff0, 0x1affe, 1},
		{0x1b000, 0x1b2fb, 1}, {0x1f004, 0x1f004, 1}, {0x1f0cf, 0x1f0cf, 1}, {0x1f18e, 0x1f18e, 1},
		{0x1f191, 0x1f19a, 1}, {0x1f200, 0x1f202, 1}, {0x1f210, 0x1f23b, 1}, {0x1f240, 0x1f248, 1},
		{0x1f250, 0x1f251, 1}, {0x1f260, 0x1f265, 1}, {0x1f300, 0x1f320, 1}, {0x1f32d, 0x1f335, 1},
		{0x1f337, 0x1f37c, 1}, {0x1f37e, 0x1f393, 1}, {0x1f3a0, 0x1f3ca, 1}, {0x1f3cf, 0x1f3d3, 1},
		{0x1f3e0, 0x1f3f0, 1}, {0x1f3f4, 0x1f3f4, 1}, {0x1f3f8, 0x1f43e, 1}, {0x1f440, 0x1f440, 1},
		{0x1f442, 0x1f4fc, 1}, {0x1f4ff, 0x1f53d, 1}, {0x1f54b, 0x1f54e, 1}, {0x1f550, 0x1f567, 1},
		{0x1f57a, 0x1f57a, 1}, {0x1f595, 0x1f596, 1}, {0x1f5a4, 0x1f5a4, 1}, {0x1f5fb, 0x1f64f, 1},
		{0x1f680, 0x1f6c5, 1}, {0x1f6cc, 0x1f6cc, 1}, {0x1f6d0, 0x1f6d2, 1}, {0x1f6d5, 0x1f6d7, 1},
		{0x1f6dc, 0x1f6df, 1}, {0x1f6eb, 0x1f6ec, 1}, {0x1f6f4, 0x1f6fc, 1}, {0x1f7e0, 0x1f7eb, 1},
		{0x1f7f0, 0x1f7f0, 1}, {0x1f90c, 0x1f93a, 1}, {0x1f93c, 0x1f945, 1}, {0x1f947, 0x1f9ff, 1},
		{0x1fa70, 0x1faff, 1}, {0x20000, 0x2fffd, 1}, {0x30000, 0x3fffd, 1},
	},
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
