package fidelity

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// interaction is one thing that a person does: what their terminal sends, or
// the size that it gets.
type interaction struct {
	line       string // of the file
	keys       string
	cols, rows int
	shows      string // what the screen has to show then
	prompt     string // what stands in the cursor's row, left of it, then
	click      bool   // the button of the mouse was pressed
}

// alone reports whether this is the escape key alone, which is another key if the
// next one comes before it was dealt with.
func (i interaction) alone() bool { return i.keys == "\x1b" }

// phrases reads what a person does in a program. A phrase is a block of lines,
// after which the program is as it was before:
//
//	keys TEXT             typed in one go
//	paste TEXT            the terminal pastes it
//	click COL ROW         with the first button, pressed and let go
//	drag COL ROW COL ROW  with it held
//	wheel up|down COL ROW
//	size COLSxROWS        of the terminal
//
// and of the line before, what is there when that is done:
//
//	shows TEXT            somewhere on the screen
//	prompt TEXT           left of the cursor, and nothing else
func phrases(t *testing.T, program string) [][]interaction {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata/interactions", program))
	if err != nil {
		t.Fatal(err)
	}
	var all [][]interaction
	for block := range strings.SplitSeq(string(text), "\n\n") {
		var phrase []interaction
		for line := range strings.Lines(block) {
			if line = strings.TrimRight(line, "\n"); line != "" && line[0] != '#' {
				phrase = say(t, phrase, line)
			}
		}
		if len(phrase) > 0 {
			all = append(all, phrase)
		}
	}
	if len(all) == 0 {
		t.Fatalf("nothing is done in %s", program)
	}
	return all
}

// say adds a line of the file to a phrase.
func say(t *testing.T, phrase []interaction, line string) []interaction {
	t.Helper()
	what, arg, _ := strings.Cut(line, " ")
	next := interaction{line: line}
	var n [4]int
	scan := func(format string, to ...any) {
		if got, err := fmt.Sscanf(arg, format, to...); err != nil || got != len(to) {
			t.Fatalf("%q: %v", line, err)
		}
	}
	switch what {
	case "shows":
		phrase[len(phrase)-1].shows = unescape(t, arg)
		return phrase
	case "prompt":
		s, err := strconv.Unquote(arg)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		phrase[len(phrase)-1].prompt = s
		return phrase
	case "keys":
		next.keys = unescape(t, arg)
	case "paste":
		next.keys = pasteBegin + unescape(t, arg) + pasteEnd
	case "click":
		scan("%d %d", &n[0], &n[1])
		next.keys = mouse(0, n[0], n[1], 'M') + mouse(0, n[0], n[1], 'm')
		next.click = true
	case "drag":
		scan("%d %d %d %d", &n[0], &n[1], &n[2], &n[3])
		next.keys = mouse(0, n[0], n[1], 'M') + mouse(32, n[2], n[3], 'M') + mouse(0, n[2], n[3], 'm')
		next.click = true
	case "wheel":
		var way string
		scan("%s %d %d", &way, &n[0], &n[1])
		next.keys = mouse(map[string]int{"up": 64, "down": 65}[way], n[0], n[1], 'M')
	case "size":
		scan("%dx%d", &next.cols, &next.rows)
	default:
		t.Fatalf("what is %q?", line)
	}
	return append(phrase, next)
}

// mouse is what a terminal sends of its mouse, counted from 0.
func mouse(button, col, row int, end rune) string {
	return fmt.Sprintf("\x1b[<%d;%d;%d%c", button, col+1, row+1, end)
}
