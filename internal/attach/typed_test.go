package attach

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// Of a mouse that is dragged, where it came by in one go is not looked at one by
// one; what was pressed, turned or let go is. Nobody hears of a mouse that was not
// asked for.
func TestMouseInOneGo(t *testing.T) {
	p := newPerson(t, Size{80, 24}, false)
	at := attach(t, p, Addressed)
	p.types("\x1b[<0;9;9Mx")
	eventually(t, "what was not asked for is read", contains(at.sink.all, "keys  x"))
	at.program.draws("\x1b[?1002h\x1b[?1006hasked")
	eventually(t, "drawn", contains(p.screen, "asked"))
	p.types("\x1b[<0;1;1M\x1b[<32;2;1M\x1b[<32;3;1M\x1b[<32;4;1M\x1b[<0;4;1m\x1b[<64;4;1M\x1b[<64;4;1M\x1b[<32;5;1M\x02d")
	if err := at.wait(); !errors.Is(err, ErrDetached) {
		t.Error(err)
	}
	want := "keys  x|mouse 0 at 0 0|mouse 32 at 3 0|mouse 0 at 3 0|mouse 64 at 3 0|mouse 64 at 3 0|mouse 32 at 4 0|detach"
	if got := string(at.sink.all()); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// What a key has typed in the person's place goes the way of what they type: to the
// sink, and nowhere if what they typed before has been dropped meanwhile.
func TestTypedInTheirPlace(t *testing.T) {
	p := newPerson(t, Size{80, 24}, false)
	var at *attached
	bound := &tables{}
	types := func(text string) {
		if err := at.Type(Event{Kind: Paste, Bytes: []byte(text)}); err != nil {
			t.Error(err)
		}
	}
	frozen := make(chan error, 1)
	bound.press = func(key string) {
		switch key {
		case "n":
			types("in-time")
		case "1":
			frozen <- at.Freeze(context.Background())
			types("too-late")
		}
	}
	at = attach(t, p, Addressed, func(c *Config) {
		bound.s = c.Sink.(*sink)
		c.Bound = bound
	})
	p.types("\x02n\x021")
	if err := <-frozen; err != nil {
		t.Fatal(err)
	}
	p.types("\x02d")
	if err := at.wait(); !errors.Is(err, ErrDetached) {
		t.Error(err)
	}
	if got := string(at.sink.all()); !strings.Contains(got, "in-time") || strings.Contains(got, "too-late") {
		t.Errorf("%q", got)
	}
}
