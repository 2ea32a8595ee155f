package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/tmux"
)

func TestTableLines(t *testing.T) {
	rows := [][]string{
		{"PERSON", "SESSION", "FROM", "SINCE", "VERBS", "REASON"},
		{"alice", "alice/work", "-", "2026-11-28 02:30:17", "owner", "looks, and types, and whatever else is to be done today"},
		{"bob", "alice/a-name-that-is-rather-long", "-", "2026-11-28 02:31:00", "typist+copy+spawn", ""},
	}
	for _, tt := range []struct {
		cols int
		want []string
	}{
		{200, []string{
			"PERSON  SESSION                           FROM  SINCE                VERBS              REASON",
			"alice   alice/work                        -     2026-11-28 02:30:17  owner              looks, and types, and whatever else is to be done today",
			"bob     alice/a-name-that-is-rather-long  -     2026-11-28 02:31:00  typist+copy+spawn",
		}},
		{80, []string{
			"PERSON  SESSION                   SINCE                VERBS        REASON",
			"alice   alice/work                2026-11-28 02:30:17  owner        looks, and",
			"                                                                    types, and",
			"                                                                    whatever",
			"                                                                    else is to",
			"                                                                    be done",
			"                                                                    today",
			"bob     alice/a-name-that-is-rat  2026-11-28 02:31:00  typist+copy",
			"        her-long                                       +spawn",
		}},
		{40, []string{
			"PERSON   alice",
			"SESSION  alice/work",
			"SINCE    2026-11-28 02:30:17",
			"VERBS    owner",
			"REASON   looks, and types, and whatever",
			"         else is to be done today",
			"",
			"PERSON   bob",
			"SESSION  alice/a-name-that-is-rather-lon",
			"         g",
			"SINCE    2026-11-28 02:31:00",
			"VERBS    typist+copy+spawn",
		}},
	} {
		if got := strings.Join(tableLines(rows, tt.cols), "\n"); got != strings.Join(tt.want, "\n") {
			t.Errorf("in %d columns:\n%s\nwant\n%s", tt.cols, got, strings.Join(tt.want, "\n"))
		}
	}
	if got := strings.Join(tableLines(rows[:1], 80), "\n"); !strings.HasSuffix(got, "\n(none)") {
		t.Errorf("nothing to list: %q", got)
	}
}

// Whatever is in a table, no line is wider than a terminal of 20 columns or more, and in any no
// character is lost, nor its order, and nothing comes to the terminal that is no text.
func FuzzTableLines(f *testing.F) {
	f.Add("a b,c+d", "", "2026-11-28 02:30:17", uint8(30))
	f.Add("漢字漢字", "-", strings.Repeat("x", 90), uint8(80))
	f.Add("\x1b[2J\u202e", "e\u0301\u200d", "a\nb\tc,\xff", uint8(1))
	f.Add("漢字, 漢字", "漢+字", ",,, ++", uint8(3))
	f.Fuzz(func(t *testing.T, a, b, c string, cols uint8) {
		row := []string{tmux.OneLine(a), tmux.OneLine(b), tmux.OneLine(c)}
		wide := max(1, int(cols))
		text := strings.Join(tableLines([][]string{{"ONE", "TWO", "THREE"}, row}, wide), "\n")
		for l := range strings.SplitSeq(text, "\n") {
			if wide >= 20 && tmux.MostColumns(l) > wide {
				t.Errorf("%q is wider than %d columns", l, wide)
			}
		}
		if tmux.Clean(text) != text {
			t.Errorf("%q is no text for a terminal", text)
		}
		for _, width := range []int{1, 2, 3, 7, wide} {
			for _, cell := range row {
				if got := strings.Join(broken(cell, width), ""); strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(cell, " ", "") {
					t.Errorf("%q in %d columns is %q", cell, width, got)
				}
			}
		}
		for _, cell := range row {
			for _, r := range cell {
				if r != ' ' && cell != "-" && !strings.ContainsRune(text, r) {
					t.Errorf("%q of %q is not in\n%s", r, cell, text)
				}
			}
		}
	})
}

func TestVerbsInShort(t *testing.T) {
	for _, tt := range []struct{ words, want string }{
		{"", ""},
		{"view", "view"},
		{"view,scroll", "viewer"},
		{"view,scroll,type", "viewer+type"},
		{"view,scroll,copy,suggest,type", "typist+copy"},
		{access.AllVerbs.String(), "owner"},
		{"view,scroll,frobnicate", "view,scroll,frobnicate"},
	} {
		var words []string
		if tt.words != "" {
			words = strings.Split(tt.words, ",")
		}
		if got := inShort(words); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.words, got, tt.want)
		}
	}
}

// Words of others come to a pipe as they come to a terminal: in one line, and no more than text.
func TestTableOfHostileWords(t *testing.T) {
	var out bytes.Buffer
	if err := printTable(&out, [][]string{{"WHO", "WHY"}, {"bob\x1b[2J", "a\nroot\towner\u202e\x9b"}}); err != nil {
		t.Fatal(err)
	}
	if want := "WHO\tWHY\nbob?[2J\ta root?owner??\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}
