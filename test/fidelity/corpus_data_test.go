package fidelity

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// keyboard is what one kind of terminal sends, from the corpus of package attach.
type keyboard struct {
	name, term string
	keys       []corpusKey
}

// corpusKey is one key, or one report of the terminal itself. want is what it is:
// "key NAME", "text TEXT", "paste TEXT", "mouse CODE at X Y, RELEASED" or "nothing".
type corpusKey struct{ name, bytes, want string }

// unescape reads what a file of the corpus has: \e is the escape.
func unescape(t *testing.T, text string) string {
	t.Helper()
	s, err := strconv.Unquote(`"` + strings.ReplaceAll(text, `\e`, `\x1b`) + `"`)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return s
}

// keyboards reads the corpus.
func keyboards(t *testing.T) []keyboard {
	t.Helper()
	files, err := filepath.Glob("../../internal/attach/testdata/keys/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no corpus of keys: %v", err)
	}
	var all []keyboard
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		k := keyboard{name: filepath.Base(file)}
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSuffix(line, "\n")
			if term, ok := strings.CutPrefix(line, "term "); ok {
				k.term = term
			}
			if f := strings.Split(line, "\t"); len(f) == 3 {
				k.keys = append(k.keys, corpusKey{f[0], unescape(t, f[1]), f[2]})
			}
		}
		all = append(all, k)
	}
	return all
}
