package attach

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/attach/attachtest"
	"github.com/muxward/muxward/internal/soak"
)

func filtered(p Policy, in string) string {
	return string(NewFilter(p, Questions(3, 6)).Append(nil, []byte(in)))
}

// RE-01: nothing of them reaches a guest but plain text around them.
func TestHostileSequencesDoNotReachAGuest(t *testing.T) {
	for name, seq := range attachtest.Hostile() {
		t.Run(name, func(t *testing.T) {
			got := filtered(Guest(), "<"+seq+"\x18>")
			if err := attachtest.Judge([]byte(got)); err != nil {
				t.Errorf("%q: reached the person: %v", seq, err)
			}
			if strings.ContainsAny(got, "\x1b") {
				t.Errorf("%q: passed as %q", seq, got)
			}
			if !strings.HasPrefix(got, "<") || !strings.HasSuffix(got, ">") {
				t.Errorf("%q: the text around it came out as %q", seq, got)
			}
		})
	}
}

func TestDisplaySequencesPass(t *testing.T) {
	for _, seq := range []string{
		"plain \x1b[1;31mred\x1b[m", "\x1b[38;5;208m", "\x1b[38;2;1;2;3;48;2;4;5;6m", "\x1b[4:3m", "\x1b[58::2::1::2::3m",
		"\x1b[H", "\x1b[12;40H", "\x1b[J", "\x1b[1J", "\x1b[2K", "\x1b[K", "\x1b[5@", "\x1b[3P", "\x1b[10X", "\x1b[2L", "\x1b[M",
		"-\x1b[79b", "\x1b[1;23r", "\x1b[3S", "\x1b[T", "\x1bM", "\x1bD", "\x1b7", "\x1b8", "\x0e", "\x0f", "\x1b(0lqk\x1b(B", "\x1b)0",
		"\x1b[?1h\x1b=", "\x1b[?1l\x1b>", "\x1b[?12l\x1b[?25h", "\x1b[?12;25h", "\x1b[?1049h", "\x1b[?2004h", "\x1b[?1004h", "\x1b[?2026h",
		"\x1b[2 q", "\x1b[?69h", "\x1b[1;40s", "\x1bH", "\x1b[3g", "\x1b[G", "\x1b[5d", "\x1b[5`", "\x1b[Z", "\t\b\r\n\a",
		"\x1b[34h\x1b[?25h", "\x1b[?0c", "\x1bP=1s\x1b\\", "\x1b[32;1;1;4;4$x", "äöü 漢字 👩‍👩‍👧 e\u0301",
	} {
		if got := filtered(Guest(), seq); got != seq {
			t.Errorf("%q came out as %q", seq, got)
		}
	}
}

