package attach

import (
	"bytes"
	"time"
)

const (
	// pasteIdle ends a paste that was begun and not ended.
	pasteIdle = 5 * time.Second
	// pastePause is how long nothing comes after a paste before it is over;
	// pastePauseMax is the longest that this grows to on a line that stammers, and
	// what it is when something stands directly behind the end: that is nobody
	// typing.
	pastePause    = 50 * time.Millisecond
	pastePauseMax = time.Second
	// DefaultPasteLimit is the largest paste that is taken. One command line holds
	// four times as much, so that it fits also if much of it has to be quoted.
	DefaultPasteLimit = 256 << 10
)

const pasteEnd = "\x1b[201~"

// paste is one that is under way. Its end may stand in what was copied, and a
// terminal may pass that on: what comes in one go with the paste, up to another
// end, is part of it. Only behind the last end, when the terminal pauses, do keys
// begin.
type paste struct {
	text   []byte // up to the last end
	rest   []byte // behind it
	ended  bool   // there was an end
	refuse bool   // it is over the limit
	last   time.Time
	pause  time.Duration
}

// begin returns when the paste is over if nothing comes.
func (p *paste) begin(now time.Time) time.Time {
	p.last, p.pause = now, pastePause
	return now.Add(pasteIdle)
}

// add takes what came, and returns when the paste is over if nothing more does.
func (p *paste) add(b []byte, now time.Time, limit int) time.Time {
	if gap := 2 * now.Sub(p.last); gap > p.pause {
		p.pause = min(gap, pastePauseMax)
	}
	p.last = now
	// The end may be cut: it is looked for in what may be its begin, too.
	from := max(0, len(p.rest)-len(pasteEnd)+1)
	p.rest = append(p.rest, b...)
	if i := bytes.LastIndex(p.rest[from:], []byte(pasteEnd)); i >= 0 && (wholePastes() || !p.ended) {
		if !wholePastes() {
			i = bytes.Index(p.rest[from:], []byte(pasteEnd))
		}
		i += from
		p.text, p.ended = append(p.text, p.rest[:i]...), true
		p.rest = append(p.rest[:0], p.rest[i+len(pasteEnd):]...)
	}
	if len(p.text) > limit || len(p.rest) >= limit+len(pasteEnd) {
		p.refuse = true
	}
	if p.refuse {
		p.text = nil
		if n := len(p.rest) - len(pasteEnd) + 1; n > 0 && (!p.ended || len(p.rest) >= limit) {
			p.rest = append(p.rest[:0], p.rest[n:]...) // enough to find the end
		}
	}
	if p.ended {
		if len(p.rest) > 0 {
			p.pause = pastePauseMax
		}
		return now.Add(p.pause)
	}
	return now.Add(pasteIdle)
}

// endPaste delivers the paste, and goes on with the keys behind it.
func (d *Decoder) endPaste(now time.Time) {
	p := d.paste
	text, keys := p.text, p.rest
	if !p.ended {
		text, keys = p.rest, nil
	}
	d.mode, d.due, d.paste = typing, time.Time{}, paste{}
	text = cleanPaste(text)
	switch {
	case p.refuse:
		d.events = append(d.events, Event{Kind: PasteRefused})
	case len(text) > 0:
		d.events = append(d.events, Event{Kind: Paste, Bytes: text})
	}
	d.take(keys, now)
}

// pasteMarks are all forms of the marks around a paste, as one program or another
// takes them.
var pasteMarks = [...]string{pasteEnd, "\u009b201~", "\x9b201~", "\x1b[200~", "\u009b200~", "\x9b200~"}

// cleanPaste removes them, also where removing one makes another, and NUL, which is no
// text and no command can hold. Nothing may be removed from a paste after this.
func cleanPaste(p []byte) []byte {
	out := p[:0]
	for _, c := range p {
		if c == 0 {
			continue
		}
		out = append(out, c)
		if c != '~' {
			continue
		}
		for _, mark := range pasteMarks {
			if bytes.HasSuffix(out, []byte(mark)) {
				out = out[:len(out)-len(mark)]
				break
			}
		}
	}
	return out
}

// Marked reports whether a text holds what no [Paste] holds: a mark around a paste, or
// NUL.
func Marked(text []byte) bool {
	for _, mark := range pasteMarks {
		if bytes.Contains(text, []byte(mark)) {
			return true
		}
	}
	return bytes.IndexByte(text, 0) >= 0
}
