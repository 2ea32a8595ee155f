package control

import (
	"strings"
	"testing"
	"time"
)

// What is written as a block is read as one, whatever is in it but its own end.
func TestBlockIsSorted(t *testing.T) {
	at := time.Unix(1700000000, 0)
	for _, c := range []struct {
		block Block
		want  string
	}{
		{Block{Time: at, Number: 7}, "%begin 1700000000 7 0\n%end 1700000000 7 0\n"},
		{Block{Time: at, Number: 8, Line: true, Text: []byte("a\n%end 1 2 3\nb")},
			"%begin 1700000000 8 1\na\n%end 1 2 3\nb\n%end 1700000000 8 1\n"},
		{Block{Time: at, Number: 9, Line: true, Failed: true, Text: []byte("no\n")},
			"%begin 1700000000 9 1\nno\n%error 1700000000 9 1\n"},
	} {
		got := string(c.block.Append([]byte("%output %1 x\nlate\n")))
		if got != "%output %1 x\nlate\n"+c.want {
			t.Errorf("%+v is written as %q", c.block, got)
		}
		var s Sorter
		var kinds []Line
		for l := range strings.Lines(got) {
			kinds = append(kinds, s.Sort([]byte(strings.TrimSuffix(l, "\n"))))
		}
		last := End
		if c.block.Failed {
			last = Failed
		}
		if kinds[0] != Notification || kinds[1] != Stray || kinds[2] != Begin || kinds[len(kinds)-1] != last {
			t.Errorf("%q is sorted as %v", got, kinds)
		}
		for _, k := range kinds[3 : len(kinds)-1] {
			if k != Body {
				t.Errorf("%q: %v in the block", got, kinds)
			}
		}
		if s.Number() != c.block.Number {
			t.Errorf("%q has number %d", got, s.Number())
		}
	}
}

// A mark's refusal is read back as its number, and nobody else's is.
func TestMarks(t *testing.T) {
	mine, other := NewMarks("abc"), NewMarks("abd")
	line := strings.TrimSuffix(string(mine.Append(nil, 300)), "\n")
	refusal := []byte("parse error: unknown command: " + line)
	if seq, ok := mine.Read(refusal); !ok || seq != 300 {
		t.Errorf("%q is read as %d, %v", refusal, seq, ok)
	}
	if _, ok := other.Read(refusal); ok {
		t.Errorf("%q is read by another", refusal)
	}
	for _, no := range []string{"", line, "parse error: unknown command: nosuch", string(refusal) + "x"} {
		if _, ok := mine.Read([]byte(no)); ok {
			t.Errorf("%q is read as a mark", no)
		}
	}
}

func FuzzSorter(f *testing.F) {
	f.Add([]byte("%begin 1 2 1\n%output\n%end 1 2 1\n%exit"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		var s Sorter
		open := false
		for l := range strings.Lines(string(stream)) {
			switch kind := s.Sort([]byte(strings.TrimSuffix(l, "\n"))); {
			case kind == Begin && !open:
				open = true
			case (kind == End || kind == Failed) && open:
				open = false
			case (kind == Body) != open, kind == Begin, kind == End, kind == Failed:
				t.Fatalf("%q is sorted as %d, open %v", l, kind, open)
			}
		}
	})
}

// A text that would end its own block is noticed, whatever stands around it.
func TestForgedEnds(t *testing.T) {
	k := Block{Time: time.Unix(1700000000, 0), Number: 7, Line: true}
	for text, want := range map[string]bool{
		"":                                false,
		"%end 1700000000 7 1":             true,
		"a\n%error 1700000000 7 1\n%exit": true,
		"a %end 1700000000 7 1":           false,
		"%end 1700000000 8 1":             false,
		"%end 1700000000 7 0":             false,
		"%begin 1700000000 7 1":           false,
	} {
		if k.Text = []byte(text); k.Forged() != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
	// The block is read to its own end.
	k.Text = []byte("%end 1700000000 7 1")
	for k.Forged() {
		k.Number++
	}
	var s Sorter
	for line := range strings.Lines(string(k.Append(nil))) {
		if kind := s.Sort([]byte(strings.TrimSuffix(line, "\n"))); kind == Notification || kind == Stray {
			t.Errorf("%q is outside of the block", line)
		}
	}
}
