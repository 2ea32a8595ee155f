package attach

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// corpus calls try with each key of each kind of terminal, from testdata/keys:
// what is sent, and what the decoder is to make of it. See test/fidelity for what
// comes to a pane of it.
func corpus(t *testing.T, try func(t *testing.T, name, sent, want string)) {
	t.Helper()
	files, err := filepath.Glob("testdata/keys/*")
	if err != nil || len(files) < 9 {
		t.Fatalf("the corpus has %d files, %v", len(files), err)
	}
	unescape := func(s string) string {
		s, err := strconv.Unquote(`"` + strings.ReplaceAll(s, `\e`, `\x1b`) + `"`)
		if err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		return s
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
			if len(f) != 3 {
				continue
			}
			var want []string
			for _, part := range strings.Split(f[2], " + ") {
				what, text, _ := strings.Cut(part, " ")
				switch what {
				case "key":
					want = append(want, "named "+text)
				case "text":
					want = append(want, "keys  "+unescape(text))
				case "mouse":
					want = append(want, part)
				case "paste":
					want = append(want, "paste  "+unescape(text))
				}
			}
			try(t, filepath.Base(file)+" "+f[0], unescape(f[1]), strings.Join(want, "|"))
		}
	}
}

// entries are what matters of the terminfo entries of some terminals.
var entries = map[string][]string{
	"linux": append([]string{"kcbt=\x1b\t"}, shifted...),
	"rxvt":  shifted,
}

var shifted = []string{
	"kf13=\x1b[25~", "kf14=\x1b[26~", "kf15=\x1b[28~", "kf16=\x1b[29~", "kf17=\x1b[31~", "kf18=\x1b[32~", "kf19=\x1b[33~", "kf20=\x1b[34~",
}

// Every key of every terminal is the key that it is, in whatever pieces it comes:
// cut at each place, and byte by byte.
func TestCorpus(t *testing.T) {
	corpus(t, func(t *testing.T, name, sent, want string) {
		terminal, _, _ := strings.Cut(name, " ")
		o := KeyOptions{Terminfo: entries[terminal]}
		got := func(pieces ...string) string {
			return strings.ReplaceAll(strings.Join(decode(o, pieces...), "|"), " after an escape", "")
		}
		if is := got(sent); is != want {
			t.Errorf("%s: %q is %q, want %q", name, sent, is, want)
		}
		bytes := make([]string, len(sent))
		for i := range len(sent) {
			bytes[i] = sent[i : i+1]
			if is := got(sent[:i], sent[i:]); is != want {
				t.Errorf("%s: %q, cut at %d, is %q, want %q", name, sent, i, is, want)
			}
		}
		if is := got(bytes...); is != want {
			t.Errorf("%s: %q byte by byte is %q, want %q", name, sent, is, want)
		}
	})
}
