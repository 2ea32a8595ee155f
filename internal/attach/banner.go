package attach

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/muxward/muxward/internal/attach/screen"
	"github.com/muxward/muxward/internal/tmux"
)

// banner is how the line that stays is drawn.
type banner struct {
	text  *string // overlay.banner, as it was drawn last
	line  []byte
	of    Size // for which
	rows  rows // of the display, if tmux draws it
	waits bool // a redraw comes that takes away what was moved up
}

// mendAfter is how long tmux may go on moving the last line up until all is drawn anew:
// each time it takes the banner along.
const mendAfter = 500 * time.Millisecond

// Banner has text stay on the last line of the person's own screen, as a notice is drawn
// there, until it is called again: with "" for nothing. Notices and questions are shown
// in its place while they are there, and pictures of muxward's own, which need that line.
// It is not subject to the Gate, and waits for nothing: what stood there before is drawn
// over soon, and not drawn again, but by who has begun to: see Drawn.
func (a *Attachment) Banner(text string) {
	next := (*string)(nil)
	if text = text[:min(len(text), maxNotice)]; text != "" {
		next = &text
	}
	if was := a.note.banner.Swap(next); was == nil && next == nil || was != nil && next != nil && *was == *next {
		return
	}
	a.clear()
}

// Drawn waits until whatever muxward draws just now over the display is written.
func (a *Attachment) Drawn(ctx context.Context) error {
	if err := lockWithin(ctx, &a.out.mu, func() {}); err != nil {
		return fmt.Errorf("wait for what is drawn: %w", err)
	}
	return nil
}

// bannered draws the banner in the place of what was shown over it, and reports whether
// there is one.
func (a *Attachment) bannered() bool {
	if a.note.banner.Load() == nil {
		return false
	}
	a.overlay()
	return true
}

// lasting gives the banner as it is drawn in a size, nil for none. o.mu is held.
func (o *output) lasting(size Size) []byte {
	b, text := &o.banner, o.a.note.banner.Load()
	if text == nil {
		return nil
	}
	if b.text != text || b.of != size {
		b.line, b.text, b.of = lastLine((&asking{text: *text}).fit(size.Cols-1), size), text, size
	}
	return b.line
}

// left reports whether the display has left the screen that it drew on: what stands on the
// other one is not the display's.
func (o *output) left() bool {
	const alternate = screen.Alternate | screen.AlternateOld
	return o.latest.ever&alternate != 0 && o.latest.now&alternate == 0
}

// lastLine draws text that fits on the last line.
func lastLine(text string, size Size) []byte {
	// The last column stays free: a terminal might wrap and scroll.
	// What stood behind it before is no part of it, and is erased.
	return fmt.Appendf(nil, "\x1b7\x0f\x1b(B\x1b[%d;1H\x1b[0;7m%s\x1b[0m\x1b[K\x1b8", size.Rows, text)
}

// mend has all drawn anew soon if what is shown next moves the banner up with what tmux
// has drawn. It gives the terminal's size if that was looked up; o.mu is held.
func (o *output) mend(shown []byte) (size Size) {
	b, text := &o.banner, o.a.note.banner.Load()
	if text == nil || o.ours {
		b.rows = rows{}
		return size
	}
	size = o.a.Size()
	if !b.rows.moved(shown, size) || b.waits {
		return size
	}
	b.waits = true
	n := &o.a.note
	n.mu.Lock()
	defer n.mu.Unlock()
	if o.a.closed.Load() {
		return size
	}
	n.mend = time.AfterFunc(mendAfter, func() {
		o.mu.Lock()
		o.banner.waits = false
		o.mu.Unlock()
		if o.a.note.banner.Load() != nil { // its end has all drawn anew
			o.a.redrawBy(o.a.cfg.Refresh)
		}
	})
	return size
}

// rows follows, in what a Filter lets through, whether a terminal's last line is moved
// up. Where lines wrap it goes by the widths of most terminals, and until it has seen
// the cursor set it takes all that may move it for moving it.
type rows struct {
	row, col       int // from 1 and 0; row 0 is not known
	kept, keptCol  int // by DECSC
	bottom, height int // of the scroll region, 0 for the last line; of the terminal
	width          int
	joins          bool // the last character joins the next one to it
	hit            bool
}

// joiner is between the parts of an emoji of several (ZERO WIDTH JOINER).
const joiner = 0x200d

