package attach

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestLines(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, "a": 1, "a\n": 1, "a\r": 1, "a\r\n": 1, "a\nb": 2, "a\rb\r": 2, "a\r\nb\r\nc": 3, "\n\n": 2, "\r\n\r": 2,
	} {
		if got := lines([]byte(text)); got != want {
			t.Errorf("%q has %d lines, want %d", text, got, want)
		}
	}
}

// A paste of more lines than may be pasted unasked is typed when the person says
// yes, as one paste, and not at all for any other key, another paste included.
func TestPasteOfManyLinesIsAskedAbout(t *testing.T) {
	const paste = "\x1b[200~one\rtwo\rthree\x1b[201~"
	for _, c := range []struct{ first, asks, then, want string }{
		{"\x1b[200~one\rtwo\x1b[201~", "", ".", "paste  one\rtwo|keys  ."},
		{paste, "Paste 3 lines? (y/n)", "yx", "paste  one\rtwo\rthree|keys  x"},
		{paste, "Paste 3 lines? (y/n)", "nx", "keys  x"},
		{paste, "Paste 3 lines? (y/n)", "\rx", "keys  x"},
		{paste, "Paste 3 lines? (y/n)", "\x1b[15~x", "keys  x"},
		{paste, "Paste 3 lines? (y/n)", "\x1byx", "keys  x"},
		{paste, "Paste 3 lines? (y/n)", "éy", "keys  y"},
		// What was copied cannot answer for them.
		{"\x1b[200~one\rtwo\rthree\x1b[201~y\x1b[201~", "Paste 3 lines? (y/n)", "n.", "keys  ."},
		{"\x1b[200~one\rtwo\rthree\x1b[201~yx\r", "Paste 3 lines? (y/n)", "n.", "keys  ."},
		{"\x1b[200~one\rtwo\rthree\x1b[201~\x1b[", "Paste 3 lines? (y/n)", "y.", "paste  one\rtwo\rthree|keys  ."},
	} {
		p := newPerson(t, Size{80, 24}, false)
		at := attach(t, p, Addressed, func(c *Config) { c.Keys.ConfirmLines = 2 })
		eventually(t, "raw mode", func() error { return rawMode(p) })
		p.types(c.first)
		if c.asks != "" {
			eventually(t, c.asks, contains(p.screen, c.asks))
			if got := string(at.sink.all()); got != "" {
				t.Errorf("%q: %q before it was answered", c.first, got)
			}
		} else {
			eventually(t, "the paste", contains(at.sink.all, "paste"))
		}
		p.types(c.then)
		p.types("\x02d")
		if err := at.wait(); !errors.Is(err, ErrDetached) {
			t.Fatal(err)
		}
		if got := strings.TrimSuffix(string(at.sink.all()), "|detach"); got != c.want {
			t.Errorf("%q, then %q: got %q, want %q", c.first, c.then, got, c.want)
		}
	}
}

// A person who may not type any more at the moment they say yes pastes nothing.
func TestPasteIsDecidedWhenItIsAnswered(t *testing.T) {
	p := newPerson(t, Size{80, 24}, false)
	at := attach(t, p, Addressed, func(c *Config) { c.Keys.ConfirmLines = 1 })
	eventually(t, "raw mode", func() error { return rawMode(p) })
	p.types("\x1b[200~one\rtwo\x1b[201~")
	eventually(t, "the question", contains(p.screen, "Paste 2 lines?"))
	at.gate.set(ErrFrozen, nil)
	p.types("y\x02d")
	if err := at.wait(); !errors.Is(err, ErrDetached) {
		t.Fatal(err)
	}
	if got := string(at.sink.all()); got != "detach" {
		t.Errorf("%q", got)
	}
}

// A paste over the limit is not typed, and the person is told the limit.
func TestTooLargePasteIsTold(t *testing.T) {
	p := newPerson(t, Size{200, 24}, false)
	at := attach(t, p, Addressed, func(c *Config) { c.Keys.PasteLimit = 9 })
	eventually(t, "raw mode", func() error { return rawMode(p) })
	p.types("\x1b[200~123456789\x1b[201~")
	eventually(t, "the paste", contains(at.sink.all, "paste"))
	p.types("\x1b[200~1234567890\x1b[201~")
	eventually(t, "what is told", contains(p.screen, "the paste is larger than 9 bytes and was not sent; whoever keeps muxward may raise paste_limit"))
	p.types(".\x02d")
	if err := at.wait(); !errors.Is(err, ErrDetached) {
		t.Fatal(err)
	}
	if got := string(at.sink.all()); got != "paste  123456789|keys  .|detach" {
		t.Errorf("%q", got)
	}
}

// A question that nobody answers goes away, and they are told; a key after that is
// a key. It takes no later question with it.
func TestPasteIsNotAnswered(t *testing.T) {
	p := newPerson(t, Size{80, 24}, false)
	at := attach(t, p, Addressed, func(c *Config) { c.Keys.ConfirmLines, c.Keys.confirmTime = 1, 50*time.Millisecond })
	eventually(t, "raw mode", func() error { return rawMode(p) })
	p.types("\x1b[200~one\rtwo\x1b[201~")
	eventually(t, "what they are told", contains(p.screen, "nothing was pasted: the question was not answered"))
	p.types("y")
	eventually(t, "the key", contains(at.sink.all, "y"))
	first, second := &asking{text: "first"}, &asking{text: "second"}
	at.ask(first)
	at.ask(second)
	at.unanswered(first)
	if got := at.note.question.Load(); got != second {
		t.Error("the second question has gone")
	}
	p.types("\x02d")
	if err := at.wait(); !errors.Is(err, ErrDetached) {
		t.Fatal(err)
	}
	if got := string(at.sink.all()); got != "keys  y|detach" {
		t.Errorf("%q", got)
	}
}

// A paste that was asked about goes to the pane that it was asked about.
func TestPasteKeepsItsPane(t *testing.T) {
	var where []string
	p := newPerson(t, Size{80, 24}, false)
	at := attach(t, p, Addressed, func(c *Config) {
		c.Keys.ConfirmLines = 1
		c.Sink.(*sink).prepare = func(e Event) error { where = append(where, e.Where); return nil }
	})
	eventually(t, "raw mode", func() error { return rawMode(p) })
	p.types("\x1b[200~one\rtwo\x1b[201~")
	eventually(t, "the question", contains(p.screen, "Paste 2 lines?"))
	p.types("y.\x02d")
	if err := at.wait(); !errors.Is(err, ErrDetached) {
		t.Fatal(err)
	}
	if !slices.Equal(where, []string{"here", ""}) {
		t.Errorf("%q", where)
	}
}
