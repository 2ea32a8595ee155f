package scrollback

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/muxward/muxward/internal/tmux"
)

const (
	// maxMatches is how many places are found at most.
	maxMatches = 20000
	// maxSearch is how many steps a search takes at most: a second or two, for the
	// worst of patterns.
	maxSearch = 40 << 20
)

// search is what was searched for last.
type search struct {
	text    string
	regex   bool
	up      bool
	done    bool // something was searched for
	matches []match
	of      string // what matches are of
	shown   bool   // the matches are marked
	origin  origin // where a search that is still being typed began
}

// origin is a place with how it was shown.
type origin struct {
	set        bool
	cx, cy, oy int
}

// match is from a place to the place behind it, which may be rows further on.
type match struct{ from, to place }

func (m match) has(p place) bool { return !p.before(m.from) && p.before(m.to) }

// Searched is what was searched for last.
func (v *View) Searched() string { return v.find.text }

func (v *View) unmark() { v.find.shown, v.find.matches = false, nil }

// seek searches for text once. It reports whether it was found.
func (v *View) seek(text string, up, regex bool) bool {
	f := &v.find
	if text == "" {
		return false
	}
	all := f.matches
	if !f.shown || f.of != text || f.regex != regex {
		all, _ = v.matches(text, regex) // nothing is found by what is no expression
	}
	f.text, f.regex, f.done = text, regex, true
	at, ok := v.nearest(all, up)
	if !ok {
		return false // what was found before stays marked
	}
	f.matches, f.of, f.shown = all, text, true
	if up || v.set.Vi {
		v.to(at.from)
		return true
	}
	v.to(at.from)
	if at.to.x >= v.width && at.to.y < v.bottom() {
		at.to = place{0, at.to.y + 1}
	}
	// What is selected ends where the match begins, as in tmux.
	v.cx, v.cy = at.to.x, min(at.to.y-v.top(), v.height-1)
	return true
}

// nearest gives the match that comes next to the cursor.
func (v *View) nearest(all []match, up bool) (match, bool) {
	at := v.here()
	if len(all) == 0 {
		return match{}, false
	}
	if up {
		i, _ := slices.BinarySearchFunc(all, at, func(m match, p place) int { return order(m.from, p) })
		switch {
		case i > 0:
			return all[i-1], true
		case v.set.Wrap:
			return all[len(all)-1], true
		}
		return match{}, false
	}
	if v.set.Vi { // from behind what the cursor is on
		on := slices.IndexFunc(v.find.matches, func(m match) bool { return m.has(at) })
		switch {
		case v.find.shown && on >= 0:
			at = v.find.matches[on].to
		case !v.find.shown:
			at.x++
		}
	}
	i, _ := slices.BinarySearchFunc(all, at, func(m match, p place) int { return order(m.from, p) })
	switch {
	case i < len(all):
		return all[i], true
	case v.set.Wrap:
		return all[0], true
	}
	return match{}, false
}

func order(p, q place) int {
	switch {
	case p.before(q):
		return -1
	case q.before(p):
		return 1
	}
	return 0
}

// matches finds all places, in the lines that rows make together.
func (v *View) matches(text string, regex bool) ([]match, error) {
	find, steps, err := finder(text, regex)
	if err != nil {
		return nil, err
	}
	var all []match
	left := maxSearch
	for y := 0; y <= v.bottom() && len(all) < maxMatches && left > 0; {
		end := y
		line := v.rows[y].plain
		for v.wrapped(end) {
			end++
			line += v.rows[end].plain
		}
		left -= (len(line) + 1) * steps
		if found := find(line); len(found) > 0 {
			columns := v.columns(y, end)
			for _, f := range found {
				if m, ok := columns.match(f[0], f[1]); ok {
					all = append(all, m)
				}
			}
		}
		y = end + 1
	}
	return all, nil
}

