package gateway

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// A shell makes of the line the words that it was made of.
func TestQuoteWords(t *testing.T) {
	words := []string{"a b", "it's", "$HOME `id`", "", "-n", "\n", `\`, `"`, "';id;'"}
	out, err := exec.Command("/bin/sh", "-c", "printf '%s\\0' "+quoteWords(words)).Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"); !slices.Equal(got, words) {
		t.Errorf("%q, want %q", got, words)
	}
}
