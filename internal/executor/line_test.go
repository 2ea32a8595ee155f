package executor

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux"
)

func onScreen(l *line) string {
	prompt, text := l.shown()
	return prompt + text
}

// A line is edited with the keys of Emacs, as in tmux.
func TestLineIsEdited(t *testing.T) {
	for _, c := range []struct{ keys, want string }{
		{"a b c", ":abc_"}, {"a BSpace b", ":b_"}, {"BSpace DC C-w C-k Left Right", ":_"}, {"a b Left c", ":ac_b"}, {"a b C-b C-b C-b x", ":x_ab"}, {"a b Home DC", ":_b"}, {"a b C-a C-k c", ":c_"},
		{"a b Left C-k", ":a_"}, {"a b Left C-u c", ":c_"}, {"a Space b Space C-w c", ":a c_"}, {"a b C-a End c C-h d", ":abd_"}, {"a b Home C-f C-d c", ":ac_"}, {"é 漢 Left x", ":éx_漢"}, {"F5 C-x M-a a", ":a_"},
	} {
		l := &line{prompts: []string{":"}}
		for _, key := range strings.Fields(c.keys) {
			l.key(key)
		}
		if got := onScreen(l); got != c.want {
			t.Errorf("%s: %q, want %q", c.keys, got, c.want)
		}
	}
	l := &line{prompts: []string{":"}}
	l.insert(strings.Repeat("x", 2*maxLine) + "y")
	if len(l.text) != maxLine {
		t.Errorf("%d characters", len(l.text))
	}
	l.begun = []string{strings.Repeat("é", 2*maxLine)}
	if l.next(); len(l.text) != maxLine || l.at != maxLine {
		t.Errorf("it begins with %d characters", len(l.text))
	}
	l = &line{prompts: []string{":"}}
	l.insert(strings.Repeat("x", maxLine))
	l.at = 500
	if got := onScreen(l); got != ":…"+strings.Repeat("x", shownLine)+"_"+strings.Repeat("x", shownAfter) {
		t.Errorf("%q", got)
	}
	l = &line{prompts: []string{":"}}
	if l.insert("a\x1b[2J\u202e\xff\tb"); string(l.text) != "a[2Jb" {
		t.Errorf("%q", string(l.text))
	}
}

// What stands in a line at first is a name, and no command that its chooser had in
// mind.
func TestNamesInALine(t *testing.T) {
	for _, c := range []struct {
		format, text string
		want         bool
	}{
		{"#W", "work", true}, {"rename-window '#W'", "rename-window 'work'", true}, {"rename-window '#W'", "rename-window 'a' ; kill-server ; 'b'", false}, {"rename-window '#W'", "rename-window 'a\\'", false},
		{"#W", "a;", false}, {"#W", "$HOME", false}, {"#W", "~root", false}, {"#W", "x\nkill-server", false}, {"if -F 1 #W", "if -F 1 { kill-server }", false}, {"find '", "find '", true},
	} {
		if got := onlyNames(c.format, c.text); got != c.want {
			t.Errorf("%q from %q: %v", c.text, c.format, got)
		}
	}
	for text, want := range map[string]bool{"command-prompt": true, "command-prompt '%%'": true, "command-prompt 'find-window %%'": false, "command-prompt { kill-pane }": false} {
		parsed, err := tmux.ParseText(text, tmux.ParseOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got := saysCommands(parsed.Commands[0]); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}
