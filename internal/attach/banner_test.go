package attach

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

const bannerLine = "\x1b7\x0f\x1b(B\x1b[5;1H\x1b[0;7m frozen \x1b[0m\x1b[K\x1b8"

// A banner is behind all that is drawn, until it is taken away. Notices go over it, and
// it comes back; a picture of muxward's own has its line for itself; and on the screen
// that the display has left nothing is drawn.
func TestBanner(t *testing.T) {
	p := newPerson(t, Size{20, 5}, false)
	at := attach(t, p, Watch)
	at.program.draws("\x1b[?1049h\x1b[5;1Hentered")
	eventually(t, "entered", contains(p.screen, "entered"))
	at.Banner("frozen")
	eventually(t, "the banner", contains(p.screen, bannerLine))
	at.program.draws("\x1b[5;1Hthawed")
	eventually(t, "it again", contains(p.screen, "thawed"+bannerLine))
	at.Notice("a notice")
	at.program.draws("\x1b[5;1Hmore")
	eventually(t, "the notice over it", contains(p.screen, "more"+strings.Replace(bannerLine, "frozen", "a notice", 1)))
	p.types("k")
	eventually(t, "it again behind the notice", func() error {
		if !bytes.HasSuffix(p.screen(), []byte(bannerLine)) {
			return errors.New("it is not there")
		}
		return nil
	})
	if !at.Cover([]byte("PICTURE"), Size{20, 5}, true) {
		t.Fatal("no picture is shown")
	}
	eventually(t, "a picture", contains(p.screen, "PICTURE"))
	if _, behind, _ := bytes.Cut(p.screen(), []byte("PICTURE")); bytes.Contains(behind, []byte("frozen")) {
		t.Error("the picture has lost its last line")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if _, err := at.Uncover(ctx); err != nil {
		t.Fatal(err)
	}
	redrawn(t, at)
	at.program.draws("anew")
	eventually(t, "it again behind the picture", contains(p.screen, "anew"+bannerLine))

	at.Banner("")
	redrawn(t, at)
	from := len(p.screen())
	at.program.draws("\x1b[?25hfree")
	eventually(t, "free", contains(func() []byte { return p.screen()[from:] }, "free"))
	at.Banner("frozen")
	eventually(t, "the banner", contains(func() []byte { return p.screen()[from:] }, bannerLine))
	if before, _, _ := bytes.Cut(p.screen()[from:], []byte("frozen")); !bytes.Contains(before, []byte("free")) {
		t.Error("it is drawn after it was taken away")
	}
	from = len(p.screen())
	at.program.draws("\x1b[?1049lgoodbye")
	at.program.draws("more")
	eventually(t, "goodbye", contains(func() []byte { return p.screen()[from:] }, "more"))
	if bytes.Contains(p.screen()[from:], []byte("frozen")) {
		t.Error("it is left on the person's screen")
	}
}

// Who has begun to draw a banner that is taken away is waited for, and not for ever.
func TestBannerIsDrawn(t *testing.T) {
	at := attach(t, newPerson(t, Size{20, 5}, false), Watch)
	at.out.mu.Lock() // as who draws it
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- at.Drawn(ctx) }()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("it is drawn, and was not waited for: %v", err)
	}
	at.out.mu.Unlock()
	if err := at.Drawn(t.Context()); err != nil {
		t.Error(err)
	}
}

func redrawn(t *testing.T, at *attached) {
	t.Helper()
	select {
	case <-at.redraws:
	case <-time.After(30 * time.Second):
		t.Fatal("no redraw")
	}
}

// Where tmux scrolls the last line, it takes the banner along: all is drawn anew.
func TestBannerThatWasMovedUp(t *testing.T) {
	p := newPerson(t, Size{20, 5}, false)
	at := attach(t, p, Watch)
	at.program.draws("\x1b[?1049h\x1b[1;1Hentered")
	at.Banner("frozen")
	eventually(t, "the banner", contains(p.screen, bannerLine))
	at.program.draws("\x1b[5;1Hone\r\ntwo")
	redrawn(t, at)
}

