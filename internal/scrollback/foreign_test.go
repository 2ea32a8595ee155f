package scrollback_test

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/vt"

	"github.com/muxward/muxward/internal/attach/attachtest"
	"github.com/muxward/muxward/internal/scrollback"
)

// FuzzForeign: whatever a pane holds, and whatever is done with it, nothing but
// what may reach a guest's terminal is drawn, and nothing falls over.
func FuzzForeign(f *testing.F) {
	f.Add("a\x1b[31mb\x1b]52;c;eHg=\x07\n\x1b]8;;http://x\x1b\\c\x1b]8;;\x1b\\\n", "ab\nc\n", "cursor-up search-forward", "a(b", 3, 2)
	f.Add("\x0eqqx\x0f\tz\n世\u202e\u0085é\n\x1bPq\x1b\\\x1b[?1049h\n", "", "select-word other-end copy-line", "世", 2, 1)
	f.Add(strings.Repeat("x", 40)+"\x1b[38;2;1;2;3;48:5:9;4:3mx\n\n\n", "x", "next-matching-bracket page-up", "", 40, 3)
	low := strings.Repeat("x\n", 9) + "b\n" + strings.Repeat("x\n", 9) + "a\n"
	f.Add(low, low, "search-backward "+strings.Repeat("scroll-down ", 15), "b", 40, 1)
	f.Add(low, low, "search-backward "+strings.Repeat("scroll-down ", 15), "b", 40, 2)
	f.Fuzz(func(t *testing.T, text, joined, commands, arg string, width, height int) {
		height = 1 + height&0xf
		width = 1 + width&0x3f
		rows := strings.Count(strings.TrimSuffix(text, "\n"), "\n") + 1
		c, err := scrollback.Parse(scrollback.Capture{
			Width: width, Height: height, History: rows - height, Text: text, Joined: joined,
		})
		if err != nil {
			return
		}
		v := scrollback.New(c, scrollback.Settings{Vi: len(arg)%2 == 0, Wrap: true, Separators: " ()"}, width, height)
		for _, name := range strings.Fields(commands) {
			v.Do(name, len(arg), arg)
			p := v.Draw(scrollback.Frame{Left: -len(arg) % 5, Top: len(commands)%5 - 2, Cols: width, Rows: height + 1, Colours: 256})
			if err := attachtest.Judge(p); err != nil {
				t.Fatalf("after %s of %q: %v in %q", name, text, err, p)
			}
			_ = v.CursorWord() + v.CursorLine()
		}
	})
}

// TestDrawWide: characters that are wide, and some of which the terminal does not
// think as we do, change nothing beside them, and nothing is scrolled by one at the
// end of the last row.
func TestDrawWide(t *testing.T) {
	lines := []string{"ok ✅⌚ go", "123456✅", "1234567⚠\ufe0f", "✅ ✅ ✅✅", "⚠\ufe0fb      ", "abcdefg⚠\ufe0f"}
	text := strings.Join(lines, "\n") + "\n"
	c, err := scrollback.Parse(scrollback.Capture{Width: 8, Height: 6, Text: text, Joined: text})
	if err != nil {
		t.Fatal(err)
	}
	v := scrollback.New(c, scrollback.Settings{}, 0, 0)
	v.HidePosition = true
	for _, beside := range []int{0, 4} {
		screen := vt.NewEmulator(8+beside, 6)
		for y := range 6 {
			_, _ = screen.Write(fmt.Appendf(nil, "\x1b[%d;1H%s\x1b[%d;9H%s", y+1, "--------", y+1, strings.Repeat("#", beside)))
		}
		p := v.Draw(scrollback.Frame{Cols: 8 + beside, Rows: 6})
		off, on := bytes.Index(p, []byte("\x1b[?7l")), bytes.LastIndex(p, []byte("\x1b[?7h"))
		if first, last := bytes.IndexByte(p, 'k'), bytes.LastIndexByte(p, 'g'); off < 0 || off > first || on < last {
			t.Errorf("what is too wide wraps in %q", p)
		}
		_, _ = screen.Write(p)
		for y := range 6 {
			for x := 9; x < 8+beside; x++ { // the first may be half of what was too wide
				if at := screen.CellAt(x, y); at == nil || at.Content != "#" {
					t.Errorf("%d beside, row %d: column %d has changed: %+v", beside, y, x, at)
				}
			}
		}
		for _, want := range []struct {
			x, y int
			is   string
		}{{0, 0, "o"}, {3, 0, "✅"}, {5, 0, "⌚"}, {7, 0, " "}, {0, 1, "1"}, {5, 1, "6"}, {6, 1, "✅"}, {0, 2, "1"}, {1, 4, "b"}, {6, 5, "g"}} {
			if at := screen.CellAt(want.x, want.y); at == nil || at.Content != want.is {
				t.Errorf("%d beside: at %d, %d there is %+v, want %q", beside, want.x, want.y, at, want.is)
			}
		}
	}
}

