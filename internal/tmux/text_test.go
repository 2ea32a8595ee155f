package tmux

import (
	"reflect"
	"strings"
	"testing"
)

// textErrors has a text for every state in which the reader can meet an error.
var textErrors = []struct {
	text         string
	line, column int
	why          Reason
	says         string
}{
	// The grammar.
	{"ls }", 1, 4, Syntax, "syntax error"},
	{"; ls", 1, 1, Syntax, "syntax error"},
	{"ls\n  ; ls", 2, 3, Syntax, "syntax error"},
	{"bind x { ls", 1, 12, Syntax, "syntax error"},
	{"bind x {\n ls\n", 3, 1, Syntax, "syntax error"},
	{"{ ls }", 1, 1, Syntax, "syntax error"},
	{"A=b C=d", 1, 5, Syntax, "syntax error"},
	{"%hidden ls", 1, 9, Syntax, "syntax error"},
	{"%hidden A=b ls", 1, 13, Syntax, "syntax error"},
	{"ls \\\n \\\n }", 3, 2, Syntax, "syntax error"},
	{"send 'a\nb' }", 2, 4, Syntax, "syntax error"},
	{"# x \\\n y\n}", 3, 1, Syntax, "syntax error"},
	// Escapes, in words and in double quotes.
	{`send a\400`, 1, 7, Syntax, "invalid octal escape"},
	{`send "x\18"`, 1, 8, Syntax, "invalid octal escape"},
	{"send \\\\\\\\\\1", 1, 10, Syntax, "invalid octal escape"},
	{"send a\\\n\\\\\\9\\8\\4", 2, 7, Syntax, "invalid octal escape"},
	{`send $\\\4`, 1, 9, Syntax, "invalid octal escape"},
	{`send \u12g4`, 1, 6, Syntax, `invalid \u argument`},
	{`send "\Ud800dead"`, 1, 7, Unreadable, `\Ud800dead is no character`},
	{`send \ud800`, 1, 6, Syntax, `invalid \u argument`},
	{`send \u12`, 1, 6, Syntax, "syntax error"},
	{`send a\`, 1, 6, Syntax, "syntax error"},
	{`send x\000`, 1, 7, Unreadable, "a NUL byte cannot be part of a word"},
	{`send \u0000`, 1, 6, Unreadable, "a NUL byte cannot be part of a word"},
	// What only the server knows.
	{"send a$HOME", 1, 7, NotExpanded, "$HOME: not expanded here; write it out"},
	{`send "x${HOME}"`, 1, 8, NotExpanded, "$HOME: not expanded here; write it out"},
	{"send\\\n ${HO\\\nME}", 2, 2, NotExpanded, "$HOME: not expanded here; write it out"},
	{"send ${a-b}", 1, 6, Syntax, "invalid environment variable"},
	{"send $" + strings.Repeat("x", 1100), 1, 6, Syntax, "environment variable is too long"},
	{"send a $", 1, 8, Syntax, "syntax error"},
	{"send ~/x", 1, 6, NotExpanded, "~: not expanded here; write it out"},
	{`send a"~root"`, 1, 8, NotExpanded, "~root: not expanded here; write it out"},
	{"send ~" + strings.Repeat("x", 1100), 1, 6, Syntax, "user name is too long"},
	{"ls\n%if 1\nls\n%endif", 2, 1, NotExpanded, "%if: conditions are not decided here; write out what is meant"},
	{"ls ; %if 1 ls %endif", 1, 6, NotExpanded, "%if: conditions are not decided here; write out what is meant"},
	{"%if", 1, 4, Syntax, "syntax error"},
	{"%if #{x", 1, 5, Syntax, "syntax error"},
	{"ls\n %endif", 2, 2, Syntax, "syntax error"},
	{"%x", 1, 1, Syntax, "syntax error"},
	// Bytes that tmux does not read in one way.
	{"ls\nsend \xff", 2, 6, Unreadable, `byte \377 cannot stand in command text`},
	{"ls \x00\xff", 1, 4, Unreadable, `byte \000 cannot stand in command text`},
	{"send $\\\\\\\nx", 1, 6, Unreadable, "backslashes before a continued line cannot be read reliably here"},
	// What the words mean.
	{"ls ;\tnosuch", 1, 6, UnknownCommand, "unknown command: nosuch"},
	{"ls\n\n  disp x", 3, 3, AmbiguousCommand, "ambiguous command: disp, could be: display-menu, display-message, display-popup, display-panes"},
	{"A=b nosuch", 1, 5, UnknownCommand, "unknown command: nosuch"},
	{"ls -Z", 1, 1, BadFlag, "command list-sessions: unknown flag -Z"},
	{"ls ; ls x", 1, 6, BadCount, "command list-sessions: too many arguments (need at most 0)"},
	{"bind x {\n nosuch }", 2, 2, UnknownCommand, "unknown command: nosuch"},
	{"ls ; send { ls }", 1, 6, BadBlock, `command send-keys: argument 1 must be "string"`},
	{"if { ls } x", 1, 1, BadBlock, `command if-shell: argument 1 must be "string"`},
	{"send -N { ls }", 1, 1, BadFlag, "command send-keys: -N argument must be a string"},
	{"bad", 1, 1, BadAlias, "bad: this server's command-alias of that name cannot be read here: $X: not expanded here; write it out"},
	{"sets ; ls", 1, 1, BadAlias, "sets: this server's command-alias of that name cannot be read here: it sets A"},
	{"ls ; wrong", 1, 6, UnknownCommand, "unknown command: nosuch"},
	{strings.Repeat("if a { ", 101), 1, 706, TooMany, "nested too deeply (at most 100)"},
	{strings.Repeat("ls;", 1025), 1, 3073, TooMany, "too many commands (at most 1024)"},
	{"send" + strings.Repeat(" a", 9000), 1, 16390, TooMany, "too many arguments (at most 8192)"},
}

// TestTextErrorsNameTheirPlace: line and column are those of what is wrong, in
// every state that the reader can be in.
func TestTextErrorsNameTheirPlace(t *testing.T) {
	for _, tc := range textErrors {
		_, err := ParseText(tc.text, ParseOptions{Aliases: []CommandAlias{{"bad", "ls -F $X"}, {"sets", "A=b ls"}, {"wrong", "ls ; nosuch"}}})
		if err == nil {
			t.Errorf("%.60q: parsed", tc.text)
			continue
		}
		want := &TextError{At: Position{tc.line, tc.column}, ParseError: ParseError{Reason: tc.why, Text: tc.says, Command: err.Command}, Assignments: err.Assignments}
		if !reflect.DeepEqual(err, want) {
			t.Errorf("%.60q: %+v, want %+v", tc.text, err, want)
		}
	}
	_, err := ParseText("ls\nls }", ParseOptions{})
	if err == nil || err.Error() != "line 2, column 4: syntax error" {
		t.Error(err)
	}
}

// TestTextTellsWhatItSetBeforeAnError: tmux has set that by then, and whoever
// carries a text out in its place has to, too.
func TestTextTellsWhatItSetBeforeAnError(t *testing.T) {
	for text, want := range map[string]string{
		"A=b nosuch": "'A=b'", "A=b ; }": "'A=b'", "}\nA=b": "", "A=b\n%hidden C=\"d e\"\nls }": "'A=b'|%hidden 'C=d e'", "ls }": "", "A=b send $X": "'A=b'", "A='~$x' }": "'A=~$x'",
	} {
		_, err := ParseText(text, ParseOptions{})
		if err == nil {
			t.Errorf("%q: parsed", text)
			continue
		}
		var got []string
		for _, a := range err.Assignments {
			line, qerr := a.Text()
			again, terr := ParseText(line, ParseOptions{})
			if qerr != nil || terr != nil || len(again.Assignments) != 1 || again.Assignments[0].Value != a.Value {
				t.Errorf("%q: %q is read as %v %v %v", text, line, again, terr, qerr)
			}
			got = append(got, line)
		}
		if said := strings.Join(got, "|"); said != want {
			t.Errorf("%q: %s, want %s", text, said, want)
		}
	}
}

// TestConditionsThatComeTooEarly: who asks for conditions while the text is read
// has not carried out what it assigns; one that may be about that is refused.
func TestConditionsThatComeTooEarly(t *testing.T) {
	opts := ParseOptions{Expand: &Expansion{
		Variable: func(string) (string, bool) { return "", false }, Condition: func(string) bool { return true }, Early: true,
	}}
	for text, ok := range map[string]bool{
		"A=b ; %if '#{A}' ls %endif": false, "ABC=b ; %if '#{==:#{ABC},b}' ls %endif": false, "LONG=b ; %if '#{B}' ls %endif": true, "%if '#{A}' A=b %endif": true,
	} {
		_, err := ParseText(text, opts)
		if (err == nil) != ok || err != nil && err.Reason != NotExpanded {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestTextNeedsNoServerForQuotedThings: what quotes keep literal is no question
// to the server.
func TestTextNeedsNoServerForQuotedThings(t *testing.T) {
	for text, want := range map[string]string{
		`send '$HOME' '~' a~ \$HOME "\$HOME" \~ "\~" $ $1 "a$" '%if' %1 %% '' "a
   b"`: `send-keys "$HOME" "~" "a~" "$HOME" "$HOME" "~" "~" "$" "$1" "a$" "%if" "%1" "%%" "" "a\nb"`,
		"ls # $HOME ~ %if\n# ${x}": "list-sessions",
	} {
		got, err := ParseText(text, ParseOptions{})
		if err != nil || show(got.Commands) != want {
			t.Errorf("%q: %v %v", text, got, err)
		}
	}
}

