package tmux

import (
	"math/rand"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/soak"
)

var nastyWords = []string{
	"", " ", "a b", "a  b ", "'", `"`, `\`, `\\`, "\\n", "$HOME", "${HOME}", "$", "~", "~root", "a~", "#", "# x", "#{pane_id}", "#(id)", ";", "a;", ";a", `\;`,
	"{", "}", "{ kill-server }", "%if", "%", "%1", "%end 1 2 3", "A=b", "=", "a\nb", "a\n  b", "\n", "\r", "\t", "\x1b[201~", "\x7f", "\x01", "é", "日本", "\xff", "\xc3", "\xe2\x82",
	"\u202e", "-x", "--", "'\"\\$~", "'; kill-server ; '", "a'b\"c", "\\033", "\\", "x\\", "&", "|", "*", "?", "[", "!", "^", "`id`", "(", ")", "<", ">", ",", "@1",
	"'~'", "~'", "'$HOME", "\n# x\n", "\n#{x}", strings.Repeat("x;'\"\n", 400),
}

// TestQuoteControl sends words through a real parser and has them come back:
// if-shell takes an argument as it is, and set-buffer keeps one.
func TestQuoteControl(t *testing.T) {
	srv := startServer(t)
	c := srv.control("start")
	rnd := rand.New(rand.NewSource(1))
	words := append([]string(nil), nastyWords...)
	for range soak.N(20000, 400) {
		words = append(words, randomWord(rnd))
	}
	for _, word := range words {
		if word == "" {
			continue // a buffer cannot be empty
		}
		line, err := QuoteControl([]string{"set-buffer", "-b", "q", "--", word})
		if err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(line, "\n\r\x00") {
			t.Fatalf("%q: more than one line: %q", word, line)
		}
		if reply, ok := c.ask(line); !ok {
			t.Fatalf("%q: %s: %s", word, line, reply)
		}
		// A client of its own prints the bytes as they are.
		if raw, err := srv.command("show-buffer", "-b", "q").Output(); err != nil || string(raw) != word {
			t.Fatalf("%q came back as %q from %s (%v)", word, raw, line, err)
		}
	}
}

func randomWord(rnd *rand.Rand) string {
	const special = " \t\n'\"\\$~#{};%=-a@!\x1b\xff\xc3\xa9"
	b := make([]byte, 1+rnd.Intn(12))
	for i := range b {
		if rnd.Intn(3) == 0 {
			b[i] = byte(1 + rnd.Intn(255))
		} else {
			b[i] = special[rnd.Intn(len(special))]
		}
	}
	return string(b)
}

// TestQuoteControlEmptyAndMany checks the places of words, not only one.
func TestQuoteControlEmptyAndMany(t *testing.T) {
	srv := startServer(t)
	c := srv.control("start")
	for range 50 {
		line, err := QuoteControl([]string{"rename-session", "", "x"})
		if err != nil || line != "rename-session '' x" {
			t.Fatal(line, err)
		}
		if reply, ok := c.ask(line); ok || !strings.Contains(reply, "too many arguments") && !strings.Contains(reply, "usage: rename-session") {
			t.Fatal(reply)
		}
	}
	if _, err := QuoteControl([]string{"x", "a\x00b"}); err == nil {
		t.Error("NUL was written")
	}
	if _, err := QuoteControl(nil); err == nil {
		t.Error("nothing was written")
	}
}

// TestEscapeFormat compares literal text with what tmux makes of it, in each
// position of the table that tmux expands.
func TestEscapeFormat(t *testing.T) {
	srv := startServer(t)
	c := srv.control("start")
	rnd := rand.New(rand.NewSource(2))
	texts := []string{"#", "##", "###", "#[x", "##[x", "###[x", "#{pane_id}", "#(id)", "#S", "#,", "#}", "a#", "100%", "%H", "#####(x)", "#[##", "é#é"}
	const special = "#[]{}(),:?=SI%a "
	for range soak.N(5000, 200) {
		b := make([]byte, 1+rnd.Intn(10))
		for i := range b {
			b[i] = special[rnd.Intn(len(special))]
		}
		texts = append(texts, string(b))
	}
	for _, text := range texts {
		for position, check := range map[string]string{
			"rename-window -t start:0":  "list-windows -t start -F '#{window_name}'",
			"select-pane -t start:0 -T": "list-panes -t start -F '#{pane_title}'",
		} {
			quoted, err := QuoteControl([]string{EscapeFormat(text)})
			if err != nil {
				t.Fatal(err)
			}
			if reply, ok := c.ask(position + " " + quoted); !ok {
				t.Fatalf("%s %s: %s", position, quoted, reply)
			}
			if reply, _ := c.ask(check); reply != text {
				t.Fatalf("%s: %q became %q", position, text, reply)
			}
		}
	}
}