// TestRenewed: what was captured anew may be less than there was, and a mark be
// beyond its end.
func TestRenewed(t *testing.T) {
	capture := func(history int) *scrollback.Content {
		text := strings.Repeat("x\n", history+3)
		c, err := scrollback.Parse(scrollback.Capture{Width: 9, Height: 3, History: history, Text: text, Joined: text})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	v := scrollback.New(capture(50), scrollback.Settings{}, 0, 1)
	v.Do("cursor-down", 1, "")
	v.Do("set-mark", 1, "")
	v.Do("history-top", 1, "")
	v.Renew(capture(0))
	v.Do("jump-to-mark", 1, "")
	_ = v.Draw(scrollback.Frame{Cols: 9, Rows: 3})
	if _, y := v.Cursor(); y > 2 {
		t.Errorf("the cursor is in row %d of 3", y)
	}
}

// TestDraw: the pane is drawn in its place, and nothing beside it is touched.
func TestDraw(t *testing.T) {
	c, err := scrollback.Parse(scrollback.Capture{
		Width: 8, Height: 3, History: 2, Older: 7,
		Text:   "one\ntwo\n\x1b[31mred 世界\x1b[0mwide\nfour\nfive\n",
		Joined: "one\ntwo\nred 世界wide\nfour\nfive\n",
	})
	if err != nil {
		t.Fatal(err)
	}
	v := scrollback.New(c, scrollback.Settings{Vi: true}, 0, 2)
	for _, step := range []struct {
		name string
		f    scrollback.Frame
		want []string
		x, y int
	}{
		{"cursor-up", scrollback.Frame{Left: 2, Top: 1, Cols: 12, Rows: 5},
			[]string{"............", "..red 世界..", "..four    ..", "..five    ..", "............"}, 2, 2},
		{"history-top", scrollback.Frame{Left: 2, Top: 1, Cols: 12, Rows: 5},
			[]string{"............", "..one     ..", "..two     ..", "..red 世界..", "............"}, 2, 1},
		// Of a pane that is wider than the terminal a part is seen: half of a wide
		// character is none.
		{"history-bottom", scrollback.Frame{Left: -1, Top: 0, Cols: 6, Rows: 2},
			[]string{"our   ", "ive   "}, 3, 1},
		{"toggle-position", scrollback.Frame{Left: 0, Top: 3, Cols: 12, Rows: 5},
			[]string{"............", "............", "............", "four    ....", "five    ...."}, 4, 4},
		{"history-top", scrollback.Frame{Left: 4, Top: -1, Cols: 9, Rows: 3, Above: 1, Below: 1},
			[]string{".........", "....one  ", "........."}, 4, 1},
	} {
		v.HidePosition = true
		v.Do(step.name, 1, "")
		screen := vt.NewEmulator(step.f.Cols, step.f.Rows)
		for range step.f.Rows - 1 {
			_, _ = screen.Write([]byte(strings.Repeat(".", step.f.Cols)))
		}
		_, _ = screen.Write([]byte(strings.Repeat(".", step.f.Cols) + "\x1b[H"))
		v.HidePosition = true
		_, _ = screen.Write(v.Draw(step.f))
		var got []string
		for y := range step.f.Rows {
			var row strings.Builder
			for x := range step.f.Cols {
				if c := screen.CellAt(x, y); c != nil && c.Width > 0 {
					row.WriteString(c.Content)
				}
			}
			got = append(got, row.String())
		}
		if at := screen.CursorPosition(); !slices.Equal(got, step.want) || at.X != step.x || at.Y != step.y {
			t.Errorf("%s: drawn is\n%s\nwith the cursor at %v, want\n%s\nat %d %d", step.name, strings.Join(got, "\n"), at, strings.Join(step.want, "\n"), step.x, step.y)
		}
	}
	v.HidePosition = false
	if p := string(v.Draw(scrollback.Frame{Cols: 30, Rows: 5})); strings.Contains(p, "/2") {
		t.Errorf("the position does not fit: %q", p)
	}
}

// TestCostIsBounded: neither a count nor a pattern makes somebody's service work
// for long, whatever the pane holds. Without a bound it is minutes to hours each.
func TestCostIsBounded(t *testing.T) {
	const rows, width = 10000, 80
	rowed := func(part string) (text, joined string) {
		text = strings.Repeat(strings.Repeat(part, width/len(part))+"\n", rows)
		return text, text
	}
	one := func(part string) (text, joined string) { // all of it is one line
		text, _ = rowed(part)
		return text, strings.ReplaceAll(text, "\n", "") + "\n"
	}
	words := "history-top select-word"
	for _, test := range []struct {
		name string
		pane func(part string) (text, joined string)
		part string
		does string // each with an enormous count
		arg  string
	}{
		{"brackets", rowed, "(", "next-matching-bracket previous-matching-bracket next-word previous-space next-paragraph", ""},
		{"a pattern that is nowhere", rowed, "a", "search-backward", "((a?){200}|(.a){100})y"},
		{"a pattern that looks ahead", rowed, "x", "search-backward search-again", "x|x.*y"},
		{"a pattern on one line", one, "x", "search-backward search-forward", "x|x.*y"},
		{"a text on one line", one, "x", "search-backward-text search-reverse", "x"},
		{"typed on one line", one, "x", "search-backward-incremental", "=x"},
		{"a word", one, "x", words + " scroll-down", ""},
		{"a word by its end", one, "x", words + " end-of-line", ""},
		{"a word by rows", one, "x", words + " cursor-down-and-cancel", ""},
		{"a word by pages", one, "x", words + " page-down", ""},
		{"a word by jumps", one, "x", words + " jump-forward jump-backward", "x"},
		{"a word by matches", one, "x", words + " search-forward search-again", "x"},
		{"a word by lines", one, "x", words + " copy-line select-line", ""},
		{"brackets on one line", one, "(", "history-top next-matching-bracket history-bottom previous-matching-bracket", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			text, joined := test.pane(test.part)
			c, err := scrollback.Parse(scrollback.Capture{Width: width, Height: 50, History: rows - 50, Text: text, Joined: joined})
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				v := scrollback.New(c, scrollback.Settings{Vi: true, Wrap: true, Separators: "()"}, 0, 0)
				for _, name := range strings.Fields(test.does) {
					v.Do(name, 1<<30, test.arg)
					_ = v.Draw(scrollback.Frame{Cols: width, Rows: 50})
				}
			}()
			select {
			case <-done:
			case <-time.After(30 * time.Second):
				t.Fatal("it takes more than half a minute")
			}
		})
	}
}

