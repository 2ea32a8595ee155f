package attach

import (
	"unicode/utf8"

	"github.com/muxward/muxward/internal/attach/screen"
)

const (
	// maxSeq bounds an escape or control sequence; tmux's longest (a full SGR
	// with colours) has about 60 bytes.
	maxSeq = 256
	// maxString bounds an OSC or DCS string: a copied text as tmux sends it.
	maxString = 1 << 20
	// keepString is how much of a string's buffer is kept for the next one.
	keepString = 4 << 10
)

// Dropped counts what a Filter kept from the person, by kind.
type Dropped struct {
	Controls  uint64 // C0 and C1 controls, DEL, bytes that are not UTF-8
	Sequences uint64 // escape and control sequences
	Strings   uint64 // OSC, DCS, APC, PM, SOS
	Runes     uint64 // characters that reorder text
	Questions uint64 // answered, or left unanswered
}

// Filter is what stands between a display and a person's terminal: a streaming
// tokenizer that lets through what the tables in allow.go list and drops the
// rest. It only ever emits whole sequences and whole characters, so what it
// emits may be cut into pieces anywhere between two calls, and the outcome
// does not depend on how its input was cut.
//
// A Filter is for one goroutine.
type Filter struct {
	have  need
	state state
	// seq holds the sequence or character that is not complete yet.
	seq  [maxSeq]byte
	n    int
	over bool // seq did not fit: the sequence is dropped at its end

	str     []byte // contents of a string
	strKind byte   // ']' 'P' '_' '^' 'X' 'k'
	strBad  bool   // the string is dropped at its end

	now, ever screen.Marks
	dropped   Dropped

	asks     []Question
	answered uint32 // bit per entry of asks
	answers  []byte
}

type state uint8

const (
	ground state = iota
	inRune
	inEscape
	inCSI
	inString
	inStringEscape // ESC seen inside a string
)

// NewFilter returns a filter for one display. asked lists the questions that
// muxward answers for the terminal; see [Questions].
func NewFilter(p Policy, asked []Question) *Filter {
	return &Filter{have: p.bits(), asks: asked}
}

// SetPolicy changes what is let through from the next sequence on.
func (f *Filter) SetPolicy(p Policy) {
	f.have = p.bits()
	f.strBad = true // a string begun under the other policy ends with it
}

// Marks returns what the output so far leaves changed on a terminal, and what
// it changed at any time.
func (f *Filter) Marks() (now, ever screen.Marks) { return f.now, f.ever }

// Dropped returns the counts so far.
func (f *Filter) Dropped() Dropped { return f.dropped }

// Answers returns, once, what to tell the display in answer to the questions
// it asked since the last call. The bytes are valid until the next Append.
func (f *Filter) Answers() []byte {
	a := f.answers
	f.answers = f.answers[:0]
	return a
}

// Append appends what of src may be shown to dst.
func (f *Filter) Append(dst, src []byte) []byte {
	if unfiltered() {
		return append(dst, src...)
	}
	for i := 0; i < len(src); {
		switch f.state {
		case ground:
			dst, i = f.plain(dst, src, i)
		case inRune:
			dst, i = f.moreRune(dst, src[i]), i+1
		case inEscape:
			dst, i = f.escape(dst, src[i], i)
		case inCSI:
			dst, i = f.control(dst, src[i], i)
		case inString:
			i = f.text(src, i)
			if i < len(src) {
				dst, i = f.stringEnd(dst, src[i]), i+1
			}
		case inStringEscape:
			if src[i] == '\\' {
				dst, i = f.finish(dst, "\x1b\\"), i+1
			} else { // the string was cut short and an escape began
				f.dropped.Strings++
				f.endString()
				f.begin(inEscape, 0x1b)
			}
		}
	}
	return dst
}

