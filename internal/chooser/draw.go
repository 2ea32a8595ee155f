package chooser

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/muxward/muxward/internal/tmux"
)

// line is one line as it is drawn.
type line struct {
	left, text string
	item       int // its place among those that are shown
	whole      bool
	plain      bool
}

// lineUp makes lines of the items that are shown. Where nothing is chosen what
// is too long for a line goes on in the next one.
func (l *List) lineUp(cols, edge int) []line {
	var all []line
	room := max(cols-edge, 1)
	for n, at := range l.shown() {
		item := l.Items[at]
		if item.Whole {
			all = append(all, wholly(item, n, edge, room)...)
			continue
		}
		left, text := Cut(Seen(item.Left), max(edge-2, 0)), Seen(item.Text)
		for {
			part := Cut(text, room)
			if !l.Choose && len(part) < len(text) && text[len(part)] != ' ' {
				if space := strings.LastIndexByte(part, ' '); space > 0 {
					part = part[:space]
				}
			}
			all = append(all, line{left: left, text: part, item: n})
			text = strings.TrimPrefix(text[len(part):], " ")
			if l.Choose || text == "" || part == "" {
				break
			}
			left = ""
		}
	}
	return all
}

// wholly makes lines of an item of which nothing is left out, not even a space.
func wholly(item Item, n, edge, room int) (all []line) {
	left, text := Cut(Seen(item.Left), max(edge-2, 0)), Seen(item.Text)
	for text != "" {
		part := cutWide(text, room)
		if part == "" { // a wide character, where there is one column: there is more than was drawn
			return append(all, line{left: left, text: "", item: n, whole: true}, line{item: n, whole: true})
		}
		all = append(all, line{left: left, text: part, item: n, whole: true, plain: item.Plain})
		left, text = "", text[len(part):]
	}
	return all
}

// cutWide is Cut for terminals that draw whatever is not ASCII on two columns: nothing is
// written past the end of a line, where it is not seen.
func cutWide(text string, cols int) string {
	used := 0
	for i, c := range text {
		if used++; c > unicode.MaxASCII {
			used++
		}
		if used > cols {
			return text[:i]
		}
	}
	return text
}

// edge is how many columns what stands at the edge takes, with a space behind it.
func (l *List) edge(cols int) int {
	most := 0
	for _, item := range l.Items {
		most = max(most, tmux.MostColumns(Seen(item.Left)))
	}
	if most == 0 || cols < 8 { // there is only room for one of both
		return 0
	}
	return min(most+2, cols/2)
}

// Draw draws the list over all of a terminal. It leaves no colours or attributes
// in force, and the cursor at what is marked. Without utf8 it is plain ASCII.
func (l *List) Draw(cols, rows int, utf8 bool) []byte {
	// Of some characters terminals do not agree how wide they are: nothing wraps,
	// and the last column stays free.
	b := []byte("\x1b[?25l\x1b[?7l\x0f\x1b(B")
	width := max(cols-1, 1)
	edge := l.edge(width)
	lines := l.lineUp(width, edge)
	head, foot := 1, 1
	if rows < 4 { // there is only room for what it is about
		head = 0
	}
	if rows < 2 {
		foot = 0
	}
	l.page, l.lines = max(rows-head-foot, 1), len(lines)
	if l.Choose {
		l.at = max(min(l.at, len(lines)-1), 0) // there a line is an item
		l.top = max(min(l.top, l.at), l.at-l.page+1)
	}
	l.top = max(min(l.top, len(lines)-l.page), 0)
	l.note(lines, cols, utf8)
	if head > 0 {
		b = drawRow(b, 1, "\x1b[0;7m", terminal(Cut(Seen(l.Title), width), utf8))
	}
	cursor := rows
	for i := range l.page {
		text, look := "", "\x1b[0m"
		if n := l.top + i; n < len(lines) {
			if l.Choose && lines[n].item == l.at {
				look, cursor = "\x1b[0;7m", head+i+1
			}
			text = lines[n].drawn(edge, utf8)
		}
		b = drawRow(b, head+i+1, look, text)
	}
	if foot > 0 {
		b = drawRow(b, rows, "\x1b[0;7m", terminal(l.below(width), utf8))
	}
	return fmt.Appendf(b, "\x1b[0m\x1b[%d;1H\x1b[?7h\x1b[?25h", min(cursor, rows))
}

// drawn is the line with its text at the same column as the others'.
func (l line) drawn(edge int, utf8 bool) string {
	text := terminal(l.text, utf8)
	if l.whole && !l.plain { // so that spaces are seen, too
		text = "\x1b[4m" + text + "\x1b[0m"
	}
	if edge == 0 {
		return text
	}
	return fmt.Sprintf("%s\x1b[%dG%s", terminal(l.left, utf8), edge+1, text)
}

// below is the last line: what is typed, or how to go on.
func (l *List) below(width int) string {
	text := Seen(l.Foot)
	if l.typing || len(l.filter) > 0 {
		text = "/" + l.Filter()
		if l.typing {
			text += "_"
		}
		if n := tmux.MostColumns(text); n > width { // people see what they type
			runes := []rune(text)
			for tmux.MostColumns(string(runes)) > width {
				runes = runes[1:]
			}
			return string(runes)
		}
	}
	if l.lines > l.page && !l.Choose {
		text = fmt.Sprintf("%d-%d of %d  %s", l.top+1, min(l.top+l.page, l.lines), l.lines, text)
	}
	return Cut(text, width)
}

func drawRow(b []byte, row int, look, text string) []byte {
	return fmt.Appendf(b, "\x1b[%d;1H\x1b[0m\x1b[K%s%s", row, look, text)
}

// terminal is a text as it is written to a terminal, which may have no other
// characters than ASCII.
func terminal(text string, utf8 bool) string {
	if utf8 {
		return Isolated(text)
	}
	return tmux.Sanitize(text)
}
