package attach

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/soak"
)

var t0 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// decode feeds pieces a millisecond apart, then lets all time run out.
func decode(o KeyOptions, pieces ...string) []string {
	d, now := NewDecoder(o), t0
	var out []string
	for _, p := range pieces {
		now = now.Add(time.Millisecond)
		out = join(out, d.Feed([]byte(p), now))
	}
	return settle(d, now, out)
}

func settle(d *Decoder, now time.Time, out []string) []string {
	for n := 0; !d.Deadline().IsZero(); n++ {
		if n > 100 {
			return append(out, "never ends")
		}
		now = d.Deadline()
		out = join(out, d.Feed(nil, now))
	}
	return out
}

// join appends events as text; keys next to keys are one.
func join(out []string, events []Event) []string {
	for _, e := range events {
		s := describe(e)
		if n := len(out); e.Kind == Keys && n > 0 && strings.HasPrefix(out[n-1], "keys  ") {
			out[n-1] += string(e.Bytes)
			continue
		}
		out = append(out, s)
	}
	return out
}

func TestKeys(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"abc", "keys  abc"}, {"\r\t\x03\x00", "keys  \r\t\x03\x00"}, {"äö漢👩", "keys  äö漢👩"}, {"a\xff\xfeb", "keys  ab"}, {"\xe6\xbc", ""}, {"\xe6\xbcx", "keys  x"}, {"\u0085\u00a0", "keys  \u00a0"}, {"\x1b\xffx", "keys  x"},
		{"\x7f", "named BSpace"}, {"\x1b", "keys  \x1b"}, {"\x1b\x1b", "keys  \x1b\x1b"}, {"\x1bx", "named M-x"}, {"\x1bä", "keys  \x1bä"},
		{"\x1b\r", "keys  \x1b\r"}, {"\x1b\x7f", "named M-BSpace"}, {"\x1b[", "named M-["}, {"\x1bO", "named M-O"}, {"\x1b]", "named M-]"}, {"\x1bP", "named M-P"}, {"\x1b_", "named M-_"},
		{"\x1b[A", "named Up"}, {"\x1b[B\x1b[C\x1b[D", "named Down|named Right|named Left"}, {"\x1bOA\x1bOD", "named Up|named Left"},
		{"\x1b[H\x1b[F\x1bOH\x1bOF", "named Home|named End|named Home|named End"}, {"\x1b[1~\x1b[4~\x1b[7~\x1b[8~", "named Home|named End|named Home|named End"},
		{"\x1b[2~\x1b[3~\x1b[5~\x1b[6~", "named IC|named DC|named PPage|named NPage"}, {"\x1bOP\x1bOQ\x1bOR\x1bOS", "named F1|named F2|named F3|named F4"},
		{"\x1b[11~\x1b[15~\x1b[17~\x1b[21~\x1b[23~\x1b[24~", "named F1|named F5|named F6|named F10|named F11|named F12"},
		{"\x1b[1;5A", "named C-Up"}, {"\x1b[1;2B", "named S-Down"}, {"\x1b[1;3C", "named M-Right"}, {"\x1b[1;8D", "named C-M-S-Left"}, {"\x1b[1;9D", "named M-Left"},
		{"\x1b[3;5~", "named C-DC"}, {"\x1b[15;2~", "named S-F5"}, {"\x1b[1;5P", "named C-F1"}, {"\x1bO5P", "named C-F1"}, {"\x1bO1;2Q", "named S-F2"}, {"\x1b[1;2R", "named S-F3"},
		{"\x1b[[A\x1b[[E", "named F1|named F5"}, {"\x1b[Z", "named BTab"}, {"\x1b[a\x1bOa", "named S-Up|named C-Up"}, {"\x1b[3^\x1b[3$\x1b[3@", "named C-DC|named S-DC|named C-S-DC"},
		{"\x1b\x1b[A", "named M-Up after an escape"}, {"\x1b\x1bOB", "named M-Down after an escape"}, {"\x1b\x1b[1;3D", "keys  \x1b|named M-Left"}, {"\x1b\x1bx", "keys  \x1b\x1bx"},
		{"\x1bOM\x1bOp\x1bOj", "named KPEnter|named KP0|named KP*"}, {"\x1bO[", "keys  \x1b"}, {"\x1bOz", "named M-O|keys  z"}, {"\x1bO1x", "named M-O|keys  1x"},
		{"\x1b[97;5u", "named C-a"}, {"\x1b[27;5;97~", "named C-a"}, {"\x1b[13;2u", "named S-Enter"}, {"\x1b[9;5u", "named C-Tab"}, {"\x1b[97;1u", "keys  a"},
		// The kitty keyboard protocol.
		{"\x1b[97;5:1u\x1b[97;5:2u\x1b[97;5:3u", "named C-a|named C-a"}, {"\x1b[1;1:1A\x1b[1;1:3A\x1b[3;5:3~", "named Up"}, {"\x1b[97;;97u\x1b[97:65;2;65u", "keys  aA"}, {"\x1b[1092::97;5u", "named C-a"}, {"\x1b[233;5u", "named C-é"},
		{"\x1b[57399u\x1b[57414;5u\x1b[57417u", "named KP0|named C-KPEnter|named Left"}, {"\x1b[57441;2u\x1b[57428u\x1b[57344u", ""}, {"\x1b[0u\x1b[1u\x1b[128u\x1b[55296u\x1b[1114112u\x1b[99999999999999999999u\x1b[97;0u", ""},
		{"\x1b[27u\x1b[13u", "named Escape|named Enter"}, {"\x1b[97;1:2:3:4u\x1b[97;1;1;1u\x1b[1;2;3A", ""},
		// An escape before a key that is a sequence.
		{"\x1b\x1b[3~\x1b\x1b[1;5A", "named M-DC after an escape|named C-M-Up after an escape"}, {"\x1b\x1b[H", "named M-Home"}, {"\x1b\x1b[", "keys  \x1b|named M-["}, {"\x1b\x1b[I", "keys  \x1b"}, {"\x1b\x1b[200~x\x1b[201~", "keys  \x1b|paste  x"}, {"\x1b\x1b[97;3u", "keys  \x1b|named M-a"},
		// What terminals say by themselves.
		{"\x1b[I\x1b[O", ""}, {"\x1b[?1;2c", ""}, {"\x1b[>84;0;0c", ""}, {"\x1b[0n", ""}, {"\x1b[24;80R", ""}, {"\x1b[8;24;80t", ""}, {"\x1b[?2026;2$y", ""}, {"\x1b[?997;1n", ""}, {"\x1b[?1u", ""},
		{"\x1b[<0;10;20M\x1b[<0;10;20m", "mouse 0 at 9 19, false|mouse 0 at 9 19, true"},
		{"\x1b[<65;1;1M", "mouse 65 at 0 0, false"}, {"\x1b[<0;10M\x1b[<0;0;1M\x1b[<999;1;1M\x1b[<0;1;99999M\x1b[<0;1;1;1M\x1b[<0;1:2;1M\x1b[<M", ""}, {"\x1b[M !!", ""}, {"\x1b[M\x80\x81\x82", ""}, {"\x1b[32;10;20M", ""},
		{"\x1b]11;rgb:0000/0000/0000\x1b\\x", "keys  x"}, {"\x1b]52;c;cm0gLXJmCg==\ax", "keys  x"}, {"\x1bP>|XTerm(370)\x1b\\x", "keys  x"}, {"\x1bP1$r0m\x1b\\x", "keys  x"}, {"\x1bP1+r544e=78\x1b\\x", "keys  x"}, {"\x1b_Gi=1;OK\x1b\\x", "keys  x"},
		{"\x1b]11;never ends", ""}, {"\x1bP>|" + strings.Repeat("x", 9999), ""}, {"\x1b]11;rgb\x1b[A", "named Up"},
		{"\x1b[" + strings.Repeat("1", 300) + "A", "keys  " + strings.Repeat("1", 300-maxKey+2) + "A"}, {"\x1b[99~", ""}, {"\x1b[1;999A", ""}, {"\x1b[1;17A", ""}, {"\x1b[1;69A", "named C-Up"}, {"\x1b[c", "named S-Right"}, {"\x1b[e", "named M-[|keys  e"}, {"\x1b[5\rx", "named M-[|keys  5\rx"},
		// Somebody who types these letters.
		{"\x1b]x", "named M-]|keys  x"}, {"\x1b]ls\r", "named M-]|keys  ls\r"}, {"\x1b]ls", "named M-]|keys  ls"}, {"\x1b]l\x1bx", "named M-]|keys  l|named M-x"}, {"\x1b]l" + strings.Repeat("x", 200) + "\x1b\\", "named M-]|keys  l" + strings.Repeat("x", 200) + "|named M-\\"}, {"\x1bPx", "named M-P|keys  x"}, {"\x1b_x", "named M-_|keys  x"}, {"\x1b]5x", "named M-]|keys  5x"}, {"\x1bP12x", "named M-P|keys  12x"},
		// Pastes.
		{"\x1b[200~a\x02d\x1b[Ab\x1b[201~c", "paste  a\x02d\x1b[Ab|keys  c"}, {"\x1b[200~\x1b[201~", ""}, {"\x1b[200~never ends", "paste  never ends"},
		{"\x1b[200~a\x1b[201~\rrm\r\x1b[201~", "paste  a\rrm\r"}, {"\x1b[200~a\x1b[201~\x02d\x1b[200~b\x1b[201~\r", "paste  a\x02db|keys  \r"}, {"\x1b[200~\x1b[20\x1b[201~1~b\x1b[201~", "paste  b"}, {"\x1b[200~a\x1b[201~\x1b[Ab\x1b[", "paste  a|named Up|keys  b|named M-["}, {"\x1b[201~x", "keys  x"}, {"\x1b[200~x\u009b201~y\x9b201~z\x1b[201~", "paste  xyz"}, {"\x1b[200~x\x1b[20\x001~\ry\x1b\x00[200\x00~\x1b[201~", "paste  x\ry"}, {"\x1b[200~\x00\x00\x1b[201~", ""}, {"\x1b[200~\x9b2\u009b201~01~z\x1b[201~", "paste  z"}, {"\x1b[200~\x1b[20\x9b201~1~z\x1b[201~", "paste  z"},
	} {
		want := c.want
		if got := strings.Join(decode(KeyOptions{}, c.in), "|"); got != want {
			t.Errorf("%q:\n got  %q\n want %q", c.in, got, want)
		}
	}
}

