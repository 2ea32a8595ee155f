package sockets

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Path is a path as the kernel has it: any bytes but NUL. Wherever it is shown,
// in text and in JSON, what is not printable is escaped as Go does in strings
// (\n, \x1b, \u202e, and \\ for a backslash), so that a name cannot draw on a
// terminal or look like two lines, and is still told from every other name.
type Path string

// String is the path as people may be shown it.
func (p Path) String() string { return escape(string(p)) }

// MarshalText gives the shown form.
func (p Path) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText undoes MarshalText.
func (p *Path) UnmarshalText(data []byte) error {
	raw, err := unescape(string(data))
	if err != nil {
		return fmt.Errorf("path %q: %w", data, err)
	}
	*p = Path(raw)
	return nil
}

// escape is Go's form of a string, without the quotes around it.
func escape(s string) string {
	if !strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c > '~' || c == '\\' }) {
		return s
	}
	q := strconv.Quote(s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}

func unescape(s string) (string, error) {
	var out []byte
	for s != "" {
		c, multibyte, tail, err := strconv.UnquoteChar(s, 0)
		if err != nil {
			return "", err
		}
		if multibyte {
			out = utf8.AppendRune(out, c)
		} else {
			out = append(out, byte(c))
		}
		s = tail
	}
	return string(out), nil
}

// ShellWord is the path as a word of a shell. What is not plain comes in the
// $'…' form, which bash, zsh and ksh know.
func (p Path) ShellWord() string {
	plain := true
	for i := range len(p) {
		c := p[i]
		word := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		plain = plain && (word || strings.IndexByte("/._-+:@,%", c) >= 0)
	}
	if plain && p != "" && p[0] != '-' {
		return string(p)
	}
	var b strings.Builder
	b.WriteString("$'")
	for i := range len(p) {
		switch c := p[i]; {
		case c == '\'' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\%03o`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('\'')
	return b.String()
}

// Mode is permission bits with setuid, setgid and sticky, octal in JSON.
type Mode uint32

// String gives four octal digits.
func (m Mode) String() string {
	digits := strconv.FormatUint(uint64(m), 8)
	return "0000"[min(4, len(digits)):] + digits
}

// MarshalText gives the octal digits.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText undoes MarshalText.
func (m *Mode) UnmarshalText(data []byte) error {
	n, err := strconv.ParseUint(string(data), 8, 16)
	if err != nil {
		return fmt.Errorf("mode %q: %w", data, fs.ErrInvalid)
	}
	*m = Mode(n)
	return nil
}