// plain handles text at rest: runs of ASCII at full speed, then one other
// byte or sequence.
func (f *Filter) plain(dst, src []byte, i int) ([]byte, int) {
	j := i
	for j < len(src) && src[j]-0x20 < 0x5f {
		j++
	}
	if j > i {
		f.draw()
		dst = append(dst, src[i:j]...)
		if j == len(src) {
			return dst, j
		}
	}
	switch c := src[j]; {
	case c == 0x1b:
		if k := wholeCSI(src[j:]); k > 0 {
			return f.endCSI(dst, src[j:j+k]), j + k
		}
		f.begin(inEscape, c)
	case c >= 0x80:
		return f.rune(dst, src, j)
	case c == '\a' && f.have&needBell != 0, isControl(c):
		dst = append(dst, c)
	default:
		f.dropped.Controls++
	}
	return dst, j + 1
}

func isControl(c byte) bool {
	for k := range len(controls) {
		if controls[k] == c {
			return true
		}
	}
	return false
}

// draw notes that something was drawn.
func (f *Filter) draw() {
	f.now |= screen.Drawn
	f.ever |= screen.Drawn
}

// wholeCSI returns the length of the control sequence at the start of b, or 0
// if it is not one, not complete, or has anything unusual in it.
func wholeCSI(b []byte) int {
	if len(b) < 3 || b[1] != '[' {
		return 0
	}
	for k := 2; k < len(b) && k < maxSeq; k++ {
		switch c := b[k]; {
		case c >= 0x40 && c <= 0x7e:
			return k + 1
		case c < 0x20 || c > 0x3f:
			return 0
		}
	}
	return 0
}

// rune handles a byte above ASCII at rest, and the characters that follow it.
func (f *Filter) rune(dst, src []byte, i int) ([]byte, int) {
	from := i
	for i < len(src) && src[i] >= 0x80 {
		r, size := utf8.DecodeRune(src[i:])
		if size > 1 && !blockedRune(r, f.have) {
			i += size
			continue
		}
		if i > from {
			break // first what is good
		}
		if !utf8.FullRune(src[i:]) {
			f.n = copy(f.seq[:], src[i:])
			f.state = inRune
			return dst, len(src)
		}
		return f.show(dst, src[i:i+size], r, size), i + size
	}
	f.draw()
	return append(dst, src[from:i]...), i
}

// show appends one decoded character if it may be shown.
func (f *Filter) show(dst, p []byte, r rune, size int) []byte {
	switch {
	case r == utf8.RuneError && size == 1:
		f.dropped.Controls++
	case !blockedRune(r, f.have):
		f.draw()
		return append(dst, p...)
	case r < 0xa0:
		f.dropped.Controls++
	default:
		f.dropped.Runes++
	}
	return dst
}

// moreRune adds a byte to a character that was cut.
func (f *Filter) moreRune(dst []byte, c byte) []byte {
	f.seq[f.n] = c
	f.n++
	if !utf8.FullRune(f.seq[:f.n]) {
		return dst
	}
	var held [utf8.UTFMax]byte
	n := copy(held[:], f.seq[:f.n])
	r, size := utf8.DecodeRune(held[:n])
	f.rest()
	dst = f.show(dst, held[:size], r, size)
	if size == n {
		return dst
	}
	// Not UTF-8: the first byte is dropped, the others are looked at anew.
	return f.Append(dst, held[size:n])
}

// begin starts a sequence with its first byte.
func (f *Filter) begin(s state, c byte) {
	f.state, f.n, f.over = s, 1, false
	f.seq[0] = c
}

// rest goes back to plain text.
func (f *Filter) rest() { f.state, f.n, f.over = ground, 0, false }

// keep adds a byte to the sequence.
func (f *Filter) keep(c byte) {
	if f.n == maxSeq {
		f.over = true
		return
	}
	f.seq[f.n] = c
	f.n++
}

