package attach

import (
	"bytes"
	"fmt"
	"time"
	"unicode/utf8"
)

// confirmTime is how long a person may think about a paste.
const confirmTime = 30 * time.Second

// asked is a paste that the person is asked about before it is typed. What they
// look at when they say yes is where it goes, as with any key.
type asked struct {
	text  []byte
	until time.Time
	timer *time.Timer
}

// lines counts the lines of a text, also one that does not end.
func lines(text []byte) int {
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	n := bytes.Count(text, []byte("\n")) + bytes.Count(text, []byte("\r"))
	if len(text) > 0 && text[len(text)-1] != '\n' && text[len(text)-1] != '\r' {
		n++
	}
	return n
}

// paste delivers a paste, or asks about one that has many lines.
func (in *input) paste(e Event, mode Mode) error {
	n, most := lines(e.Bytes), in.a.cfg.Keys.ConfirmLines
	if most <= 0 || n <= most || mode == Watch {
		return in.deliver(e, mode)
	}
	in.asked = &asked{
		text:  bytes.Clone(e.Bytes),
		until: time.Now().Add(confirmTime),
		timer: time.AfterFunc(confirmTime, func() { in.a.spawn(in.a.Answered) }),
	}
	in.a.Ask(fmt.Sprintf("Paste %d lines? (y/n)", n), "")
	return nil
}

// asking reports whether the person is asked about a paste.
func (in *input) asking() bool {
	if in.asked != nil && time.Now().After(in.asked.until) {
		in.forget()
	}
	return in.asked != nil
}

// forget drops the paste that the person is asked about.
func (in *input) forget() {
	if in.asked == nil {
		return
	}
	in.asked.timer.Stop()
	in.asked = nil
	in.a.Answered()
}

// answer takes what is typed while the person is asked: y is yes, any other key
// is no, and another paste is no answer.
func (in *input) answer(e Event, mode Mode) error {
	var rest []byte
	yes := false
	switch {
	case e.Kind == Paste || e.Kind == PasteRefused:
		return nil
	case e.Kind == Keys && e.Key == "":
		_, n := utf8.DecodeRune(e.Bytes)
		yes, rest = string(e.Bytes[:n]) == "y", e.Bytes[n:]
	}
	text := in.asked.text
	in.forget()
	if !yes {
		in.a.Notice("nothing was pasted")
	} else if err := in.deliver(Event{Kind: Paste, Bytes: text}, mode); err != nil {
		return err
	}
	return in.characters(rest, mode)
}