func TestPoliciesOpenOneGroupEach(t *testing.T) {
	for _, c := range []struct {
		name string
		p    Policy
		pass []string
		stop []string
	}{
		{"titles", Policy{Titles: true}, []string{"\x1b]0;a b\a", "\x1b]2;ä\x1b\\", "\x1b[22;0;0t", "\x1b[23;0;0t"},
			[]string{"\x1b]0;a\u202eb\a", "\x1b]0;a\nb\a", "\x1b]52;c;aGk=\a", "\x1b[21t", "\x1bka\x1b\\"}},
		{"clipboard", Policy{Clipboard: true}, []string{"\x1b]52;c;aGk=\a", "\x1b]52;;aGk=\x1b\\"},
			[]string{"\x1b]52;c;?\a", "\x1b]52;c;aGk=?\a", "\x1b]0;a\a"}},
		{"links", Policy{Hyperlinks: true}, []string{"\x1b]8;id=1;http://x/\x1b\\"}, []string{"\x1b]12;red\a"}},
		{"bell", Policy{Bell: true}, []string{"\a"}, nil},
		{"no bell", Policy{}, nil, []string{"\a"}},
		{"no mouse", Policy{}, []string{"\x1b[?1003l\x1b[?1006l"}, []string{"\x1b[?1000h"}},
		{"mouse", Policy{Mouse: true}, []string{"\x1b[?1006;1000h", "\x1b[?1002h", "\x1b[?1003l"}, []string{"\x1b[?1001h", "\x1b[?1003h", "\x1b[?1005h"}},
		{"motion", Policy{Motion: true}, []string{"\x1b[?1003h"}, []string{"\x1b[?1000h"}},
		{"colour", Policy{CursorColour: true}, []string{"\x1b]12;red\a", "\x1b]12;#ff0000\a", "\x1b]12;rgb:ff/00/00\a", "\x1b]112\a"},
			[]string{"\x1b]12;?\a", "\x1b]12;red;?\a", "\x1b]112;?\a", "\x1b]10;red\a"}},
		{"bidi", Policy{Bidi: true}, []string{"\u202eabc"}, []string{"\u009b"}},
		{"owner", Owner(), []string{"\x1b]0;t\a", "\x1b]52;c;?\a", "\x1bPq#0\n~\x1b\\", "\x1b_Gi=1;AA\x1b\\", "\x1b[c", "\x1b[>q", "\x1b[6n", "\x1b[>4;1m", "\x1b]1337;x=1\a", "\u202e"},
			[]string{"\x1b[5i", "\x1b[?5i", "\x05", "\x9b5i", "\u009b5i", "\x1b]0;no end"}},
	} {
		for _, seq := range c.pass {
			if got := filtered(c.p, seq); got != seq {
				t.Errorf("%s: %q came out as %q", c.name, seq, got)
			}
		}
		for _, seq := range c.stop {
			if got := filtered(c.p, seq); strings.ContainsAny(got, "\x1b\a\x05") || strings.ContainsRune(got, 0x202e) {
				t.Errorf("%s: %q passed as %q", c.name, seq, got)
			}
		}
	}
}

func TestQuestionsAreAnsweredOnceInThePersonsPlace(t *testing.T) {
	f := NewFilter(Guest(), Questions(3, 3))
	out := f.Append(nil, []byte("a\x1b[>c\x1b[>qb\x1b[c\x1b]11;?\x1b\\c"))
	if string(out) != "abc" {
		t.Errorf("shown: %q", out)
	}
	if got := string(f.Answers()); got != "\x1b[>0;0;0c\x1bP>|muxward\x1b\\" {
		t.Errorf("answered: %q", got)
	}
	f.Append(nil, []byte("\x1b[>c\x1b[>q"))
	if got := f.Answers(); len(got) != 0 {
		t.Errorf("answered again: %q", got)
	}
	f = NewFilter(Guest(), Questions(3, 6))
	f.Append(nil, []byte("\x1b[c\x1b]10;?\x1b\\\x1b]11;?\x1b\\\x1b[?996n"))
	if got := bytes.Count(f.Answers(), []byte{0x1b}); got != 6 {
		t.Errorf("3.6 got %d escapes in its answers", got)
	}
	o := NewFilter(Owner(), Questions(3, 6))
	if got := string(o.Append(nil, []byte("\x1b[>c"))); got != "\x1b[>c" || len(o.Answers()) != 0 {
		t.Errorf("direct: shown %q", got)
	}
}

// noise makes output in the shape of terminal sequences.
func noise(r *rand.Rand, n int) []byte {
	parts := []string{"\x1b", "\x1b[", "\x1b]", "\x1bP", "\x1b_", "\x1b^", "\x1bX", "\x1bk", "\x1b\\", "\a", "\x18", "?", ">", "=", "!", "$", " ", ";", ":",
		"0", "1", "5", "52", "1003", "2004", "1049", "25", "h", "l", "m", "i", "n", "c", "q", "t", "x", "J", "3J", "H", "\u009b", "\u202e", "\x9b", "ä", "漢", "\xe6", "\xf0\x9f", "text", "\r\n", "\x00", "\x7f",
		"\x1b[?", "\x1b[>", "\x1b]0;", "\x1b]52;c;", "\x1b]10;?", "\x1b(", "aGk="}
	var b []byte
	for len(b) < n {
		if r.IntN(12) == 0 {
			b = append(b, byte(r.IntN(256)))
			continue
		}
		b = append(b, parts[r.IntN(len(parts))]...)
	}
	return b
}

