package attach

import (
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/tmux"
)

// noticeFor is how long a notice stays unless a key is pressed.
const noticeFor = 3 * time.Second

// overlay is the line that muxward itself shows a person: a question before a
// notice, and both before a banner.
type overlay struct {
	question atomic.Pointer[asking]
	notice   atomic.Pointer[string]
	banner   atomic.Pointer[string]

	// asked is when a redraw was asked for that takes something away, in Unix
	// nanoseconds.
	asked atomic.Int64
	// redrawn is when all was last asked to be drawn anew for another reason, such
	// as a new size: a notice of that time is for the person still to read.
	redrawn atomic.Int64

	mu    sync.Mutex
	timer *time.Timer // of the notice
	clear *time.Timer // of that redraw
	mend  *time.Timer // of one that takes away a banner that was moved up
}

// asking is a question, and what was typed in answer to it so far.
type asking struct{ text, line string }

// maxNotice is how much is kept of what is to be shown, in bytes: more than fits
// on a line.
const maxNotice = 4 << 10

const (
	// clearAfter is how long the line is left for another notice to come, which
	// then needs no redraw.
	clearAfter = 50 * time.Millisecond
	// clearedIn is how long a redraw may take that was asked for before a notice
	// came: it does not take that one away.
	clearedIn = 300 * time.Millisecond
)

// Notice shows text on the last line of the person's own screen, until they
// press a key or for three seconds; then a redraw is asked for. Nobody else
// sees it, and the pane does not know of it. Text may come from anywhere: it
// is escaped and cut to the line. It is not subject to the Gate.
func (a *Attachment) Notice(text string) {
	text = text[:min(len(text), maxNotice)]
	if a.announce(&text) {
		a.overlay()
	}
}

// announce makes a notice the one that is shown, with its end, before anybody
// can take it away.
func (a *Attachment) announce(text *string) bool {
	n := &a.note
	n.mu.Lock()
	defer n.mu.Unlock()
	if a.closed.Load() {
		return false
	}
	for _, t := range []*time.Timer{n.timer, n.clear} {
		if t != nil {
			t.Stop()
		}
	}
	n.notice.Store(text)
	n.timer = time.AfterFunc(noticeFor, func() {
		a.spawn(func() {
			failpoint.At("attach-notice")
			a.dismiss(text)
		})
	})
	return true
}

// Ask shows a question in the place of a notice, until Answered is called, and
// behind it a line that is typed in answer. Of both the line is shown, if there is
// no room for more: people see what they type.
func (a *Attachment) Ask(text, line string) {
	a.ask(&asking{text[:min(len(text), maxNotice)], line[:min(len(line), maxNotice)]})
}

func (a *Attachment) ask(question *asking) {
	a.note.question.Store(question)
	a.overlay()
}

// unask takes this question away, if it is the one that is shown.
func (a *Attachment) unask(question *asking) bool {
	was := a.note.question.CompareAndSwap(question, nil)
	if was {
		a.clear()
	}
	return was
}

// Answered takes the question away.
func (a *Attachment) Answered() {
	if a.note.question.Swap(nil) != nil {
		a.clear()
	}
}

// dismiss has a notice drawn over if it is this one that is shown.
func (a *Attachment) dismiss(notice *string) {
	if notice != nil && a.note.notice.CompareAndSwap(notice, nil) {
		a.clear()
	}
}

// clear has the line drawn over soon, if nothing else is shown there then.
func (a *Attachment) clear() {
	n := &a.note
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.clear != nil {
		n.clear.Stop()
	}
	n.clear = time.AfterFunc(clearAfter, func() {
		n.asked.Store(time.Now().UnixNano())
		if !a.repainted() && !a.bannered() {
			a.redrawBy(a.cfg.Refresh) // what was on the line has left the cursor where tmux believes it is
		}
	})
}

// repainted has a picture shown anew that covers the display, if there is one.
func (a *Attachment) repainted() bool {
	a.out.mu.Lock()
	defer a.out.mu.Unlock()
	if a.out.cover == nil || a.closed.Load() {
		return a.closed.Load()
	}
	if err := a.out.paint(); err != nil {
		a.end(err)
	}
	return true
}

// overlay shows what there is to show.
func (a *Attachment) overlay() {
	a.out.mu.Lock()
	err := a.out.overlay(true)
	a.out.mu.Unlock()
	if err != nil {
		a.end(err)
	}
}

// overlay shows it, first or again: what tmux has drawn may have covered it.
// o.mu is held.
func (o *output) overlay(first bool) error {
	if line := o.top(first, Size{}); line != nil {
		return o.put(line)
	}
	return nil
}

// top gives what is drawn on the last line now, nil for nothing. A
// notice is shown again only where that was drawn for what stood there before; over
// what muxward draws, and over a banner, each time. The zero size is looked up. o.mu is held.
func (o *output) top(first bool, size Size) []byte {
	n := &o.a.note
	if o.a.closed.Load() || o.away || o.lagging {
		return nil
	}
	shown := n.question.Load()
	if shown == nil && (first || n.banner.Load() != nil || n.outlasts(time.Now())) {
		if text := n.notice.Load(); text != nil {
			shown = &asking{text: *text}
		}
	}
	if shown == nil && (n.banner.Load() == nil || o.cover != nil || o.left()) { // the picture needs the line for itself
		return nil
	}
	if size == (Size{}) {
		size = o.a.Size()
	}
	if shown != nil {
		return lastLine(shown.fit(size.Cols-1), size)
	}
	return o.lasting(size)
}

// outlasts reports whether a notice is no longer there for what was asked for
// before, and not because tmux had something else to show in its place.
func (n *overlay) outlasts(now time.Time) bool {
	return now.UnixNano()-n.asked.Load() < int64(clearedIn) || now.UnixNano()-n.redrawn.Load() < int64(noticeFor)
}

// anew notes that everything is drawn anew soon.
func (n *overlay) anew() { n.redrawn.Store(time.Now().UnixNano()) }

// fit writes a question and its line in a width.
func (q *asking) fit(width int) string {
	if q.line == "" {
		return fit(" "+Printable(q.text)+" ", width)
	}
	line := fitEnd(Printable(q.line)+" ", width)
	return fit(" "+Printable(q.text), width-tmux.MostColumns(line)) + line
}

func (n *overlay) stop() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, t := range []*time.Timer{n.timer, n.clear, n.mend} {
		if t != nil {
			t.Stop()
		}
	}
}

// Printable returns text with everything escaped that a terminal would not
// just show: controls, bytes that are not UTF-8, characters that are invisible
// or reorder others. The result is one line.
func Printable(text string) string {
	var b strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case r == '\\':
			b.WriteString(`\\`)
		case r == ' ', r > ' ' && unicode.IsPrint(r) && !(r == unicode.ReplacementChar && size == 1):
			b.WriteString(text[:size])
		default:
			q := strconv.QuoteToASCII(text[:size])
			b.WriteString(q[1 : len(q)-1])
		}
		text = text[size:]
	}
	return b.String()
}

// fit cuts printable text to a width. Characters that may be wide are counted
// as wide, so that the line is never longer than it may be.
func fit(text string, width int) string {
	used := 0
	for i, r := range text {
		if used += tmux.MostWidth(r); used > width {
			return text[:i]
		}
	}
	return text
}

// fitEnd cuts from the begin of text what there is no room for.
func fitEnd(text string, width int) string {
	over := tmux.MostColumns(text) - width
	for i, r := range text {
		if over <= 0 {
			return text[i:]
		}
		over -= tmux.MostWidth(r)
	}
	return ""
}