// finder gives what finds all of a text in a line, as pairs of offsets, and how
// many steps it takes for each byte. Letters are taken as they are if there is a
// capital among them.
func finder(text string, regex bool) (find func(line string) [][]int, steps int, err error) {
	fold := !strings.ContainsFunc(text, unicode.IsUpper)
	if regex && strings.ContainsAny(text, `^$*+()?[].\`) {
		re, steps, err := tmux.Pattern(text, fold)
		if err != nil {
			return nil, 0, err
		}
		return func(line string) [][]int {
			return slices.DeleteFunc(re.FindAllStringIndex(line, maxMatches), func(f []int) bool { return f[0] == f[1] })
		}, steps, nil
	}
	if fold {
		text = lower(text)
	}
	return func(line string) (found [][]int) {
		if fold {
			line = lower(line)
		}
		for at := 0; ; {
			i := strings.Index(line[at:], text)
			if i < 0 {
				return found
			}
			at += i
			found = append(found, []int{at, at + len(text)})
			at += len(text)
		}
	}, 1, nil
}

// lower is in lower case what keeps its length by it.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if l := unicode.ToLower(r); utf8.RuneLen(l) == utf8.RuneLen(r) {
			return l
		}
		return r
	}, s)
}

// columns tells where the bytes of a line are.
type columns struct {
	offsets []int // at which cells begin
	places  []place
	bytes   int
	end     place
}

func (v *View) columns(first, last int) columns {
	var c columns
	for y := first; y <= last; y++ {
		for x, at := range v.row(y) {
			if !at.padding() {
				c.offsets, c.places = append(c.offsets, c.bytes), append(c.places, place{x, y})
				c.bytes += len(at.text)
			}
		}
		c.end = place{len(v.row(y)), y}
	}
	return c
}

// match is what lies between two offsets, if that is whole characters with all
// that combines with them.
func (c columns) match(from, to int) (match, bool) {
	i, ok := slices.BinarySearch(c.offsets, from)
	if !ok {
		return match{}, false
	}
	m := match{from: c.places[i], to: c.end}
	if to == c.bytes {
		return m, true
	}
	if i, ok = slices.BinarySearch(c.offsets, to); !ok {
		return match{}, false
	}
	if m.to = c.places[i]; m.to.x == 0 { // behind the last one of the row before
		m.to = c.places[i-1]
		m.to.x++
	}
	return m, true
}

// matched gives the text of the match that the cursor is on, or just behind.
func (v *View) matched() (string, bool) {
	at := v.here()
	before := place{at.x - 1, at.y}
	if at.x == 0 {
		before = place{v.width - 1, at.y - 1}
	}
	for _, p := range []place{at, before} {
		on := slices.IndexFunc(v.find.matches, func(m match) bool { return m.has(p) })
		if v.find.shown && on >= 0 {
			return v.text(v.find.matches[on]), true
		}
	}
	return "", false
}

// text is what is in a match.
func (v *View) text(m match) string {
	var b strings.Builder
	for y := m.from.y; y <= m.to.y; y++ {
		from, to := 0, len(v.row(y))
		if y == m.from.y {
			from = m.from.x
		}
		if y == m.to.y {
			to = min(m.to.x, to)
		}
		for x := from; x < to; x++ {
			b.WriteString(v.at(x, y).text)
		}
	}
	return b.String()
}

// again repeats the last search, in its direction or in the other.
func (v *View) again(reverse bool, count int) {
	f := &v.find
	if !f.done {
		return
	}
	for range count {
		if !v.seek(f.text, f.up != reverse, f.regex) {
			return
		}
	}
}

// typing searches for what is being typed. The first character of arg says what
// was done: = for a change, + and - for going on from here.
func (v *View) typing(arg string, up bool) {
	if arg == "" {
		return
	}
	how, text := arg[0], arg[1:]
	f := &v.find
	if !f.origin.set {
		f.origin = origin{true, v.cx, v.cy, v.oy}
	} else if text != f.text {
		v.cx, v.cy, v.oy = f.origin.cx, f.origin.cy, f.origin.oy
	}
	if text == "" {
		v.unmark()
		return
	}
	switch how {
	case '+':
		up = false
	case '-':
		up = true
	case '=':
	default:
		return
	}
	f.up = up
	if !v.seek(text, up, false) {
		f.text = text
		v.unmark()
	}
}
