package scrollback

import (
	"io"
	"regexp"
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
	// maxLine is how long a line may be that is looked at as one. Of longer ones
	// each such part is a line.
	maxLine = 64 << 10
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
	v.steps += len(all)
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

// matches finds all places, in the lines that rows make together. What takes too
// long is given up, with what was found until then.
func (v *View) matches(text string, regex bool) ([]match, error) {
	f, err := newFinder(text, regex)
	if err != nil {
		return nil, err
	}
	var all []match
	for y := 0; y <= v.bottom() && len(all) < maxMatches && f.left > 0; {
		line, end := v.line(y)
		if found := f.all(line, maxMatches-len(all)); len(found) > 0 {
			columns := v.columns(y, end)
			for _, m := range found {
				if m, ok := columns.match(m[0], m[1]); ok {
					all = append(all, m)
				}
			}
		}
		y = end + 1
	}
	if f.left <= 0 {
		v.tire()
	}
	return all, nil
}

// line is the text of the rows that go on in each other from y on, and the last
// of them.
func (v *View) line(y int) (text string, end int) {
	if !v.wrapped(y) {
		return v.rows[y].plain, y
	}
	var b strings.Builder
	b.WriteString(v.rows[y].plain)
	for end = y; v.wrapped(end) && b.Len() < maxLine; {
		end++
		b.WriteString(v.rows[end].plain)
	}
	return b.String(), end
}

// finder finds a text in lines. Letters are taken as they are if there is a
// capital among them.
type finder struct {
	text         string
	fold         bool
	first, later *regexp.Regexp // nil: it is no expression
	steps        int            // for each character
	left         int            // how many steps there are still to be taken
}

func newFinder(text string, regex bool) (*finder, error) {
	f := &finder{text: text, fold: !strings.ContainsFunc(text, unicode.IsUpper), left: maxSearch}
	if regex && strings.ContainsAny(text, `^$*+()?[].\`) {
		var err error
		f.first, f.later, f.steps, err = tmux.Pattern(text, f.fold)
		return f, err
	}
	if f.fold {
		f.text = lower(text)
	}
	return f, nil
}

// all gives what it finds in a line as pairs of offsets, but for what is empty,
// and at most so many.
func (f *finder) all(line string, most int) (found [][]int) {
	next := f.pattern
	if f.first == nil {
		f.left -= len(line) + 1
		next = f.plain
		if f.fold {
			line = lower(line)
		}
	}
	for at := 0; at < len(line) && len(found) < most; {
		from, to := next(line, at)
		switch {
		case from < 0:
			return found
		case from == to:
			_, n := utf8.DecodeRuneInString(line[to:])
			at = to + max(n, 1)
			continue
		}
		found = append(found, []int{from, to})
		at = to
	}
	return found
}

// plain finds the text from an offset on; it is at -1 if it is not there.
func (f *finder) plain(line string, at int) (from, to int) {
	i := strings.Index(line[at:], f.text)
	if i < 0 {
		return -1, -1
	}
	return at + i, at + i + len(f.text)
}

// pattern is plain for an expression. Each look at a character is counted, as the
// rest of a line may be looked at again for each match.
func (f *finder) pattern(line string, at int) (from, to int) {
	re, before := f.first, 0
	if at > 0 {
		re = f.later
		_, before = utf8.DecodeLastRuneInString(line[:at])
	}
	r := &counted{text: line[at-before:], left: f.left / f.steps}
	m := re.FindReaderIndex(r)
	f.left -= (r.read + 1) * f.steps
	if m == nil || f.left <= 0 {
		return -1, -1
	}
	from, to = at-before+m[0], at-before+m[1]
	if at > 0 {
		_, n := utf8.DecodeRuneInString(line[from:])
		from += n
	}
	return from, to
}

// counted is a text that is over when so much of it was read as is granted.
type counted struct {
	text       string
	read, left int
}

// ReadRune implements [io.RuneReader].
func (c *counted) ReadRune() (rune, int, error) {
	if c.text == "" || c.read >= c.left {
		return 0, 0, io.EOF
	}
	r, n := utf8.DecodeRuneInString(c.text)
	c.text = c.text[n:]
	c.read++
	return r, n, nil
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
		if !v.seek(f.text, f.up != reverse, f.regex) || v.tired() {
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
