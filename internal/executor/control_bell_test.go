package executor

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Lines of our own come between blocks of a server, never in one.
func TestAsides(t *testing.T) {
	var shown []string
	show := func(text string) func() error {
		return func() error { shown = append(shown, text); return nil }
	}
	line := func(text string) aside { return aside{of: text, show: show(text)} }
	var a asides
	_ = a.say(line("first"))
	_ = a.pass(true, show("%begin"))
	_ = a.say(line("second"))
	_ = a.say(line("third"))
	_ = a.pass(true, show("body"))
	_ = a.pass(false, show("%end"))
	_ = a.say(line("fourth"))
	if want := []string{"first", "%begin", "body", "%end", "second", "third", "fourth"}; !slices.Equal(shown, want) {
		t.Errorf("shown %q, want %q", shown, want)
	}
	gone := errors.New("gone")
	if err := a.say(aside{show: func() error { return gone }}); !errors.Is(err, gone) {
		t.Errorf("a line that is not shown: %v", err)
	}
	// One that had to wait is not taken for told if it is not shown then.
	called := false
	_ = a.pass(true, show("%begin"))
	if err := a.say(aside{of: "fifth", show: func() error { return gone }, lost: func() { called = true }}); err != nil {
		t.Error(err)
	}
	_ = a.say(line("sixth"))
	_ = a.pass(false, show("%end"))
	if lost := a.takeLost(); !called || !slices.Equal(lost, []string{"fifth"}) || len(a.takeLost()) > 0 {
		t.Errorf("lost %q, called %v", lost, called)
	}
}

// What is told of what waits is one line of text, whatever is asked.
func TestMessage(t *testing.T) {
	for _, c := range []struct {
		name string
		w    Waits
		want string
	}{
		{"a request", Waits{Text: "bob asks", How: "see muxward approvals"}, "%message muxward: see muxward approvals: bob asks\n"},
		{"a lease", Waits{Text: "asks for it", From: "bob", How: "see muxward leases", Alone: true}, "%message muxward: see muxward leases: bob asks for it\n"},
		{"lines", Waits{Text: "a\n%exit\r%end 1 2 3", How: "h"}, ""},
		{"sequences", Waits{Text: "\x1b]52;c;eA==\a\u202e\u2028", How: "h"}, ""},
		{"much", Waits{Text: strings.Repeat("é", 5000), How: "h"}, ""},
	} {
		got := string(message(waitsText(c.w)))
		if c.want != "" && got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		text, ended := strings.CutSuffix(got, "\n")
		if !ended || !strings.HasPrefix(text, "%message muxward: ") || len(text) > maxMessage+20 {
			t.Errorf("%s: %.100q of %d bytes", c.name, got, len(got))
		}
		for _, r := range text {
			if obeyed(r) {
				t.Errorf("%s: %.100q holds %q", c.name, got, r)
			}
		}
	}
}

// However long a block stays open, so much waits for its end and no more: what came last.
func TestAsidesAreBounded(t *testing.T) {
	var a asides
	var shown []int
	if err := a.pass(true, func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	for i := range maxAsides + 10 {
		if err := a.say(aside{of: fmt.Sprint(i), show: func() error { shown = append(shown, i); return nil }}); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.pass(false, func() error { return nil }); err != nil || len(shown) != maxAsides || shown[0] != 10 {
		t.Errorf("%v: shown %v", err, shown)
	}
	if lost := a.takeLost(); len(lost) != 10 || lost[0] != "0" {
		t.Errorf("lost %q", lost)
	}
}