func TestRows(t *testing.T) {
	size := Size{20, 5}
	for _, c := range []struct {
		shown string
		moved bool
	}{
		{"\n", true}, // nothing is known
		{"\x1b[H1\r\n2\r\n3\r\n4\r\n5", false},
		{"\x1b[H1\r\n2\r\n3\r\n4\r\n5\r\n", true},
		{"\x1b[1;4r\x1b[4;1H\n\n\n", false}, // above a status line
		{"\x1b[1;4r\x1b[4;1H\x1b[2S", false},
		{"\x1b[1;5r\x1b[4;1H\n\n", true},
		{"\x1b[2;5r\x1b[3d\x1b[M", true},
		{"\x1b[H\x1b[2S", true},
		{"\x1b[3;1H" + strings.Repeat("x", 40), false},
		{"\x1b[3;1H" + strings.Repeat("x", 60), false},
		{"\x1b[3;1H" + strings.Repeat("x", 61), true},
		{"\x1b[3;1H" + strings.Repeat("─", 60), false},
		{"\x1b[5;1H" + strings.Repeat("語", 11), true},
		{"\x1b[5;1H" + strings.Repeat("👩\u200d👩\u200d👧", 10), false}, // two columns each
		{"\x1b[5;1H" + strings.Repeat("👩\u200d👩\u200d👧", 11), true},
		{"\x1b[5;1H" + strings.Repeat("👩\u200d\x1b[m👩", 6), true}, // joined to nothing
		{"\x1b[5;1Hx\x1b[30b", true},
		{"\x1b[4;1H\x1b7\x1b[5;1H\x1b8\n", false},
		{"\x1b[5;1H\x1b[2A\n\n", false},
		{"\x1b[4;1H\x1b[9B\x1bD", true},
		{"\x1b[H\x1b]0;a\x1b\\" + "\x1b(0\x1b[?25l\x1bM", false},
	} {
		if got := new(rows).moved([]byte(c.shown), size); got != c.moved {
			t.Errorf("%q: %v", c.shown, got)
		}
	}
}

// FuzzRows gives what a Filter lets through in two parts: nothing breaks, and the row is
// on the terminal.
func FuzzRows(f *testing.F) {
	f.Add([]byte("\x1b[2;4r\x1b[4;1Hone\r\n\x1b[;7H\x1b]0;a\a"), uint8(7))
	f.Fuzz(func(t *testing.T, in []byte, at uint8) {
		shown := NewFilter(Guest(), nil).Append(nil, in)
		cut := min(int(at), len(shown))
		r := new(rows)
		for _, p := range [][]byte{shown[:cut], shown[cut:]} {
			if r.moved(p, Size{20, 5}); r.row < 0 || r.row > 5 || r.col < 0 {
				t.Fatalf("row %d, column %d", r.row, r.col)
			}
		}
	})
}

// BenchmarkBanner is what output costs besides, by its pieces: without anything over it,
// with a question, which is drawn behind each piece as a notice is at an own place, and with
// a banner.
func BenchmarkBanner(b *testing.B) {
	for _, c := range []struct{ name, text string }{{"none", ""}, {"question", ""}, {"banner", "locked down by alice: incident 42"}} {
		for _, size := range []int{16, 4096, 32 << 10} {
			b.Run(c.name+"/"+sized(size), func(b *testing.B) {
				p := newPerson(b, Size{80, 24}, false)
				at := attach(b, p, Watch)
				o := &at.out
				switch c.name {
				case "banner":
					at.note.banner.Store(&c.text)
				case "question":
					at.note.question.Store(&asking{text: "locked down by alice: incident 42"})
				}
				line := []byte("\x1b[5;1Hsome text of a program\r\n")
				piece := bytes.Repeat(line, size/len(line)+1)[:size]
				b.SetBytes(int64(size))
				for b.Loop() {
					o.mu.Lock()
					o.top(false, o.mend(piece))
					o.mu.Unlock()
				}
			})
		}
	}
}

func sized(n int) string {
	if n < 1<<10 {
		return "small"
	} else if n <= 4<<10 {
		return "page"
	}
	return "large"
}
