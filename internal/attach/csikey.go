package attach

import (
	"unicode"
	"unicode/utf8"
)

// csi takes ESC [ .
func (d *Decoder) csi(p []byte, expired bool) (int, bool) {
	n := 2
	if len(p) > 2 {
		switch p[2] {
		case 'M': // a mouse report with three bytes, whatever they are
			if len(p) < 6 && !expired {
				return 0, false
			}
			return min(len(p), 6), true
		case '[':
			return d.linux(p, expired)
		}
		for n < len(p) && p[n] >= 0x20 && p[n] <= 0x3f && n < maxKey {
			n++
			if name := csiTilde[decimal(p[2:n-1])]; p[n-1] == '$' && n > 3 && name != "" {
				d.named("S-" + name) // as rxvt sends it
				return n, true
			}
		}
	}
	switch {
	case n == maxKey: // no key and no answer: dropped
		return n, true
	case n == len(p):
		if !expired {
			return 0, false
		}
		d.metaKey(p[:2]) // M-[ and what follows is typed
		return 2, true
	}
	if p[n] < 0x40 || p[n] > 0x7e { // not a sequence after all
		d.metaKey(p[:2])
		return 2, true
	}
	n++
	d.csiKey(p[:n])
	return n, true
}

// linux takes ESC [ [ letter.
func (d *Decoder) linux(p []byte, expired bool) (int, bool) {
	if len(p) == 3 && !expired {
		return 0, false
	}
	if len(p) > 3 {
		if name := linuxKey[p[3]]; name != "" {
			d.named(name)
			return 4, true
		}
	}
	d.metaKey(p[:2])
	return 2, true
}

// maxFields bounds the parameters of a control sequence that is a key.
const maxFields = 3

// parameters are the numbers of a control sequence: groups between semicolons,
// of numbers between colons. What is left out is -1.
type parameters struct {
	groups [maxFields][maxFields]int
	n      int
}

// readParameters reports false if they are those of no key.
func readParameters(body []byte) (q parameters, ok bool) {
	for i := range q.groups {
		q.groups[i] = [maxFields]int{-1, -1, -1}
	}
	if len(body) == 0 {
		return q, true
	}
	q.n = 1
	field := 0
	for _, c := range body {
		switch {
		case c == ';' && q.n < maxFields:
			q.n, field = q.n+1, 0
		case c == ':' && field < maxFields-1:
			field++
		case c >= '0' && c <= '9':
			v := &q.groups[q.n-1][field]
			if *v = max(*v, 0)*10 + int(c-'0'); *v > unicode.MaxRune {
				return q, false
			}
		default:
			return q, false
		}
	}
	return q, true
}

// or gives a number, or what it is if left out.
func (q *parameters) or(group, field, otherwise int) int {
	if v := q.groups[group][field]; v >= 0 {
		return v
	}
	return otherwise
}

// Kinds of events of the kitty keyboard protocol.
const (
	keyPressed  = 1
	keyReleased = 3
)

// csiKey delivers a complete control sequence if it is a key. What is none,
// and has parameters, came from the terminal itself and is dropped: reports of
// its state (c, n, R, t, u, y), focus, mouse, keys that are let go.
func (d *Decoder) csiKey(p []byte) {
	final, body := p[len(p)-1], p[2:len(p)-1]
	if rxvtModifier[final] != "" && len(body) > 0 {
		d.rxvt(p)
		return
	}
	if len(body) > 0 && body[0] == '<' && (final == 'M' || final == 'm') {
		d.mouse(csi{final: final, params: body[1:]})
		return
	}
	q, ok := readParameters(body)
	if !dropReplies() && !ok {
		d.addKeys(p, "")
	}
	if !ok || q.or(1, 1, keyPressed) == keyReleased {
		return
	}
	first, mod := q.or(0, 0, 1), q.or(1, 0, 1)
	switch {
	case q.n == 0:
		d.bare(p, final)
	case final == '~':
		d.tilde(&q)
	case final == 'u':
		d.extended(&q)
	case first != 1 || q.n > 2 || csiLetter[final] == "" || final == 'R' && (q.n < 2 || mod > 16):
		// Of R, it is where the cursor is if it cannot be the modifiers of F3.
	default:
		if mods, ok := modifiers(mod); ok {
			d.named(mods + csiLetter[final])
		}
	}
}

// mouse handles CSI < code ; column ; row M or m. What is none, such as one
// beyond what a terminal can have, is dropped.
func (d *Decoder) mouse(c csi) {
	nums := make([]int, 0, 4)
	for _, b := range c.params {
		if b != ';' && (b < '0' || b > '9') {
			return
		}
	}
	for v := range c.numbers {
		if nums = append(nums, v); len(nums) > 3 {
			return
		}
	}
	if len(nums) != 3 || nums[0] > 255 || nums[1] < 1 || nums[2] < 1 || nums[1] > MaxCols || nums[2] > MaxRows {
		return
	}
	d.events = append(d.events, Event{Kind: MouseReport, Mouse: Mouse{
		Code: nums[0], X: nums[1] - 1, Y: nums[2] - 1, Release: c.final == 'm',
	}})
}

// bare handles ESC [ letter.
func (d *Decoder) bare(p []byte, final byte) {
	switch {
	case final == 'I' || final == 'O': // focus
	case csiLetter[final] != "":
		d.named(csiLetter[final])
	case csiPlain[final] != "":
		d.named(csiPlain[final])
	default: // somebody pressed Escape and typed on
		d.metaKey(p[:2])
		d.plain(p[2:])
	}
}

// tilde handles CSI number ; modifiers ~ .
func (d *Decoder) tilde(q *parameters) {
	number := q.or(0, 0, 0)
	mods, ok := modifiers(q.or(1, 0, 1))
	switch {
	case number == 200 && q.n == 1:
		d.mode, d.paste = inPaste, paste{}
	case number == 27 && q.n == 3:
		if ok {
			d.character(mods, q.or(2, 0, 0))
		}
	case csiTilde[number] != "" && q.n < 3 && ok:
		d.named(mods + csiTilde[number])
	}
}

// rxvt handles CSI number ^ or @ : control, control and shift.
func (d *Decoder) rxvt(p []byte) {
	body, mods := p[2:len(p)-1], rxvtModifier[p[len(p)-1]]
	v := decimal(body)
	if csiTilde[v] != "" {
		d.named(mods + csiTilde[v])
	}
}

// extended handles CSI character ; modifiers ; text u, each with more after a
// colon: what other layouts have there, and the kind of event.
func (d *Decoder) extended(q *parameters) {
	char := q.or(0, 0, 0)
	mods, ok := modifiers(q.or(1, 0, 1))
	if !ok {
		return
	}
	if text := q.or(2, 0, 0); text != 0 && (mods == "" || mods == "S-") {
		char, mods = text, ""
	}
	if base := q.or(0, 2, 0); base != 0 && char >= utf8.RuneSelf && mods != "" {
		char = base // a shortcut is one by where the key is
	}
	d.character(mods, char)
}

// character delivers a key that comes as a character and modifiers.
func (d *Decoder) character(mods string, char int) {
	name := charNames[char]
	switch c := rune(char); {
	case char == int(d.opt.Erase):
		d.named(mods + "BSpace")
	case name != "":
		d.named(mods + name)
	case char >= privateFirst && char <= privateLast: // keys without a name: lock keys, media keys
	case c <= ' ' || !utf8.ValidRune(c) || unicode.IsControl(c):
	case mods == "":
		d.plain(utf8.AppendRune(nil, c))
	default:
		d.named(mods + string(c))
	}
}