// moved reads what is shown next.
func (r *rows) moved(p []byte, size Size) bool {
	r.hit, r.height, r.width = false, size.Rows, size.Cols
	for len(p) > 0 {
		if p[0] < 0x80 {
			r.joins = false
		}
		switch c := p[0]; {
		case c == 0x1b:
			p = r.escape(p)
			continue
		case c == '\n' || c == '\v' || c == '\f':
			r.down()
		case c == '\r':
			r.col = 0
		case c == '\b':
			r.col = max(r.col-1, 0)
		case c == '\t':
			r.col = min(r.col|7+1, r.width-1)
		case c-0x20 < 0x5f:
			p = p[r.plain(p):]
			continue
		case c >= 0x80:
			char, size := utf8.DecodeRune(p)
			width := tmux.RuneWidth(char)
			if r.joins { // tmux has it in the cell of what is before it
				width = 0
			}
			r.joins = char == joiner
			r.print(width)
			p = p[size:]
			continue
		}
		p = p[1:]
	}
	return r.hit
}

// last reports whether the scroll region has the last line.
func (r *rows) last() bool { return r.bottom == 0 || r.bottom >= r.height }

// down is a line feed.
func (r *rows) down() {
	switch {
	case r.row == 0 || r.row == r.bottom || r.row >= r.height:
		r.hit = r.hit || r.last()
	default:
		r.row++
	}
}

func (r *rows) print(width int) {
	if r.col+width > r.width {
		r.col = 0
		r.down()
	}
	r.col += width
}

// plain prints a run of ASCII, and gives its length.
func (r *rows) plain(p []byte) (n int) {
	for n < len(p) && p[n]-0x20 < 0x5f {
		n++
	}
	for left := n; left > 0; {
		if r.col >= r.width {
			r.print(1)
			left--
		}
		fits := min(left, r.width-r.col)
		r.col += fits
		left -= fits
	}
	return n
}

// escape reads a sequence, and gives what follows it.
func (r *rows) escape(p []byte) []byte {
	if len(p) < 2 {
		return nil
	}
	switch p[1] {
	case '[':
		for end := 2; end < len(p); end++ {
			if c := p[end]; c >= 0x40 && c <= 0x7e {
				if c != 'm' && c != 'K' { // the most frequent ones move nothing
					r.control(splitCSI(p[:end+1]))
				}
				return p[end+1:]
			}
		}
		return nil
	case ']', 'P', '_', '^', 'X', 'k':
		if end := bytes.IndexAny(p[2:], "\a\x1b"); end >= 0 {
			if end += 2; p[end] == 0x1b { // ESC \
				end++
			}
			return p[min(end+1, len(p)):]
		}
		return nil
	case '7':
		r.kept, r.keptCol = r.row, r.col
	case '8':
		r.row, r.col = r.kept, r.keptCol
	case 'D':
		r.down()
	case 'E':
		r.col = 0
		r.down()
	case 'M':
		r.row = max(r.row-1, min(r.row, 1))
	case '(', ')':
		return p[min(3, len(p)):]
	}
	return p[2:]
}

// control reads a control sequence.
func (r *rows) control(c csi) {
	if c.prefix|c.inter != 0 {
		return
	}
	var v [2]int
	i := 0
	for n := range c.numbers {
		if i < len(v) {
			v[i] = n
		}
		i++
	}
	arg := func(i, none int) int { return cmp.Or(v[i], none) }
	switch c.final {
	case 'H', 'f':
		r.row, r.col = min(arg(0, 1), r.height), arg(1, 1)-1
	case 'd':
		r.row = min(arg(0, 1), r.height)
	case 'G', '`':
		r.col = arg(0, 1) - 1
	case 'A', 'B', 'E', 'F', 'e':
		if by := arg(0, 1); r.row > 0 && (c.final == 'A' || c.final == 'F') {
			r.row = max(r.row-by, 1)
		} else if r.row > 0 {
			r.row = min(r.row+by, r.height)
		}
		if c.final == 'E' || c.final == 'F' {
			r.col = 0
		}
	case 'C', 'a':
		r.col = min(r.col+arg(0, 1), r.width-1)
	case 'D':
		r.col = max(r.col-arg(0, 1), 0)
	case 'b':
		for range min(arg(0, 1), r.width) {
			r.print(1)
		}
	case 'r':
		r.bottom, r.row, r.col = arg(1, 0), 1, 0
	case 'S', 'M':
		r.hit = r.hit || r.last()
	}
}
