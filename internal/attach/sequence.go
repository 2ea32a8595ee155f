package attach

import (
	"bytes"
	"slices"
	"unicode/utf8"

	"github.com/muxward/muxward/internal/attach/screen"
)

// csi is a control sequence taken apart: CSI prefix? params inter? final.
type csi struct {
	prefix, inter, final byte
	params               []byte
	odd                  bool // more than one prefix or intermediate, or out of order
}

// splitCSI takes apart a complete sequence that begins with ESC [.
func splitCSI(seq []byte) (c csi) {
	c.final = seq[len(seq)-1]
	body := seq[2 : len(seq)-1]
	if len(body) > 0 && body[0] >= '<' && body[0] <= '?' {
		c.prefix, body = body[0], body[1:]
	}
	if n := len(body); n > 0 && body[n-1] < 0x30 {
		c.inter, body = body[n-1], body[:n-1]
	}
	for _, b := range body {
		if b < '0' || b > ';' {
			c.odd = true
		}
	}
	c.params = body
	return c
}

// endCSI decides about a complete control sequence.
func (f *Filter) endCSI(dst, seq []byte) []byte {
	c := splitCSI(seq)
	if c.prefix == 0 && c.inter == 0 && c.final == 'm' && !c.odd && len(c.params) < 64 {
		return append(dst, seq...) // by far the most frequent one
	}
	if f.question(seq) {
		return dst
	}
	if f.allowed(&c) {
		f.note(&c)
		return append(dst, seq...)
	}
	f.dropped.Sequences++
	return dst
}

func (f *Filter) allowed(c *csi) bool {
	if c.final == 'i' {
		return false // printing in each of its forms, for everybody
	}
	if r := findRule(c); r != nil && !c.odd && r.need&^f.have == 0 && f.fits(r, c) {
		return true
	}
	return f.have&needWide != 0
}

func findRule(c *csi) *csiRule {
	if c.prefix|c.inter == 0 {
		return plainRules[c.final&0x7f]
	}
	for k := range csiRules {
		r := &csiRules[k]
		if r.final == c.final && r.prefix == c.prefix && r.inter == c.inter {
			return r
		}
	}
	return nil
}

// plainRules is csiRules by final byte, for the sequences without prefix and
// intermediate, which are nearly all.
var plainRules = func() (t [128]*csiRule) {
	for k := range csiRules {
		if r := &csiRules[k]; r.prefix|r.inter == 0 {
			t[r.final] = r
		}
	}
	return t
}()

// fits reports whether the parameters are those that the rule allows.
func (f *Filter) fits(r *csiRule, c *csi) bool {
	switch {
	case r.final == 't':
		return c.is("22;0;0", "22;0", "22;2", "22", "23;0;0", "23;0", "23;2", "23")
	case r.prefix == '?' && r.final == 'c':
		return c.is("", "0", "1", "8")
	case r.inter == '$':
		return c.fill()
	case r.args == rendition:
		return c.count(";:") <= r.max
	case bytes.IndexByte(c.params, ':') >= 0:
		return false
	}
	n := 0
	for v := range c.numbers {
		if n++; n > r.max || v > 9999 {
			return false
		}
		if r.args == small && v > 2 {
			return false
		}
		if r.args == listed && !f.modeAllowed(c, v) {
			return false
		}
	}
	return n > 0 || r.args != listed
}

// numbers yields the decimal parameters; an empty one is 0, one that is not a
// short number is large. No parameters at all yield nothing.
func (c *csi) numbers(yield func(int) bool) {
	for p := c.params; len(p) > 0; {
		one, rest, more := p, []byte(nil), false
		if i := bytes.IndexByte(p, ';'); i >= 0 {
			one, rest, more = p[:i], p[i+1:], true
		}
		if !yield(decimal(one)) {
			return
		}
		if p = rest; more && len(rest) == 0 {
			yield(0) // a separator at the end
			return
		}
	}
}

// decimal reads a number of at most four digits. Longer ones are no size,
// place or mode of any terminal.
func decimal(p []byte) int {
	if len(p) > 4 {
		return 1 << 30
	}
	v := 0
	for _, d := range p {
		if d < '0' || d > '9' {
			return 1 << 30
		}
		v = v*10 + int(d-'0')
	}
	return v
}

func (c *csi) is(list ...string) bool { return slices.Contains(list, string(c.params)) }

