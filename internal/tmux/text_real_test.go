package tmux

import (
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/muxward/muxward/internal/soak"
	"pgregory.net/rapid"
)

// tricky are texts in which a reader of tmux's language goes wrong first.
var tricky = []string{
	"", "\n", ";", "ls", "ls;", "ls ;; ls", "; ls", "ls ; ; ls ;", "ls\nls", "ls ; ls\nls", "ls # x\nls", "ls ; ls # x\nls ; ls",
	"ls \\\n -F x", "ls\\\n", "ls \\", "l\\\ns", "send a\\\nb", "send a\\\\\nls", "send a\\\\\\\nb", "# x \\\n y\nls", "send 'a\\\nb'", "send \"a\\\nb\"",
	"send \"a\nb\"", "send \"a\n  b\"", "send \"a\n # c\nb\"", "send \"a\n#\nb\nc\"", "send \"a\n#{x}\nb\"", "send \"a\n#,x\"", "send 'a\n\t# c\n\n  d'", "send \"a\n\n\nb\"\nls ; ls",
	"send 'a", `send "a`, "send a'b'c\"d\"e", "send ''", `send ""`, `send "'" '"'`, `send "\"" '\'`, `send \' \"`, "send ''\"\"", "send a''",
	`send \a\b\e\f\s\v\r\n\t\x\z\9`, `send \033 \377 "\101"`, `send \400`, `send \08`, `send \1`, `send \12`, `send "\19"`, `send \u0041\u00e9 \U0001f600`, `send \u12`, `send \u12g4`, `send \ud800`, `send \U00110000`,
	`send \000`, `send "\u0000"`, `send \`, `send \;`, `send \; ; ls`, `send a\;b`, `send a;ls`, `send {`, `send }`, `send a{b`, `send a}b`, `send \{ \}`, "send '{' '}'",
	"send $HOME", "send ${HOME}x", "send $HOMEx", "send $", "send \"$\"", "send $1", "send ${1}", "send ${}", "send ${HOME", "send ${a-b}", "send '$HOME'", `send \$HOME`, `send "\$HOME"`, "send a$PATH/b", "send $NOSUCH x", "send $$HOME",
	"send $\\\\x", "send $\\x", "send $HOME\\\\x", "send $\\\\\\\nx", "send $\\\nHOME", "send $HO\\\nME", "send ${HO\\\nME}",
	"send ~", "send ~/x", "send a~", "send '~'", `send "~"`, `send \~`, "send ''~", "send a\"~\"", "send a''~", "send ~root/x", "send ~nosuch", "send ~;", "send ~'x'", "send x~root", "send \"a\"~", "send ~\\\n/x",
	"send #x", "send a#x", "send #{x}", "send '#{x}'", "send a#{x}", "send # x", "send a #", "#", "#{x}", "ls #{x}", "ls;#x\nls",
	"send %1", "send %%", "send %", "send %x", "send %1;ls", "send a%if", "send '%if'", "%1", "%end", "%x", "send %endif",
	"A=b", "A=b ls", "A=b C=d", "A=b ; ls", "ls ; A=b", "ls ; A=b ; lsw", "send A=b", "'A'=b ls", `"A=b" ls`, "1=b ls", "=b ls", "A-=b ls", "_=b ls", "A= ls", "A=\"b c\" ls", "%hidden A=b", "%hidden A=b ls", "%hidden", "%hidden ls", "%hidden A=b\nls", "A=b\nsend x", "A=$HOME", "send a =b", "A==b", "a=b # x",
	"{", "}", "{ ls }", "bind x { ls }", "bind x {ls}", "bind x { ls", "bind x {}", "bind x { }", "bind x {\n}", "bind x {\nls\n}", "bind x { ls\n ls ; ls\n\n ls }", "bind x { bind y { ls } ; lsw }", "bind x { ls } y", "bind x { ls }y", "bind x y{ ls }", "bind x { ls } ; ls", "bind x { ls } # x\nls", "bind { ls }", "bind x { # }\n}", "bind x { nosuch }", "bind x { ls -Z } -Z", "bind x { A=b }", "bind x { A=b ls }", "bind x { ls } { ls }", "bind -N { ls }", "bind -N{ ls }", "bind -n x { ls }",
	"bind x { send 'a\nb' }", "bind x { send } }", "bind x { send \\} }", "bind x { send '}' }", "bind x { ls; }", "bind x { ; }", "bind x { ls;; ls }", "bind x ''{ ls }", "bind x \\{ ls }",
	"send { ls }", "ls { ls }", "if -F 1 { ls } { lsw }", "if { ls } ls", "if -F 1 { ls } { ls } { ls }", "if -F 1 { ls", "run -C { ls }", "run { ls }", "set -g x { ls }", "set { ls } x", "set-hook -g after-new-window { ls }", "confirm { ls }", "confirm -p x { ls }", "command-prompt { ls }", "command-prompt -p { ls }", "display-panes { ls }",
	"menu a b { ls }", "menu { ls }", "menu '' a b { ls }", "menu a b { ls } '' c d { ls }", "menu a { ls } b", "menu a b 'ls' c d { ls } e", "menu a b { } { ls }", "choose-tree { ls }",
	"%if 1\nls\n%endif", "%if 0\nls\n%endif", "%if 1\n%endif", "%if 1\n\n%endif", "%if 1\nls\n%else\nlsw\n%endif", "%if 0\nls\n%else\nlsw\n%endif", "%if 0\nls\n%elif 1\nlsw\n%else\nlsp\n%endif", "%if 0\nls\n%elif 0\nlsw\n%else\nlsp\n%endif", "%if 1\nls\n%elif 1\nlsw\n%else\nlsp\n%endif", "%if 0\nls\n%elif 0\nlsw\n%elif 1\nlsb\n%endif",
	"%if 1 ls %endif", "%if 0 ls %endif", "%if 1 ls %else lsw %endif", "%if 0 ls %elif 1 lsw %else lsp %endif", "%if 0 ls ; ls %else lsw ; lsw %endif ; lsp", "ls ; %if 0 lsw %endif ; lsp", "ls ; %if 1 lsw %endif", "%if 1 %endif", "%if 1 %if 0 ls %else lsw %endif %endif", "%if 1 ls ; %if 1 lsw %endif ; lsp %endif", "%if 1 A=b %endif", "%if 1 ls ; A=b %endif", "ls %if 1 ls %endif", "%if 1 ls %endif ls", "%if 1 ls %endif;", "%if 1 ls %endif ;ls",
	"%if #{==:a,a}\nls\n%endif", "%if \"#{==:a,b}\"\nls\n%endif", "%if #{==:a,a} ls %endif", "%if '#{==:a,a}' ls %endif", "%if #{\nls\n%endif", "%if #{a", "%if # x\nls\n%endif", "%if", "%if\n", "%if a=b\nls\n%endif", "%if 1", "%if 1\nls", "%endif", "%else", "%elif 1", "%if 1\nls\n%endif ls", "%if 1\nls\n%endif ; ls", "%if 1\nls\n%endif # x\nls", "%if 1 # x\nls\n%endif", "%if 1\nls\n%else x\nls\n%endif", "%if 1\nls\n%else #{x}\nls\n%endif", "%if 1\nls\n%else\nls\n%else\nls\n%endif",
	"%if 1\n%if 0\nls\n%else\nlsw\n%endif\n%endif", "%if 0\n%if 1\nls\n%endif\nlsw\n%endif", "%if 1\nls\n%endif\nlsw ; lsp", "%if 0\nA=b\n%else\nA=c\n%endif", "%if 0\nls $NOSUCH nosuch\n%endif", "%if 0\nnosuch\n%endif", "%if 0\nls -Z\n%endif", "%if 0\nls }\n%endif", "%if 1\nbind x {\n%endif\n}", "bind x {\n%if 1\nls\n%endif\n}", "bind x {\n%if 1\nls\n%endif }", "bind x { %if 1 ls %endif }", "bind x { %if 1 ls %endif}", "bind x {\n%if 0\nls\n%else\nlsw\n%endif\nlsp\n}", "%if 1\nbind x { ls\n }\n%endif", "%if\\\n 1\nls\n%endif",
	"\rls", "ls\r", "ls\r\nls", "ls\r\n\r\nls", "send a\rb", "send 'a\r\nb'", "send a\r\\\\b", "\r\\\\\n", "%if 1\r\nls\r\n%endif\r\n", "# x\r\nls", "bind x { ls\r\n}\r\n", "send \"a\r\n b\"", "\r", "\r\n", "ls;\r\nls",
	"nosuch", "disp", "ls ; nosuch", "ls -Z", "ls x", "send-keys -", "send --  -x", "send -?", "kill-pane -t", "LS", "'ls'", `"l"s`, `l\s`, "ls -F'a b'", "-x", "send -N", "send -N { ls }", "'' x", `"" x`, "bind", "if a", "new -A -s x -- ls",
	"ls\xff", "ls\x00", "send é日 \"é\"", "send \xc3 x", "send \x01\x7f", "\tls\t;\tls\t", "\vls", "ls\f", "\u00a0ls",
	"send " + strings.Repeat("\\", 7) + "\nx", "send " + strings.Repeat("\\\n", 5) + "x", "send \"" + strings.Repeat("\\", 6) + "\"",
}

// TestTrickyTextsAreReadAsTmuxReadsThem compares the corners one by one.
func TestTrickyTextsAreReadAsTmuxReadsThem(t *testing.T) {
	r := startReading(t)
	for _, text := range tricky {
		r.compare(text)
	}
	t.Logf("%d read alike, %d refused for a reason of ours, %d not comparable", r.same, r.refused, r.skipped)
	if r.same < len(tricky)*7/10 {
		t.Errorf("only %d of %d compared", r.same, len(tricky))
	}
}

// TestConfigurationsAreReadAsTmuxReadsThem compares whole files, and each of
// their lines alone.
func TestConfigurationsAreReadAsTmuxReadsThem(t *testing.T) {
	files, err := filepath.Glob("testdata/conf/*.conf")
	if err != nil || len(files) < 4 {
		t.Fatal(files, err)
	}
	r := startReading(t)
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseText(string(data), r.opts); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if strings.HasSuffix(file, "/variables.conf") {
			// What is assigned only counts if it is not only parsed.
			r.compareAs(t, "-v", string(data))
			continue
		}
		r.compare(string(data))
		for line := range strings.Lines(string(data)) {
			r.compare(line)
			r.compare(strings.TrimSuffix(line, "\n"))
		}
	}
	t.Logf("%d read alike, %d refused for a reason of ours, %d not comparable", r.same, r.refused, r.skipped)
}

// TestPaneIsNotReadAlong has somebody write to the terminal of the server's pane, as
// any process of root's may: that is none of what the server says about a text.
func TestPaneIsNotReadAlong(t *testing.T) {
	r := startReading(t)
	pane, err := os.OpenFile(r.srv.run("display-message", "-p", "#{pane_tty}"), os.O_WRONLY|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer pane.Close()
	if _, err := pane.WriteString("written by another\r\n"); err != nil {
		t.Fatal(err)
	}
	until(t, "tmux reads the terminal", func() bool {
		return strings.Contains(r.srv.run("capture-pane", "-p"), "written by another")
	})
	r.compare("list-sessions")
}

// TestRandomTextsAreReadAsTmuxReadsThem makes texts of the pieces that mean
// something in the language.
func TestRandomTextsAreReadAsTmuxReadsThem(t *testing.T) {
	// A failure prints all that is needed; a file of it would stay in the tree.
	if err := flag.Set("rapid.nofailfile", "true"); err != nil {
		t.Fatal(err)
	}
	r := startReading(t)
	for range soak.N(1000, 10) {
		rapid.Check(t, func(t *rapid.T) {
			text := texts().Draw(t, "text")
			r.compareAs(t, "-nv", text)
			if parsed, err := ParseText(text, r.opts); err == nil {
				r.compareAs(t, "-nv", writtenBack(t, parsed.Commands, r.opts))
			}
		})
	}
	t.Logf("%d read alike, %d refused for a reason of ours, %d not comparable", r.same, r.refused, r.skipped)
}

// writtenBack writes commands and checks that they are read again as they were,
// by somebody who is told nothing about the server.
func writtenBack(t interface{ Fatalf(string, ...any) }, all []*Invocation, opts ParseOptions) string {
	line, err := writeText(all, opts)
	if err != nil || strings.ContainsAny(line, "\r\n") {
		t.Fatalf("%s: %q (%v)", show(all), line, err)
	}
	opts.Expand = nil
	again, terr := ParseText(line, opts)
	if terr != nil {
		t.Fatalf("%s became %q: %v", show(all), line, terr)
	}
	oneGroup := strings.NewReplacer(" ;; ", " ; ")
	want := oneGroup.Replace(canonicalAll(all, opts.Version))
	if got := oneGroup.Replace(canonicalAll(again.Commands, opts.Version)); got != want {
		t.Fatalf("%s\nbecame %s\nby %q", want, got, line)
	}
	return line
}

// TestAliasesAreReadAsTmuxReadsThem compares what an alias becomes, alone, with
// arguments, in blocks and next to other commands.
func TestAliasesAreReadAsTmuxReadsThem(t *testing.T) {
	r := startReading(t)
	if r.opts.Version == Oldest() {
		t.Log("3.2a prints blocks as they were written: nothing to compare")
		return
	}
	r.opts.Aliases = []CommandAlias{
		{"one", "lsw -a"}, {"two", "lsw ; lsp -a"}, {"lines", "lsw\nlsp ; lsb\n"}, {"none", ""}, {"comment", "# x"}, {"self", "self"}, {"ls", "lsw"}, {"lsw", "ls"},
		{"block", "if -F 1 { lsw ; two } {"}, {"whole", "if -F 1 { lsw ; ls\n lsp }"}, {"quoted", "send 'a b' \"c\\td\" \\;x"}, {"home", "send $HOME ~"}, {"long", "send \\\n a"}, {"if-shell", "lsb"}, {"cond", "%if 1 lsw %else lsp %endif"},
		{"tail", "lsw ;"}, {"two", "never"}, {"", "lsw"}, {"a b", "lsw"}, {"bad", "lsw }"}, {"unknown", "nosuch"},
	}
	for i, a := range r.opts.Aliases {
		line, err := QuoteControl([]string{"set-option", "-s", "command-alias[" + strconv.Itoa(i) + "]", a.Name + "=" + a.Value})
		if err != nil {
			t.Fatal(err)
		}
		if reply, ok := r.c.ask(line); !ok {
			t.Fatal(line, reply)
		}
	}
	// With one key alone, newer versions do not list but show it.
	if reply, ok := r.c.ask("bind-key -T compared y send-keys y"); !ok {
		t.Fatal(reply)
	}
	for _, text := range []string{
		"one", "one -F x", "one ; ls", "two -F x ; one", "two", "lines", "lines -F x", "lsp ; lines ; lsp", "none", "none x", "lsp ; none ; lsp", "none\nlsp", "comment", "self", "ls", "ls -F x", "lsw -F x", "'one'", "on",
		"block", "whole", "whole { ls ; one }", "if-shell -F x", "if -F 1 { one ; ls } { ls }", "if -F 1 { whole }", "quoted", "quoted e\nls", "home", "long b", "cond", "cond -a", "tail", "tail -a", "'' -a", "'a b' -a", "bad", "unknown",
		"one\nls ; two\nlsp", "if -F 1 {\n two\n lines }", "two { ls }", "one A=b", "A=b one",
	} {
		line := "bind-key -T compared x {\n" + text + "\n}"
		parsed, err := ParseText(line, r.opts)
		lines := r.theirs("-", line)
		if err != nil {
			if err.Reason != BadAlias && !sameError(err.Text, strings.Join(lines, "\n"), r.opts.Version) || len(lines) == 0 {
				t.Errorf("%q: %v, tmux %q", text, err, lines)
			}
			continue
		}
		if len(lines) > 0 {
			t.Errorf("%q: tmux says %q", text, lines)
		}
		got := r.bound("compared", "x")
		want := canonicalAll(parsed.Commands[0].Blocks[0].Commands, r.opts.Version)
		if r.opts.Version.AtLeast(v37) {
			// There list-keys does not always show what groups.
			got, want = strings.ReplaceAll(got, " ;; ", " ; "), strings.ReplaceAll(want, " ;; ", " ; ")
		}
		if got != want {
			t.Errorf("%q: parsed %q, tmux %q", text, want, got)
		}
	}
}

// TestStringsAreReadAsTmuxReadsThem: command text also comes as a string, for
// which tmux has another reader. bind-key parses one and runs nothing of it.
func TestStringsAreReadAsTmuxReadsThem(t *testing.T) {
	r := startReading(t)
	r.opts.OneGroup = true
	if reply, ok := r.c.ask("bind-key -T compared y send-keys y"); !ok {
		t.Fatal(reply)
	}
	for _, text := range tricky {
		r.unknown = false
		parsed, err := ParseText(text, r.opts)
		if r.unknown || err != nil && ours(err, r.opts.Version) {
			r.refused++
			continue
		}
		line, qerr := QuoteControl([]string{"bind-key", "-T", "compared", "x", text})
		if qerr != nil {
			t.Fatal(qerr)
		}
		reply, ok := r.c.ask(line)
		if err != nil {
			if ok || !sameError(err.Text, reply, r.opts.Version) {
				if r.opts.Version != Oldest() {
					t.Errorf("%q: %v, tmux %q", text, err, reply)
				}
			}
			continue
		}
		if r.opts.Version == Oldest() && (hasBlocks(parsed.Commands) || len(parsed.Commands) == 0) {
			continue // it has no empty bindings
		}
		// list-keys writes "\;" for a separator and for a semicolon.
		want := strings.ReplaceAll(canonicalAll(parsed.Commands, r.opts.Version), `\;`, ";")
		if got := strings.ReplaceAll(r.bound("compared", "x"), `\;`, ";"); !ok || got != want {
			t.Errorf("%q: parsed %q, tmux %q (%s)", text, want, got, reply)
		}
		r.same++
	}
	t.Logf("%d read alike, %d refused for a reason of ours", r.same, r.refused)
}

// bound returns what a key is bound to, as commands of a file.
func (r *reading) bound(table, key string) string {
	r.t.Helper()
	all, _ := r.c.ask("list-keys -T " + table)
	for line := range strings.SplitSeq(all, "\n") {
		fields := strings.Fields(line)
		if len(fields) < 4 || fields[3] != key {
			continue
		}
		_, commands, _ := strings.Cut(line, " "+key+" ")
		return strings.NewReplacer(` \;\; `, " ;; ", ` \; `, " ; ").Replace(strings.TrimLeft(commands, " "))
	}
	return ""
}

// texts are mostly sensible lines, with pieces in odd places now and then.
func texts() *rapid.Generator[string] {
	odd := rapid.SampledFrom([]string{
		" ", "\n", ";", " ; ", "\\", "\\\n", "'", `"`, "{", "}", " { ", " }", "\n}", "#", " # x\n", "#{", "$", "$HOME", "${HOME}", "~", " ~root", "%", "%if 1\n", "%if 0 ",
		"%elif 1\n", "%else\n", " %else ", "%endif\n", " %endif", "%hidden ", "A=b", " A=b ", "\r", "\r\n", "\t", `\e`, `\033`, `\u00e9`, "é", "ls", "\nls", "a", "-", "-t", "=", "\n  ", "\n # ",
	})
	part := rapid.OneOf(
		rapid.SampledFrom([]string{"a", "b.c", "-x", "%1", "#", "a#b", "{}", "$", "$HOME", "${HOME}", "$NOSUCH", "~", "~root/", "a~", "A=b", "\\;", `\"`, `\'`, `\\`, `\$`, `\n`, `\s`, `\101`, "\\\n", "''", `""`, "é", "日"}),
		rapid.Map(rapid.StringOfN(rapid.SampledFrom([]rune("ab $~#;{}%=\\\n\t\"é")), 0, 8, -1), func(s string) string { return "'" + s + "'" }),
		rapid.Map(rapid.StringOfN(rapid.SampledFrom([]rune("ab ~#;{}%=\n\t'é\r")), 0, 8, -1), func(s string) string { return `"` + s + `"` }),
	)
	word := rapid.Map(rapid.SliceOfN(part, 1, 3), func(s []string) string { return strings.Join(s, "") })
	command := rapid.Custom(func(t *rapid.T) string {
		head := rapid.SampledFrom([]string{"send", "send-keys -t x", "set -g @x", "ls", "bind x", "bind -n y send", "lsw -a", "display -p", "A=b", "X='a b' send", "neww -d"}).Draw(t, "head")
		return head + " " + strings.Join(rapid.SliceOfN(word, 0, 4).Draw(t, "words"), " ")
	})
	line := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(command, 1, 3).Draw(t, "commands"), rapid.SampledFrom([]string{" ; ", ";", " ;; ", " ;\\\n"}).Draw(t, "between"))
	})
	lines := rapid.Map(rapid.SliceOfN(line, 1, 3), func(s []string) string { return strings.Join(s, "\n") })
	shape := rapid.Custom(func(t *rapid.T) string {
		body := lines.Draw(t, "body")
		switch rapid.IntRange(0, 9).Draw(t, "shape") {
		case 0:
			return "bind x {\n" + body + "\n}\n" + line.Draw(t, "after")
		case 1:
			return "if -F 1 { " + body + " } { " + line.Draw(t, "else") + " } ; ls"
		case 2:
			return "%if " + rapid.SampledFrom([]string{"1", "0", "#{==:a,a}", "''"}).Draw(t, "format") + "\n" + body + "\n%else\n" + line.Draw(t, "else") + "\n%endif"
		case 3:
			return "send a ; %if " + rapid.SampledFrom([]string{"1", "0"}).Draw(t, "format") + " " + line.Draw(t, "then") + " %endif ; ls"
		case 4:
			return body + " # comment\n" + line.Draw(t, "after")
		}
		return body
	})
	return rapid.Custom(func(t *rapid.T) string {
		text := shape.Draw(t, "shape")
		for range rapid.IntRange(0, 3).Draw(t, "oddities") {
			at := rapid.IntRange(0, len(text)).Draw(t, "at")
			text = text[:at] + odd.Draw(t, "odd") + text[at:]
		}
		return text
	})
}

// TestEveryCommandIsReadAsTmuxReadsIt writes each command of the table with and
// without each of its flags, with few and many arguments, and with blocks in
// their places and in those of values.
func TestEveryCommandIsReadAsTmuxReadsIt(t *testing.T) {
	r := startReading(t)
	full, _ := CommandNames(r.opts.Version)
	for _, name := range full {
		row := FindCommand(name)
		for _, args := range []string{"", " a", " a b", " a b c", " a b c d", " -- -a", " { lsw }", " a { lsw }", " a b { lsw }", " a b c { lsw }", " { lsw } { lsp }"} {
			r.compare(name + args)
		}
		for i := range row.Flags {
			flag := name + " -" + string(rune(row.Flags[i].Letter))
			for _, rest := range []string{"", " a", " a b", " a b c", "a", " { lsw }", " a { lsw }", " a b { lsw }"} {
				r.compare(flag + rest)
			}
		}
	}
	t.Logf("%d read alike, %d refused for a reason of ours, %d not comparable", r.same, r.refused, r.skipped)
}
