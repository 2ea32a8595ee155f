package scrollback

// Settings are the options of the server that say how people look back there.
type Settings struct {
	// Vi is set if the option mode-keys is vi, else it is emacs.
	Vi bool
	// Wrap is the option wrap-search.
	Wrap bool
	// Separators is the option word-separators.
	Separators string
}

// View is one person's look at a pane's content.
type View struct {
	*Content
	set Settings

	cx, cy int // the cursor, on the screen
	oy     int // how many rows it is scrolled back
	// lastx is the column that moves from row to row keep to, which was in a row
	// so long.
	lastx, lastLength int

	// ExitAtBottom: it ends when it is scrolled down to the end (copy-mode -e).
	ExitAtBottom bool
	// HidePosition: the position is not shown (copy-mode -H).
	HidePosition bool

	sel  selection
	mark place // where it began, until something is marked

	find  search
	jumps struct {
		kind jumpKind
		to   string
	}
}

// place is a column and a row of the content.
type place struct{ x, y int }

// before reports whether p comes before q in the text.
func (p place) before(q place) bool { return p.y < q.y || p.y == q.y && p.x < q.x }

// New begins to look at content, from the pane's cursor.
func New(c *Content, set Settings, cursorX, cursorY int) *View {
	v := &View{Content: c, set: set}
	v.cx, v.cy = clamp(cursorX, 0, c.width), clamp(cursorY, 0, c.height-1)
	v.mark = v.here()
	return v
}

func clamp(n, low, high int) int { return max(low, min(n, high)) }

// Renew shows content that was captured anew, as far up as before.
func (v *View) Renew(c *Content) {
	v.Content = c
	v.oy = min(v.oy, c.hsize())
	v.cx, v.cy = min(v.cx, c.width), min(v.cy, c.height-1)
	v.clear()
	if v.mark.y > v.bottom() {
		v.mark = v.here()
	}
	v.unmark()
}

// Position is how many lines it is scrolled back, and how many there are.
func (v *View) Position() (back, of int) { return v.oy, v.hsize() }

// Cursor is where the cursor is, counted from the first line of what was
// captured.
func (v *View) Cursor() (x, y int) { return v.cx, v.y() }

// Size is the size of the pane.
func (v *View) Size() (width, height int) { return v.width, v.height }

// SearchFor has the next search repeated that is for nothing else: it was made
// the last time.
func (v *View) SearchFor(text string) {
	if text != "" {
		v.find.text, v.find.up, v.find.regex, v.find.done = text, true, true, true
	}
}

// y is the row of the content with the cursor.
func (v *View) y() int { return v.hsize() - v.oy + v.cy }

// top is the first row that is shown.
func (v *View) top() int { return v.hsize() - v.oy }

func (v *View) here() place { return place{v.cx, v.y()} }

// reader is a reader at the cursor.
func (v *View) reader() *reader { return &reader{v.Content, v.cx, v.y()} }

// put puts the cursor where it is shown already.
func (v *View) put(x, cy int) {
	v.cx, v.cy = x, cy
	v.reselect(false)
}

// back follows a reader to the place before that it went to: scrolled so far
// that it is shown.
func (v *View) back(r *reader) {
	cy := r.y - v.top()
	for ; cy < 0; cy++ {
		v.up(true)
	}
	v.put(r.x, cy)
}

// on is back for a reader that went on.
func (v *View) on(r *reader, keep bool) {
	cy := r.y - v.top()
	for ; cy > v.height-1; cy-- {
		v.down(true)
	}
	v.cx, v.cy = r.x, cy
	v.reselect(keep)
}

// to shows a place, in the middle of things if it is not shown already.
func (v *View) to(p place) {
	v.cx = p.x
	switch gap := max(v.height/4, 1); {
	case p.y >= v.top() && p.y < v.top()+v.height:
		v.cy = p.y - v.top()
	case p.y < v.height:
		v.oy, v.cy = v.hsize(), p.y
	case p.y > v.hsize()+v.height-gap:
		v.oy, v.cy = 0, p.y-v.hsize()
	default:
		v.oy = v.hsize() - (p.y + gap - v.height)
		v.cy = v.height - gap
	}
	v.reselect(false)
}

// boxed: what is selected is a rectangle, in which the cursor goes anywhere.
func (v *View) boxed() bool { return v.sel.on && v.sel.rectangle }

// keep remembers the column, unless it is the end of the row.
func (v *View) keep() {
	if n := v.length(v.y()); v.cx != n {
		v.lastx, v.lastLength = v.cx, n
	}
}

// settle puts the cursor into a row that it has come to, in the column that was
// kept.
func (v *View) settle() {
	if n := v.length(v.y()); v.cx >= v.lastLength && v.cx != n || v.cx > n {
		v.cx = n
	}
}

// up goes up a row, or scrolls: at the first row, or if scroll says so.
func (v *View) up(scroll bool) {
	old := v.y()
	boxed := v.boxed()
	if !boxed {
		v.keep()
	}
	if v.sel.lines == forward && old == v.sel.from.y {
		v.otherEnd()
	}
	if !boxed {
		v.cx = v.lastx
	}
	if !scroll && v.cy > 0 {
		v.cy--
	} else if v.oy < v.hsize() {
		v.oy++
	}
	v.came(boxed)
}

// down is up in the other direction.
func (v *View) down(scroll bool) {
	old := v.y()
	boxed := v.boxed()
	if !boxed {
		v.keep()
	}
	if v.sel.lines == backward && old == v.sel.to.y {
		v.otherEnd()
	}
	if !boxed {
		v.cx = v.lastx
	}
	if !scroll && v.cy < v.height-1 {
		v.cy++
	} else if v.oy > 0 {
		v.oy--
	}
	v.came(boxed)
}

// came is the end of a move from row to row.
func (v *View) came(boxed bool) {
	if !boxed {
		v.settle()
	}
	switch v.sel.lines {
	case forward:
		v.cx = v.length(v.y())
	case backward:
		v.cx = 0
	}
	v.reselect(false)
}

// page is how many rows a page has.
func (v *View) page(half bool) int {
	switch {
	case v.height <= 2:
		return 1
	case half:
		return v.height / 2
	}
	return v.height - 2
}

func (v *View) pageUp(half bool) {
	v.keep()
	v.cx = v.lastx
	n := v.page(half)
	if v.oy+n > v.hsize() {
		v.oy = v.hsize()
		v.cy = max(v.cy-n, 0)
	} else {
		v.oy += n
	}
	v.paged()
}

// pageDown reports whether the end was reached.
func (v *View) pageDown(half bool) bool {
	v.keep()
	v.cx = v.lastx
	n := v.page(half)
	if v.oy < n {
		v.cy = min(v.cy+n, v.height-1)
		v.oy = 0
	} else {
		v.oy -= n
	}
	v.paged()
	return v.oy == 0
}

func (v *View) paged() {
	if n := v.length(v.y()); !v.boxed() && (v.cx >= v.lastLength && v.cx != n || v.cx > n) {
		v.endOfLine()
	}
	v.reselect(false)
}

func (v *View) endOfLine() {
	r := v.reader()
	r.endOfLine(true, v.boxed())
	v.on(r, false)
}

func (v *View) startOfLine() {
	r := v.reader()
	r.startOfLine(true)
	v.back(r)
}

// Point puts the cursor to a place on the screen, as a mouse does.
func (v *View) Point(x, y int) {
	v.steps = 0
	v.put(clamp(x, 0, v.width-1), clamp(y, 0, v.height-1))
}