// RE-01: 10^5 random outputs, and the same whichever way they are cut.
func TestFuzzedOutputStaysOnTheListHoweverItIsCut(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range soak.N(100_000, 5_000) {
		in := noise(r, 10+r.IntN(200))
		whole := NewFilter(Guest(), Questions(3, 6)).Append(nil, in)
		if err := attachtest.Judge(whole); err != nil {
			t.Fatalf("%d: %q let through %v", i, in, err)
		}
		checkCut(t, Guest(), in, whole, r)
		if i%4 == 0 {
			checkCut(t, Owner(), in, NewFilter(Owner(), nil).Append(nil, in), r)
		}
	}
}

func checkCut(t *testing.T, p Policy, in, whole []byte, r *rand.Rand) {
	t.Helper()
	var asked []Question
	if !p.Wide {
		asked = Questions(3, 6)
	}
	f := NewFilter(p, asked)
	var cut []byte
	for rest := in; len(rest) > 0; {
		n := min(1+r.IntN(5), len(rest))
		cut = f.Append(cut, rest[:n])
		rest = rest[n:]
	}
	if !bytes.Equal(cut, whole) {
		t.Fatalf("%q: whole %q, cut %q", in, whole, cut)
	}
}

func TestFilterHoldsLittle(t *testing.T) {
	for _, head := range []string{"\x1b]0;", "\x1b]52;c;", "\x1bPq", "\x1b_G", "\x1b[", "\x1b[38;", "\x1b(", "\x1bX"} {
		for _, p := range []Policy{Guest(), Owner()} {
			f := NewFilter(p, nil)
			f.Append(nil, []byte(head))
			block := bytes.Repeat([]byte("1"), 4096)
			for range 3 * maxString / len(block) {
				if out := f.Append(nil, block); head != "\x1b(" && len(out) > 0 {
					t.Fatalf("%q: let %d bytes through", head, len(out))
				}
				if cap(f.str) > 2*maxString {
					t.Fatalf("%q: holds %d bytes", head, cap(f.str))
				}
			}
			f.Append(nil, []byte("\x18\x1b\\"))
			if cap(f.str) > keepString {
				t.Errorf("%q: keeps %d bytes", head, cap(f.str))
			}
			if got := f.Append(nil, []byte("ok")); string(got) != "ok" {
				t.Errorf("%q: afterwards %q", head, got)
			}
		}
	}
}

func FuzzFilter(f *testing.F) {
	for _, seq := range attachtest.Hostile() {
		f.Add([]byte(seq), 1)
	}
	f.Add([]byte("\x1b[1;31mä漢\x1b[m"), 3)
	f.Fuzz(func(t *testing.T, in []byte, cut int) {
		for _, p := range []Policy{Guest(), {}, Owner()} {
			whole := NewFilter(p, nil).Append(nil, in)
			g := NewFilter(p, nil)
			n := min(max(cut, 0), len(in))
			if got := g.Append(g.Append(nil, in[:n]), in[n:]); !bytes.Equal(got, whole) {
				t.Fatalf("cut at %d: %q, whole %q", n, got, whole)
			}
			if !p.Wide {
				if err := attachtest.Judge(whole); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

func benchLog() []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < 1<<20; i++ {
		fmt.Fprintf(&b, "\x1b[32m2026-01-01T00:00:%02d\x1b[0m \x1b[1;34mINFO\x1b[0m request id=%d path=/api/v1/items/%d status=\x1b[33m200\x1b[0m\r\n", i%60, i, i*7)
	}
	return b.Bytes()
}

func BenchmarkFilter(b *testing.B) {
	var screen bytes.Buffer
	for i := 0; screen.Len() < 1<<20; i++ {
		fmt.Fprintf(&screen, "\x1b[%d;1H\x1b[38;5;%dm│ 漢字 box ─────┤\x1b[K", 1+i%50, i%256)
	}
	for name, data := range map[string][]byte{"log": benchLog(), "screen": screen.Bytes(), "plain": bytes.Repeat([]byte("all plain text here\r\n"), 50000)} {
		b.Run(name, func(b *testing.B) {
			f := NewFilter(Guest(), nil)
			var out []byte
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				for p := data; len(p) > 0; p = p[min(4095, len(p)):] {
					out = f.Append(out[:0], p[:min(4095, len(p))])
				}
			}
		})
	}
}
