package tmux

import (
	"fmt"
	"strconv"
	"strings"
)

// arrangements are the layouts that tmux knows by name.
var arrangements = []struct {
	name  string
	since Version
}{
	{name: "even-horizontal"},
	{name: "even-vertical"},
	{name: "main-horizontal"},
	{name: "main-horizontal-mirrored", since: v35},
	{name: "main-vertical"},
	{name: "main-vertical-mirrored", since: v35},
	{name: "tiled"},
}

// isArrangement reports whether version v takes word for the name of one
// layout: the whole name, or the beginning of no other.
func isArrangement(word string, v Version) bool {
	begin := 0
	for _, a := range arrangements {
		if !a.since.IsZero() && !v.AtLeast(a.since) {
			continue
		}
		if a.name == word {
			return true
		}
		if strings.HasPrefix(a.name, word) {
			begin++
		}
	}
	return begin == 1
}

// CheckLayout refuses a layout that is neither the name of one nor written as
// tmux writes layouts, whoever gives it: nothing that has not been read here
// goes to a server. The error is in tmux's words.
func (inv *Invocation) CheckLayout(v Version) error {
	if inv.Row.Args != Layout || len(inv.Args) == 0 || inv.Has('n') || inv.Has('p') || inv.Has('E') {
		return nil // with these no layout is looked at
	}
	given := inv.Args[0]
	if !inv.Has('o') && isArrangement(given, v.orReference()) {
		return nil
	}
	if _, problem := readLayout(given); problem != "" {
		if !v.orReference().AtLeast(v33) {
			problem = "can't set layout"
		}
		return fmt.Errorf("%s: %s", problem, Clean(given))
	}
	return nil
}

// The most that a layout may be: for anybody, and for guests what their own
// terminals may be.
const (
	layoutMost    = 10000
	layoutDepth   = 1000
	guestColumns  = 1000
	guestRows     = 500
	invalidLayout = "invalid layout"
)

// checkExtent refuses layouts that are larger than a guest's terminal may be.
func checkExtent(layout string) error {
	box, problem := readLayout(layout)
	if problem == "" && (box.width > guestColumns || box.height > guestRows) {
		return fmt.Errorf("larger than %dx%d, the most that is allowed here", guestColumns, guestRows)
	}
	return nil // whether it is a layout at all is looked at for everybody
}

// box is a part of a layout: a pane, or several beside or below each other.
type box struct{ width, height int }

// readLayout reads a whole layout, such as "b25d,80x24,0,0[80x12,0,0,1,80x11,0,13,2]",
// and gives its size, or what is wrong with it.
func readLayout(s string) (box, string) {
	sum, rest, ok := strings.Cut(s, ",")
	if !ok || len(sum) != 4 || strings.Trim(sum, "0123456789abcdefABCDEF") != "" {
		return box{}, invalidLayout
	}
	if n, err := strconv.ParseUint(sum, 16, 16); err != nil || uint16(n) != layoutSum(rest) {
		return box{}, invalidLayout
	}
	r := layoutReader{layoutParser: layoutParser{s: rest}}
	b, ok := r.box(0)
	if !ok || r.at != len(r.s) {
		return box{}, invalidLayout
	}
	if r.misfit {
		return b, "size mismatch after applying layout"
	}
	return b, ""
}

// layoutSum is the checksum at the beginning of a layout.
func layoutSum(s string) uint16 {
	var sum uint16
	for i := range len(s) {
		sum = (sum>>1 | sum<<15) + uint16(s[i])
	}
	return sum
}

type layoutReader struct {
	layoutParser
	misfit bool // the parts of something do not make up the whole
}

// box reads WxH,X,Y and what lies in it: two parts or more in braces (beside
// each other) or brackets (below each other), or a pane with its number, which
// may be left out.
func (r *layoutReader) box(depth int) (b box, ok bool) {
	var x, y int
	for i, into := range []*int{&b.width, &b.height, &x, &y} {
		n, found := r.number()
		if !found || n > layoutMost || i < 2 && n < 1 || i < 3 && !r.eat("x,,"[i]) {
			return b, false
		}
		*into = n
	}
	open, done := byte(0), byte(0)
	switch {
	case r.eat('{'):
		open, done = '{', '}'
	case r.eat('['):
		open, done = '[', ']'
	default:
		return b, r.paneNumber()
	}
	if depth == layoutDepth {
		return b, false
	}
	var parts []box
	for {
		part, ok := r.box(depth + 1)
		if !ok {
			return b, false
		}
		parts = append(parts, part)
		if !r.eat(',') {
			break
		}
	}
	if len(parts) < 2 || !r.eat(done) {
		return b, false
	}
	whole := together(parts, open == '{')
	if depth == 0 {
		b = whole // tmux goes by the parts there
	}
	r.misfit = r.misfit || b != whole || !level(parts, open == '{')
	return b, true
}

// paneNumber reads the number of a pane, if it follows. A comma may also lead
// to the next part, which begins with its width.
func (r *layoutReader) paneNumber() bool {
	before := r.at
	if !r.eat(',') {
		return true
	}
	if _, ok := r.number(); !ok {
		return false
	}
	if r.at < len(r.s) && r.s[r.at] == 'x' {
		r.at = before
	}
	return true
}

// together is the size of parts with the lines between them.
func together(parts []box, beside bool) box {
	whole := parts[len(parts)-1]
	for _, p := range parts[:len(parts)-1] {
		if beside {
			whole.width += p.width + 1
		} else {
			whole.height += p.height + 1
		}
	}
	return whole
}

// level reports whether parts are equally high, or equally wide.
func level(parts []box, beside bool) bool {
	for _, p := range parts {
		if beside && p.height != parts[0].height || !beside && p.width != parts[0].width {
			return false
		}
	}
	return true
}
