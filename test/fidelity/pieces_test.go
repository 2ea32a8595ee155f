package fidelity

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// A line that brings a guest's keys byte by byte changes nothing: each is the key
// that it is when it comes at once.
func TestKeysInPieces(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "")
	seen := map[string]bool{}
	var keys []corpusKey
	for _, k := range keyboards(t) {
		for _, key := range k.keys {
			if k.term == "xterm-256color" && !seen[key.bytes] {
				seen[key.bytes] = true
				keys = append(keys, key)
			}
		}
	}
	x := d.open("xterm-256color")
	d.set(paneModes[1], x)
	whole := d.press(1, x[1], keys, func(x *tmuxtest.Terminal, all string) { x.Type(all) })
	pieces := d.press(1, x[1], keys, func(x *tmuxtest.Terminal, all string) {
		for i := range len(all) {
			x.Type(all[i : i+1])
		}
	})
	for i, key := range keys {
		if whole[i] != pieces[i] {
			t.Errorf("%s (%q): at once %q, byte by byte %q", key.name, key.bytes, whole[i], pieces[i])
		}
	}
}

// What may be the begin of a longer key is held for the server's escape-time, and
// then it is what it is: what is typed after it is a key of its own. With the
// pane's cursor keys in application mode, that shows.
func TestBegunKeys(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "")
	x := d.open("xterm-256color")
	d.set(paneModes[1], x)
	for i := range x {
		d.tmux(i, "set-option", "-s", "escape-time", "60")
	}
	// What it was before is longer than anything is waited for here.
	d.recorders[1].Reset()
	x[1].Type("x")
	d.recorders[1].WaitLen(1) // with the key, the new one is looked up
	for _, begun := range []string{"\x1b", "\x1b\x1b", "\x1b[", "\x1bO", "\x1b]", "\x1bP", "\x1b_", "\x1b[1;5", "\x1b\x1b[", "\x1bO1"} {
		var got [2]string
		for i, x := range x {
			r := d.recorders[i]
			r.Reset()
			x.Type(begun)
			tmuxtest.Eventually(t, func() bool { return r.Len() >= len(begun) }, "%q is held for the time at %d", begun, i)
			x.Type("[A.")
			tmuxtest.Eventually(t, func() bool {
				got[i] = string(r.Bytes())
				return strings.HasSuffix(got[i], ".")
			}, "what is typed after %q at %d", begun, i)
		}
		if got[0] != got[1] || got[0] != begun+"[A." {
			t.Errorf("%q: at plain tmux %q, as a guest %q", begun, got[0], got[1])
		}
	}
}
