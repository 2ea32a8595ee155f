package scrollback

import (
	"strconv"
	"strings"
)

// style is how a cell looks.
type style struct {
	attrs  uint16 // a bit for each of attributes
	under  uint8  // the kind of underline, if there is one
	fg, bg colour
}

// colour is 0 for the default, or one of a palette of 256, or red, green and
// blue.
type colour uint32

const (
	indexed colour = 1 << 24
	rgb     colour = 2 << 24
)

// attributes are the parameters of SGR that set one.
var attributes = [...]int{1, 2, 3, 4, 5, 7, 8, 9, 53}

const (
	underlined = 1 << 3
	reversed   = 1 << 5
)

// pen is what is in force while a capture is read.
type pen struct {
	style
	drawing bool // characters stand for lines and corners
}

// escape reads what begins with ESC, keeps what it says of colours and
// attributes, and returns its length. Everything else has no effect.
func (p *pen) escape(s string) int {
	if len(s) < 2 {
		return len(s)
	}
	switch s[1] {
	case '[':
		n := 2
		for n < len(s) && s[n] >= 0x20 && s[n] < 0x40 {
			n++
		}
		if n == len(s) {
			return n
		}
		if s[n] == 'm' {
			p.sgr(s[2:n])
		}
		return n + 1
	case ']', 'P', '_', '^', 'X': // a string, such as a hyperlink
		for n := 2; n < len(s); n++ {
			if s[n] == '\a' {
				return n + 1
			}
			if s[n] == 0x1b && n+1 < len(s) && s[n+1] == '\\' {
				return n + 2
			}
		}
		return len(s)
	case '(', ')':
		return min(3, len(s))
	}
	return 2
}

// sgr takes the parameters of one SGR.
func (p *pen) sgr(params string) {
	fields := strings.Split(params, ";")
	for i := 0; i < len(fields); i++ {
		head, sub, _ := strings.Cut(fields[i], ":")
		n, err := strconv.Atoi(head)
		if head == "" {
			n, err = 0, nil
		}
		if err != nil {
			return
		}
		switch {
		case n == 0:
			p.style = style{}
		case n == 4 && sub != "":
			p.underline(sub)
		case n == 38 || n == 48 || n == 58:
			var c colour
			if sub != "" {
				c = readColour(strings.Split(sub, ":"))
			} else {
				var used int
				c, used = nextColour(fields[i+1:])
				i += used
			}
			if n == 38 {
				p.fg = c
			} else if n == 48 {
				p.bg = c
			}
		default:
			p.plain(n)
		}
	}
}

// plain takes a parameter that stands for itself.
func (p *pen) plain(n int) {
	switch {
	case n == 22:
		p.attrs &^= 3
	case n == 24:
		p.attrs, p.under = p.attrs&^underlined, 0
	case n == 39:
		p.fg = 0
	case n == 49:
		p.bg = 0
	case n == 55:
		p.attrs &^= 1 << 8
	case n >= 30 && n <= 37:
		p.fg = indexed | colour(n-30)
	case n >= 40 && n <= 47:
		p.bg = indexed | colour(n-40)
	case n >= 90 && n <= 97:
		p.fg = indexed | colour(n-90+8)
	case n >= 100 && n <= 107:
		p.bg = indexed | colour(n-100+8)
	}
	for i, a := range attributes {
		if n == a {
			p.attrs |= 1 << i
		}
		if n == a+20 && n > 22 && n < 30 {
			p.attrs &^= 1 << i
		}
	}
}

func (p *pen) underline(kind string) {
	k, err := strconv.Atoi(kind)
	if err != nil || k < 0 || k > 5 {
		return
	}
	p.attrs, p.under = p.attrs&^underlined, uint8(k)
	if k > 0 {
		p.attrs |= underlined
	}
}

// nextColour reads a colour from the parameters behind 38, 48 or 58.
func nextColour(fields []string) (colour, int) {
	n := 0
	switch {
	case len(fields) > 1 && fields[0] == "5":
		n = 2
	case len(fields) > 3 && fields[0] == "2":
		n = 4
	default:
		return 0, len(fields)
	}
	return readColour(fields[:n]), n
}

// readColour reads 5 and a number, or 2 and three of them, with perhaps
// something in between.
func readColour(f []string) colour {
	part := func(s string) colour {
		v, err := strconv.ParseUint(s, 10, 8)
		if err != nil {
			return 0
		}
		return colour(v)
	}
	switch {
	case len(f) == 2 && f[0] == "5":
		return indexed | part(f[1])
	case len(f) >= 4 && f[0] == "2":
		f = f[len(f)-3:]
		return rgb | part(f[0])<<16 | part(f[1])<<8 | part(f[2])
	}
	return 0
}

// on writes the SGR that gives this style, whatever was in force, to a terminal
// with so many colours.
func (s style) on(b []byte, colours int) []byte {
	b = append(b, "\x1b[0"...)
	for i, a := range attributes {
		if s.attrs&(1<<i) != 0 {
			b = append(b, ';')
			b = strconv.AppendInt(b, int64(a), 10)
		}
	}
	b = s.fg.on(b, 30, colours)
	b = s.bg.on(b, 40, colours)
	return append(b, 'm')
}

// on writes a colour; base is 30 or 40.
func (c colour) on(b []byte, base int64, colours int) []byte {
	if c == 0 {
		return b
	}
	n := c.index(colours)
	b = append(b, ';')
	switch {
	case n < 8:
		return strconv.AppendInt(b, base+int64(n), 10)
	case n < 16:
		return strconv.AppendInt(b, base+60+int64(n-8), 10)
	}
	b = strconv.AppendInt(b, base+8, 10)
	b = append(b, ";5;"...)
	return strconv.AppendInt(b, int64(n), 10)
}

// index gives the nearest colour of a palette of 8 or 256.
func (c colour) index(colours int) int {
	n := int(c &^ indexed)
	if c&rgb != 0 {
		r, g, bl := int(c>>16&0xff), int(c>>8&0xff), int(c&0xff)
		n = 16 + 36*step(r) + 6*step(g) + step(bl)
		if r == g && g == bl && r > 8 && r < 248 {
			n = 232 + (r-8)/10
		}
	}
	if colours >= 256 || n < 8 {
		return n
	}
	switch {
	case n < 16:
		return n - 8
	case n >= 244:
		return 7
	case n >= 232:
		return 0
	}
	n -= 16
	return n/36/3 | n/6%6/3<<1 | n%6/3<<2
}

// step is the nearest of the six steps of the cube of colours.
func step(v int) int {
	if v < 48 {
		return 0
	}
	if v < 114 {
		return 1
	}
	return min((v-35)/40, 5)
}

// drawn gives the character that a letter stands for while lines are drawn.
func drawn(letter string) string {
	const letters = "`afgjklmnopqrstuvwxyz{|}~+,-.0"
	const lines = "◆▒°±┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·→←↑↓▮"
	at := strings.Index(letters, letter)
	if at < 0 {
		return letter
	}
	for i, r := range []rune(lines) {
		if i == at {
			return string(r)
		}
	}
	return letter
}
