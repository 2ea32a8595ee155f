package scrollback

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Outcome is what a command asks of whoever shows the view.
type Outcome struct {
	// Leave: the person is done.
	Leave bool
	// Copy: Text is to be copied; Append: behind what was copied before.
	Copy, Append bool
	Text         string
	// Renew: the pane is to be captured anew.
	Renew bool
	// Tired: it took too long and was given up where it had come to.
	Tired bool
}

// command is one command: what it does, so many times as it says.
type command struct {
	do func(v *View, count int, arg string) Outcome
	// marks says whether what was found stays marked.
	marks keeping
}

type keeping uint8

const (
	always    keeping = iota // what was found is no longer marked
	emacsOnly                // so in emacs' manner only
	never
)

// Knows reports whether there is a command of this name.
func Knows(name string) bool { return lookup(name).do != nil }

// Do does what send-keys -X name arg does in copy mode, count times.
func (v *View) Do(name string, count int, arg string) Outcome {
	c := lookup(name)
	if c.do == nil {
		return Outcome{}
	}
	v.steps = 0
	o := c.do(v, clamp(count, 1, 10000), arg)
	o.Tired = v.tired()
	if c.marks == always || c.marks == emacsOnly && !v.set.Vi {
		v.unmark()
		v.find.origin = origin{}
	}
	return o
}

// lookup gives a command. Those that pipe copy: a program is nothing that a
// private view starts.
func lookup(name string) command {
	name = strings.Replace(name, "copy-pipe", "copy-selection", 1)
	if rest, ok := strings.CutPrefix(name, "copy-selection-"); ok && (strings.HasPrefix(rest, "line") || strings.HasPrefix(rest, "end-of-line")) {
		name = "copy-" + rest
	}
	for _, group := range []map[string]command{moves(), pages(), jumpsAndWords(), searches(), selections(), copies()} {
		if c, ok := group[name]; ok {
			return c
		}
	}
	return command{}
}

// times is a command that is done again and again.
func times(marks keeping, do func(*View)) command {
	return command{func(v *View, count int, _ string) Outcome {
		for range count {
			if do(v); v.tired() {
				break
			}
		}
		return Outcome{}
	}, marks}
}

// once is a command that is done once, whatever the count.
func once(marks keeping, do func(*View)) command {
	return command{func(v *View, _ int, _ string) Outcome {
		do(v)
		return Outcome{}
	}, marks}
}

// backward and onward are moves of a reader.
func backwards(do func(*View, *reader)) command {
	return times(emacsOnly, func(v *View) {
		r := v.reader()
		do(v, r)
		v.back(r)
	})
}

func onwards(do func(*View, *reader)) command {
	return times(emacsOnly, func(v *View) {
		r := v.reader()
		do(v, r)
		v.on(r, false)
	})
}

func moves() map[string]command {
	row := func(of func(*View) int) command {
		return once(emacsOnly, func(v *View) { v.put(0, of(v)) })
	}
	return map[string]command{
		"cursor-up":    times(emacsOnly, func(v *View) { v.up(false) }),
		"cursor-down":  times(emacsOnly, func(v *View) { v.down(false) }),
		"cursor-left":  backwards(func(_ *View, r *reader) { r.left(true) }),
		"cursor-right": onwards(func(v *View, r *reader) { r.right(true, v.boxed()) }),
		"cursor-down-and-cancel": {func(v *View, count int, _ string) Outcome {
			cy := v.cy
			for range count {
				if v.down(false); v.tired() {
					break
				}
			}
			return Outcome{Leave: v.cy == cy && v.oy == 0}
		}, always},
		"start-of-line":       once(emacsOnly, (*View).startOfLine),
		"end-of-line":         once(emacsOnly, (*View).endOfLine),
		"back-to-indentation": once(always, func(v *View) { r := v.reader(); r.indentation(); v.back(r) }),
		"top-line":            row(func(*View) int { return 0 }),
		"middle-line":         row(func(v *View) int { return (v.height - 1) / 2 }),
		"bottom-line":         row(func(v *View) int { return v.height - 1 }),
		"history-top": once(emacsOnly, func(v *View) {
			if v.sel.lines == forward && v.y() == v.sel.from.y {
				v.otherEnd()
			}
			v.oy = v.hsize()
			v.put(0, 0)
		}),
		"history-bottom": once(emacsOnly, func(v *View) {
			if v.sel.lines == backward && v.y() == v.sel.to.y {
				v.otherEnd()
			}
			v.oy = 0
			v.put(v.length(v.bottom()), v.height-1)
		}),
		"next-paragraph":     times(emacsOnly, func(v *View) { v.paragraph(1) }),
		"previous-paragraph": times(emacsOnly, func(v *View) { v.paragraph(-1) }),
		"next-matching-bracket": {func(v *View, count int, _ string) Outcome {
			for range count {
				if !v.nextBracket() || v.tired() {
					break
				}
			}
			return Outcome{}
		}, always},
		"previous-matching-bracket": times(always, (*View).previousBracket),
	}
}

