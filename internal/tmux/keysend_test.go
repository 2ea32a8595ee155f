package tmux

import (
	"strings"
	"testing"
)

// A key goes to a pane by a name that the server takes for it, or not at all:
// any other name would be typed letter by letter.
func TestTypeKey(t *testing.T) {
	for _, c := range []struct{ key, before, since35 string }{
		{"Up", "Up", "Up"}, {"C-M-S-F12", "C-M-S-F12", "C-M-S-F12"}, {"BTab", "BTab", "BTab"}, {"KP5", "KP5", "KP5"},
		{"a", "a", "a"}, {"C-a", "C-a", "C-a"}, {"C-M-a", "C-M-a", "C-M-a"}, {"M-;", "M-;", "M-;"}, {"C-;", "C-;", "C-;"}, {"C-@", "C-@", "C-@"},
		{"S-a", "asked S-a or", "a"}, {"S-Enter", "asked S-Enter or", "S-Enter"}, {"C-S-a", "asked C-S-a or", "C-S-a"}, {"C-M-;", "asked C-M-; or", "C-M-;"},
		{"C-M-Enter", "asked C-M-Enter or", "C-M-Enter"}, {"C-M-Space", "C-M-Space", "C-M-Space"}, {"S-Tab", "asked S-Tab or", "BTab"}, {"C-S-Tab", "asked C-S-Tab or", "C-BTab"},
		{"C-|", "C-\\", "C-|"}, {"C-{", "Escape", "C-{"}, {"C-\"", "", "C-\""}, {"C-$", "", "asked C-$ or"}, {"C-M-$", "", "asked C-M-$ or Escape"}, {"C-Escape", "C-Escape", "asked C-Escape or"},
		{"é", "é", "é"}, {"M-é", "M-é", "M-é"}, {"C-é", "", "C-é"}, {"S-é", "", "é"}, {"C-BSpace", "C-BSpace", "asked C-BSpace or"}, {"C-M-BSpace", "asked C-M-BSpace or", "asked C-M-BSpace or Escape"}, {"M-S-Tab", "asked M-S-Tab or", "asked M-BTab or"}, {"M-\x7f", "M-\x7f", "M-\x7f"},
	} {
		for _, v := range []string{"3.2a", "3.3a", "3.5a", "3.7"} {
			version, err := ParseVersion(v)
			if err != nil {
				t.Fatal(err)
			}
			want := c.before
			if TellsKeyMode(version) {
				want = c.since35
			}
			in := TypeKey(c.key, version)
			got := strings.Join(in.Words, " ")
			if in.Asked {
				got = strings.TrimSuffix("asked "+got+" or "+strings.Join(in.Unasked, " "), " ")
			}
			if got != want {
				t.Errorf("%s: %s: %q, want %q", v, c.key, got, want)
			}
		}
	}
	for _, key := range []string{"C-S-Tab", "C-M-Tab", "C-M-S-Tab"} {
		if in := TypeKey(key, v34); in.Asked || in.Words[0] != key {
			t.Errorf("%s in 3.4: %+v", key, in)
		}
	}
}
