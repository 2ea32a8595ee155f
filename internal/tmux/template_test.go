package tmux

import (
	"errors"
	"fmt"
	"slices"
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
		{"%1 %2", "%2 x", []string{"%2", "x"}}, {"%% %%", "%% x", []string{"%%", "x"}}, {"%2 %1 %2", "%1 x %1", []string{"x", "%1"}}, {"%1-%2", "a%2-%1%1", []string{"a%2", "%1%1"}},
		{"%1", "", []string{""}}, {"plain", "plain", []string{"x"}}, {"%1%", "x", []string{"x"}},
	} {
		f := filling{answers: c.answers, left: maxFilled, escapes: true}
		if got := f.word(c.template); got != c.want {
			t.Errorf("%q with %q: %q, want %q", c.template, c.answers, got, c.want)
		}
	}
}

// An answer is one word, or a part of one, whatever is in it, and also in text
// that is only read when it runs.
func TestAnswersAreWords(t *testing.T) {
	const answer = `a ; kill-server " ' } { ' ; kill-server ; ' $HOME ~ # \`
	for _, line := range []string{
		"command-prompt { rename-window -- '%%' }", "command-prompt { if-shell -F '%1' { rename-window x%1 } }", "command-prompt { select-window -t ':%%' ; rename-window '%1' }",
		`command-prompt "rename-window '%%'"`, `command-prompt "rename-window %%"`, `command-prompt "rename-window \"%%%\""`, `command-prompt 'rename-window "%1"'`, `command-prompt "rename-window a'%%'b"`,
		`command-prompt "if-shell -F 1 \"rename-window '%%'\""`, `command-prompt { if-shell -F 1 "rename-window '%%'" }`, `command-prompt "confirm-before -p '%1?' { if-shell -F 1 \"rename-window %%\" }"`,
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
		if err := read(all, answer); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		text, err := writeText(all, ParseOptions{})
		if err != nil || strings.Count(text, "rename-window") != 1 || !strings.Contains(text, "kill-server") {
			t.Errorf("%s: %s, %v", line, text, err)
		}
		again, terr := ParseText(text, ParseOptions{})
		if terr != nil {
			t.Fatalf("%s: %v", text, terr)
		}
		if same, err := writeText(again.Commands, ParseOptions{}); err != nil || same != text {
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

// read reads all commands, also those in text, and wants one rename-window whose
// argument holds all of the answer.
func read(all []*Invocation, answer string) error {
	found := 0
	var walk func(all []*Invocation) error
	walk = func(all []*Invocation) error {
		for _, inv := range all {
			switch inv.Row.Name {
			case "kill-server":
				return fmt.Errorf("an answer has become a command")
			case "rename-window":
				if strings.Contains(inv.Args[0], answer) {
					found++
				}
			}
			for _, n := range inv.Nested() {
				inner, err := n.Commands(ParseOptions{})
				if err != nil {
					return err
				}
				if err := walk(inner); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if err := walk(all); err != nil {
		return err
	}
	if found != 1 {
		return fmt.Errorf("%d windows are renamed to it", found)
	}
	return nil
}

// A template that is nothing but an answer is told from one that has a place for it.
func TestAnAnswerAlone(t *testing.T) {
	for line, want := range map[string]bool{
		"command-prompt '%%'": true, "command-prompt ' %1 '": true, "command-prompt '%2'": false, "command-prompt '%% x'": false, "command-prompt { rename-window '%1' }": false,
	} {
		parsed, terr := ParseText(line, ParseOptions{})
		if terr != nil {
			t.Fatal(terr)
		}
		if n := parsed.Commands[0].Nested()[0]; n.IsAnswer() != want {
			t.Errorf("%s: %v", line, !want)
		}
	}
}

// What a block says is what it holds, with the answers in it.
func TestBlocksSayWhatTheyHold(t *testing.T) {
	parsed, terr := ParseText("command-prompt { if-shell -F 1 { rename-window '%%' } }", ParseOptions{})
	if terr != nil {
		t.Fatal(terr)
	}
	all, err := parsed.Commands[0].Nested()[0].Filled([]string{"a ' b"}, ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	again, terr := ParseText(all[0].Args[1], ParseOptions{})
	if terr != nil || again.Commands[0].Args[0] != "a ' b" {
		t.Errorf("%q, %v", all[0].Args, terr)
	}
}

// Answers make commands longer, but not without a limit: not by what one brings
// for another, nor by how often each is asked for.
func TestAnswersAreBounded(t *testing.T) {
	long := strings.Repeat("%1%2%3%4%5%6%7%8%9", 50)
	answers := slices.Repeat([]string{long}, 9)
	for _, line := range []string{
		"command-prompt \"rename-window '" + strings.Repeat("%1", 4000) + "'\"", "command-prompt { " + strings.Repeat("rename-window '%9%8%7' ; ", 100) + " kill-pane }",
		"command-prompt { if-shell -F 1 \"rename-window " + strings.Repeat("%1", 4000) + "\" }",
	} {
		parsed, terr := ParseText(line, ParseOptions{})
		if terr != nil {
			t.Fatal(terr)
		}
		if _, err := parsed.Commands[0].Nested()[0].Filled(answers, ParseOptions{}); !errors.Is(err, errFilled) {
			t.Errorf("%.60s…: %v", line, err)
		}
	}
	parsed, _ := ParseText("command-prompt { rename-window '%1' }", ParseOptions{})
	all, err := parsed.Commands[0].Nested()[0].Filled(answers, ParseOptions{})
	if err != nil || all[0].Args[0] != long {
		t.Errorf("%v, %v", all, err)
	}
}
