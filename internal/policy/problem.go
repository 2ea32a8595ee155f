package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/muxward/muxward/internal/strictyaml"
)

// Problem is one mistake in a policy directory, with its place.
type Problem struct {
	// File is the name within the directory; empty if the mistake is the
	// directory's own.
	File string `json:"file,omitempty"`
	// Line and Column count from 1; 0 means unknown.
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	Text   string `json:"text"`
	// Hint says what to do about it; it may be empty.
	Hint string `json:"hint,omitempty"`
}

// Error gives the problem in one line: FILE:LINE:COLUMN: TEXT (HINT).
func (p Problem) Error() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d:%d", p.Line, max(p.Column, 1))
		}
		b.WriteString(": ")
	}
	b.WriteString(p.Text)
	if p.Hint != "" {
		b.WriteString(" (" + p.Hint + ")")
	}
	return b.String()
}

// Problems are all mistakes found in a policy directory: an error with one
// line for each.
type Problems []Problem

// maxProblems is how many mistakes are told; a file of another kind has one
// in each line.
const maxProblems = 50

// Error gives the problems, one in a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// report collects problems while files are read.
type report struct {
	list Problems
	more int
}

func (r *report) add(p Problem) {
	if r.full() {
		r.more++
		return
	}
	r.list = append(r.list, p)
}

// full reports whether no further problem will be told: then there is no
// need to find a good hint for it.
func (r *report) full() bool { return len(r.list) >= maxProblems }

// err gives the problems found, in the order of files and lines, or nil.
func (r *report) err() error {
	if len(r.list) == 0 {
		return nil
	}
	slices.SortStableFunc(r.list, func(a, b Problem) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	out := r.list
	if r.more > 0 {
		out = append(out, Problem{Text: fmt.Sprintf("and %d more problems", r.more)})
	}
	return out
}

// DidYouMean gives a hint for a word that is none of the known ones: the nearest of them, or the list of
// them all if none is near and they are few.
func DidYouMean(word string, known []string) string { return strictyaml.DidYouMean(word, known) }

// checkText refuses what would not stay on one line, or would show as
// something else than it is, when people see it.
func checkText(what, s string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("%s is not valid UTF-8", what)
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return fmt.Errorf("%s holds the character %U, which does not print", what, r)
		}
	}
	return nil
}
