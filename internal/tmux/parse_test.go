package tmux

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// show writes parsed commands down for comparing.
func show(all []*Invocation) string {
	var b strings.Builder
	for i, inv := range all {
		if i > 0 {
			b.WriteString(" ; ")
		}
		b.WriteString(inv.Row.Name)
		for _, f := range inv.Flags {
			fmt.Fprintf(&b, " -%c", f.Letter)
			if f.HasValue {
				fmt.Fprintf(&b, "=%q", f.Value)
			}
		}
		for _, a := range inv.Args {
			fmt.Fprintf(&b, " %q", a)
		}
	}
	return b.String()
}

func TestParseArgv(t *testing.T) {
	for _, tc := range []struct {
		argv []string
		want string
	}{
		{nil, `new-session`},
		{[]string{";"}, ``},
		{[]string{"ls"}, `list-sessions`},
		{[]string{"ls", ";", "ls"}, `list-sessions ; list-sessions`},
		{[]string{"ls;", ";", "ls;"}, `list-sessions ; list-sessions`},
		{[]string{"send-keys", "-t", "x", "-l", "hello;", "kill-server"}, `send-keys -t="x" -l "hello" ; kill-server`},
		{[]string{"send", `a\;`, `\;`, `;b`, `\\;`}, `send-keys "a;" ";" ";b" "\\;"`},
		{[]string{"send", "a;b", "c\\;d;"}, `send-keys "a;b" "c\\;d"`},
		{[]string{"kill-ser"}, `kill-server`},
		{[]string{"kill-p", "-at%1"}, `kill-pane -a -t="%1"`},
		{[]string{"neww", "-dk", "-t", "-x", "--", "-d", "x"}, `new-window -d -k -t="-x" "-d" "x"`},
		{[]string{"new", "-A", "-s", "", "-e", "A=b", "-e", "C=d"}, `new-session -A -s="" -e="A=b" -e="C=d"`},
		{[]string{"send", "-t", "x", "a", "-l"}, `send-keys -t="x" "a" "-l"`},
		{[]string{"send", "-", "x"}, `send-keys "-" "x"`},
		{[]string{"ls", "-F=x"}, `list-sessions -F="=x"`},
		{[]string{"splitp", "-h"}, `split-window -h`},
		{[]string{"mine", "x"}, `list-sessions ; kill-session -t="x"`},
		{[]string{"nothing", "x"}, ``},
	} {
		opts := ParseOptions{Aliases: append(DefaultAliases(),
			CommandAlias{"mine", "ls ; kill-session -t"}, CommandAlias{"nothing", ""})}
		all, err := ParseArgv(tc.argv, opts)
		if err != nil || show(all) != tc.want {
			t.Errorf("%q: %s, %v, want %s", tc.argv, show(all), err, tc.want)
		}
	}
}

// TestParseRefusesLikeTmux compares refusals, word for word; 3.2a words flags and
// counts otherwise, and is asked only whether it refuses.
func TestParseRefusesLikeTmux(t *testing.T) {
	srv := startServer(t)
	for _, argv := range [][]string{
		{"nosuch"}, {"disp"}, {"s"}, {""}, {"list"}, {"k"}, {"ls", ";", "nosuch"}, {"nosuch", ";", "disp"},
		{"kill-server", "-x"}, {"ls", "-Fx", "-Z"}, {"ls", "x"},
		{"rename-session"}, {"rename-session", "a", "b"}, {"ls", "-?"}, {"attach", "-?"}, {"send", "-H?"},
		{"kill-pane", "-."}, {"kill-pane", "-a-"}, {"load-buffer"}, {"has", "-t", "x", "y"},
		{"Kill-server"}, {"kill-server "}, {"-x"}, {"ls", "-\xff"}, {"select-layout", "a", "b"}, {"LS"},
	} {
		_, err := ParseArgv(argv, ParseOptions{Version: srv.v, Aliases: DefaultAliases()})
		if err == nil {
			t.Errorf("%q: parsed", argv)
			continue
		}
		args := argv
		if strings.HasPrefix(argv[0], "-") {
			args = append([]string{"--"}, argv...)
		}
		want, ok := srv.tryRun(args...)
		if srv.v == v32a && strings.Contains(want, "usage: ") {
			want = err.Text
		}
		if ok || err.Text != want && !strings.Contains(argv[len(argv)-1], "\xff") {
			t.Errorf("%q: %q, tmux %q", argv, err.Text, want)
		}
	}
}

