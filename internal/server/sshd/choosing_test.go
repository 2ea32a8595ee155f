package sshd

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
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

// Who waits for what was printed does not wait for what is printed later: whoever goes
// on printing would never be through. What is dropped is waited for by nobody.
func TestFlushOfWhatIsThere(t *testing.T) {
	gate := make(chan struct{})
	net := &slow{gate: gate}
	o := newOutbox(net, io.Discard)
	ended := make(chan struct{})
	go func() { defer close(ended); o.run() }()
	put := func(n int) {
		t.Helper()
		if k, err := o.try(make([]byte, n), false); k != n || err != nil {
			t.Fatal(k, err)
		}
	}
	put(10)
	flushed := make(chan error, 1)
	go func() { flushed <- o.flush(t.Context()) }()
	tmuxtest.Eventually(t, func() bool { o.mu.Lock(); defer o.mu.Unlock(); return o.moved != nil }, "it is waited for")
	tmuxtest.Eventually(t, func() bool { o.mu.Lock(); defer o.mu.Unlock(); return o.flying == 10 }, "it is being written")
	put(20)
	gate <- struct{}{} // the first 10 have gone
	if err := <-flushed; err != nil {
		t.Error(err)
	}
	go func() { flushed <- o.flush(t.Context()) }()
	tmuxtest.Eventually(t, func() bool { o.mu.Lock(); defer o.mu.Unlock(); return o.flying == 20 }, "the rest is being written")
	put(5)
	o.drop()
	select {
	case <-flushed:
		t.Error("what is being written is not waited for")
	default:
	}
	gate <- struct{}{}
	if err := <-flushed; err != nil {
		t.Error(err)
	}
	o.close()
	close(gate)
	<-ended
}
