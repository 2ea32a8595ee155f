package attach

import (
	"bytes"
	"fmt"
	"time"
	"unicode/utf8"
)

// confirmTime is how long a person may think about a paste.
const confirmTime = 30 * time.Second

// asked is a paste that the person is asked about before it is typed. It goes to the
// pane that they looked at when they were asked, or nowhere.
type asked struct {
	text     []byte
	where    string
	question *asking
	until    time.Time
	timer    *time.Timer
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
	where, err := in.a.cfg.Sink.Where(in.a.ctx)
	if err != nil {
		in.a.Notice("nothing was pasted: " + err.Error())
		return nil
	}
	question, limit := &asking{text: fmt.Sprintf("Paste %d lines? (y/n)", n)}, in.dec.opt.confirmTime
	in.asked = &asked{
		text: bytes.Clone(e.Bytes), where: where, question: question,
		until: time.Now().Add(limit),
		timer: time.AfterFunc(limit, func() { in.a.spawn(func() { in.a.unanswered(question) }) }),
	}
	in.a.ask(question)
	return nil
}

// unanswered takes a question away that the person has not answered in time.
func (a *Attachment) unanswered(question *asking) {
	if a.unask(question) {
		a.Notice("nothing was pasted: the question was not answered")
	}
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
	in.a.unask(in.asked.question)
	in.asked = nil
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
	text, where := in.asked.text, in.asked.where
	in.forget()
	if !yes {
		in.a.Notice("nothing was pasted")
	} else if err := in.deliver(Event{Kind: Paste, Bytes: text, Where: where}, mode); err != nil {
		return err
	}
	return in.characters(rest, mode)
}