// TestMissingValueIsRefused: a command that was cut off is never run with a
// default in place of what was meant.
func TestMissingValueIsRefused(t *testing.T) {
	_, err := ParseArgv([]string{"kill-session", "-t"}, ParseOptions{})
	if err == nil || err.Text != "command kill-session: -t expects an argument" {
		t.Errorf("%v", err)
	}
}

// TestEveryPrefix compares every start of every name and alias with what tmux
// takes it for: list-commands looks its argument up the same way.
func TestEveryPrefix(t *testing.T) {
	srv := startServer(t)
	c := srv.control("start")
	v := mustVersion(t, srv.run("display-message", "-p", "#{version}"))
	full, alias := CommandNames(v)
	words := map[string]bool{}
	for i := range full {
		for n := 1; n <= len(full[i]); n++ {
			words[full[i][:n]] = true
		}
		for n := 1; n <= len(alias[i]); n++ {
			words[alias[i][:n]] = true
		}
	}
	for word := range words {
		// An unknown flag is refused after the name was looked up.
		reply, ok := c.ask(word + " -_")
		if ok {
			t.Errorf("%s -_: accepted", word)
		}
		reply = strings.TrimPrefix(reply, "parse error: ")
		n, err := findName(word, v)
		got := ""
		if err != nil {
			got = err.Text
		} else {
			got = "command " + n.full + ": invalid flag -_"
		}
		if !v.AtLeast(v33) && err == nil { // it prints the synopsis
			got = "usage: " + n.full
			reply = reply[:min(len(reply), len(got))]
		}
		if a := findAlias(word, DefaultAliases()); a != nil {
			continue // an alias of that name beats what is compared here
		}
		if got != reply {
			t.Errorf("%s: %q, tmux %q", word, got, reply)
		}
	}
	t.Logf("%d words compared", len(words))
}

// TestTableAgainstTmux: for the tmux at hand every row has exactly the flags
// that tmux takes, also those that its synopsis keeps to itself, and what
// list-commands prints is a golden.
func TestTableAgainstTmux(t *testing.T) {
	srv := startServer(t)
	c := srv.control("start")
	text := srv.run("display-message", "-p", "#{version}")
	v := mustVersion(t, text)
	printed := srv.run("list-commands") + "\n"
	if golden, err := os.ReadFile(filepath.Join(goldens, text+".txt")); err != nil {
		t.Logf("tmux %s has no golden: %v", text, err)
	} else if string(golden) != printed {
		t.Errorf("tmux %s prints another list-commands than its golden", text)
	}
	compareListed(t, v, printed)
	full, _ := CommandNames(v)
	for _, row := range Commands() {
		if !slices.Contains(full, row.Name) {
			continue
		}
		for letter := byte('0'); letter <= 'z'; letter++ {
			if !alnum(letter) {
				continue
			}
			known, value := false, false
			if f := row.Flag(letter); f != nil {
				known, value = f.knows(v)
			}
			// What is read is not to be run as well: it may wait for ever.
			line := fmt.Sprintf("%s -%c", row.Name, letter) + "_"
			switch {
			case v.AtLeast(v33) && row.most(v) >= 0:
				line += strings.Repeat(" x", row.most(v)+1)
			case letter != 't' && row.Flag('t') != nil:
				line += " -t nosuch" + strings.Repeat(" x", row.MinArgs)
			default:
				line += strings.Repeat(" x", row.MinArgs)
			}
			reply, _ := c.ask(line)
			tmuxKnown := !strings.Contains(reply, fmt.Sprintf("unknown flag -%c", letter))
			tmuxValue := tmuxKnown && !strings.Contains(reply, "invalid flag -_")
			if !v.AtLeast(v33) { // it says "usage" to whatever it does not take
				tmuxKnown, tmuxValue = known, !strings.Contains(reply, "usage: ")
			}
			if known != tmuxKnown || value != tmuxValue {
				t.Errorf("%s -%c: known %v value %v, tmux %v %v (%s)", row.Name, letter, known, value, tmuxKnown, tmuxValue, reply)
			}
		}
	}
}