func TestTextSaysWhereCommandsStandAndWhatGroups(t *testing.T) {
	text := "ls ; lsw\n\n  A=b lsp ; mine # x\nlsb \\\n ; bind x {\n ls\n lsw }"
	opts := ParseOptions{Aliases: []CommandAlias{{"mine", "lsc\nlsc -F"}}}
	got, err := ParseText(text, opts)
	if err == nil || err.Text != "command list-clients: -F expects an argument" || err.At != (Position{3, 13}) {
		t.Fatal(got, err)
	}
	opts.Aliases[0].Value = "lsc\nlsc -F x"
	if got, err = ParseText(text, opts); err != nil {
		t.Fatal(err)
	}
	var places []string
	for _, inv := range got.Commands {
		places = append(places, inv.Row.Name+" "+inv.At.String()+" "+string(rune('0'+inv.Group)))
	}
	want := []string{
		"list-sessions line 1, column 1 0", "list-windows line 1, column 6 0",
		"list-panes line 3, column 7 1",
		"list-clients line 3, column 13 2", "list-clients line 3, column 13 2",
		"list-buffers line 4, column 1 3", "bind-key line 5, column 4 4",
	}
	if !reflect.DeepEqual(places, want) {
		t.Errorf("%q", places)
	}
	if a := got.Assignments; len(a) != 1 || a[0] != (Assignment{"A", "b", false, Position{3, 3}}) {
		t.Errorf("%+v", a)
	}
	block := got.Commands[6].Blocks[0]
	if block.Arg != 1 || len(block.Commands) != 2 || block.Commands[0].Group == block.Commands[1].Group || block.Commands[1].At != (Position{7, 2}) {
		t.Errorf("%+v", block)
	}
	if source := got.Commands[6].Args[1]; source != "\n ls\n lsw " {
		t.Errorf("source %q", source)
	}
	opts.OneGroup = true
	if got, err = ParseText(text, opts); err != nil {
		t.Fatal(err)
	}
	for _, inv := range got.Commands {
		if inv.Group != 0 {
			t.Errorf("%s: group %d", inv.Row.Name, inv.Group)
		}
	}
}

