package chooser

import (
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/vt"
	"pgregory.net/rapid"

	"github.com/muxward/muxward/internal/attach/attachtest"
)

func press(l *List, keys ...string) (last Outcome) {
	for _, key := range keys {
		last = l.Key(key)
	}
	return last
}

func fruit() *List {
	l := &List{Title: "fruit", Foot: "q leaves", Choose: true}
	for _, name := range []string{"apple", "banana", "cherry", "blackberry", "Blueberry"} {
		l.Items = append(l.Items, Item{Text: name})
	}
	return l
}

// TestChooseByKeys: what is chosen is what the keys have gone to.
func TestChooseByKeys(t *testing.T) {
	for _, c := range []struct {
		keys string
		want string // what is chosen at the end, "" if it was left, "-" if nothing is
	}{
		{"Enter", "apple"}, {"Down Enter", "banana"}, {"j j k Enter", "banana"}, {"Up Enter", "apple"},
		{"G Enter", "Blueberry"}, {"End Home Enter", "apple"}, {"NPage Enter", "Blueberry"}, {"G j g Enter", "apple"},
		{"q", ""}, {"Escape", ""}, {"C-c", ""}, {"/ a q Escape Escape", ""}, {"/ C-g", ""},
		{"/ B E R Enter", "blackberry"}, {"/ b e r Down Enter", "Blueberry"}, {"/ b e r Down C-p Enter", "blackberry"},
		{"/ x x x Enter", "-"}, {"/ x BSpace c h Enter", "cherry"}, {"/ x x C-u Enter", "apple"},
		{"j j / r r Enter", "cherry"}, // the same one stays marked
		{"j j / r r Escape Enter", "cherry"}, {"/ k j q Enter", "-"}, {"/ F5 C-x M-a Enter", "apple"},
	} {
		l := fruit()
		l.Draw(40, 12, true)
		got, last := "-", press(l, strings.Fields(c.keys)...)
		if at, ok := l.Chosen(); last == Chosen && ok {
			got = l.Items[at].Text
		} else if last == Left {
			got = ""
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.keys, got, c.want)
		}
	}
}

// TestFixedLinesStay: what is to be read whatever is searched for is neither
// narrowed away nor chosen.
func TestFixedLinesStay(t *testing.T) {
	l := fruit()
	l.Items = append([]Item{{Left: "here", Text: "everybody", Fixed: true}}, l.Items...)
	if press(l, "/", "c", "h") != Changed || len(l.shown()) != 2 {
		t.Errorf("it shows %v", l.shown())
	}
	if at, ok := l.Chosen(); !ok || l.Items[at].Text != "cherry" {
		t.Errorf("marked is %d, %v", at, ok)
	}
	if press(l, "Up", "Enter") != Nothing {
		t.Error("what is only to be read was chosen")
	}
}

// TestPastedFilter: only its first line, and only while a filter is typed.
func TestPastedFilter(t *testing.T) {
	l := fruit()
	if l.Insert("cherry") != Nothing || l.Filter() != "" {
		t.Error("a paste is taken that nothing asked for")
	}
	l.Key("/")
	if l.Insert("che\x1b[\x07r\rq") != Changed || l.Filter() != "che[r" {
		t.Errorf("the filter is %q", l.Filter())
	}
	l.Insert(strings.Repeat("x", 10*maxFilter))
	if n := utf8.RuneCountInString(l.Filter()); n != maxFilter {
		t.Errorf("the filter has %d characters", n)
	}
}

// rogue are parts of names that want to be more than names.
var rogue = []string{
	"\x1b[2J", "\x1b]0;evil\a", "\x9b31m", "\n", "\r", "\t", "\x00", "\x7f", "\u202e", "\u2066", "\u2028", "\xff\xfe", "#(id)", "日本語", "שלום", "e\u0301",
	"😀", "a", " ", "word", "\u200b", "\ufeff", "\u0085", "\x0e",
}

func lists() *rapid.Generator[*List] {
	text := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom(rogue), 0, 12).Draw(t, "parts"), "")
	})
	return rapid.Custom(func(t *rapid.T) *List {
		l := &List{Title: text.Draw(t, "title"), Foot: text.Draw(t, "foot"), Choose: rapid.Bool().Draw(t, "choose")}
		for range rapid.IntRange(0, 40).Draw(t, "items") {
			l.Items = append(l.Items, Item{Left: text.Draw(t, "left"), Text: text.Draw(t, "text"), Fixed: rapid.IntRange(0, 9).Draw(t, "fixed") == 0})
		}
		return l
	})
}

var keys = []string{"Up", "Down", "j", "k", "g", "G", "NPage", "PPage", "Home", "End", "/", "a", "w", "日", "BSpace", "C-u", "Enter", "Escape", "F5", "", "Space", "\x1b", "\xff"}