func TestArgvIsLiteral(t *testing.T) {
	for _, arg := range []string{"", ";", `\;`, `a;`, `a\;`, `a\\;`, "a;;", "-x", "--", "é;", "'", "\n;"} {
		inv := mustParse(t, "send-keys", "-t", "%1")
		inv.Args = []string{arg, "kill-server"}
		back, err := ParseArgv(inv.Argv(), ParseOptions{})
		if err != nil || len(back) != 1 || !reflect.DeepEqual(back[0].Args, inv.Args) {
			t.Errorf("%q: %s, %v", arg, show(back), err)
		}
	}
}

func TestSpellingAvoidsAliases(t *testing.T) {
	row := FindCommand("kill-pane")
	opts := ParseOptions{Aliases: []CommandAlias{{"kill-pane", "run-shell x"}, {"killp", "y"}, {"kill-pan", "z"}}}
	if got, ok := row.Spelling(opts); !ok || got != "kill-pa" {
		t.Errorf("got %q %v", got, ok)
	}
	for _, n := range []string{"kill-pa", "kill-p"} {
		opts.Aliases = append(opts.Aliases, CommandAlias{n, "x"})
	}
	if got, ok := row.Spelling(opts); ok {
		t.Errorf("got %q", got)
	}
	if _, err := mustParse(t, "kill-pane").WordsFor(opts); err == nil {
		t.Error("words without a spelling")
	}
}

func TestAliasThatCannotBeReadIsRefused(t *testing.T) {
	for _, value := range []string{"{ ls }", "A=b ls", "ls $HOME", "ls ~", "%if 1", "; ls", `ls \9\0`, `ls "\777"`, "ls\x00"} {
		_, err := ParseArgv([]string{"list-panes"}, ParseOptions{Aliases: []CommandAlias{{"list-panes", value}}})
		if err == nil || err.Reason != BadAlias {
			t.Errorf("%q: %v", value, err)
		}
	}
}

// TestIndirect: of a command that an alias has said it is known that nobody has written it
// so, also in a block; of those beside it that somebody has.
func TestIndirect(t *testing.T) {
	opts := ParseOptions{Aliases: []CommandAlias{{"say", "ls ; new -s"}}}
	text, err := ParseText("lsw ; say a ; if-shell x { say b } ; ls", opts)
	if err != nil {
		t.Fatal(err)
	}
	all := text.Commands
	all = append(all, all[3].Blocks[0].Commands...)
	var got []bool
	for _, inv := range all {
		got = append(got, inv.Indirect)
	}
	if want := []bool{false, true, true, false, false, true, true}; !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", show(all), got, want)
	}
}

// TestWaysToRunAShell: by whatever name a command that runs a shell is called,
// it is known for what it is.
func TestWaysToRunAShell(t *testing.T) {
	for _, line := range []string{
		"run-shell id", "run id", "run-sh id", "if true ls", "pipe -t w:1 id", "so x", "confirm ls", "menu a b c", "popup id",
		"bind x ls", "set-h x y", "command-p", "choose-t", "displayp", "set status-left x", "setw @x y", "run -C ls",
	} {
		all, err := ParseArgv(strings.Fields(line), ParseOptions{Aliases: DefaultAliases()})
		if err != nil || len(all) != 1 || !slices.Contains(all[0].Needs(), Need{Verb: verbExecute, On: OnServer}) {
			t.Errorf("%s: %s %v", line, show(all), err)
		}
	}
}

