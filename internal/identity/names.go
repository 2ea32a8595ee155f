package identity

import (
	"errors"
	"fmt"
)

// maxName is the longest canonical name of a person, in bytes.
const maxName = 64

// CanonicalName gives back s if it is a canonical name of a person: a small
// letter or underscore, then up to 63 of small letters, digits and _ . - .
// Everything else is an error, and nothing is folded, trimmed or normalized:
// two spellings that look alike must never become one person, and a name is
// written into policy, paths and logs as it is.
func CanonicalName(s string) (string, error) {
	if s == "" {
		return "", errors.New("a person's name is empty")
	}
	if len(s) > maxName {
		return "", fmt.Errorf("a person's name has %d bytes; use at most %d", len(s), maxName)
	}
	for i := range len(s) {
		if !strict(nameByte(s[i], i == 0)) {
			return "", fmt.Errorf("a person's name %q has %q at byte %d; use small letters a-z, digits and _ . - , beginning with a letter or _", s, s[i], i+1)
		}
	}
	return s, nil
}

func nameByte(c byte, first bool) bool {
	switch {
	case c >= 'a' && c <= 'z', c == '_':
		return true
	case c >= '0' && c <= '9', c == '.', c == '-':
		return !first
	}
	return false
}
