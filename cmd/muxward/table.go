package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/tmux"
)

// gap is between the columns of a table.
const gap = 2

// printTable prints rows, of which the first has the headings: aligned and as wide as the
// terminal for people, separated by tabs for a pipe.
func printTable(w io.Writer, rows [][]string) error {
	for _, r := range rows {
		for i := range r {
			r[i] = tmux.OneLine(r[i])
		}
	}
	var lines []string
	if cols := columnsOf(w); cols > 0 {
		lines = tableLines(rows, cols)
	} else {
		for _, r := range rows {
			lines = append(lines, strings.Join(r, "\t"))
		}
	}
	for _, l := range lines {
		if _, err := fmt.Fprintln(w, l); err != nil {
			return err
		}
	}
	return nil
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// columnsOf is how wide the terminal is that w writes to, 0 if it is none.
func columnsOf(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok || !isTerminal(f) {
		return 0
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil || size.Col == 0 {
		return 80
	}
	return int(size.Col)
}

// tableLines lays a table out for a terminal. Where it is too wide, columns that say nothing
// are left out, then long cells are broken at spaces and commas; what still does not fit is
// told row by row.
func tableLines(rows [][]string, cols int) []string {
	if len(rows) == 1 {
		return append(aligned(rows, widths(rows)), "(none)")
	}
	at := widths(rows)
	if total(at) > cols {
		rows = saying(rows)
		at = widths(rows)
	}
	if narrow(rows, at, cols) {
		return aligned(rows, at)
	}
	return oneByOne(rows, cols)
}

// saying leaves out the columns in which no row says anything.
func saying(rows [][]string) [][]string {
	says := make([]bool, len(widths(rows)))
	for _, r := range rows[1:] {
		for i, cell := range r {
			says[i] = says[i] || cell != "" && cell != "-"
		}
	}
	out := make([][]string, len(rows))
	for n, r := range rows {
		for i, cell := range r {
			if says[i] {
				out[n] = append(out[n], cell)
			}
		}
	}
	return out
}

// widths gives what each column takes.
func widths(rows [][]string) []int {
	var at []int
	for _, r := range rows {
		for i, cell := range r {
			if i == len(at) {
				at = append(at, 0)
			}
			at[i] = max(at[i], tmux.MostColumns(cell))
		}
	}
	return at
}

func total(at []int) int {
	n := gap * (len(at) - 1)
	for _, w := range at {
		n += w
	}
	return n
}

// narrow makes the widest columns narrower until all fit, and reports whether they do: no
// word is broken, but for one of a column that is far too long.
func narrow(rows [][]string, at []int, cols int) bool {
	least := make([]int, len(at))
	for n, r := range rows {
		for i, cell := range r {
			for _, part := range parts(cell) {
				w := tmux.MostColumns(strings.TrimRight(part, " "))
				if n > 0 {
					w = min(w, 24)
				}
				least[i] = max(least[i], w)
			}
		}
	}
	for total(at) > cols {
		widest := -1
		for i := range at {
			if at[i] > least[i] && (widest < 0 || at[i] > at[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return false
		}
		at[widest]--
	}
	return true
}

// parts are what a cell is broken into: each ends with its space or comma, or begins with +.
// A date stays with its time.
func parts(cell string) (out []string) {
	begin := 0
	for i := range cell {
		at := i
		switch c := cell[i]; {
		case c == ',', c == ' ' && !(i > 2 && i+3 < len(cell) && cell[i-3] == '-' && cell[i+3] == ':'):
			at = i + 1
		case c != '+' || i == begin:
			continue
		}
		out, begin = append(out, cell[begin:at]), at
	}
	return append(out, cell[begin:])
}

// broken breaks a cell into lines of a width.
func broken(cell string, width int) []string {
	lines, line := []string(nil), ""
	for _, part := range parts(cell) {
		if line != "" && tmux.MostColumns(line+strings.TrimRight(part, " ")) > width {
			lines, line = append(lines, strings.TrimRight(line, " ")), ""
		}
		if len(lines) > 0 && line == "" {
			part = strings.TrimLeft(part, " ")
		}
		for _, c := range part {
			if tmux.MostColumns(line)+tmux.MostWidth(c) > width && c != ' ' {
				lines, line = append(lines, line), ""
			}
			line += string(c)
		}
	}
	return append(lines, strings.TrimRight(line, " "))
}

// aligned gives the lines of rows in columns.
func aligned(rows [][]string, at []int) (out []string) {
	for _, r := range rows {
		cells, deep := make([][]string, len(r)), 1
		for i, cell := range r {
			cells[i] = broken(cell, at[i])
			deep = max(deep, len(cells[i]))
		}
		for n := range deep {
			var b strings.Builder
			for i, lines := range cells {
				text := ""
				if n < len(lines) {
					text = lines[n]
				}
				b.WriteString(text + strings.Repeat(" ", max(0, at[i]-tmux.MostColumns(text))+gap))
			}
			out = append(out, strings.TrimRight(b.String(), " "))
		}
	}
	return out
}

// oneByOne tells each row in lines of its own, one for each heading that it says something to.
func oneByOne(rows [][]string, cols int) (out []string) {
	wide := 0
	for _, head := range rows[0] {
		wide = max(wide, tmux.MostColumns(head))
	}
	for n, r := range rows[1:] {
		if n > 0 {
			out = append(out, "")
		}
		for i, cell := range r {
			if cell == "" || cell == "-" {
				continue
			}
			head := ""
			if i < len(rows[0]) {
				head = rows[0][i]
			}
			out = append(out, aligned([][]string{{head, cell}}, []int{wide, max(8, cols-wide-gap)})...)
		}
	}
	return out
}

// verbsFor tells verbs by the role that has most of them, and what it has not, as in
// typist+copy, to people; a pipe gets each.
func verbsFor(w io.Writer, words []string) string {
	if columnsOf(w) == 0 {
		return strings.Join(words, ",")
	}
	return inShort(words)
}

func inShort(words []string) string {
	var has access.VerbSet
	for _, word := range words {
		v, err := access.ParseVerb(word)
		if err != nil {
			return strings.Join(words, ",")
		}
		has = has.With(access.SetOf(v))
	}
	name, of := "", access.VerbSet(0)
	for _, role := range access.Roles() {
		verbs, _ := role.Verbs()
		if has.Covers(verbs) && len(verbs.List()) > len(of.List()) {
			name, of = string(role), verbs
		}
	}
	if name == "" {
		return strings.Join(words, ",")
	}
	for _, word := range words {
		if v, _ := access.ParseVerb(word); !of.Has(v) {
			name += "+" + word
		}
	}
	return name
}
