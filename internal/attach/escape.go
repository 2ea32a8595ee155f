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
	if name, n, more := d.ownKey(p); n > 0 {
		d.named(name)
		return n, true
	} else if more && !expired {
		return 0, false
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
		size, ok := character(p[1:])
		if n = 1 + size; !ok {
			return n, true
		}
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

// metaEscape takes ESC ESC: a key with Meta as some terminals send it, or Escape
// with Meta.
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
	return d.escaped(p, expired)
}

// escaped takes ESC before a key that is a sequence itself: that key with Meta,
// of which the pane is sent the escape and the key. A key that says itself that
// Meta is with it is another key than the escape before it.
func (d *Decoder) escaped(p []byte, expired bool) (int, bool) {
	events, spans, keys := len(d.events), len(d.spans), len(d.keys)
	n, ok := d.escape(p[1:], expired)
	if !ok {
		return 0, false
	}
	if d.mode == typing && len(d.events) == events+1 {
		e := &d.events[events]
		if name := tmux.PlainKey("M-" + e.Key); e.Kind == Named && name != tmux.PlainKey(e.Key) {
			e.Key, e.Escaped = name, e.Key != "Home" && e.Key != "End"
			return n + 1, true
		}
	}
	d.events, d.spans, d.keys, d.mode = d.events[:events], d.spans[:spans], d.keys[:keys], typing
	d.plain(p[:1])
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
// OSC number ; or a title — DCS with one of the forms of XTVERSION, DECRQSS, XTGETTCAP and
// DA3 — APC G of the graphics protocol.
func looksLikeReply(p []byte) guess {
	if !dropReplies() {
		return no
	}
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
		if len(body) == 0 && (at == 'l' || at == 'L') {
			return looksLikeTitle(p[3:min(len(p), maxKey)])
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

// looksLikeTitle tells the title that a terminal says from somebody who types M-]
// and l: it is one once its end is there.
func looksLikeTitle(text []byte) guess {
	for i, c := range text {
		switch {
		case c == 0x1b && i == len(text)-1:
			return maybe
		case c == 0x1b && text[i+1] == '\\', c == '\a':
			return yes
		case c < ' ' || c == 0x7f:
			return no
		}
	}
	return maybe
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
