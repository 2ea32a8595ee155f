package attach

import (
	"bytes"
	"time"
)

// bracket follows whether what goes directly to a display is the inside of a paste: a
// terminal says where one begins and ends, if it was asked to. What comes behind a full
// read may be the rest of one in any case.
type bracket struct {
	in, full bool
	tail     []byte // of what came last: a mark may come in parts
	last     time.Time
}

// bracketIdle is how long the parts of a paste may be apart: a begin without an end is
// no paste for ever.
const bracketIdle = 2 * time.Second

const pasteBegin = "\x1b[200~"

// follow takes what came.
func (b *bracket) follow(p []byte, now time.Time) {
	b.in, b.full, b.last = b.in && now.Sub(b.last) < bracketIdle, len(p) >= batchSize, now
	all := append(b.tail, p...)
	if begin, end := bytes.LastIndex(all, []byte(pasteBegin)), bytes.LastIndex(all, []byte(pasteEnd)); begin != end {
		b.in = begin > end
	}
	b.tail = append([]byte(nil), all[max(0, len(all)-len(pasteEnd)+1):]...)
}

// inside reports whether what comes now may be pasted.
func (b *bracket) inside(now time.Time) bool {
	return (b.in || b.full) && now.Sub(b.last) < bracketIdle
}