func TestNestedCommands(t *testing.T) {
	for text, want := range map[string]string{
		"bind x { ls ; lsw }":                       "1+1 block: list-sessions ; list-windows",
		"bind x 'ls ; lsw'":                         "1+1: list-sessions ; list-windows",
		`bind x ls \; lsw -a`:                       "1+4: list-sessions ; list-windows -a",
		"bind x if -F 1 { ls } 'lsw'":               "1+5: if-shell -F \"1\" \" ls \" \"lsw\", with blocks",
		"bind x":                                    "",
		"bind x 'ls }'":                             "1+1: line 1, column 4: syntax error",
		"bind x 'ls $HOME'":                         "1+1: line 1, column 4: $HOME: not expanded here; write it out",
		"bind x 'A=b ls'":                           "1+1: line 1, column 1: A: cannot be set by a command inside a command",
		"if -F a ls { lsw }":                        "1+1: list-sessions | 2+1 block: list-windows",
		"run ls":                                    "",
		"run -C 'ls'":                               "0+1 template: list-sessions",
		"confirm -p x { kill-window }":              "0+1 block template: kill-window",
		"command-prompt 'rename-window \"%%\"'":     "0+1 template: rename-window \"%%\"",
		"menu a b { ls } '' c d 'lsw' '' '' e f ls": "2+1 block template: list-sessions | 6+1 template: list-windows | 11+1 template: list-sessions",
		"menu a b":                                  "",
		"set-hook -g after-new-window { ls }":       "1+1 block: list-sessions",
		"set -g after-new-window ls":                "1+1 maybe: list-sessions",
		"set -g after-new 'ls'":                     "1+1 maybe: list-sessions",
		"set -g command-alias[0] x=ls":              "1+1 maybe: line 1, column 1: x: cannot be set by a command inside a command",
		"set -g @x ls":                              "",
		"set -g status off":                         "",
		"set -g @x { ls }":                          "1+1 block maybe: list-sessions",
		"setw -F window-style 'ls'":                 "1+1 template maybe: list-sessions",
		"choose-tree { switchc -t '%%' }":           "0+1 block template: switch-client -t=\"%%\"",
		"ls":                                        "",
	} {
		parsed, err := ParseText(text, ParseOptions{})
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		var got []string
		for _, n := range parsed.Commands[0].Nested() {
			s := string(rune('0'+n.Arg/10)) + string(rune('0'+n.Arg%10)) + "+" + string(rune('0'+n.Words))
			s = strings.TrimPrefix(s, "0")
			for _, word := range []struct {
				is   bool
				said string
			}{{n.Block, " block"}, {n.Template, " template"}, {n.Maybe, " maybe"}} {
				if word.is {
					s += word.said
				}
			}
			all, err := n.Commands(ParseOptions{})
			switch {
			case err != nil:
				got = append(got, s+": "+err.Error())
			case hasBlocks(all):
				got = append(got, s+": "+show(all)+", with blocks")
			default:
				got = append(got, s+": "+show(all))
			}
		}
		if strings.Join(got, " | ") != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// TestWordsRefuseBlocks: a block is never turned into a string on the way.
func TestWordsRefuseBlocks(t *testing.T) {
	parsed, err := ParseText("bind x { send '%1' \\; ; ls } ; if -F 1 {} ls", ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	inv := parsed.Commands[0].Clone()
	inv.Blocks[0].Commands[0].Args[0] = "changed"
	if got := parsed.Commands[0].Blocks[0].Commands[0].Args[0]; got != "%1" {
		t.Errorf("the copy changed its original: %q", got)
	}
	if words, err := inv.WordsFor(ParseOptions{}); err == nil {
		t.Errorf("%q", words)
	}
	text, werr := writeText(parsed.Commands, ParseOptions{Aliases: []CommandAlias{{"send-keys", "x"}}})
	if want := `bind-key -- x { send -- '%1' ';' ; list-sessions } ; if-shell -F -- 1 {  } ls`; werr != nil || text != want {
		t.Errorf("%s (%v), want %s", text, werr, want)
	}
	hide := ParseOptions{Aliases: []CommandAlias{{"ls", ""}, {"list-sessions", ""}, {"list-session", ""}, {"list-sessio", ""}, {"list-sessi", ""}, {"list-sess", ""}, {"list-ses", ""}, {"list-se", ""}, {"list-s", ""}}}
	if text, err := inv.Text(hide); err == nil {
		t.Errorf("%s", text)
	}
}

// TestExpansionIsTheServersOwn: who may ask the server gets what it says, with
// what the text itself has set.
func TestExpansionIsTheServersOwn(t *testing.T) {
	opts := ParseOptions{Expand: &Expansion{
		Variable: func(name string) (string, bool) { return "<" + name + ">", name != "GONE" },
		Home:     func(user string) (string, bool) { return "/home/" + user, user != "nosuch" },
	}}
	got, err := ParseText("A=b send $A ${B}x \"$C\" ~ ~u/x\nHOME=/h send ~ '$A' ; send $GONE.", opts)
	if err != nil || show(got.Commands) != `send-keys "b" "<B>x" "<C>" "<HOME>" "/home/u/x" ; send-keys "/h" "$A" ; send-keys "<GONE>."` {
		t.Errorf("%v %v", got, err)
	}
	if _, err = ParseText("send ~nosuch", opts); err == nil || err.Reason != Syntax {
		t.Error(err)
	}
	if _, err = ParseText("%if 1\nls\n%endif", opts); err == nil || err.Reason != NotExpanded {
		t.Error(err)
	}
}

// TestAssignmentsFollowTheVersion: until 3.5 only the innermost condition
// decides whether an assignment counts, and from 3.7 on it has a greatest length.
func TestAssignmentsFollowTheVersion(t *testing.T) {
	opts := ParseOptions{Expand: &Expansion{Condition: func(f string) bool { return f == "1" }}}
	for _, tc := range []struct {
		v    Version
		text string
		want int
	}{
		{v33a, "%if 0\n%if 1\nA=b\n%endif\n%endif", 1},
		{v36, "%if 0\n%if 1\nA=b\n%endif\n%endif", 0},
		{v33a, "%if 1\n%hidden A=b\n%else\nA=c\n%endif\n%if 0 A=d %endif", 1},
		{v36, "A=" + strings.Repeat("x", 20000), 1},
		{v37, "A=" + strings.Repeat("x", 20000), -1},
	} {
		opts.Version = tc.v
		got, err := ParseText(tc.text, opts)
		switch {
		case tc.want < 0:
			if err == nil || err.Text != "environment variable is too long" {
				t.Errorf("%s: %v", tc.v, err)
			}
		case err != nil || len(got.Assignments) != tc.want:
			t.Errorf("%s %.40q: %+v %v", tc.v, tc.text, got, err)
		}
	}
}
