package attach

import (
	"time"
	"unicode/utf8"
)

const (
	// maxKey bounds what is held until a key is complete. No key is longer;
	// a control sequence beyond it is dropped.
	maxKey = 128
	// replyIdle ends a reply of a terminal that was begun and not ended.
	replyIdle = time.Second
	// DefaultEscapeTime is tmux's escape-time up to 3.4.
	DefaultEscapeTime = 500 * time.Millisecond
)

// KeyOptions says how a person's keys are read. The zero value is tmux's
// defaults.
type KeyOptions struct {
	// EscapeTime is how long a key that may be the begin of a longer one is
	// held; 0 is 500 ms.
	EscapeTime time.Duration
	// Erase is the byte of the backspace key, as the terminal's modes say;
	// 0 is DEL.
	Erase byte
	// Terminfo is the terminal's terminfo entry, NAME=value each, for the keys
	// in it. It may come from anybody.
	Terminfo []string
	// PasteLimit is the largest paste in bytes; 0 is [DefaultPasteLimit].
	PasteLimit int
	// ConfirmLines is how many lines a paste may have that is typed without
	// asking the person; 0 asks about none.
	ConfirmLines int

	confirmTime time.Duration // 0 is the constant; tests wait less
}

func (o KeyOptions) filled() KeyOptions {
	if o.EscapeTime <= 0 {
		o.EscapeTime = DefaultEscapeTime
	}
	if o.Erase == 0 {
		o.Erase = 0x7f
	}
	if o.PasteLimit <= 0 {
		o.PasteLimit = DefaultPasteLimit
	}
	if o.confirmTime <= 0 {
		o.confirmTime = confirmTime
	}
	return o
}

// Decoder turns what a terminal sends into events. It is a pure state machine:
// time comes in as a parameter. It holds back exactly what could still become
// a longer key, for as long as tmux does, and it recognizes what only
// terminals send (answers, reports, mouse, focus) and drops that, so that no
// terminal types by itself.
//
// What it holds is bounded by maxKey, and by the paste limit inside a paste.
type Decoder struct {
	opt  KeyOptions
	own  map[string]string // the keys that only this terminal sends so
	hold []byte            // the begin of a key that is not complete
	due  time.Time         // when hold is taken as it is; zero: nothing is waiting

	mode  decoderMode
	tail  []byte // the last bytes of a reply that may be its end
	paste paste

	keys   []byte
	events []Event
	spans  []span
}

// span is where an event's bytes are in keys, which may move as it grows.
type span struct{ event, from, to int }

type decoderMode uint8

const (
	typing decoderMode = iota
	inReply
	inPaste // until the terminal pauses after the end
)

// NewDecoder returns a decoder that has seen nothing.
func NewDecoder(o KeyOptions) *Decoder {
	return &Decoder{opt: o.filled(), own: entryKeys(o.Terminfo)}
}

// SetEscapeTime changes how long the begin of a longer key is held from now on;
// 0 is the default.
func (d *Decoder) SetEscapeTime(t time.Duration) {
	d.opt.EscapeTime = KeyOptions{EscapeTime: t}.filled().EscapeTime
}

// Deadline is when to call Feed with no bytes if none come before; the zero
// time if nothing is waiting.
func (d *Decoder) Deadline() time.Time { return d.due }

// Pasting reports whether a paste is under way.
func (d *Decoder) Pasting() bool { return d.mode == inPaste }

// Reset forgets all that was typed and not yet delivered.
func (d *Decoder) Reset() {
	d.hold, d.due, d.mode, d.tail, d.paste = d.hold[:0], time.Time{}, typing, nil, paste{}
}

// unhold forgets the begin of a key.
func (d *Decoder) unhold() {
	if d.mode == typing {
		d.hold, d.due = d.hold[:0], time.Time{}
	}
}

// Feed takes bytes that came at now and returns what they are. Called with
// none, it only looks at what is overdue: nothing else ends what has begun, so
// call it so only when nothing is there to be read. The events are valid until the
// next call.
func (d *Decoder) Feed(p []byte, now time.Time) []Event {
	d.events, d.spans, d.keys = d.events[:0], d.spans[:0], d.keys[:0]
	if !d.due.IsZero() && !now.Before(d.due) && len(p) == 0 {
		d.expire(now)
	}
	d.take(p, now)
	for _, s := range d.spans {
		d.events[s.event].Bytes = d.keys[s.from:s.to]
	}
	return d.events
}

// take goes through what came.
func (d *Decoder) take(p []byte, now time.Time) {
	for len(p) > 0 {
		switch d.mode {
		case inReply:
			p = d.reply(p, now)
		case inPaste:
			d.due = d.paste.add(p, now, d.opt.PasteLimit)
			p = nil
		default:
			p = d.type_(p, now)
		}
	}
}