// TestOptionalValue: a value that may be left out is not found in what follows.
func TestOptionalValue(t *testing.T) {
	all, err := ParseArgv([]string{"refresh-client", "-S", "-l"}, ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	all[0].Set('t', "me")
	if got := strings.Join(all[0].Words(), " "); got != "refresh-client -S -t me -l" {
		t.Error(got)
	}
	all, err = ParseArgv([]string{"refresh-client", "-l", "-S"}, ParseOptions{})
	if err != nil || show(all) != `refresh-client -l="-S"` {
		t.Errorf("%s %v", show(all), err)
	}
}

func TestNewerFlagsNeedNewerTmux(t *testing.T) {
	argv := []string{"send-keys", "-K", "x"}
	if _, err := ParseArgv(argv, ParseOptions{}); err == nil || err.Text != "command send-keys: unknown flag -K" {
		t.Errorf("3.3a: %v", err)
	}
	all, err := ParseArgv(argv, ParseOptions{Version: v34})
	if err != nil || !slices.Contains(all[0].Needs(), Need{Verb: "configure", On: OnServer}) {
		t.Errorf("3.4: %v %v", show(all), err)
	}
}

// Up to 3.2 flags end at a hyphen behind one of them, whose word is then an argument as
// well (FuzzArgvAgainstTmux); later it is no flag.
func TestHyphenAmongFlags(t *testing.T) {
	for version, fits := range map[string]bool{"3.2a": true, "3.3a": false, "3.7c": false} {
		opts := ParseOptions{Version: mustVersion(t, version)}
		all, err := ParseArgv([]string{"new-session", "-A-", "-d"}, opts)
		if (err == nil) != fits {
			t.Errorf("%s: %v", version, err)
		}
		if err == nil && (!all[0].Has('A') || all[0].Has('d') || !slices.Equal(all[0].Args, []string{"-A-", "-d"})) {
			t.Errorf("%s: flags %v, arguments %q", version, all[0].Flags, all[0].Args)
		}
		if _, err := ParseArgv([]string{"new-session", "--x"}, opts); err == nil {
			t.Errorf("%s: --x is taken", version)
		}
		if all, err := ParseArgv([]string{"new-session", "-d", "-t-"}, opts); err != nil || all[0].Flags[1].Value != "-" {
			t.Errorf("%s: -t-: %v, %v", version, all, err)
		}
		if all, err := ParseArgv([]string{"new-session", "-d"}, opts); err != nil || len(all[0].Args) != 0 {
			t.Errorf("%s: -d alone: %v, %v", version, all, err)
		}
	}
}

// How many arguments run-shell takes differs between versions.
func TestArgumentsOfRunShell(t *testing.T) {
	for version, most := range map[string]int{"3.2a": 1, "3.3a": 1, "3.4": 2, "3.5a": 2, "3.6": 1, "3.6b": 1, "3.7c": 8} {
		opts := ParseOptions{Version: mustVersion(t, version)}
		for n := range 9 {
			argv := append([]string{"run-shell"}, slices.Repeat([]string{"a"}, n)...)
			if _, err := ParseArgv(argv, opts); (err == nil) != (n <= most) {
				t.Errorf("%s: %d arguments: %v, want no more than %d", version, n, err, most)
			}
		}
	}
}

// What does not fit a command's synopsis is refused in the words of the server's version.
func TestRefusedInWordsOfTheVersion(t *testing.T) {
	for _, c := range []struct {
		argv     []string
		old, now string
	}{
		{[]string{"rename-session"}, "usage: rename-session [-t target-session] new-name", "command rename-session: too few arguments (need at least 1)"},
		{[]string{"ls", "x"}, "usage: list-sessions [-F format] [-f filter]", "command list-sessions: too many arguments (need at most 0)"},
		{[]string{"new-window", "-x"}, "usage: new-window [-abdkPS] [-c start-directory] [-e environment] [-F format] [-n window-name] [-t target-window] [command]",
			"command new-window: unknown flag -x"},
		{[]string{"show-buffer", "-b"}, "usage: show-buffer [-b buffer-name]", "command show-buffer: -b expects an argument"},
	} {
		for version, want := range map[string]string{"3.2a": c.old, "3.3a": c.now} {
			if _, err := ParseArgv(c.argv, ParseOptions{Version: mustVersion(t, version)}); err == nil || err.Text != want {
				t.Errorf("%s: %q: %v, want %q", version, c.argv, err, want)
			}
		}
	}
}
