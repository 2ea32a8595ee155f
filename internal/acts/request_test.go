package acts

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/muxward/muxward/internal/tmux"
)

// TestReasonsAreShort: a long one is cut to words in one line, whatever is in it.
func TestReasonsAreShort(t *testing.T) {
	for _, old := range []string{strings.Repeat("ж", 5000), "x" + strings.Repeat("ж", 5000), "x\x1b[2J\nall is well" + strings.Repeat("\a", 500)} {
		if s := ShortReason(old); len(s) > listedReason+4 || !utf8.ValidString(s) || tmux.OneLine(s) != s || strings.ContainsRune(s, '\x1b') {
			t.Errorf("%q", s)
		}
	}
}
