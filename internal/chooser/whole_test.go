package chooser

import (
	"strings"
	"testing"

	"github.com/charmbracelet/x/vt"
)

func drawn(l *List, cols, rows int, utf8 bool) []string {
	screen := vt.NewEmulator(cols, rows)
	_, _ = screen.Write(shows(l, cols, rows, utf8))
	return strings.Split(screen.String(), "\n")
}

// shows draws a list on a terminal that takes it.
func shows(l *List, cols, rows int, utf8 bool) []byte {
	picture := l.Draw(cols, rows, utf8)
	l.Shown()
	return picture
}

// TestWholeIsAllOfIt: a text that is to be shown whole has been when each line of it was
// drawn, one after the other: not when its end alone was, nor when it went by on a
// terminal of another width.
func TestWholeIsAllOfIt(t *testing.T) {
	text := strings.Repeat("0123456789", 10) // eleven lines of nine
	made := func() *List {
		return &List{Items: []Item{{Text: text, Whole: true, Fixed: true}, {Text: "more", Fixed: true}}}
	}
	l := made()
	if l.Whole() {
		t.Error("nothing was drawn, and it is whole")
	}
	if shows(l, 10, 14, true); !l.Whole() {
		t.Error("there is room for all of it, and it is not whole")
	}
	l = made()
	shows(l, 10, 7, true) // five lines
	for _, tc := range []struct {
		key   string
		whole bool
	}{{"G", false}, {"g", false}, {"Space", false}, {"Space", true}, {"g", true}} {
		l.Key(tc.key)
		if shows(l, 10, 7, true); l.Whole() != tc.whole {
			t.Errorf("%s: whole is %v", tc.key, l.Whole())
		}
	}
	if shows(l, 9, 7, true); l.Whole() {
		t.Error("it goes on at another width")
	}
	l = made()
	for range 5 { // pages that a terminal has no time for
		l.Draw(10, 7, true)
		l.Key("Space")
	}
	if l.Shown(); l.Whole() {
		t.Error("the last page was shown alone, and it is whole")
	}
	l = made()
	shows(l, 10, 7, true)
	for range 20 {
		l.Key("Down")
		shows(l, 10, 7, true)
	}
	if !l.Whole() {
		t.Error("line by line it was all drawn")
	}
	if l.Key("/"); l.Key("x") != Changed {
		t.Fatal("it is not searched")
	}
	l = made()
	shows(l, 10, 7, true)
	press(l, "/", "x", "x", "Enter") // it stays, whatever is looked for
	if shows(l, 10, 7, true); l.Whole() {
		t.Error("it is whole by a search")
	}
}

// TestWholeAsItIs: nothing of it is left out at the end of a line, a space of it is seen as
// one, and what the terminal shows otherwise, or has no room for, is never whole.
func TestWholeAsItIs(t *testing.T) {
	const text = "rm -rf /  home/x  "
	l := &List{Items: []Item{{Text: text, Whole: true, Fixed: true}}}
	lines := drawn(l, 9, 10, true)
	if got := strings.Join([]string{lines[1], lines[2], lines[3]}, "|"); got != "rm -rf /|  home/x|  " && strings.ReplaceAll(got, " ", "") != "rm-rf/|home/x|" {
		t.Errorf("it is drawn as %q", got)
	}
	picture := string(shows(l, 9, 10, true))
	for _, want := range []string{"\x1b[4mrm -rf /\x1b[0m", "\x1b[4m  home/x\x1b[0m", "\x1b[4m  \x1b[0m"} {
		if !strings.Contains(picture, want) {
			t.Errorf("%q is not in %q", want, picture)
		}
	}
	if !l.Whole() {
		t.Error("it is not whole")
	}
	greek := &List{Items: []Item{{Text: strings.Repeat("§", 8) + "; harm", Whole: true, Fixed: true}}}
	if lines := drawn(greek, 10, 10, true); lines[1] != "§§§§" || lines[2] != "§§§§;" || lines[3] != " harm" {
		t.Errorf("where such characters are wide something is not seen: %q", lines)
	}
	plain := &List{Items: []Item{{Text: "größe", Whole: true, Fixed: true}}}
	if shows(plain, 20, 10, true); !plain.Whole() {
		t.Error("with UTF-8 it is not whole")
	}
	if shows(plain, 20, 10, false); plain.Whole() {
		t.Error("without UTF-8 it is whole")
	}
	wide := &List{Items: []Item{{Text: "日本", Whole: true, Fixed: true}}}
	if shows(wide, 2, 10, true); wide.Whole() {
		t.Error("a wide character in one column is whole")
	}
	if shows(wide, 4, 10, true); !wide.Whole() {
		t.Error("a wide character in three columns is not whole")
	}
}
