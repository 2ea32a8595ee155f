package audit

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Escape gives s in the form the log stores and people see: printable text
// stays, a backslash is doubled, and everything that could move a cursor, end
// a line or turn text around is spelled out, such as \n, \x1b, \xff for a byte
// that is not UTF-8, or \u202e. [Unescape] gives s back.
func Escape(s string) string {
	if plain(s) {
		return s
	}
	return string(appendEscaped(nil, s))
}

// Unescape undoes [Escape].
func Unescape(s string) (string, error) {
	if !strings.Contains(s, `\`) {
		return s, nil
	}
	return strconv.Unquote(`"` + strings.ReplaceAll(s, `"`, `\"`) + `"`)
}

// plain reports whether s is the same escaped, which is nearly always so.
func plain(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c > '~' || c == '\\' {
			return false
		}
	}
	return true
}

// appendEscaped appends Escape(s).
func appendEscaped(dst []byte, s string) []byte {
	for len(s) > 0 {
		n := 0
		dst, n = appendUnit(dst, s)
		s = s[n:]
	}
	return dst
}

// appendUnit appends the first rune of s (or its first byte, if that begins
// no rune) in escaped form and gives its length in s.
func appendUnit(dst []byte, s string) ([]byte, int) {
	r, n := rune(s[0]), 1
	if r >= utf8.RuneSelf {
		r, n = utf8.DecodeRuneInString(s)
	}
	if r == utf8.RuneError && n == 1 {
		return appendHexByte(dst, s[0]), 1
	}
	switch {
	case r == '\\':
		return append(dst, '\\', '\\'), n
	case r == '\n':
		return append(dst, '\\', 'n'), n
	case r == '\r':
		return append(dst, '\\', 'r'), n
	case r == '\t':
		return append(dst, '\\', 't'), n
	case r < ' ' || r == 0x7f:
		return appendHexByte(dst, byte(r)), n
	case strconv.IsPrint(r):
		return append(dst, s[:n]...), n
	case r < 0x10000:
		return appendHex(append(dst, '\\', 'u'), uint32(r), 4), n
	}
	return appendHex(append(dst, '\\', 'U'), uint32(r), 8), n
}

func appendHexByte(dst []byte, c byte) []byte {
	return appendHex(append(dst, '\\', 'x'), uint32(c), 2)
}

func appendHex(dst []byte, v uint32, digits int) []byte {
	const hex = "0123456789abcdef"
	for i := digits - 1; i >= 0; i-- {
		dst = append(dst, hex[v>>(4*i)&15])
	}
	return dst
}

// appendJSON appends s, escaped, as the inside of a JSON string, at most max
// bytes long, and reports whether all of s went in.
func appendJSON(dst []byte, s string, max int) ([]byte, bool) {
	start := len(dst)
	if plain(s) && !strings.Contains(s, `"`) {
		if len(s) > max {
			return append(dst, s[:max]...), false
		}
		return append(dst, s...), true
	}
	var room [16]byte
	for len(s) > 0 {
		unit, n := appendUnit(room[:0], s)
		before := len(dst)
		for _, c := range unit {
			if c == '\\' || c == '"' {
				dst = append(dst, '\\')
			}
			dst = append(dst, c)
		}
		if len(dst)-start > max {
			return dst[:before], false
		}
		s = s[n:]
	}
	return dst, true
}