// expire ends what was waited for.
func (d *Decoder) expire(now time.Time) {
	d.due = time.Time{}
	switch d.mode {
	case inReply:
		d.mode, d.tail = typing, nil
	case inPaste:
		d.endPaste(now)
	default:
		// What is held is what it is: ESC is Escape, ESC [ is M-[.
		held := append([]byte(nil), d.hold...)
		d.hold = d.hold[:0]
		for len(held) > 0 {
			n, ok := d.next(held, true)
			if !ok { // cannot be: an expired key is always complete
				n = 1
				d.plain(held[:1])
			}
			held = held[n:]
			if d.mode != typing {
				return
			}
		}
	}
}

// type_ takes keys until there are no more or a paste or reply begins.
func (d *Decoder) type_(p []byte, now time.Time) []byte {
	if len(d.hold) > 0 {
		// Only a little is ever held, so it is joined with a little.
		n := min(len(p), maxKey+utf8.UTFMax-len(d.hold))
		joined := append(d.hold, p[:n]...)
		used, ok := d.next(joined, false)
		if !ok {
			d.hold = joined
			return p[n:]
		}
		if used < len(d.hold) {
			// The first part alone was a key: what is left goes first.
			rest := append([]byte(nil), joined[used:]...)
			d.hold, d.due = d.hold[:0], time.Time{}
			return append(rest, p[n:]...)
		}
		p = p[used-len(d.hold):]
		d.hold, d.due = d.hold[:0], time.Time{}
	}
	for len(p) > 0 && d.mode == typing {
		n, ok := d.next(p, false)
		if !ok {
			d.hold = append(d.hold[:0], p...)
			d.due = now.Add(d.opt.EscapeTime)
			return nil
		}
		p = p[n:]
	}
	if d.mode == inReply {
		d.due = now.Add(replyIdle)
	} else if d.mode == inPaste {
		d.due = d.paste.begin(now)
	}
	return p
}

// next takes one key from the begin of p and returns its length, or false if
// more bytes are needed to know. expired: no more will come.
func (d *Decoder) next(p []byte, expired bool) (int, bool) {
	switch c := p[0]; {
	case c == 0x1b:
		return d.escape(p, expired)
	case c >= 0x80:
		if !utf8.FullRune(p) && !expired {
			return 0, false
		}
		n, ok := character(p)
		if ok {
			d.plain(p[:n])
		}
		return n, true
	default:
		n := 1
		for c != d.opt.Erase && n < len(p) && p[n] < 0x80 && p[n] != 0x1b && p[n] != d.opt.Erase {
			n++
		}
		d.plain(p[:n])
		return n, true
	}
}

// character returns the length of the character at the begin of p, and whether it
// is one that a key may stand for: not a byte that is none, and no control
// character of the upper half.
func character(p []byte) (n int, ok bool) {
	c, n := utf8.DecodeRune(p)
	return n, (c != utf8.RuneError || n > 1) && (c < utf8.RuneSelf || c >= 0xa0)
}

// plain delivers characters, or the byte of the backspace key.
func (d *Decoder) plain(p []byte) {
	if len(p) == 1 && p[0] == d.opt.Erase {
		d.named("BSpace")
		return
	}
	d.addKeys(p, "")
}

// addKeys delivers bytes that are typed as they are: characters, or those of the
// one key of this name.
func (d *Decoder) addKeys(p []byte, key string) {
	from := len(d.keys)
	d.keys = append(d.keys, p...)
	if n := len(d.events); key == "" && n > 0 && d.events[n-1].Kind == Keys && d.events[n-1].Key == "" {
		d.spans[len(d.spans)-1].to = len(d.keys)
		return
	}
	d.spans = append(d.spans, span{len(d.events), from, len(d.keys)})
	d.events = append(d.events, Event{Kind: Keys, Key: key})
}

// named delivers a special key.
func (d *Decoder) named(name string) {
	d.events = append(d.events, Event{Kind: Named, Key: name})
}

// reply swallows what a terminal answers, up to its end (ST, or BEL) or until
// it pauses. Nothing of it is kept.
func (d *Decoder) reply(p []byte, now time.Time) []byte {
	d.due = now.Add(replyIdle)
	for i, c := range p {
		last := len(d.tail) > 0
		d.tail = d.tail[:0]
		switch {
		case c == '\a', last && c == '\\', c == 0x18, c == 0x1a:
			d.mode, d.due = typing, time.Time{}
			return p[i+1:]
		case last: // ESC and something else: a key begins
			d.mode, d.due = typing, time.Time{}
			if i > 0 {
				return p[i-1:]
			}
			return append([]byte{0x1b}, p...)
		case c == 0x1b:
			d.tail = append(d.tail, c)
		}
	}
	return nil
}
