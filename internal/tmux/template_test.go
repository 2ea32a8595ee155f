package tmux

import (
	"fmt"
	"strings"
	"testing"
)

// Answers come where command-prompt puts them.
func TestTemplatesAreFilled(t *testing.T) {
	for _, c := range []struct {
		template, want string
		answers        []string
	}{
		{"rename-window '%%'", "rename-window 'x y'", []string{"x y"}}, {"a %1 b %% c %% d %1", "a x b x c %% d x", []string{"x"}}, {"%% %%", "x y", []string{"x", "y"}},
		{"%1 %2 %3", "x y %3", []string{"x", "y"}}, {`say "%%%"`, `say "a\"b\$c\;\~\\"`, []string{`a"b$c;~\`}}, {"%", "%", []string{"x"}}, {"100%", "100%", []string{"x"}}, {"%0 %a", "%0 %a", []string{"x"}},
		{"%1", "", []string{""}}, {"plain", "plain", []string{"x"}}, {"%1%", "x", []string{"x"}},
	} {
		if got := fill(c.template, c.answers); got != c.want {
			t.Errorf("%q with %q: %q, want %q", c.template, c.answers, got, c.want)
		}
	}
}

// In a block an answer is one word, or a part of one, whatever is in it.
func TestAnswersInBlocksAreWords(t *testing.T) {
	const answer = `a ; kill-server " ' } {`
	for _, line := range []string{
		"command-prompt { rename-window -- '%%' }", "command-prompt { if-shell -F '%1' { rename-window x%1 } }", "command-prompt { select-window -t ':%%' ; rename-window '%1' }",
	} {
		parsed, terr := ParseText(line, ParseOptions{})
		if terr != nil {
			t.Fatal(terr)
		}
		before := fmt.Sprint(show(parsed.Commands))
		n := parsed.Commands[0].Nested()[0]
		all, err := n.Filled([]string{answer}, ParseOptions{})
		if err != nil {
			t.Fatal(err)
		}
		text, err := WriteText(all, ParseOptions{})
		if err != nil || strings.Count(text, "rename-window") != 1 || !strings.Contains(text, "kill-server") {
			t.Errorf("%s: %s, %v", line, text, err)
		}
		again, terr := ParseText(text, ParseOptions{})
		if terr != nil {
			t.Fatalf("%s: %v", text, terr)
		}
		if same, err := WriteText(again.Commands, ParseOptions{}); err != nil || same != text {
			t.Errorf("%s\nbecame %s, %v", text, same, err)
		}
		for _, inv := range again.Commands {
			if inv.Row.Name == "kill-server" {
				t.Errorf("%s became %s", line, text)
			}
		}
		if after := fmt.Sprint(show(parsed.Commands)); after != before {
			t.Errorf("the binding itself was changed: %s", after)
		}
	}
}
