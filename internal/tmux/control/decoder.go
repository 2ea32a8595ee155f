package control

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// Reply is the answer to one command line.
type Reply struct {
	// Data is what the line's commands printed, each line ended by a newline.
	// It is the receiver's. Text of a command that failed is in Err instead.
	Data []byte
	// Err is nil; a [*CommandError], the first if there were several; or why
	// there is no answer.
	Err error
	// Blocks counts the commands that ran or failed. It is 0 for a line
	// without a command, such as a comment.
	Blocks int
}

// Text returns Data without its last newline.
func (r Reply) Text() string { return strings.TrimSuffix(string(r.Data), "\n") }

// Lines returns the lines of Data.
func (r Reply) Lines() []string {
	if len(r.Data) == 0 {
		return nil
	}
	return strings.Split(r.Text(), "\n")
}

// decoder sorts the lines that a server sends. From the first block that
// answers a command line on it keeps everything, until the refusal of the
// marker that follows that line. Only then it looks at what it kept: the first
// block ends at the last guard that fits, so that guards printed by the
// command itself are text like any other.
type decoder struct {
	refusal string // how the refusal of a marker begins; its number follows
	limit   int    // on the bytes of one answer
	to      events

	state  state
	guard  []byte // "T N F" of the first block
	closer []byte // the same of the marker's block, while closing
	seq    uint64 // the marker's number, while closing

	kept     []byte // all lines after the first %begin, newlines included
	end      int    // where the last guard that ends the first block is, or -1
	endLen   int
	endError bool
	begin    int // where the last line of kept is if that is a %begin, or -1

	other []byte // start of the text of a block that answers no line
}

type state uint8

const (
	between state = iota // outside of everything
	foreign              // in a block that answers no line: a hook's, the attach command's
	answer               // in the answer to a line
	closing              // after the refusal of the marker, before its guard
)

// maxOther is how much of a foreign block's text is kept.
const maxOther = 1024

// events is what a decoder tells. Slices are only lent.
type events interface {
	// expecting reports whether a line is unanswered.
	expecting() bool
	// answered has the reply to the line before marker seq.
	answered(seq uint64, r Reply) error
	// notified has a line that begins with a percent sign.
	notified(line []byte)
	// hooked has a block that answers no line.
	hooked(failed bool, text []byte)
}

func newDecoder(refusal string, limit int, to events) *decoder {
	return &decoder{refusal: refusal, limit: limit, to: to}
}

// line takes one line, without its newline.
func (d *decoder) line(l []byte) error {
	switch d.state {
	case foreign:
		d.foreignLine(l)
	case answer:
		return d.answerLine(l)
	case closing:
		return d.closingLine(l)
	default:
		d.betweenLine(l)
	}
	return nil
}

func (d *decoder) betweenLine(l []byte) {
	guard, flag, ok := beginGuard(l)
	switch {
	case ok && flag == '1' && d.to.expecting():
		d.state = answer
		d.kept, d.end, d.begin = d.kept[:0], -1, -1
	case ok:
		d.state = foreign
		d.other = d.other[:0]
	default:
		if len(l) > 0 && l[0] == '%' {
			d.to.notified(l)
		}
		return // other text belongs to a job whose line was answered
	}
	d.guard = append(d.guard[:0], guard...)
}

func (d *decoder) foreignLine(l []byte) {
	if failed, ok := ends(l, d.guard); ok {
		d.state = between
		d.to.hooked(failed, d.other)
		return
	}
	if room := maxOther - len(d.other); room > 0 {
		d.other = append(append(d.other, l[:min(len(l), room)]...), '\n')
	}
}

func (d *decoder) answerLine(l []byte) error {
	if seq, ok := d.marker(l); ok {
		return d.refused(seq)
	}
	if len(d.kept)+len(l) >= d.limit {
		return fmt.Errorf("%w: an answer of more than %d bytes", ErrProtocol, d.limit)
	}
	at := len(d.kept)
	d.kept = append(append(d.kept, l...), '\n')
	d.begin = -1
	if len(l) == 0 || l[0] != '%' {
		return nil
	}
	if failed, ok := ends(l, d.guard); ok {
		d.end, d.endLen, d.endError = at, len(l)+1, failed
	} else if _, flag, ok := beginGuard(l); ok && flag == '1' {
		d.begin = at
	}
	return nil
}