// interrupted handles the bytes that a terminal acts on in the middle of a
// sequence. It reports whether c was one, and where to go on.
func (f *Filter) interrupted(c byte, i int) (int, bool) {
	switch {
	case c == 0x1b:
		f.dropped.Sequences++
		f.begin(inEscape, c)
		return i + 1, true
	case c == 0x18, c == 0x1a:
		f.dropped.Sequences++
		f.rest()
		return i + 1, true
	case c < 0x20, c == 0x7f:
		f.dropped.Controls++
		return i + 1, true
	case c >= 0x80: // not part of any sequence: looked at anew as text
		f.dropped.Sequences++
		f.rest()
		return i, true
	}
	return i, false
}

// escape handles the byte after ESC and its intermediates.
func (f *Filter) escape(dst []byte, c byte, i int) ([]byte, int) {
	if next, yes := f.interrupted(c, i); yes {
		return dst, next
	}
	if f.n == 1 {
		switch c {
		case '[':
			f.keep(c)
			f.state = inCSI
			return dst, i + 1
		case ']', 'P', '_', '^', 'X', 'k':
			f.rest()
			f.state, f.strKind, f.strBad = inString, c, !f.wants(c)
			return dst, i + 1
		}
	}
	f.keep(c)
	if c < 0x30 {
		return dst, i + 1
	}
	rule := f.escRule()
	switch {
	case rule != nil && rule.unset:
		f.now &^= rule.mark
	case rule != nil:
		f.now |= rule.mark
		f.ever |= rule.mark
	}
	if rule == nil && (f.have&needWide == 0 || f.over) {
		f.dropped.Sequences++
	} else {
		dst = append(dst, f.seq[:f.n]...)
	}
	f.rest()
	return dst, i + 1
}

func (f *Filter) escRule() *escRule {
	if f.n > 3 {
		return nil
	}
	var inter byte
	if f.n == 3 {
		inter = f.seq[1]
	}
	for k := range escRules {
		if r := &escRules[k]; r.inter == inter && r.final == f.seq[f.n-1] {
			return r
		}
	}
	return nil
}

// control handles a byte of a control sequence that was cut or is unusual.
func (f *Filter) control(dst []byte, c byte, i int) ([]byte, int) {
	if next, yes := f.interrupted(c, i); yes {
		return dst, next
	}
	f.keep(c)
	if c < 0x40 {
		return dst, i + 1
	}
	if f.over {
		f.dropped.Sequences++
	} else {
		dst = f.endCSI(dst, f.seq[:f.n])
	}
	f.rest()
	return dst, i + 1
}

// wants reports whether a string of this kind can be allowed at all.
func (f *Filter) wants(kind byte) bool {
	switch kind {
	case ']':
		return true // may be a question
	case 'P':
		return true // may be a synchronized update
	case '_':
		return f.have&needWide != 0
	}
	return false
}

// text takes the contents of a string up to the next control and returns
// where that is.
func (f *Filter) text(src []byte, i int) int {
	j := i
	for j < len(src) && src[j] >= 0x20 && src[j] != 0x7f {
		j++
	}
	limit := maxString
	if f.have&(needWide|needTitles|needHyperlinks|needClipboard|needColour) == 0 {
		limit = maxSeq // only questions and the short DCS
	}
	switch {
	case f.strBad:
	case len(f.str)+j-i > limit:
		f.strBad, f.str = true, nil
	default:
		f.str = append(f.str, src[i:j]...)
	}
	return j
}

// stringEnd handles a control byte inside a string.
func (f *Filter) stringEnd(dst []byte, c byte) []byte {
	switch {
	case c == 0x1b:
		f.state = inStringEscape
	case c == '\a' && f.strKind == ']':
		return f.finish(dst, "\a")
	case c == 0x18, c == 0x1a:
		f.dropped.Strings++
		f.endString()
	case f.strKind == 'P' && f.have&needWide != 0 && c >= '\b' && c <= '\r':
		if !f.strBad { // sixel data come in lines
			f.str = append(f.str, c)
		}
	default:
		f.strBad = true
	}
	return dst
}

// endString forgets a string.
func (f *Filter) endString() {
	f.rest()
	f.str = f.str[:0]
	if cap(f.str) > keepString {
		f.str = nil
	}
}
