package attach

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/muxward/muxward/internal/soak"
)

// guestAllowed is the list of allow.go written a second time, as patterns, by
// which the bytes that reach a guest are judged.
var guestAllowed = regexp.MustCompile(`^(?:` + strings.Join([]string{
	`[\x20-\x7e]`, `[\x07\x08\x09\x0a\x0d\x0e\x0f]`,
	`\x1b[78=>DEHM]`, `\x1b[()][0B]`,
	`\x1b\[[0-9;:]*m`,
	`\x1b\[[0-9]{0,4}[@ABCDEFGILMPSTXZabdeg\x60]`,
	`\x1b\[(?:[0-9]{0,4};)?[0-9]{0,4}[Hfrs]`,
	`\x1b\[0*[012]?[JK]`,
	`\x1b\[(?:[0-9]{0,4})? q`,
	`\x1b\[(?:[0-9]{0,4};){4}[0-9]{0,4}\$x`,
	`\x1b\[34(?:;34)*[hl]`,
	`\x1b\[\?[018]?c`,
	`\x1b\[\?0*(?:1|7|12|25|47|69|1004|1047|1048|1049|2004|2026)(?:;0*(?:1|7|12|25|47|69|1004|1047|1048|1049|2004|2026))*[hl]`,
	`\x1b\[\?0*(?:1|7|12|25|47|69|100[0-6]|101[56]|104[789]|2004|2026|2031|7727)(?:;0*(?:1|7|12|25|47|69|100[0-6]|101[56]|104[789]|2004|2026|2031|7727))*l`,
	`\x1bP=[12]s\x1b\\`,
}, "|") + `)`)

// judge returns what of p is not on the list.
func judge(p []byte) error {
	for len(p) > 0 {
		if p[0] >= 0x80 {
			r, n := utf8.DecodeRune(p)
			if r == utf8.RuneError && n == 1 || r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
				return fmt.Errorf("character %q", p[:n])
			}
			p = p[n:]
			continue
		}
		m := guestAllowed.Find(p)
		if m == nil {
			return fmt.Errorf("%q", p[:min(len(p), 40)])
		}
		p = p[len(m):]
	}
	return nil
}

func filtered(p Policy, in string) string {
	return string(NewFilter(p, Questions(3, 6)).Append(nil, []byte(in)))
}

// hostile are sequences that a program or a person can have printed to harm
// whoever watches: none may reach a guest.
var hostile = map[string]string{
	"clipboard set":           "\x1b]52;c;aGk=\a",
	"clipboard set, ST":       "\x1b]52;c;aGk=\x1b\\",
	"clipboard ask":           "\x1b]52;c;?\a",
	"passthrough clipboard":   "\x1bPtmux;\x1b\x1b]52;c;aGk=\a\x1b\\",
	"title":                   "\x1b]0;evil\a",
	"title 2":                 "\x1b]2;evil\x1b\\",
	"title ESC k":             "\x1bkevil\x1b\\",
	"APC":                     "\x1b_evil\x1b\\",
	"hyperlink":               "\x1b]8;;http://evil\x1b\\x\x1b]8;;\x1b\\",
	"cursor colour":           "\x1b]12;red\a",
	"mouse any motion":        "\x1b[?1003h",
	"mouse among others":      "\x1b[?25;1003h",
	"bidi override":           "\u202eabc\u202c",
	"bidi isolate":            "\u2066abc\u2069",
	"palette":                 "\x1b]4;1;rgb:00/00/00\a",
	"cwd":                     "\x1b]7;file:///etc\a",
	"notify":                  "\x1b]9;hello\a",
	"foreground ask":          "\x1b]10;?\a",
	"font":                    "\x1b]50;?\a",
	"notify urxvt":            "\x1b]777;notify;a;b\a",
	"iterm file":              "\x1b]1337;File=name=eA==:aGk=\a",
	"sixel":                   "\x1bPq#0;2;0;0;0#0~~\x1b\\",
	"kitty graphics":          "\x1b_Ga=T,f=24;AAAA\x1b\\",
	"PM":                      "\x1b^secret\x1b\\",
	"SOS":                     "\x1bXsecret\x1b\\",
	"print on":                "\x1b[5i",
	"title report":            "\x1b[21t",
	"resize window":           "\x1b[8;5;5t",
	"ENQ":                     "\x05",
	"C1 CSI":                  "\x9b5i",
	"C1 CSI, UTF-8":           "\u009b5i",
	"C1 OSC, UTF-8":           "\u009d0;evil\u009c",
	"DSR":                     "\x1b[6n",
	"DA1":                     "\x1b[c",
	"DA2":                     "\x1b[>c",
	"DA3":                     "\x1b[=c",
	"XTVERSION":               "\x1b[>q",
	"DECRQSS":                 "\x1bP$qm\x1b\\",
	"XTGETTCAP":               "\x1bP+q544e\x1b\\",
	"DECRQM":                  "\x1b[?2026$p",
	"kitty keyboard":          "\x1b[>1u",
	"kitty keyboard ask":      "\x1b[?u",
	"modifyOtherKeys":         "\x1b[>4;2m",
	"soft reset":              "\x1b[!p",
	"full reset":              "\x1bc",
	"erase scrollback":        "\x1b[3J",
	"alignment test":          "\x1b#8",
	"checksum":                "\x1b[1;1;1;1;1;1*y",
	"user keys":               "\x1bP0;1|17/41\x1b\\",
	"8-bit controls":          "\x1b G",
	"other charset":           "\x1b%@",
	"132 columns":             "\x1b[?3h",
	"origin":                  "\x1b[?6h",
	"huge repeat":             "\x1b[99999b",
	"huge repeat, long":       "\x1b[99999999999999999999999b",
	"padded number":           "\x1b[00000001A",
	"media copy, private":     "\x1b[?5i",
	"C0 inside":               "\x1b[5\x00i",
	"newline inside":          "\x1b[5\ni",
	"ESC inside":              "\x1b[\x1b[5i",
	"string cut by ESC":       "\x1b]0;a\x1b[5i",
	"string in string":        "\x1b]0;a\x1bP$qm\x1b\\",
	"intermediates":           "\x1b[ !\"#5i",
	"linux palette":           "\x1b]P0ff0000\x1b\\",
	"linux palette, no end":   "\x1b]P0ff0000",
	"CAN in a string":         "\x1b]0;a\x18\x1b[5i",
	"DEL in a sequence":       "\x1b[5\x7fi",
	"theme ask":               "\x1b[?996n",
	"mouse highlight":         "\x1b[?1001h\x1b[1;1;1;1;1T",
	"fill with control":       "\x1b[7;1;1;9;9$x",
	"locator":                 "\x1b[1'z",
	"overlong":                "\xc0\x9b5i",
	"surrogate":               "\xed\xa0\x80",
	"title stack":             "\x1b[22;0;0t",
	"window manipulation ask": "\x1b[18t",
}

// RE-01: nothing of them reaches a guest but plain text around them.
func TestHostileSequencesDoNotReachAGuest(t *testing.T) {
	for name, seq := range hostile {
		t.Run(name, func(t *testing.T) {
			got := filtered(Guest(), "<"+seq+"\x18>")
			if err := judge([]byte(got)); err != nil {
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
		{"mouse", Policy{Mouse: true}, []string{"\x1b[?1006;1000h", "\x1b[?1003l"}, []string{"\x1b[?1001h"}},
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
		if err := judge(whole); err != nil {
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
	for _, seq := range hostile {
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
				if err := judge(whole); err != nil {
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
