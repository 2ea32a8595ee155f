package attach

import (
	"bytes"
	"unicode/utf8"

	"github.com/muxward/muxward/internal/tmux"
)

// escape takes one key that begins with ESC.
func (d *Decoder) escape(p []byte, expired bool) (int, bool) {
	if len(p) == 1 {
		if expired {
			d.plain(p)
		}
		return 1, expired
	}
	switch p[1] {
	case '[':
		return d.csi(p, expired)
	case 'O':
		return d.ss3(p, expired)
	case 0x1b:
		return d.metaEscape(p, expired)
	case ']', 'P', '_':
		return d.stringReply(p, expired)
	}
	return d.meta(p, expired)
}

// meta takes ESC and one plain character: the key with Meta.
func (d *Decoder) meta(p []byte, expired bool) (int, bool) {
	n := 2
	if p[1] >= 0x80 {
		if !utf8.FullRune(p[1:]) && !expired {
			return 0, false
		}
		_, size := utf8.DecodeRune(p[1:])
		n = 1 + size
	}
	d.metaKey(p[:n])
	return n, true
}

// metaKey delivers ESC and a character. A printable one has a name of its own;
// the others are typed as they came, which is the same.
func (d *Decoder) metaKey(p []byte) {
	switch {
	case len(p) == 2 && p[1] > 0x20 && p[1] < 0x7f:
		d.named("M-" + string(p[1:]))
	case len(p) == 2 && p[1] == d.opt.Erase:
		d.named("M-BSpace")
	default:
		c, _ := utf8.DecodeRune(p[1:])
		d.addKeys(p, tmux.MetaKey(tmux.CharKey(c)))
	}
}

// metaEscape takes ESC ESC: an arrow with Meta as some terminals send it, or
// Escape with Meta.
func (d *Decoder) metaEscape(p []byte, expired bool) (int, bool) {
	if len(p) == 2 {
		if expired {
			d.metaKey(p)
		}
		return 2, expired
	}
	if p[2] != '[' && p[2] != 'O' {
		d.metaKey(p[:2])
		return 2, true
	}
	if len(p) == 3 {
		if expired { // Escape, then M-[ or M-O
			d.plain(p[:1])
			return 1, true
		}
		return 0, false
	}
	if name, ok := csiLetter[p[3]]; ok && p[3] <= 'H' {
		d.named("M-" + name)
		return 4, true
	}
	d.plain(p[:1]) // Escape; the sequence after it is a key of its own
	return 1, true
}

// ss3 takes ESC O: keypad, arrows and F1 to F4, with modifiers as
// ESC O m letter or ESC O 1 ; m letter.
func (d *Decoder) ss3(p []byte, expired bool) (int, bool) {
	if len(p) == 2 {
		if expired {
			d.metaKey(p)
		}
		return 2, expired
	}
	if name, ok := ss3Letter[p[2]]; ok {
		if name == "Escape" {
			d.plain(p[:1])
		} else {
			d.named(name)
		}
		return 3, true
	}
	at := 2
	if bytes.HasPrefix(p, []byte("\x1bO1;")) {
		at = 4
	} else if !expired && (string(p) == "\x1bO1") {
		return 0, false
	}
	if len(p) > at && p[at] >= '2' && p[at] <= '9' {
		if len(p) == at+1 && !expired {
			return 0, false
		}
		if len(p) > at+1 && p[at+1] >= 'P' && p[at+1] <= 'S' {
			mods, _ := modifiers(int(p[at] - '0'))
			d.named(mods + csiLetter[p[at+1]])
			return at + 2, true
		}
	} else if len(p) == at && !expired {
		return 0, false
	}
	d.metaKey(p[:2])
	return 2, true
}

// stringReply takes ESC ] , ESC P or ESC _ : the begin of a terminal's answer
// if it looks like one, else a key with Meta.
func (d *Decoder) stringReply(p []byte, expired bool) (int, bool) {
	switch looksLikeReply(p) {
	case yes:
		d.mode, d.tail = inReply, nil
		return len(replyHead(p)), true
	case maybe:
		if !expired && len(p) < maxKey {
			return 0, false
		}
	}
	d.metaKey(p[:2])
	return 2, true
}

