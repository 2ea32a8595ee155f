package attachtest

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"
)

// guestAllowed is the list of allow.go written a second time, as patterns, by
// which the bytes that reach a guest are judged.
var guestAllowed = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(?:` + strings.Join([]string{
		`[\x20-\x7e]`, `[\x07\x08\x09\x0a\x0d\x0e\x0f]`,
		`\x1b[78=>DEHM]`, `\x1b[()][0B]`,
		`\x1b\[[0-9;:]*m`,
		`\x1b\[[0-9]{0,4}[@ABCDEFGILMPSTXZabdeg\x60]`,
		`\x1b\[(?:[0-9]{0,4};)?[0-9]{0,4}[Hfrs]`,
		`\x1b\[0*[012]?[JK]`,
		`\x1b\[(?:[0-9]{0,4})? q`,
		`\x1b\[(?:[0-9]{0,4};){4}[0-9]{0,4}\$x`,
		`\x1b\[34(?:;34)*[hl]`,
		`\x1b\[\?[018]?c`,
		`\x1b\[\?0*(?:1|7|12|25|47|69|100[0246]|104[789]|2004|2026)(?:;0*(?:1|7|12|25|47|69|100[0246]|104[789]|2004|2026))*[hl]`,
		`\x1b\[\?0*(?:1|7|12|25|47|69|100[0-6]|101[56]|104[789]|2004|2026|2031|7727)(?:;0*(?:1|7|12|25|47|69|100[0-6]|101[56]|104[789]|2004|2026|2031|7727))*l`,
		`\x1bP=[12]s\x1b\\`,
	}, "|") + `)`)
})

// Judge tells of the first thing in p that may not reach a guest's terminal.
// Everything that is not on the list may not.
func Judge(p []byte) error {
	_, err := next(p)
	for err == nil && len(p) > 0 {
		p, err = next(p)
	}
	return err
}

// Strange lists everything in p that [Judge] would refuse.
func Strange(p []byte) (found []string) {
	for len(p) > 0 {
		rest, err := next(p)
		if err != nil {
			found = append(found, err.Error())
			rest = p[1:]
		}
		p = rest
	}
	return found
}

// next takes one allowed thing off p.
func next(p []byte) ([]byte, error) {
	if len(p) == 0 {
		return nil, nil
	}
	if p[0] >= 0x80 {
		r, n := utf8.DecodeRune(p)
		if r == utf8.RuneError && n == 1 || r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return p, fmt.Errorf("character %q", p[:n])
		}
		return p[n:], nil
	}
	m := guestAllowed().Find(p)
	if m == nil {
		return p, fmt.Errorf("%q", p[:min(len(p), 40)])
	}
	return p[len(m):], nil
}
