package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/sockets"
)

// Each answer is about what was asked; only what somebody has said yes to is done, and
// where the answers end nothing is.
func TestChoose(t *testing.T) {
	steps := []sockets.Step{{What: "one"}, {What: "two"}, {What: "three"}}
	for _, c := range []struct {
		answers, want string
	}{
		{"y\nn\ny\n", "one three"},
		{"Yes\n\n YES \n", "one three"},
		{"n\na\n", "two three"},
		{"a\n", "one two three"},
		{"y\nq\n", "one"},
		{"q\n", ""},
		{"\n\n\n", ""},
		{"what\nyn\nall\n", "one two three"},
		{"y\ny\n", ""},
		{"y\ny\ny", ""},
		{"", ""},
	} {
		var out strings.Builder
		yes, err := choose(t.Context(), strings.NewReader(c.answers), &out, steps)
		var got []string
		for _, s := range yes {
			got = append(got, s.What)
		}
		if text := strings.Join(got, " "); text != c.want || (err != nil) != (text == "") || err != nil && !errors.Is(err, errNothingDone) {
			t.Errorf("%q: %q, %v\n%s", c.answers, text, err, out.String())
		}
		if !strings.HasPrefix(out.String(), "(1/3)   one\nDo this?") {
			t.Errorf("%q: it asks %q", c.answers, out.String())
		}
	}
}

// Who ends the program at a question has agreed to nothing, also not to what they have
// said yes to before.
func TestChooseEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	in, type_ := io.Pipe()
	defer type_.Close()
	out := &cancelsAt{text: "(2/2)", cancel: cancel}
	go func() { _, _ = io.WriteString(type_, "y\n") }() // the second is never answered
	if yes, err := choose(ctx, in, out, []sockets.Step{{}, {}}); len(yes) > 0 || !errors.Is(err, errNothingDone) {
		t.Errorf("%d, %v", len(yes), err)
	}
}

// cancelsAt ends a context when it is told a text.
type cancelsAt struct {
	text   string
	cancel func()
}

func (c *cancelsAt) Write(p []byte) (int, error) {
	if strings.Contains(string(p), c.text) {
		c.cancel()
	}
	return len(p), nil
}