type guess uint8

const (
	no guess = iota
	maybe
	yes
)

// looksLikeReply tells an answer from somebody who types M-] and a digit:
// OSC number ; — DCS with one of the forms of XTVERSION, DECRQSS, XTGETTCAP and
// DA3 — APC G of the graphics protocol.
func looksLikeReply(p []byte) guess {
	head := replyHead(p)
	body, at := head[2:], byte(0)
	if len(p) > len(head) {
		at = p[len(head)]
	}
	switch p[1] {
	case ']':
		if len(body) > 0 && at == ';' {
			return yes
		}
		if at == 0 && len(p) == len(head) {
			return maybe
		}
	case '_':
		if len(p) == 2 {
			return maybe
		}
		if p[2] == 'G' {
			return yes
		}
	case 'P':
		rest := p[len(head):]
		if len(rest) == 0 {
			return maybe
		}
		for _, form := range []string{">|", "$r", "+r", "!|"} {
			if bytes.HasPrefix(rest, []byte(form)) {
				return yes
			}
			if len(rest) == 1 && rest[0] == form[0] {
				return maybe
			}
		}
	}
	return no
}

// replyHead is ESC, the kind, and the numbers after it.
func replyHead(p []byte) []byte {
	n := 2
	if p[1] == '_' {
		return p[:n]
	}
	for n < len(p) && p[n] >= '0' && p[n] <= '9' {
		n++
	}
	return p[:n]
}

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

// csiKey delivers a complete control sequence if it is a key. What is none,
// and has parameters, came from the terminal itself and is dropped: reports of
// its state (c, n, R, t, u, y), focus, mouse.
func (d *Decoder) csiKey(p []byte) {
	final, body := p[len(p)-1], p[2:len(p)-1]
	c := csi{final: final, params: body}
	var nums []int
	plain := true
	for _, b := range body {
		plain = plain && (b >= '0' && b <= '9' || b == ';')
	}
	if rxvtModifier[final] != "" && len(body) > 0 {
		d.rxvt(p)
		return
	}
	if !plain {
		return
	}
	for v := range c.numbers {
		nums = append(nums, v)
	}
	switch {
	case len(nums) == 0:
		d.bare(p, final)
	case final == '~':
		d.tilde(nums)
	case final == 'u' && len(nums) == 2:
		d.extended(nums[0], nums[1])
	case len(nums) == 2 && nums[0] == 1 && nums[1] >= 2:
		if mods, ok := modifiers(nums[1]); ok && csiLetter[final] != "" {
			d.named(mods + csiLetter[final])
		}
	case len(nums) == 1 && nums[0] == 1 && csiLetter[final] != "" && final != 'R':
		d.named(csiLetter[final])
	}
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
func (d *Decoder) tilde(nums []int) {
	switch {
	case nums[0] == 200 && len(nums) == 1:
		d.mode, d.tail, d.paste, d.refuse = inPaste, nil, nil, false
	case nums[0] == 27 && len(nums) == 3:
		d.extended(nums[2], nums[1])
	case csiTilde[nums[0]] == "":
	case len(nums) == 1:
		d.named(csiTilde[nums[0]])
	case len(nums) == 2:
		if mods, ok := modifiers(nums[1]); ok {
			d.named(mods + csiTilde[nums[0]])
		}
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

// extended handles a key that comes as a character and modifiers.
func (d *Decoder) extended(char, m int) {
	mods, ok := modifiers(m)
	if !ok {
		return
	}
	switch {
	case char == 9:
		d.named(mods + "Tab")
	case char == 13:
		d.named(mods + "Enter")
	case char == 27:
		d.named(mods + "Escape")
	case char == 32:
		d.named(mods + "Space")
	case char == 127 || char == int(d.opt.Erase):
		d.named(mods + "BSpace")
	case char > 32 && char < 127 && mods == "":
		d.plain([]byte{byte(char)})
	case char > 32 && char < 127:
		d.named(mods + string(rune(char)))
	}
}