func pages() map[string]command {
	up := func(half bool) command { return times(emacsOnly, func(v *View) { v.pageUp(half) }) }
	down := func(half, leave bool) command {
		return command{func(v *View, count int, _ string) Outcome {
			for range count {
				if v.pageDown(half) && (leave || v.ExitAtBottom) {
					return Outcome{Leave: true}
				}
				if v.tired() {
					break
				}
			}
			return Outcome{}
		}, emacsOnly}
	}
	scrollDown := func(leave bool) command {
		return command{func(v *View, count int, _ string) Outcome {
			for range count {
				if v.down(true); v.tired() {
					break
				}
			}
			return Outcome{Leave: (leave || v.ExitAtBottom) && v.oy == 0}
		}, emacsOnly}
	}
	return map[string]command{
		"page-up":                  up(false),
		"halfpage-up":              up(true),
		"page-down":                down(false, false),
		"halfpage-down":            down(true, false),
		"page-down-and-cancel":     down(false, true),
		"halfpage-down-and-cancel": down(true, true),
		"scroll-up":                times(emacsOnly, func(v *View) { v.up(true) }),
		"scroll-down":              scrollDown(false),
		"scroll-down-and-cancel":   scrollDown(true),
		"goto-line": {func(v *View, _ int, arg string) Outcome {
			if n, err := strconv.Atoi(arg); err == nil && n >= -1 {
				if n < 0 || n > v.hsize() {
					n = v.hsize()
				}
				v.oy = n
				v.reselect(false)
			}
			return Outcome{}
		}, emacsOnly},
		"set-mark": once(always, func(v *View) { v.mark = v.here() }),
		"jump-to-mark": once(always, func(v *View) {
			to := v.mark
			v.mark = v.here()
			v.cx = to.x
			if to.y < v.hsize() {
				v.cy, v.oy = 0, v.hsize()-to.y
			} else {
				v.cy, v.oy = to.y-v.hsize(), 0
			}
			v.reselect(false)
		}),
		"toggle-position":   once(never, func(v *View) { v.HidePosition = !v.HidePosition }),
		"refresh-from-pane": {func(*View, int, string) Outcome { return Outcome{Renew: true} }, always},
		"cancel":            {func(*View, int, string) Outcome { return Outcome{Leave: true} }, always},
	}
}

// jumpKind is how a jump to a character goes.
type jumpKind struct{ back, until bool }

func (k jumpKind) reverse() jumpKind { return jumpKind{!k.back, k.until} }

func jumpsAndWords() map[string]command {
	jump := func(k jumpKind) command {
		return command{func(v *View, count int, arg string) Outcome {
			_, n := utf8.DecodeRuneInString(arg)
			if n == 0 {
				return Outcome{}
			}
			v.jumps.kind, v.jumps.to = k, arg[:n]
			v.jump(k, count)
			return Outcome{}
		}, emacsOnly}
	}
	again := func(reverse bool) command {
		return command{func(v *View, count int, _ string) Outcome {
			k := v.jumps.kind
			if reverse {
				k = k.reverse()
			}
			v.jump(k, count)
			return Outcome{}
		}, emacsOnly}
	}
	const none = ""
	return map[string]command{
		"jump-forward":     jump(jumpKind{}),
		"jump-backward":    jump(jumpKind{back: true}),
		"jump-to-forward":  jump(jumpKind{until: true}),
		"jump-to-backward": jump(jumpKind{back: true, until: true}),
		"jump-again":       again(false),
		"jump-reverse":     again(true),
		"next-word":        onwards(func(v *View, r *reader) { r.nextWord(v.set.Separators) }),
		"next-space":       onwards(func(_ *View, r *reader) { r.nextWord(none) }),
		"next-word-end":    onwards(func(v *View, r *reader) { v.wordEnd(r, v.set.Separators) }),
		"next-space-end":   onwards(func(v *View, r *reader) { v.wordEnd(r, none) }),
		"previous-word": backwards(func(v *View, r *reader) {
			r.previousWord(v.set.Separators, true, !v.set.Vi)
		}),
		"previous-space": backwards(func(v *View, r *reader) { r.previousWord(none, true, !v.set.Vi) }),
	}
}

