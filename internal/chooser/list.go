package chooser

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxFilter is the longest text that a list is narrowed by, in characters.
const maxFilter = 100

// Item is one line of a list. Its texts may come from anywhere: they are drawn as
// [Seen] has them.
type Item struct {
	// Left is what stands at the edge, such as a key; Text is the line.
	Left, Text string
	// Fixed: the line can be read and not chosen, and stays when the list is
	// narrowed.
	Fixed bool
	// Whole: in a list that is only read the text is drawn as it is, on as many lines as it
	// takes and underlined, so that every space of it is seen: see [List.Whole].
	Whole bool
	// Plain: it is not underlined, as what is said of a text that is.
	Plain bool
}

// List is what somebody looks through. The fields are set before it is used.
type List struct {
	// Title is the first line, Foot the last one while nothing is typed.
	Title, Foot string
	Items       []Item
	// Choose: one line is marked, and Enter chooses it. Otherwise the list is
	// scrolled.
	Choose bool

	typing bool // keys are the filter's
	filter []rune
	at     int // of the marked one among those that are shown
	top    int // the first line that is drawn
	page   int // how many lines were drawn the last time
	lines  int // and how many there were to draw

	matched matched
	read    read
}

// read is how far the items that are to be shown whole have been shown.
type read struct {
	cols  int  // of the terminal
	to    int  // up to this line all were
	next  int  // and are, once what was drawn last is shown
	of    int  // how many lines it takes to have drawn the last of them
	never bool // some of them cannot be shown as it is
}

// matched are the items that are shown of so many by a filter.
type matched struct {
	known bool
	by    string
	of    int
	all   []int
}

// Outcome is what a key has come to.
type Outcome uint8

// The outcomes.
const (
	// Nothing has changed.
	Nothing Outcome = iota
	// Changed: it is to be drawn again.
	Changed
	// Chosen: what [List.Chosen] tells was chosen.
	Chosen
	// Left: the person is done with it.
	Left
)

// shown gives the items that are shown, by their places in Items.
func (l *List) shown() []int {
	by, of := string(l.filter), len(l.Items)
	if m := l.matched; m.known && m.by == by && m.of == of {
		return m.all
	}
	var all []int
	for i, item := range l.Items {
		if by == "" || item.Fixed || Matches(Seen(item.Left+" "+item.Text), by) {
			all = append(all, i)
		}
	}
	l.matched = matched{true, by, of, all}
	return all
}

// Chosen gives the place in Items of what is marked, false if nothing is.
func (l *List) Chosen() (int, bool) {
	all := l.shown()
	if !l.Choose || l.at < 0 || l.at >= len(all) || l.Items[all[l.at]].Fixed {
		return 0, false
	}
	return all[l.at], true
}

// Mark marks an item by its place in Items, if it is shown.
func (l *List) Mark(at int) {
	for i, item := range l.shown() {
		if item == at {
			l.at = i
		}
	}
}

// note keeps which lines are about to be drawn.
func (l *List) note(lines []line, cols int, utf8 bool) {
	if l.read.cols != cols { // the lines are others
		l.read = read{cols: cols}
	}
	l.read.of, l.read.never = 0, false
	for i, drawn := range lines {
		if drawn.whole {
			l.read.of = i + 1
			l.read.never = l.read.never || drawn.text == "" || !utf8 && terminal(drawn.text, utf8) != drawn.text
		}
	}
	l.read.next = l.read.to
	if l.top <= l.read.to {
		l.read.next = max(l.read.to, l.top+l.page)
	}
}

// Shown notes that what was drawn last has come to the terminal.
func (l *List) Shown() { l.read.to = l.read.next }

// Whole reports whether all has been shown of the items that are to be shown whole, each
// character as itself, one line after the other.
func (l *List) Whole() bool {
	return wholeOrNot(l.read.cols > 0 && !l.read.never && l.read.to >= l.read.of)
}