func (c *csi) count(seps string) int {
	n := 1
	for _, b := range c.params {
		if b == seps[0] || b == seps[1] {
			n++
		}
	}
	return n
}

// fill checks DECFRA: the character that fills must be a plain one.
func (c *csi) fill() bool {
	n := 0
	for v := range c.numbers {
		if n == 0 && (v < 0x20 || v > 0x7e) || v > 9999 {
			return false
		}
		n++
	}
	return n == 5
}

func findMode(private bool, v int) *modeRule {
	for k := range modeRules {
		if m := &modeRules[k]; m.number == v && m.private == private {
			return m
		}
	}
	return nil
}

func (f *Filter) modeAllowed(c *csi, v int) bool {
	m := findMode(c.prefix == '?', v)
	return m != nil && (c.final == 'l' || m.need&^f.have == 0)
}

// note keeps account of what an allowed sequence leaves changed.
func (f *Filter) note(c *csi) {
	var set, unset screen.Marks
	switch {
	case c.prefix == '?' && (c.final == 'h' || c.final == 'l'):
		for v := range c.numbers {
			m := findMode(true, v)
			switch {
			case m == nil:
			case c.final == 'h':
				set |= m.mark
			default:
				unset |= m.mark
			}
		}
		if unset&(screen.Alternate|screen.AlternateOld) != 0 {
			unset |= screen.Drawn // what is seen now is the person's own screen
		}
	case c.final == 'r' && c.prefix == 0:
		set = screen.Region
	case c.final == 'q' && c.inter == ' ':
		set = screen.Style
	case c.final == 't' && bytes.HasPrefix(c.params, []byte("22")):
		set = screen.Title
	case c.final == 't' && bytes.HasPrefix(c.params, []byte("23")):
		unset = screen.Title
	case c.final == 'm' && c.prefix == '>', c.final == 'u' && (c.prefix == '>' || c.prefix == '='):
		set = screen.ExtendedKeys
	}
	f.now = f.now&^unset | set
	f.ever |= set
}

// finish decides about a complete string.
func (f *Filter) finish(dst []byte, end string) []byte {
	defer f.endString()
	if f.strBad || !utf8.Valid(f.str) {
		f.dropped.Strings++
		return dst
	}
	intro := [2]byte{0x1b, f.strKind}
	switch f.strKind {
	case ']':
		if len(f.str) < 16 && f.question(append(intro[:], f.str...)) {
			return dst
		}
		if !f.oscAllowed() {
			f.dropped.Strings++
			return dst
		}
	case 'P':
		if f.have&needWide == 0 && !slices.Contains(dcsExact, string(f.str)) {
			f.dropped.Strings++
			return dst
		}
	}
	dst = append(dst, intro[:]...)
	dst = append(dst, f.str...)
	return append(dst, end...)
}

// oscAllowed decides about the OSC in f.str.
func (f *Filter) oscAllowed() bool {
	number, rest, _ := bytes.Cut(f.str, []byte{';'})
	for k := range oscRules {
		r := &oscRules[k]
		if r.number != string(number) {
			continue
		}
		if r.need&^f.have != 0 || !f.bodyFits(r.body, rest) {
			break
		}
		if r.need == needColour {
			f.markColour(r.body == colour)
		}
		return true
	}
	return f.have&needWide != 0
}

// bodyFits reports whether what follows the number is what the rule allows.
// None of these can make a terminal answer.
func (f *Filter) bodyFits(k body, p []byte) bool {
	switch k {
	case words:
		return f.cleanText(p)
	case colour:
		return only(p, "#:/ ")
	case selection:
		_, data, ok := bytes.Cut(p, []byte{';'})
		return ok && only(data, "+/=") && only(p[:len(p)-len(data)-1], "")
	}
	return len(p) == 0
}

// only reports whether p holds nothing but letters, digits and extra.
func only(p []byte, extra string) bool {
	for _, c := range p {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && bytes.IndexByte([]byte(extra), c) < 0 {
			return false
		}
	}
	return true
}

func (f *Filter) markColour(on bool) {
	if on {
		f.now |= screen.Colour
		f.ever |= screen.Colour
		return
	}
	f.now &^= screen.Colour
}

// cleanText reports whether a title or link holds only characters that would
// be shown as text, too.
func (f *Filter) cleanText(p []byte) bool {
	for len(p) > 0 {
		r, size := utf8.DecodeRune(p)
		if r >= 0x80 && blockedRune(r, f.have) {
			return false
		}
		p = p[size:]
	}
	return true
}
