package tmux

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// fnmatch reports whether name matches a shell pattern: * ? [set] [!set] and
// backslash, by characters if both are UTF-8, else by bytes. It takes at most
// length of pattern times length of name steps.
func fnmatch(pattern, name string) bool { return fnmatchFold(pattern, name, false) }

// fnmatchFold is fnmatch that may take upper and lower case for the same.
func fnmatchFold(pattern, name string, fold bool) bool {
	if utf8.ValidString(pattern) && utf8.ValidString(name) {
		return matchRunes([]rune(pattern), []rune(name), fold)
	}
	return matchRunes(byteRunes(pattern), byteRunes(name), fold)
}

func foldRune(c rune, fold bool) rune {
	if fold {
		return unicode.ToLower(c)
	}
	return c
}

func byteRunes(s string) []rune {
	r := make([]rune, len(s))
	for i := range len(s) {
		r[i] = rune(s[i])
	}
	return r
}

// matchRunes goes back only to the last star: what came before it is settled.
func matchRunes(p, s []rune, fold bool) bool {
	pi, si := 0, 0
	star, mark := -1, 0
	for si < len(s) {
		if pi < len(p) && p[pi] == '*' {
			star, mark = pi, si
			pi++
			continue
		}
		if pi < len(p) {
			if ok, next := matchOne(p, pi, s[si], fold); ok {
				pi, si = next, si+1
				continue
			}
		}
		if star < 0 {
			return false
		}
		mark++
		pi, si = star+1, mark
	}
	for pi < len(p) && p[pi] == '*' {
		pi++
	}
	return pi == len(p)
}

// matchOne matches one character with the pattern element at pi and returns
// where the next element starts.
func matchOne(p []rune, pi int, c rune, fold bool) (bool, int) {
	switch p[pi] {
	case '?':
		return true, pi + 1
	case '\\':
		if pi+1 == len(p) {
			return false, pi
		}
		return foldRune(p[pi+1], fold) == foldRune(c, fold), pi + 2
	case '[':
		if ok, next, closed := matchSet(p, pi+1, c, fold); closed {
			return ok, next
		}
	}
	return foldRune(p[pi], fold) == foldRune(c, fold), pi + 1
}

// matchSet matches a bracket expression whose content starts at i. closed is
// false if it never ends; then the bracket is an ordinary character.
func matchSet(p []rune, i int, c rune, fold bool) (ok bool, next int, closed bool) {
	negated := i < len(p) && (p[i] == '!' || p[i] == '^')
	if negated {
		i++
	}
	for first := true; i < len(p); first = false {
		if p[i] == ']' && !first {
			return ok != negated, i + 1, true
		}
		if class, after, is := charClass(p, i); is {
			ok = ok || class(c)
			i = after
			continue
		}
		low, after, fine := setChar(p, i)
		if !fine {
			return false, 0, false
		}
		high := low
		if after+1 < len(p) && p[after] == '-' && p[after+1] != ']' {
			if high, after, fine = setChar(p, after+1); !fine {
				return false, 0, false
			}
		}
		low, high = foldRune(low, fold), foldRune(high, fold)
		ok = ok || low <= foldRune(c, fold) && foldRune(c, fold) <= high
		i = after
	}
	return false, 0, false
}

// setChar reads one character of a set: plain, escaped, [.x.] or [=x=].
func setChar(p []rune, i int) (c rune, next int, ok bool) {
	switch {
	case p[i] == '\\':
		if i+1 >= len(p) {
			return 0, 0, false
		}
		return p[i+1], i + 2, true
	case p[i] == '[' && i+4 < len(p) && (p[i+1] == '.' || p[i+1] == '=') && p[i+3] == p[i+1] && p[i+4] == ']':
		return p[i+2], i + 5, true
	}
	return p[i], i + 1, true
}

// charClass reads [:name:] at i.
func charClass(p []rune, i int) (class func(rune) bool, next int, ok bool) {
	if i+1 >= len(p) || p[i] != '[' || p[i+1] != ':' {
		return nil, 0, false
	}
	rest := string(p[i+2 : min(len(p), i+12)])
	name, _, found := strings.Cut(rest, ":]")
	if !found {
		return nil, 0, false
	}
	next = i + 2 + utf8.RuneCountInString(name) + 2
	switch name {
	case "alpha":
		return unicode.IsLetter, next, true
	case "digit":
		return func(c rune) bool { return c >= '0' && c <= '9' }, next, true
	case "alnum":
		return func(c rune) bool { return unicode.IsLetter(c) || unicode.IsDigit(c) }, next, true
	case "upper":
		return unicode.IsUpper, next, true
	case "lower":
		return unicode.IsLower, next, true
	case "space":
		return unicode.IsSpace, next, true
	case "punct":
		return func(c rune) bool { return unicode.IsPunct(c) || unicode.IsSymbol(c) }, next, true
	case "cntrl":
		return unicode.IsControl, next, true
	case "print":
		return unicode.IsPrint, next, true
	case "graph":
		return func(c rune) bool { return unicode.IsGraphic(c) && !unicode.IsSpace(c) }, next, true
	case "blank":
		return func(c rune) bool { return c == ' ' || c == '\t' }, next, true
	case "xdigit":
		return func(c rune) bool {
			return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
		}, next, true
	}
	return nil, 0, false
}