// TestDrawnListsStayWithin: whatever the names are and whatever is pressed, a
// drawing has nothing in it that a guest's terminal may not be sent, leaves the
// terminal as it was, leaves nothing of what stood there, and writes nothing into
// the last column.
func TestDrawnListsStayWithin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := lists().Draw(t, "list")
		cols, rows := rapid.IntRange(1, 100).Draw(t, "cols"), rapid.IntRange(1, 30).Draw(t, "rows")
		utf8On := rapid.Bool().Draw(t, "utf8")
		for range rapid.IntRange(0, 15).Draw(t, "presses") {
			l.Key(rapid.SampledFrom(keys).Draw(t, "key"))
			l.Draw(cols, rows, utf8On)
		}
		drawn := l.Draw(cols, rows, utf8On)
		for row := range strings.SplitSeq(string(drawn), "\x1b[") {
			if strings.Count(row, isolateFirst) != strings.Count(row, isolateEnd) {
				t.Fatalf("what turns around in %q goes on behind it", row)
			}
		}
		turns := strings.NewReplacer(isolateFirst, "", isolateEnd, "") // which are muxward's own
		drawn = []byte(turns.Replace(string(drawn)))
		if err := attachtest.Judge(drawn); err != nil {
			t.Fatal(err)
		}
		if m := attachtest.Emulate(drawn); m.Rendition || m.Partial || m.G0 || m.Shifted || len(m.Private) > 2 || !m.Private[7] || !m.Private[25] {
			t.Fatalf("it leaves the terminal in %+v", m)
		}
		for _, c := range string(drawn) {
			if c > '~' && !utf8On || unicode.Is(unicode.Bidi_Control, c) {
				t.Fatalf("%q is in %q", c, drawn)
			}
		}
		screen := vt.NewEmulator(cols, rows)
		defer screen.Close()
		_, _ = screen.WriteString("\x1b[31;1m" + strings.Repeat("▒", cols*rows)) // to memory
		_, _ = screen.Write(drawn)
		for y := range rows {
			for x := range cols {
				text := screen.CellAt(x, y).Content
				if text == "▒" {
					t.Fatalf("what was at %d,%d is still there", x, y)
				}
				if x == cols-1 && cols > 1 && strings.TrimSpace(text) != "" {
					t.Fatalf("%q is in the last column of row %d", text, y)
				}
			}
		}
	})
}

// TestDrawnAsItIs: what a list looks like at 40 by 12, of which one line is marked
// and half is out of sight, and narrowed.
func TestDrawnAsItIs(t *testing.T) {
	rows := func(l *List, cols, rows int) string {
		screen := vt.NewEmulator(cols, rows)
		defer screen.Close()
		_, _ = screen.Write(l.Draw(cols, rows, true)) // to memory
		return screen.String()
	}
	check := func(what, got string, want ...string) {
		t.Helper()
		lines := strings.Split(got, "\n")
		for i := range lines {
			lines[i] = strings.TrimRight(lines[i], " \r")
		}
		if !slices.Equal(lines, want) {
			t.Errorf("%s:\n%s\nwant\n%s", what, strings.Join(lines, "\n"), strings.Join(want, "\n"))
		}
	}
	l := fruit()
	check("at first", rows(l, 20, 5), "fruit", "apple", "banana", "cherry", "q leaves")
	press(l, "G")
	check("at the end", rows(l, 20, 5), "fruit", "cherry", "blackberry", "Blueberry", "q leaves")
	press(l, "/", "a")
	check("narrowed", rows(l, 20, 5), "fruit", "apple", "banana", "blackberry", "/a_")
	check("on two rows", rows(l, 20, 2), "apple", "/a_")
	help := &List{Title: "help", Foot: "q leaves", Items: []Item{
		{Left: "C-b c", Text: "Create a new window"}, {Left: "C-b ?", Text: "List key bindings, all of those there are"},
	}}
	check("help", rows(help, 30, 6), "help", "C-b c  Create a new window", "C-b ?  List key bindings, all", "       of those there are", "", "q leaves")
	check("scrolled", rows(help, 30, 4), "help", "C-b c  Create a new window", "C-b ?  List key bindings, all", "1-2 of 3  q leaves")
	press(help, "j", "j")
	check("to the end", rows(help, 30, 4), "help", "C-b ?  List key bindings, all", "       of those there are", "2-3 of 3  q leaves")
}

// TestTurnsNothingAround: words from right to left stand by themselves: what is beside
// them stays where it is, and a name ends nothing.
func TestTurnsNothingAround(t *testing.T) {
	for line, want := range map[string]string{
		"work: view":                 "work: view",
		"שלום: view":                 "<שלום>: view",
		"שלום 12: view":              "<שלום> 12: view",
		"  שלום עולם:1 אבג*":         "  <שלום עולם>:1 <אבג>*",
		"aשb; here: ש, bob":          "a<ש>b; here: <ש>, bob",
		"ש  ש":                       "<ש>  <ש>",
		Seen("ש\u2069\u202eש: view"): "<ש>??<ש>: view",
		"שָ":                         "<שָ>",
	} {
		if got := strings.NewReplacer(isolateFirst, "<", isolateEnd, ">").Replace(Isolated(line)); got != want {
			t.Errorf("%q is %q, want %q", line, got, want)
		}
	}
	l := &List{Items: []Item{{Left: "ש", Text: "של 1: view"}}}
	if drawn := string(l.Draw(40, 4, true)); !strings.Contains(drawn, isolateFirst+"של"+isolateEnd+" 1: view") || strings.Contains(string(l.Draw(40, 4, false)), isolateFirst) {
		t.Errorf("it is drawn as %q", drawn)
	}
}

// TestMatchesLetters: in small letters and large, and nothing matches everything.
func TestMatchesLetters(t *testing.T) {
	for _, c := range []struct {
		name, part string
		want       bool
	}{{"Work", "wo", true}, {"work", "ORK", true}, {"work", "", true}, {"work", "x", false}, {"日本", "本", true}} {
		if Matches(c.name, c.part) != c.want {
			t.Errorf("%q in %q: %v", c.part, c.name, !c.want)
		}
	}
}
