package picture_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/charmbracelet/x/vt"

	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/picture"
	"github.com/muxward/muxward/internal/scrollback"
	"github.com/muxward/muxward/internal/soak"
)

// pieces are what the rows of these panes are made of, as they are captured.
var pieces = []string{
	"a", "Z", " ", "  ", "word", "\x1b[31m", "\x1b[1;44m", "\x1b[0m", "\x1b[38;5;200m", "\x1b[38;2;1;200;30m", "\x1b[7m", "\x1b[39m",
	"世", "界界", "é", "e\u0301", "\t", "│", "\x0eqx\x0f", "\u200b", "\u202e", "\x1b]8;;http://x\x1b\\", "\x1b]52;c;eA==\a", "😀", "👩‍💻", "\u0085", "\xff",
}

func rows(r *rand.Rand, width, height int) [][]scrollback.Cell {
	var b strings.Builder
	for range height {
		for range r.IntN(width + 4) {
			b.WriteString(pieces[r.IntN(len(pieces))])
		}
		b.WriteByte('\n')
	}
	cells, err := scrollback.Screen(b.String(), width, height)
	if err != nil {
		panic(err)
	}
	return cells
}

// window is one with some panes beside and above each other, by chance.
func window(r *rand.Rand) picture.Window {
	w := picture.Window{Width: 1 + r.IntN(60), Height: 1 + r.IntN(20), Active: -1, Status: "[work] 0:a* 世界 for bob"}
	left := 0
	for left < w.Width {
		width := min(1+r.IntN(30), w.Width-left)
		for top := 0; top < w.Height; {
			height := min(1+r.IntN(10), w.Height-top)
			p := picture.Pane{Left: left, Top: top, Width: width, Height: height, Seen: r.IntN(3) > 0, Rows: rows(r, width, height)}
			if p.Seen && r.IntN(2) == 0 {
				w.Active, w.CursorX, w.CursorY, w.Cursor = len(w.Panes), r.IntN(width+2), r.IntN(height), r.IntN(4) > 0
			}
			w.Panes = append(w.Panes, p)
			top += height + 1
		}
		left += width + 1
	}
	return w
}

// change changes some rows of some panes.
func change(r *rand.Rand, w picture.Window) picture.Window {
	w.Panes = slices.Clone(w.Panes)
	for i := range w.Panes {
		p := &w.Panes[i]
		if r.IntN(2) == 0 {
			p.Rows = slices.Clone(p.Rows)
			p.Rows[r.IntN(p.Height)] = rows(r, p.Width, 1)[0]
		}
	}
	return w
}

// screen is what a terminal shows that was sent this.
func screen(cols, rows int, sent ...[]byte) string {
	e := vt.NewEmulator(cols, rows)
	defer e.Close()
	for _, p := range sent {
		_, _ = e.Write(p)
	}
	at := e.CursorPosition()
	return fmt.Sprintf("%s\n%v", e.Render(), at)
}

// TestDifferences: a terminal that is sent what has changed, one picture after the
// other, shows the same as one that is sent the last as a whole, whatever it has
// shown before. Nothing that is sent is kept back by the filter.
func TestDifferences(t *testing.T) {
	for seed := range uint64(soak.N(5000, 60)) {
		r := rand.New(rand.NewPCG(seed, 1))
		cols, rows := 1+r.IntN(70), 1+r.IntN(25)
		w := window(r)
		var old *picture.Picture
		sent := [][]byte{[]byte("\x1b[?1049h\x1b[31mwhat was there before\r\n世界世界世界")}
		for range 5 {
			now := picture.Compose(w, cols, rows)
			b := now.Since(old, 256, false)
			if old != nil && len(now.Since(now, 256, false)) > 0 {
				t.Fatalf("seed %d: a picture that has not changed is drawn again", seed)
			}
			filter := attach.NewFilter(attach.Guest(), nil)
			if kept := filter.Append(nil, b); !bytes.Equal(kept, b) {
				t.Fatalf("seed %d: the filter keeps something back: %+v\n%q\n%q", seed, filter.Dropped(), b, kept)
			}
			sent = append(sent, b)
			old = now
			if whole := screen(cols, rows, now.Since(nil, 256, false)); whole != screen(cols, rows, sent...) {
				t.Fatalf("seed %d: it shows\n%s\ninstead of\n%s", seed, screen(cols, rows, sent...), whole)
			}
			w = change(r, w)
			if r.IntN(6) == 0 {
				w = window(r)
			}
		}
	}
}

