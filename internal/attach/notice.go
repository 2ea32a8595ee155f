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

// overlay is the line that muxward itself shows a person.
type overlay struct {
	up atomic.Bool

	mu    sync.Mutex
	timer *time.Timer
	a     *Attachment
}

// Notice shows text on the last line of the person's own screen, until they
// press a key or for three seconds; then a redraw is asked for. Nobody else
// sees it, and the pane does not know of it. Text may come from anywhere: it
// is escaped and cut to the line. It is not subject to the Gate.
func (a *Attachment) Notice(text string) {
	size := a.size()
	// The last column stays free: a terminal might wrap and scroll.
	line := fit(" "+Printable(text)+" ", size.Cols-1)
	p := fmt.Appendf(nil, "\x1b7\x0f\x1b(B\x1b[%d;1H\x1b[0;7m%s\x1b[0m\x1b8", size.Rows, line)
	o := &a.out
	o.mu.Lock()
	show := !a.closed.Load() && !o.away && !o.lagging
	var err error
	if show {
		err = o.put(p)
	}
	o.mu.Unlock()
	if err != nil {
		a.end(err)
	}
	if !show || err != nil {
		return
	}
	a.note.mu.Lock()
	defer a.note.mu.Unlock()
	a.note.a = a
	a.note.up.Store(true)
	if a.note.timer != nil {
		a.note.timer.Stop()
	}
	a.note.timer = time.AfterFunc(noticeFor, func() {
		a.spawn(func() {
			failpoint.At("attach-notice")
			a.note.dismiss()
		})
	})
}

// dismiss has the notice drawn over if there is one.
func (n *overlay) dismiss() {
	if n.up.Load() && n.up.CompareAndSwap(true, false) {
		n.mu.Lock()
		a := n.a
		n.timer.Stop()
		n.mu.Unlock()
		a.redraw()
	}
}

func (n *overlay) stop() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.up.Store(false)
	if n.timer != nil {
		n.timer.Stop()
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