// Filter is what the list is narrowed by.
func (l *List) Filter() string { return string(l.filter) }

// Typing reports whether keys are letters of what the list is narrowed by.
func (l *List) Typing() bool { return l.typing }

// Key takes a key by tmux's name for it.
func (l *List) Key(key string) Outcome {
	switch key {
	case "C-c", "C-g":
		return Left
	case "Enter", "KPEnter", "C-m":
		return l.enter()
	case "Escape":
		return l.back()
	}
	if by, ok := l.step(key); ok {
		l.move(by)
		return Changed
	}
	if l.typing {
		return l.edit(key)
	}
	switch key {
	case "q":
		return Left
	case "/":
		l.typing = true
		return Changed
	}
	return Nothing
}

// enter chooses, or ends what is typed where nothing can be chosen.
func (l *List) enter() Outcome {
	if l.Choose {
		if _, ok := l.Chosen(); !ok {
			return Nothing
		}
		return Chosen
	}
	if !l.typing {
		return Nothing
	}
	l.typing = false
	return Changed
}

// back takes away what the list is narrowed by, or leaves.
func (l *List) back() Outcome {
	if !l.typing && len(l.filter) == 0 {
		return Left
	}
	l.typing = false
	l.narrow(nil)
	return Changed
}

// step tells by how many lines a key moves. Letters do so only while nothing is
// typed.
func (l *List) step(key string) (by int, ok bool) {
	page, all := max(l.page-1, 1), max(l.lines, len(l.Items))
	switch key {
	case "Up", "C-p":
		return -1, true
	case "Down", "C-n":
		return 1, true
	case "PPage", "C-b":
		return -page, true
	case "NPage", "C-f":
		return page, true
	case "Home":
		return -all, true
	case "End":
		return all, true
	}
	if l.typing {
		return 0, false
	}
	switch key {
	case "k":
		return -1, true
	case "j":
		return 1, true
	case "b":
		return -page, true
	case "Space", "f":
		return page, true
	case "g":
		return -all, true
	case "G":
		return all, true
	}
	return 0, false
}

// move moves the mark, or the list where nothing is marked.
func (l *List) move(by int) {
	if l.Choose {
		l.at = max(min(l.at+by, len(l.shown())-1), 0)
		return
	}
	l.top = max(min(l.top+by, l.lines-l.page), 0)
}

// edit takes a key to what the list is narrowed by.
func (l *List) edit(key string) Outcome {
	switch key {
	case "BSpace", "C-h", "C-?":
		if len(l.filter) > 0 {
			l.narrow(l.filter[:len(l.filter)-1])
		}
		return Changed
	case "C-u":
		l.narrow(nil)
		return Changed
	case "Space":
		key = " "
	}
	c, n := utf8.DecodeRuneInString(key)
	if n != len(key) || n == 0 || c == utf8.RuneError || !unicode.IsPrint(c) || len(l.filter) >= maxFilter {
		return Nothing
	}
	l.narrow(append(l.filter[:len(l.filter):len(l.filter)], c))
	return Changed
}

// Insert takes text that was pasted to what the list is narrowed by, if that is
// being typed.
func (l *List) Insert(text string) Outcome {
	if !l.typing {
		return Nothing
	}
	first, _, _ := strings.Cut(strings.ReplaceAll(text, "\r", "\n"), "\n")
	out := Nothing
	for _, c := range first {
		if l.edit(string(c)) == Changed {
			out = Changed
		}
	}
	return out
}

// narrow keeps the same one marked if it is still shown.
func (l *List) narrow(by []rune) {
	was, marked := l.Chosen()
	l.filter = by
	l.at, l.top = l.first(), 0
	if marked {
		l.Mark(was)
	}
}

// first is the first one that can be chosen.
func (l *List) first() int {
	for i, at := range l.shown() {
		if !l.Items[at].Fixed {
			return i
		}
	}
	return 0
}