// wordEnd goes to the end of a word: vi's cursor is on its last character, that
// of emacs behind it.
func (v *View) wordEnd(r *reader, separators string) {
	if !v.set.Vi {
		r.nextWordEnd(separators)
		return
	}
	if !r.blank() {
		r.right(false, false)
	}
	r.nextWordEnd(separators)
	r.left(true)
}

func (v *View) jump(k jumpKind, count int) {
	if v.jumps.to == "" {
		return
	}
	for range count {
		r := v.reader()
		if v.tired() {
			return
		}
		if k.back {
			r.left(false)
			if k.until {
				r.left(false)
			}
			if !r.jumpBack(v.jumps.to) {
				return
			}
			if k.until {
				r.right(true, false)
			}
			v.back(r)
			continue
		}
		if r.x++; k.until {
			r.x++
		}
		if !r.jump(v.jumps.to) {
			return
		}
		if k.until {
			r.left(true)
		}
		v.on(r, false)
	}
}

func searches() map[string]command {
	search := func(up, regex bool) command {
		return command{func(v *View, count int, arg string) Outcome {
			if arg == "" {
				arg = v.find.text
			}
			v.find.up = up
			for range count {
				if !v.seek(arg, up, regex) || v.tired() {
					break
				}
			}
			return Outcome{}
		}, never}
	}
	typing := func(up bool) command {
		return command{func(v *View, _ int, arg string) Outcome {
			v.typing(arg, up)
			return Outcome{}
		}, never}
	}
	again := func(reverse bool) command {
		return command{func(v *View, count int, _ string) Outcome {
			v.again(reverse, count)
			return Outcome{}
		}, never}
	}
	return map[string]command{
		"search-forward":              search(false, true),
		"search-backward":             search(true, true),
		"search-forward-text":         search(false, false),
		"search-backward-text":        search(true, false),
		"search-forward-incremental":  typing(false),
		"search-backward-incremental": typing(true),
		"search-again":                again(false),
		"search-reverse":              again(true),
	}
}

func selections() map[string]command {
	return map[string]command{
		"begin-selection": once(always, func(v *View) {
			v.sel.lines, v.sel.by = neither, characters
			v.begin()
		}),
		"stop-selection": once(always, func(v *View) {
			v.sel.follows, v.sel.lines, v.sel.by = noEnd, neither, characters
		}),
		"clear-selection":  once(always, (*View).clear),
		"other-end":        {func(v *View, n int, _ string) Outcome { v.otherEnds(n); return Outcome{} }, emacsOnly},
		"rectangle-toggle": once(always, func(v *View) { v.setRectangle(!v.sel.rectangle) }),
		"rectangle-on":     once(always, func(v *View) { v.setRectangle(true) }),
		"rectangle-off":    once(always, func(v *View) { v.setRectangle(false) }),
		"select-line":      {func(v *View, n int, _ string) Outcome { v.selectLine(n); return Outcome{} }, always},
		"select-word":      once(always, (*View).selectWord),
	}
}

func (v *View) otherEnds(count int) {
	v.sel.by = characters
	if count%2 == 1 {
		v.otherEnd()
	}
}

func copies() map[string]command {
	copied := func(clear, leave, behind bool) command {
		return command{func(v *View, _ int, _ string) Outcome {
			text, ok := v.Selected()
			if clear {
				v.clear()
			}
			return Outcome{Copy: ok, Text: text, Append: behind, Leave: leave}
		}, always}
	}
	line := func(leave bool, start func(*View)) command {
		return command{func(v *View, count int, _ string) Outcome {
			text, ok := v.lineText(count, start)
			return Outcome{Copy: ok, Text: text, Leave: leave}
		}, always}
	}
	whole := (*View).startOfLine
	rest := func(*View) {}
	return map[string]command{
		"copy-selection":              copied(true, false, false),
		"copy-selection-no-clear":     {copied(false, false, false).do, never},
		"copy-selection-and-cancel":   copied(true, true, false),
		"append-selection":            copied(true, false, true),
		"append-selection-and-cancel": copied(true, true, true),
		"copy-line":                   line(false, whole),
		"copy-line-and-cancel":        line(true, whole),
		"copy-end-of-line":            line(false, rest),
		"copy-end-of-line-and-cancel": line(true, rest),
	}
}

// lineText gives so many lines from the cursor, or the begin of its line, on.
func (v *View) lineText(count int, start func(*View)) (string, bool) {
	cx, cy, oy := v.cx, v.cy, v.oy
	v.sel = selection{rectangle: v.sel.rectangle}
	start(v)
	v.begin()
	for range count - 1 {
		if v.down(false); v.tired() {
			break
		}
	}
	v.endOfLine()
	text, ok := v.Selected()
	v.clear()
	v.cx, v.cy, v.oy = cx, cy, oy
	return text, ok
}
