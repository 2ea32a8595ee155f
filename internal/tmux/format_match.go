package tmux

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// matchHow says how the modifier m compares: by shell pattern or regular
// expression, and whether case counts.
type matchHow struct {
	regex bool
	fold  bool
	re    *boundedRegexp // if regex
}

func (r *modsReader) matchHow(one oneModifier) (matchHow, error) {
	var how matchHow
	if len(one.args) == 0 {
		return how, nil
	}
	flags, err := r.fixed(one, 0)
	if err != nil {
		return how, err
	}
	if strings.Trim(flags, "ri") != "" {
		return how, notAvailable("modifier", "m/"+clip(flags))
	}
	how.regex, how.fold = strings.Contains(flags, "r"), strings.Contains(flags, "i")
	return how, nil
}

// compileMatch reads the regular expression of a comparison. It has to be
// written out, so that its cost is known beforehand.
func (n *formatNode) compileMatch() error {
	pattern, ok := plainParts(n.parts[0])
	if !ok {
		return notAvailable("value in regular expression", "m/r")
	}
	var err error
	n.mods.match.re, err = compileERE(pattern, n.mods.match.fold)
	return err
}

// formatSub is one substitution.
type formatSub struct {
	re   *boundedRegexp
	with *formatArg
	once bool // the pattern starts with ^
}

func (r *modsReader) addSub(one oneModifier) error {
	if len(one.args) < 2 {
		return nil // tmux takes no notice of it either
	}
	pattern, err := r.twice(one.args[0])
	if err != nil {
		return err
	}
	if pattern.parts != nil {
		return notAvailable("value in regular expression", "s/"+clip(one.args[0]))
	}
	sub := formatSub{once: strings.HasPrefix(pattern.text, "^")}
	if sub.with, err = r.twice(one.args[1]); err != nil {
		return err
	}
	flags := ""
	if len(one.args) > 2 {
		if flags, err = r.fixed(one, 2); err != nil {
			return err
		}
	}
	if sub.re, err = compileERE(pattern.text, strings.Contains(flags, "i")); err != nil {
		return err
	}
	if sub.re.vague && (sub.with.parts != nil || refersToGroup(sub.with.text)) {
		return notAvailable("reference into a choice or a repetition", "s/"+clip(one.args[0]))
	}
	if strings.HasSuffix(sub.with.text, `\`) {
		return badFormat("ends a replacement with a backslash", one.args[1])
	}
	r.modified.mods.subs = append(r.modified.mods.subs, sub)
	return nil
}

func refersToGroup(with string) bool {
	for i := 0; i+1 < len(with); i++ {
		if with[i] == '\\' {
			if i++; with[i] >= '1' && with[i] <= '9' {
				return true
			}
		}
	}
	return false
}

// twice reads an argument of a substitution, in which what the asker wrote is
// read two times. Values are put in once and stay as they are.
func (r *modsReader) twice(text string) (*formatArg, error) {
	arg, err := r.arg(text)
	if err != nil {
		return nil, err
	}
	if arg.parts == nil {
		return r.arg(arg.text)
	}
	for i := range arg.parts {
		if p := &arg.parts[i]; p.kind == textNode && (strings.Contains(p.text, "#") || r.now != nil && strings.Contains(p.text, "%")) {
			return nil, notAvailable("value beside an escaped # in modifier", "s/…/"+clip(text))
		}
	}
	return arg, nil
}

// apply puts the replacement in for each match, with the results that tmux's
// own loop over regexec(3) has: every search starts anew, as if what is left
// were a text of its own.
func (s *formatSub) apply(e *expansion, text, with string) string {
	if text == "" {
		return ""
	}
	var b strings.Builder
	start, last, empty := 0, 0, false
	for start <= len(text) {
		m := s.re.find(e, text[start:])
		if e.err != nil || b.Len() > maxFormatOut {
			return ""
		}
		if m == nil {
			b.WriteString(text[start:])
			break
		}
		from, to := start+m[0], start+m[1]
		b.WriteString(text[last:from])
		// An empty match where the last one ended is passed over once.
		replace := empty || from != last || from != to
		if replace {
			writeReplacement(&b, with, text[start:], m)
		}
		start, last, empty = to, to, !replace
		if !replace && start < len(text) { // a whole character, not a byte of it
			_, size := utf8.DecodeRuneInString(text[start:])
			start += size
		} else if !replace {
			start++
		}
		if s.once {
			b.WriteString(text[min(start, len(text)):])
			break
		}
	}
	return b.String()
}

// writeReplacement writes with, with what the groups matched for \0 to \9. A
// group that matched nothing leaves the digit, as in tmux.
func writeReplacement(b *strings.Builder, with, text string, m []int) {
	for i := 0; i < len(with); i++ {
		if with[i] != '\\' {
			b.WriteByte(with[i])
			continue
		}
		if i++; i == len(with) {
			return
		}
		if g := 2 * (int(with[i]) - '0'); with[i] >= '0' && with[i] <= '9' && g+1 < len(m) && m[g] != m[g+1] {
			b.WriteString(text[m[g]:m[g+1]])
			continue
		}
		b.WriteByte(with[i])
	}
}

// boundedRegexp is a regular expression whose cost is counted.
type boundedRegexp struct {
	re    *regexp.Regexp
	size  int  // steps for each character at most
	vague bool // which part a group matches is not the same everywhere
}

func (r *boundedRegexp) find(e *expansion, text string) []int {
	if !e.spend(1 + (len(text)+1)*(r.size+8)/4) {
		return nil
	}
	return r.re.FindStringSubmatchIndex(text)
}

// match reports whether left, a pattern, matches right.
func (h *matchHow) match(e *expansion, left, right string) bool {
	if h.regex {
		return h.re.find(e, right) != nil
	}
	return e.spend(1+(len(left)+1)*(len(right)+1)/16) && fnmatchFold(left, right, h.fold)
}
