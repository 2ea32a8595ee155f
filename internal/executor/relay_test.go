package executor

import (
	"errors"
	"testing"

	"github.com/muxward/muxward/internal/attach"
)

// The client says that its server has gone: what gives the terminal back says nothing besides.
func TestServerGoneIsSaidOnce(t *testing.T) {
	if !errors.Is(errServerGone, attach.ErrDisplayGone) {
		t.Error("the end of a server is printed on the terminal as a refusal is")
	}
}

// What a pane has drawn keeps every character but those that a terminal obeys,
// wherever it is cut.
func TestDrawn(t *testing.T) {
	const text = "a\u0085b\u009b5i\u009fc\u00a0é\u202e作\U0001f468\x1b[31m\xc2\xc2\u009b\n"
	const want = "a?b?5i?c\u00a0é\u202e作\U0001f468\x1b[31m\xc2\xc2?\n"
	for size := 1; size <= len(text); size++ {
		var r relay
		var got []byte
		for at := 0; at < len(text); at += size {
			got = append(got, r.drawn([]byte(text[at:min(at+size, len(text))]))...)
		}
		if string(got) != want {
			t.Errorf("in pieces of %d: %q", size, got)
		}
	}
}
