package sshd

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/muxward/muxward/internal/gateway"
)

// On a phone's screen the marked place is to be seen, whichever it is, and nothing runs
// over the screen.
func TestMarkedPlace(t *testing.T) {
	var all places
	for i := range 30 {
		all = append(all, place{name: fmt.Sprintf("alice/%02d-of-many", i), may: "view"})
	}
	x := &session{c: &conn{}, term: newTerminal(newInbox(), newOutbox(io.Discard, io.Discard), 0x7f, nil, nil, nil)}
	x.term.resize(40, 12)
	for i := range all {
		l := &lobby{x: x, mayBegin: true, all: all, shown: all, marked: i, note: strings.Repeat("long ", 20)}
		lines := strings.Split(l.draw(), "\n")
		if len(lines) > 12 {
			t.Errorf("%d lines for 12 rows", len(lines))
		}
		marked := ""
		for _, text := range lines {
			if ansi.StringWidth(text) >= 40 {
				t.Errorf("%q is too long", text)
			}
			if strings.Contains(text, "\x1b[7m") {
				marked += ansi.Strip(text)
			}
		}
		if want := fmt.Sprintf("%d  %s  view", i+1, all[i].name); marked != want {
			t.Errorf("marked is %q, want %q", marked, want)
		}
	}
}

// What was typed chooses what is shown; numbers and commands leave it as it is, and what
// is marked is the answer if nothing else is.
func TestTyped(t *testing.T) {
	all := places{{name: "work"}, {name: "build"}, {name: "new"}}
	for typed, want := range map[string]struct {
		shown  int
		answer string
	}{
		"": {3, "2"}, "o": {1, "1"}, "2": {3, "2"}, "q": {0, "q"}, "new": {1, "1"}, "new x": {3, "new x"}, "zzz": {0, "zzz"},
	} {
		l := &lobby{all: all, shown: all, marked: 1, mayBegin: true, typed: editor{line: []byte(typed)}}
		if l.filter(); len(l.shown) != want.shown || l.answer() != want.answer {
			t.Errorf("%q: %d are shown, the answer is %q", typed, len(l.shown), l.answer())
		}
	}
}

// What was listed is not drawn once more when rights have changed since.
func TestNothingIsDrawnAnew(t *testing.T) {
	x := &session{c: &conn{nc: &wary{}}, out: newOutbox(io.Discard, io.Discard)}
	denied := errors.New("not any more")
	var gate gateway.Gate = func(func() error) error { return denied }
	if got, err := x.deliver(t.Context(), []byte("SECRET"), gate); !errors.Is(got, denied) || err != nil || x.out.size != 0 {
		t.Errorf("%v, %v, %d bytes wait", got, err, x.out.size)
	}
	if got, err := x.deliver(t.Context(), []byte("shown"), nil); got != nil || err != nil || x.out.size != 5 {
		t.Errorf("%v, %v, %d bytes wait", got, err, x.out.size)
	}
}