// TestUnseen: what is in a pane that is not to be seen makes no difference to the
// picture, nor does where the cursor is there.
func TestUnseen(t *testing.T) {
	for seed := range uint64(soak.N(5000, 60)) {
		r := rand.New(rand.NewPCG(seed, 2))
		cols, rows := 1+r.IntN(70), 1+r.IntN(25)
		w := window(r)
		bare := w
		bare.Panes = slices.Clone(w.Panes)
		for i := range bare.Panes {
			if !bare.Panes[i].Seen {
				bare.Panes[i].Rows = nil
			}
		}
		with, without := picture.Compose(w, cols, rows), picture.Compose(bare, cols, rows)
		if b := with.Since(without, 256, false); b != nil {
			t.Fatalf("seed %d: the picture has something of a pane that is not to be seen: %q", seed, b)
		}
	}
}

// TestASCII: a terminal that draws nothing but ASCII is sent nothing else.
func TestASCII(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 3))
	for range 50 {
		for _, c := range picture.Compose(window(r), 60, 20).Since(nil, 8, true) {
			if c >= 0x80 {
				t.Fatalf("it is sent %#x", c)
			}
		}
	}
}

// TestFollows: of a window that is larger than the terminal the part is seen that
// the cursor is in.
func TestFollows(t *testing.T) {
	line := strings.Repeat("0123456789", 20)
	rows, err := scrollback.Screen(strings.Repeat(line+"\n", 100), 200, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range [][2]int{{0, 0}, {199, 99}, {100, 50}, {5, 99}, {195, 3}} {
		w := picture.Window{
			Width: 200, Height: 100, Cursor: true, CursorX: at[0], CursorY: at[1],
			Panes: []picture.Pane{{Width: 200, Height: 100, Seen: true, Rows: rows}},
		}
		p := picture.Compose(w, 40, 11)
		if at[0] < p.X || at[0] >= p.X+40 || at[1] < p.Y || at[1] >= p.Y+10 {
			t.Errorf("with the cursor at %v the part at %d,%d is seen", at, p.X, p.Y)
		}
		want := fmt.Sprintf("\x1b[%d;%dH\x1b[?25h", at[1]-p.Y+1, at[0]-p.X+1)
		if !bytes.HasSuffix(p.Since(nil, 8, false), []byte(want)) {
			t.Errorf("with the cursor at %v it is not drawn at %q", at, want)
		}
	}
}

// TestLarge: what a picture takes is by the size of the terminal, however large a
// window is.
func TestLarge(t *testing.T) {
	w := picture.Window{Width: 10000, Height: 10000, Active: 1, CursorX: 3, CursorY: 4, Cursor: true, Panes: []picture.Pane{
		{Width: 9000, Height: 10000},
		{Left: 9001, Width: 999, Height: 5000, Seen: true, Rows: rows(rand.New(rand.NewPCG(1, 1)), 999, 10)},
		{Left: 9001, Top: 5001, Width: 999, Height: 4999},
	}}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	p := picture.Compose(w, 80, 24)
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
		t.Errorf("it takes %d bytes", took)
	}
	if p.X > 9004 || p.X+80 <= 9004 || p.Y > 4 {
		t.Errorf("the part at %d,%d is seen", p.X, p.Y)
	}
}
