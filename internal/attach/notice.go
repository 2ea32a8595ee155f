package attach

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/muxward/muxward/internal/failpoint"
)

// noticeFor is how long a notice stays unless a key is pressed.
const noticeFor = 3 * time.Second

// overlay is the line that muxward itself shows a person: a question before a
// notice.
type overlay struct {
	question, notice atomic.Pointer[string]

	// asked is when a redraw was asked for that takes something away, in Unix
	// nanoseconds.
	asked atomic.Int64

	mu    sync.Mutex
	timer *time.Timer // of the notice
	clear *time.Timer // of that redraw
}

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

// Ask shows a question in the place of a notice, until Answered is called.
func (a *Attachment) Ask(text string) {
	a.note.question.Store(&text)
	a.overlay()
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
		a.redraw()
	})
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

// overlay shows it, first or again: what tmux has drawn may have covered it. A
// notice is shown again only where that was drawn for what stood there before.
// o.mu is held.
func (o *output) overlay(first bool) error {
	n := &o.a.note
	text := n.question.Load()
	if text == nil && (first || time.Now().UnixNano()-n.asked.Load() < int64(clearedIn)) {
		text = n.notice.Load()
	}
	if text == nil || o.a.closed.Load() || o.away || o.lagging {
		return nil
	}
	size := o.a.size()
	// The last column stays free: a terminal might wrap and scroll.
	line := fit(" "+Printable(*text)+" ", size.Cols-1)
	return o.put(fmt.Appendf(nil, "\x1b7\x0f\x1b(B\x1b[%d;1H\x1b[0;7m%s\x1b[0m\x1b8", size.Rows, line))
}

func (n *overlay) stop() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, t := range []*time.Timer{n.timer, n.clear} {
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
		w := 1
		if r >= 0x1100 {
			w = 2
		}
		if used += w; used > width {
			return text[:i]
		}
	}
	return text
}