func TestKeysMeanTheSameHoweverTheyArrive(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	parts := []string{"a", "\x1b]l", "\x1b\x1b[", ":3", "u", "97", "\r", "\x02", "d", "n", "\x1b", "\x1b[", "A", "1;5", "~", "\x1bO", "P", "\x1b[200~", "\x1b[201~", "\x1b]11;", "\a", "\x1b\\", "\x1bP>|", "\x1b[<0;1;1M", "\x1b[M", "ä", "\xe6", "漢", "\x7f", "\x1b[?", "c", "R", "$", "\x1b[3", "\x00", "\xff"}
	for range soak.N(200_000, 20_000) {
		var b strings.Builder
		for range 1 + r.IntN(12) {
			b.WriteString(parts[r.IntN(len(parts))])
		}
		in := b.String()
		whole := decode(KeyOptions{}, in)
		var pieces []string
		for rest := in; rest != ""; {
			n := min(1+r.IntN(3), len(rest))
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		if cut := decode(KeyOptions{}, pieces...); !slices.Equal(cut, whole) {
			t.Fatalf("%q\n whole %q\n cut   %q\n pieces %q", in, whole, cut, pieces)
		}
	}
}

func TestEscapeTimeIsKept(t *testing.T) {
	d := NewDecoder(KeyOptions{EscapeTime: 100 * time.Millisecond})
	if e := d.Feed([]byte("\x1b"), t0); len(e) != 0 || !d.Deadline().Equal(t0.Add(100*time.Millisecond)) {
		t.Fatal(e, d.Deadline())
	}
	// More of the same key does not hold it longer.
	if e := d.Feed([]byte("["), t0.Add(60*time.Millisecond)); len(e) != 0 || !d.Deadline().Equal(t0.Add(100*time.Millisecond)) {
		t.Fatal(e, d.Deadline())
	}
	if e := d.Feed(nil, t0.Add(99*time.Millisecond)); len(e) != 0 {
		t.Fatal(e)
	}
	if e := d.Feed(nil, t0.Add(101*time.Millisecond)); len(e) != 1 || e[0].Key != "M-[" {
		t.Fatal(e)
	}
	// What was sent in time and is read late is still one key.
	if e := append(d.Feed([]byte("\x1b["), t0), d.Feed([]byte("A"), t0.Add(time.Hour))...); len(e) != 1 || e[0].Key != "Up" {
		t.Fatal(e)
	}
	if e := d.Feed([]byte("\x1b["), t0); len(e) != 0 {
		t.Fatal(e)
	}
	if e := d.Feed([]byte("A"), t0.Add(99*time.Millisecond)); len(e) != 1 || e[0].Key != "Up" {
		t.Fatal(e)
	}
}

// A key that is sent as more than one character has a name; of others each
// character is one.
func TestKeysOfSeveralBytesHaveNames(t *testing.T) {
	for in, want := range map[string]string{
		"a\x1b\r": "|M-Enter", "\x1bä": "M-ä", "\x1b\x1b": "M-Escape", "\x1b\x02": "C-M-b", "\x1b\x00x": "C-M-Space|", "\x1b é": "M-Space|", "\x1bx\x1b[Aé\x1b": "M-x|Up|", "\x1b\xff": "",
	} {
		d := NewDecoder(KeyOptions{})
		var names []string
		for _, e := range append(slices.Clone(d.Feed([]byte(in), t0)), d.Feed(nil, t0.Add(time.Hour))...) {
			names = append(names, e.Key)
		}
		names = slices.CompactFunc(names, func(a, b string) bool { return a == "" && b == "" })
		if got := strings.Join(names, "|"); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestPasteHasALimit(t *testing.T) {
	d := NewDecoder(KeyOptions{PasteLimit: 1000})
	d.Feed([]byte("\x1b[200~"), t0)
	for range 100 {
		d.Feed(bytes.Repeat([]byte("x"), 100), t0)
		if len(d.paste.text)+len(d.paste.rest) > 1010 {
			t.Fatal("it grows")
		}
	}
	d.Feed([]byte("\x1b[201~k"), t0)
	got := d.Feed(nil, d.Deadline())
	if len(got) != 2 || got[0].Kind != PasteRefused || string(got[1].Bytes) != "k" {
		t.Errorf("%v", got)
	}
	if got := decode(KeyOptions{PasteLimit: 3}, "\x1b[200~abc\x1b[201~"); len(got) != 1 || got[0] != "paste  abc" {
		t.Errorf("a paste of the limit: %q", got)
	}
}

// What is copied may hold the end of a paste, and more behind it for a shell to
// run. As long as the terminal does not pause, all of it is the paste; behind a
// pause, keys are keys.
func TestPasteEndsWithAPause(t *testing.T) {
	ms := func(n int) time.Time { return t0.Add(time.Duration(n) * time.Millisecond) }
	type feed struct {
		at   int
		text string
	}
	for _, c := range []struct {
		feeds []feed
		want  string
	}{
		{[]feed{{0, "\x1b[200~a\x1b[201~"}, {40, "\rrm\r\x1b[201~"}}, "paste  a\rrm\r"},
		{[]feed{{0, "\x1b[200~a\x1b[201~"}, {51, "\r"}}, "paste  a|keys  \r"},
		{[]feed{{0, "\x1b[200~a"}, {300, "b\x1b[201~"}, {800, "rm\r\x1b[201~"}}, "paste  abrm\r"}, // a line that stammers
		{[]feed{{0, "\x1b[200~a"}, {300, "b\x1b[201~"}, {901, "c"}}, "paste  ab|keys  c"},
		{[]feed{{0, "\x1b[200~a"}, {4000, "b\x1b[201~"}, {5001, "c"}}, "paste  ab|keys  c"},
		// What stands directly behind an end is nobody typing, however the line pauses.
		{[]feed{{0, "\x1b[200~a\x1b[201~x"}, {900, "\rrm\r"}, {1800, "\x1b[201~"}}, "paste  ax\rrm\r"},
		{[]feed{{0, "\x1b[200~a\x1b[201~"}, {40, "x"}, {1030, "\rrm\r\x1b[201~"}, {1500, "y\x1b[201~"}}, "paste  ax\rrm\ry"},
		{[]feed{{0, "\x1b[200~a\x1b[201~x"}, {1001, "y"}}, "paste  a|keys  xy"},
		{[]feed{{0, "\x1b[200~a\x1b[201~"}, {45, "\x1b[201~"}, {130, "\rrm\r\x1b[201~"}}, "paste  a\rrm\r"}, // it stammers behind the end
		{[]feed{{0, "\x1b[200~a\x1b[201~"}, {40, "x"}, {80, "y"}, {120, "z"}, {160, "\x1b[201~"}}, "paste  axyz"},
		{[]feed{{0, "\x1b[200~a\x1b[2"}, {1, "01~\x1b[20"}, {2, "0~b\x1b[201"}, {3, "~"}, {60, "c"}}, "paste  ab|keys  c"},
	} {
		d := NewDecoder(KeyOptions{})
		var got []string
		for _, f := range c.feeds {
			if due := d.Deadline(); !due.IsZero() && !due.After(ms(f.at)) {
				got = join(got, d.Feed(nil, due))
			}
			got = join(got, d.Feed([]byte(f.text), ms(f.at)))
		}
		last := c.feeds[len(c.feeds)-1].at
		if got = settle(d, ms(last), got); strings.Join(got, "|") != c.want {
			t.Errorf("%v: got %q, want %q", c.feeds, strings.Join(got, "|"), c.want)
		}
	}
	// Nobody has looked whether there is more: it was we who paused.
	d := NewDecoder(KeyOptions{})
	got := join(nil, d.Feed([]byte("\x1b[200~a\x1b[201~"), ms(0)))
	got = join(got, d.Feed([]byte("rm\r\x1b[201~"), ms(9000)))
	if got = settle(d, ms(9000), got); strings.Join(got, "|") != "paste  arm\r" {
		t.Errorf("read late: %q", got)
	}
}

func TestKeyOptions(t *testing.T) {
	if got := decode(KeyOptions{Erase: 8}, "\x08\x7f"); strings.Join(got, "|") != "named BSpace|keys  \x7f" {
		t.Errorf("erase: %q", got)
	}
}

// A terminal's own entry adds keys, and takes nothing of what all terminals
// have, nor of what they say by themselves.
func TestKeysOfTheTerminal(t *testing.T) {
	o := KeyOptions{Terminfo: []string{
		"kcbt=\x1b\t", "kf13=\x1b[25~", "kf1=\x1b[[A", "kf63=\x1b[63;63z", "kLFT5=\x1bOz", "kUP=\x1b[9a", "khome=\x1b[214z", // as they should be
		"kf2=\x1b[200~", "kf3=\x1b[I", "kf4=\x1b[M", "kf5=\x1b[<0;1;1M", "kf6=\x1b", "kf7=\x1b[", "kf8=\x1bO", "kf9=a", "kf10=", "kf11", "kf12=\x1b[\x00A",
		"kf64=\x1b[64z", "kf0=\x1b[65z", "kLFT1=\x1b[66z", "kLFT99x=\x1b[67z", "bel=\x1b[68z", "kf14=\x1b[" + strings.Repeat("1", 99) + "z", "=\x1b[69z", "kf15=\x1bx",
	}}
	for _, c := range []struct{ in, want string }{
		{"\x1b\t\x1b[25~\x1b[[A", "named BTab|named S-F1|named F1"}, {"\x1b[63;63z\x1bOz\x1b[9a\x1b[214z", "named M-S-F3|named C-Left|named S-Up|named Home"},
		{"\x1b[A\x1bOA\x1b[1;5A\x1b[Z", "named Up|named Up|named C-Up|named BTab"}, {"\x1b[I\x1b[<0;1;1M\x1b[M   ", "mouse 0 at 0 0, false"}, {"\x1b[200~\x1b\t\x1b[201~", "paste  \x1b\t"},
		{"\x1b", "keys  \x1b"}, {"\x1b[", "named M-["}, {"\x1b[64z\x1b[65z\x1b[66z\x1b[67z\x1b[68z\x1b[69z", ""}, {"\x1bxa", "named M-x|keys  a"}, {"\x1b[63", "named M-[|keys  63"},
	} {
		if got := strings.Join(decode(o, c.in), "|"); got != c.want {
			t.Errorf("%q: got %q, want %q", c.in, got, c.want)
		}
		if got := strings.Join(decode(o, strings.Split(c.in, "")...), "|"); got != c.want {
			t.Errorf("%q byte by byte: got %q, want %q", c.in, got, c.want)
		}
	}
}

// pastes looks at what is pasted of an input, whether the terminal pauses or not: it
// holds no mark, also without what no command can hold.
func pastes(t *testing.T, in []byte) {
	d := NewDecoder(KeyOptions{})
	look := func(events []Event) {
		for _, e := range events {
			for _, mark := range pasteMarks {
				if text := bytes.ReplaceAll(e.Bytes, []byte{0}, nil); e.Kind == Paste && bytes.Contains(text, []byte(mark)) {
					t.Fatalf("a paste holds %q: %q", mark, e.Bytes)
				}
			}
		}
	}
	look(d.Feed(in, t0))
	for !d.Deadline().IsZero() {
		look(d.Feed(nil, d.Deadline()))
	}
}

// Of two keys of the terminal's own of which one begins the other, it is always the
// shorter.
func TestKeysThatBeginAlike(t *testing.T) {
	o := KeyOptions{Terminfo: []string{"kf13=\x1b[1$", "kf14=\x1b[1$A", "kf15=\x1b[1$AB"}}
	for range 20 {
		for _, pieces := range [][]string{{"\x1b[1$AB"}, {"\x1b[1$", "AB"}} {
			if got := strings.Join(decode(o, pieces...), "|"); got != "named S-F1|keys  AB" {
				t.Fatalf("%q: %q", pieces, got)
			}
		}
	}
}

func FuzzInput(f *testing.F) {
	for _, s := range []string{"a\x1b[A\x02d", "\x1b[200~x\x1b[201~", "\x1b]11;x\a", "\x1bP>|x\x1b\\", "\x1b[M   ", "\x1b\x1b[", "\xe6\xbc\xa2", "\x1b[[", "\x1bO1;", "\x02\x02", "\x1b[200~\x1b[20\x001~\r\x1b[201~"} {
		f.Add([]byte(s), 1)
	}
	f.Fuzz(func(t *testing.T, in []byte, cut int) {
		pastes(t, in)
		n := min(max(cut, 0), len(in))
		whole := decode(KeyOptions{}, string(in))
		if got := decode(KeyOptions{}, string(in[:n]), string(in[n:])); !slices.Equal(got, whole) {
			t.Fatalf("cut at %d: %q, whole %q", n, got, whole)
		}
		d := NewDecoder(KeyOptions{PasteLimit: 64})
		for i := range in {
			for _, e := range d.Feed(in[i:i+1], t0) {
				if e.Kind == Keys && len(e.Bytes) == 0 || e.Kind == Named && e.Key == "" {
					t.Fatalf("empty event %+v", e)
				}
			}
			if len(d.hold) > maxKey || len(d.paste.text) > 64 || len(d.paste.rest) > 64+len(pasteEnd) || len(d.tail) > len(pasteEnd) {
				t.Fatalf("holds %d, %d, %d, %d bytes", len(d.hold), len(d.paste.text), len(d.paste.rest), len(d.tail))
			}
		}
	})
}
