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
		asked := 0
		forget := func() error {
			if asked++; strings.Count(out.String(), "Do this?") != asked-1 {
				t.Errorf("%q: what was typed is forgotten at the wrong time", c.answers)
			}
			return nil
		}
		yes, err := choose(t.Context(), strings.NewReader(c.answers), &out, forget, steps)
		if strings.Count(out.String(), "Do this?") != asked {
			t.Errorf("%q: %d questions are asked without forgetting what was typed before", c.answers, strings.Count(out.String(), "Do this?")-asked)
		}
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
	in := &endsAt{answers: []string{"y\n"}, cancel: cancel, end: t.Context()}
	forget := func() error { return nil }
	if yes, err := choose(ctx, in, io.Discard, forget, []sockets.Step{{}, {}}); len(yes) > 0 || !errors.Is(err, errNothingDone) {
		t.Errorf("%d, %v", len(yes), err)
	}
}

// Where it cannot be told whether an answer is one, nothing is agreed to.
func TestChooseCannotForget(t *testing.T) {
	forget := func() error { return errors.ErrUnsupported }
	if yes, err := choose(t.Context(), strings.NewReader("a\n"), io.Discard, forget, []sockets.Step{{}}); len(yes) > 0 || !errors.Is(err, errNothingDone) {
		t.Errorf("%d, %v", len(yes), err)
	}
}

// endsAt is somebody who answers, and then ends the program while it waits.
type endsAt struct {
	answers []string
	cancel  func()
	end     context.Context
}

func (e *endsAt) Read(p []byte) (int, error) {
	if len(e.answers) == 0 {
		e.cancel()
		<-e.end.Done()
		return 0, io.EOF
	}
	n := copy(p, e.answers[0])
	e.answers = e.answers[1:]
	return n, nil
}
