package scrollback_test

import (
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
// for long, whatever the pane holds. Without a bound it is hours.
func TestCostIsBounded(t *testing.T) {
	const rows, width = 5000, 99
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, part := range []string{"(((", "(a)", "aaa"} {
			text := strings.Repeat(strings.Repeat(part, width/3)+"\n", rows)
			c, err := scrollback.Parse(scrollback.Capture{Width: width, Height: 50, History: rows - 50, Text: text, Joined: text})
			if err != nil {
				t.Error(err)
				return
			}
			v := scrollback.New(c, scrollback.Settings{Wrap: true, Separators: "()"}, 0, 0)
			v.Do("search-forward-text", 1, "nowhere")
			for _, name := range []string{"next-matching-bracket", "previous-matching-bracket", "next-word", "previous-space", "next-paragraph", "search-again"} {
				v.Do("history-top", 1, "")
				v.Do(name, 1<<30, "")
			}
			if part == "aaa" {
				v.Do("search-backward", 1<<30, "((a?){200}|(.a){100})x")
			}
		}
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("it takes more than a minute")
	}
}