// refused notes the guard of the block in which a marker was refused.
func (d *decoder) refused(seq uint64) error {
	var guard []byte
	switch {
	case d.end < 0 && len(d.kept) == 0: // the only block: the line had no command
		guard = d.guard
	case d.end >= 0 && d.begin >= 0:
		guard, _, _ = beginGuard(d.kept[d.begin : len(d.kept)-1])
	default:
		return fmt.Errorf("%w: a marker was refused inside a block", ErrProtocol)
	}
	d.closer = append(d.closer[:0], guard...)
	d.seq, d.state = seq, closing
	return nil
}

// closingLine takes the guard that ends the marker's block, the only line that
// can follow its refusal.
func (d *decoder) closingLine(l []byte) error {
	if failed, ok := ends(l, d.closer); !ok || !failed {
		return fmt.Errorf("%w: a marker's block does not end", ErrProtocol)
	}
	d.state = between
	var r Reply
	if d.end >= 0 {
		r = d.reply()
	}
	if cap(d.kept) > 1<<20 {
		d.kept = nil
	}
	return d.to.answered(d.seq, r)
}

// reply makes the reply of what was kept.
func (d *decoder) reply() Reply {
	var r Reply
	r.add(d.kept[:d.end], d.endError)
	rest := d.kept[d.end+d.endLen : d.begin]
	for len(rest) > 0 {
		var l []byte
		l, rest, _ = bytes.Cut(rest, newline)
		guard, flag, ok := beginGuard(l)
		if !ok {
			if len(l) > 0 && l[0] == '%' {
				d.to.notified(l)
			}
			continue
		}
		var body []byte
		var failed bool
		body, failed, rest = cutBlock(rest, guard)
		if flag == '1' {
			r.add(body, failed)
		} else {
			d.to.hooked(failed, body)
		}
	}
	return r
}

var newline = []byte{'\n'}

// cutBlock returns the text of a block whose %begin was just before text, and
// what follows its last fitting guard. Without such a guard all is text.
func cutBlock(text, guard []byte) (body []byte, failed bool, rest []byte) {
	body, rest = text, nil
	for at := 0; at < len(text); {
		n := bytes.IndexByte(text[at:], '\n')
		if n < 0 {
			break
		}
		if bad, ok := ends(text[at:at+n], guard); ok {
			body, failed, rest = text[:at], bad, text[at+n+1:]
		}
		at += n + 1
	}
	return body, failed, rest
}

func (r *Reply) add(body []byte, failed bool) {
	r.Blocks++
	switch {
	case !failed && len(body) > 0:
		r.Data = append(r.Data, body...)
	case failed && r.Err == nil:
		r.Err = &CommandError{Text: strings.TrimSuffix(string(body), "\n")}
	}
}

// marker returns the number in the refusal of a marker.
func (d *decoder) marker(l []byte) (uint64, bool) {
	if len(l) <= len(d.refusal) || string(l[:len(d.refusal)]) != d.refusal {
		return 0, false
	}
	seq, err := strconv.ParseUint(string(l[len(d.refusal):]), 16, 64)
	return seq, err == nil
}

// beginGuard splits "%begin T N F".
func beginGuard(l []byte) (guard []byte, flag byte, ok bool) {
	guard, ok = bytes.CutPrefix(l, []byte("%begin "))
	if !ok || len(guard) < 5 || len(guard) > 64 {
		return nil, 0, false
	}
	spaces := 0
	for i, c := range guard {
		switch {
		case c == ' ' && i > 0 && guard[i-1] != ' ':
			spaces++
		case c < '0' || c > '9':
			return nil, 0, false
		}
	}
	n := len(guard)
	return guard, guard[n-1], spaces == 2 && guard[n-2] == ' ' && guard[n-1] != ' '
}

// ends reports whether l is the guard that ends the block, and how.
func ends(l, guard []byte) (failed, ok bool) {
	rest, ok := bytes.CutPrefix(l, []byte("%end "))
	if !ok {
		rest, ok = bytes.CutPrefix(l, []byte("%error "))
		failed = true
	}
	return failed && ok, ok && bytes.Equal(rest, guard)
}