// TestExpressions: each match of a line is looked for behind the one before, and
// what is there is still not the begin of the line.
func TestExpressions(t *testing.T) {
	lines := []string{"xaxbx", "éxé世x xx", strings.Repeat("x", 44), "abc abc"} // the third is two rows
	joined := strings.Join(lines, "\n") + "\n"
	text := strings.Replace(joined, "xxxx\n", "\nxxxx\n", 1)
	c, err := scrollback.Parse(scrollback.Capture{Width: 40, Height: 5, Text: text, Joined: joined})
	if err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{"^x", "^x|b", "x+", "x*", "(a|b)x", "é.", ".", "x$", "xx|x$", "[b-c]+", "abc?", "世.", "^(x|é)", "(a|ab)", "y*", "(x|xx)"} {
		oracle, want := regexp.MustCompile(pattern), 0
		oracle.Longest()
		for _, line := range lines {
			for _, m := range oracle.FindAllString(line, -1) {
				want += min(len(m), 1)
			}
		}
		v := scrollback.New(c, scrollback.Settings{Wrap: true}, 0, 0)
		if o := v.Do("search-backward", 1, pattern); o.Tired {
			t.Errorf("%q: it is given up", pattern)
		}
		p := string(v.Draw(scrollback.Frame{Cols: 40, Rows: 5}))
		if results := fmt.Sprintf("(%d results)", want); want > 0 && !strings.Contains(p, results) || want == 0 && strings.Contains(p, "results)") {
			t.Errorf("%q: want %s in %q", pattern, results, p)
		}
	}
}
