package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/grants"
)

// TestSuggestedText: words are one line, - is standard input to its end, less the newline
// that ends it, and what is no suggestion is a wrong command line.
func TestSuggestedText(t *testing.T) {
	long := strings.Repeat("x", grants.MaxSuggested)
	for _, tc := range []struct {
		args     []string
		in, want string
	}{
		{[]string{"make", "-k", "test"}, "", "make -k test"},
		{[]string{"-"}, "make test\n", "make test"},
		{[]string{"-"}, "make test ", "make test "},
		{[]string{"-"}, long + "\n", long},
		{[]string{"-", "x"}, "not read", "- x"},
	} {
		if got, err := suggestedText(strings.NewReader(tc.in), tc.args); err != nil || got != tc.want {
			t.Errorf("%q, %q: %q, %v", tc.args, tc.in, got, err)
		}
	}
	for in, want := range map[string]string{
		"":           "no text",
		"\n":         "no text",
		"two\nlines": "byte 4",
		"one\n\n":    "byte 4",
		"a\x1bb":     "byte 2",
		long + "y\n": "has 1001 bytes",
		long + long:  "a suggestion has at most 1000",
	} {
		_, err := suggestedText(strings.NewReader(in), []string{"-"})
		var wrong usageError
		if err == nil || !errors.As(err, &wrong) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", in, err)
		}
	}
}
