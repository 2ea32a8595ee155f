package tmux

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// oddBindings are keys, commands and words in which a reader of what list-keys
// prints goes wrong first.
var oddBindings = []string{
	`bind -T odd \; send-keys 'a\;' \; new-window`, `bind -T odd '"' display 'x"y'`, `bind -T odd '#' display '#{pane_id} #'`, `bind -T odd "'" display "it's"`,
	`bind -T odd '\' display 'b\s'`, `bind -T odd '~' send-keys '~/x' '~'`, `bind -T odd '{' display '{'`, `bind -T odd '}' display '}'`, `bind -T odd '$' display '$HOME \$x $ $1 ${a} "'`,
	`bind -T odd '%' display '%if x'`, `bind -T odd é display 'ünï漢 '`, `bind -T odd User3 display ''`, "bind -T odd Any display \"tab\tx\"",
	"bind -T odd a { new-window ; display \"x;y\"\n split-window }", `bind -T odd b new-window \; split-window`, "bind -T odd c if -F 1 { new-window ; kill-pane\n display a } { display b }",
	`bind -T odd d if -F 1 "new-window ; kill-pane" "display b"`, `bind -T odd e confirm-before -p "kill? (y/n)" "kill-pane ; display x"`, `bind -T odd f send-keys \\\; \; send-keys ";"`,
	`bind -r -N "a note; 'x" -T odd g next-window`, `bind -T odd h send-keys -l "a\nb" C-m "\e[A" "\001" "\177"`, `bind -T odd i send-keys ""`, `bind -T odd j send-keys a \\\; b \\\; \\\; \; send-keys ' \;'`,
	`bind -T odd k display-menu -T x a b { new-window ; kill-pane } "" c d "kill-window"`, `bind -T odd C-\; display 'a"b\c'`, `bind -T odd M-\" display "a'b\"c\\d"`, `bind -T odd "M-'" display "\\"`,
	`bind -T odd C-M-S-Up send-keys "\\\$x" '\\'`, `bind -T odd C-Space send-keys '#(x)' "%%" '%1'`, `bind -T odd m send-keys '; x' 'a ; b' 'x \\;'`, `bind -T odd n set -g @x "a=b" \; set -g @y c=d`,
	`bind -T odd o if -F "#{==:#{pane_title},{}" { if -F 0 { send-keys "}" \; } { send-keys '{' } } { send-keys "a;" "\;" }`, `bind -T odd p run-shell "echo 'a \"b\" $c'"`, `bind -T odd q send-keys "\\" "\\\\" '\a' 'é\'`,
	`bind -T odd F1 send-keys -N 3 é`, `bind -T odd BTab send-prefix`, `bind -T odd KPEnter clock-mode`, `bind -T odd -r MouseDown1Pane select-pane -t =`, `bind -T odd C-a display -p "a   b"`,
}

func keyTables(t testing.TB, c *control) *KeyTables {
	t.Helper()
	tables, err := ParseKeyTables(c.v, keyReplies(t, c), nil)
	if err != nil {
		t.Fatal(err)
	}
	return tables
}

func keyReplies(t testing.TB, c *control) [][]byte {
	t.Helper()
	lines, err := KeyCommands(ParseOptions{Version: c.v})
	if err != nil {
		t.Fatal(err)
	}
	for range 20 { // from 3.7 on a busy machine may have it unfinished
		c.send(lines...)
		var replies [][]byte
		for _, line := range lines {
			body, ok := c.reply()
			if !ok {
				t.Fatalf("%s: %s", line, body)
			}
			replies = append(replies, bytes.Clone(body))
		}
		if _, err := ParseKeyTables(c.v, replies, nil); !errors.Is(err, ErrUnfinished) {
			return replies
		}
	}
	t.Fatal(ErrUnfinished)
	return nil
}

// What is read of each binding is what the server has: bound again as it was
// read, it is listed alike.
func TestBindingsAreWhatTheServerHas(t *testing.T) {
	s := startServer(t)
	c := s.control("start")
	conf := filepath.Join(t.TempDir(), "conf")
	if err := os.WriteFile(conf, []byte(strings.Join(oddBindings, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.run("source-file", conf)
	tables := keyTables(t, c)
	count := 0
	for name, table := range tables.tables {
		for key, b := range table.keys {
			count++
			commands, err := b.Commands()
			if err != nil {
				t.Errorf("%s %s: %q: %v", name, key, b.text, err)
				continue
			}
			text, err := writeText(commands, ParseOptions{Version: s.v})
			if err != nil {
				t.Errorf("%s %s: %v", name, key, err)
				continue
			}
			block := "{ " + text + " }"
			if s.v == Oldest() && !strings.Contains(text, ";") {
				block = text // there a block is kept as text, and escaped once more
			}
			if reply, ok := c.ask("bind-key -T again x " + block); !ok {
				t.Errorf("%s %s: %q: %s", name, key, text, reply)
			}
			// With one key alone, some versions do not list but show it.
			c.ask("bind-key -T again y send-keys y")
			again, err := ParseKeyTables(s.v, keyReplies(t, c), nil)
			if err != nil {
				t.Fatal(err)
			}
			oneGroup := strings.NewReplacer(` \;\; `, ` \; `, " ;; ", " ; ")
			got, want := oneGroup.Replace(again.tables["again"].keys["x"].text), oneGroup.Replace(b.text)
			if got != want {
				t.Errorf("%s %s:\n has  %s\n read %s", name, key, want, got)
			}
		}
	}
	if len(tables.tables) != 5 || count < 250 || len(tables.tables["odd"].keys) != len(oddBindings) {
		t.Errorf("%d tables, %d keys, %d odd ones of %d", len(tables.tables), count, len(tables.tables["odd"].keys), len(oddBindings))
	}
	if b := tables.tables["odd"].keys["g"]; b == nil || !b.Repeat || tables.tables["odd"].keys["h"].Repeat {
		t.Error("-r is not read")
	}
}

// keyNames are all keys that are told apart.
func keyNames() []string {
	var names []string
	for c := range rune(128) {
		if key := CharKey(c); c != 0x7f {
			names = append(names, key, MetaKey(key))
		}
	}
	for _, c := range "é漢ñ" {
		names = append(names, CharKey(c), MetaKey(CharKey(c)))
	}
	for _, base := range strings.Fields("Up Down Left Right Home End IC DC PPage NPage F1 F2 F3 F4 F5 F6 F7 F8 F9 F10 F11 F12 BSpace Tab Enter Escape Space") {
		for _, mods := range []string{"", "S-", "M-", "C-", "M-S-", "C-S-", "C-M-", "C-M-S-"} {
			names = append(names, PlainKey(mods+base))
		}
	}
	names = append(names, strings.Fields("BTab User0 User9 KP/ KP* KP- KP7 KP8 KP9 KP+ KP4 KP5 KP6 KP1 KP2 KP3 KPEnter KP0 KP.")...)
	slices.Sort(names)
	return slices.Compact(names)
}

// Each key has one name, which is what the server lists it by.
func TestKeysHaveTheServersNames(t *testing.T) {
	s := startServer(t)
	c := s.control("start")
	names := keyNames()
	for i, name := range names {
		line, err := QuoteControl([]string{"bind-key", "-T", "names", name, "send-keys", fmt.Sprint("key", i)})
		if err != nil {
			t.Fatal(err)
		}
		if reply, ok := c.ask(line); !ok {
			t.Errorf("%s: %s", name, reply)
		}
	}
	table := keyTables(t, c).tables["names"]
	for i, name := range names {
		b := table.keys[name]
		if b == nil || b.text != fmt.Sprint("send-keys key", i) {
			t.Errorf("%s: the server has %+v", name, b)
		}
	}
	if len(table.keys) != len(names) {
		t.Errorf("%d keys became %d", len(names), len(table.keys))
	}
	for c := range 256 {
		if table.set.has(byte(c)) != (c != 0x7f) {
			t.Errorf("byte %#02x: bound %v", c, table.set.has(byte(c)))
		}
	}
}

// Tables are told apart whatever their names are, as far as they can be.
func TestTablesOfAnyName(t *testing.T) {
	s := startServer(t)
	c := s.control("start")
	names := []string{"漢字の表", "é", "e\u0301", "two words", "一二 三"}
	for _, name := range names {
		line, err := QuoteControl([]string{"bind-key", "-T", name, "x", "kill-pane"})
		if err != nil {
			t.Fatal(err)
		}
		if reply, ok := c.ask(line); !ok {
			t.Fatal(reply)
		}
	}
	tables := keyTables(t, c)
	for _, name := range []string{"漢字の表", "é", "e\u0301", "root", "prefix", "copy-mode"} {
		if !tables.Has(name) {
			t.Errorf("%s is not read", name)
		}
	}
	for _, name := range []string{"two", "一二"} {
		if tables.Has(name) {
			t.Errorf("%s is only the begin of a name", name)
		}
	}
	if reply, ok := c.ask("unbind-key -a -T prefix"); !ok {
		t.Fatal(reply)
	}
	if b := keyTables(t, c).tables["prefix"].keys["d"]; b == nil || b.text != "detach-client" {
		t.Error("there is no key by which people leave")
	}
}

func TestPlainKey(t *testing.T) {
	for name, want := range map[string]string{
		"M-C-a": "C-M-a", "S-M-C-Up": "C-M-S-Up", "C-@": "C-Space", "M-C-@": "C-M-Space", "[NUL]": "C-Space", "C--": "C--", "-": "-", "M-": "M-", "": "", "X-a": "X-a", "é": "é", "C-M-S-Up": "C-M-S-Up",
	} {
		if got := PlainKey(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

// Options are those of the session that the keys are typed in.
func TestKeyOptionsOfSessions(t *testing.T) {
	s := startServer(t)
	s.run("new-session", "-d", "-s", "other", "exec cat")
	c := s.control("start")
	for _, line := range []string{
		"set -s escape-time 123", "set -g prefix C-a", "set -t other prefix M-é", `set -t other prefix2 '\'`, "set -t other repeat-time 77", "set -t other key-table mine", "bind -T mine x new-window", "bind -T mine C-Space new-window",
	} {
		if reply, ok := c.ask(line); !ok {
			t.Fatal(line, reply)
		}
	}
	tables := keyTables(t, c)
	snap := c.snapshot(Core)
	first, other := tables.Session(snap.SessionByName("start").ID), tables.Session(snap.SessionByName("other").ID)
	if tables.EscapeTime != 123*time.Millisecond || first.prefix != [2]string{"C-a", "None"} || first.table != "root" || first.repeat != 500*time.Millisecond {
		t.Errorf("%v, %+v", tables.EscapeTime, first)
	}
	if other.prefix != [2]string{"M-é", `\`} || other.table != "mine" || other.repeat != 77*time.Millisecond {
		t.Errorf("%+v", other)
	}
	for _, key := range []byte{0, 'x', '\\'} {
		if !other.special.has(key) {
			t.Errorf("%q is not special", key)
		}
	}
	if other.special.has('y') || other.special.has(1) || !first.special.has(1) || !tables.Has("mine") || tables.Has("nothing") || tables.Session(1<<31) != nil {
		t.Errorf("%+v %+v", first.special, other.special)
	}
	// Nothing is read again that has not changed.
	again, err := ParseKeyTables(s.v, keyReplies(t, c), tables)
	if err != nil || again.tables["mine"] != tables.tables["mine"] {
		t.Errorf("read again: %v", err)
	}
	c.ask("unbind -a -T mine")
	if again, err = ParseKeyTables(s.v, keyReplies(t, c), tables); err != nil || again.Has("mine") || again.Session(snap.SessionByName("other").ID).special.has('x') {
		t.Errorf("a table that is gone: %v", err)
	}
}

// What a table is called makes no key of another one.
func TestOddTablesAreNoOthers(t *testing.T) {
	s := startServer(t)
	c := s.control("start")
	for _, name := range []string{"root x", "a b c", "prefix F1 kill-server ; x", "it's", "x'y \"z", "\u00e9", "a\u00e9 b", strings.Repeat("long ", 20)} {
		line, err := QuoteControl([]string{"bind-key", "-T", name, "F12", "new-window"})
		if err != nil {
			t.Fatal(err)
		}
		if reply, ok := c.ask(line); !ok {
			t.Fatal(line, reply)
		}
	}
	c.ask("bind-key -T plain F12 new-window")
	tables := keyTables(t, c)
	for name, table := range tables.tables {
		for key, b := range table.keys {
			if all, err := b.Commands(); err != nil {
				t.Errorf("%s %s: %q: %v", name, key, b.text, err)
			} else if key == "F12" && show(all) != "new-window" {
				t.Errorf("%s: %s", name, show(all))
			}
		}
	}
	for name, want := range map[string]bool{"root": true, "prefix": true, "plain": true, "it's": true, "\u00e9": true, "a": false, "x'y": false, "long": false} {
		if tables.Has(name) != want {
			t.Errorf("%q is a table: %v", name, !want)
		}
	}
	if tables.tables["root"].keys["x"] != nil || tables.tables["prefix"].keys["F1"] != nil {
		t.Error("a name became a key")
	}
}

// More than anybody has is not read at all.
func TestTooManyBindingsAreRefused(t *testing.T) {
	line := "bind-key -T t F1 send-keys x\n"
	for _, listed := range []string{strings.Repeat(line, maxBindings+1), strings.Repeat("x", maxKeyBytes+1)} {
		if _, err := ParseKeyTables(Version{}, [][]byte{nil, []byte(listed)}, nil); !errors.Is(err, ErrManyKeys) {
			t.Errorf("%d bytes: %v", len(listed), err)
		}
	}
	if _, err := ParseKeyTables(Version{}, [][]byte{nil, []byte(strings.Repeat(line, maxBindings))}, nil); err != nil {
		t.Error(err)
	}
}

// What is no line of list-keys, or holds what it does not print, is not taken
// for a command.
func TestForeignLinesAreNoBindings(t *testing.T) {
	for _, text := range []string{
		"", "kill-server", "bind-key x kill-server", "bind-key -T t", "bind-key -T t x kill-serve", "bind-key -T t x kill-server \\; kill-serve", "bind-key -T t x 'open", `bind-key -T t x "open`, "bind-key -T t x a{b", "bind-key -T t x if-shell -F 1 {",
		"bind-key -T t x { kill-server }", "bind-key -T t x }", "bind-key -T t x A=b", `bind-key -T t x send-keys \000`, "bind-key -T t x send-keys 'a'b", "bind-key -T t x nosuch-command", "bind-key -T t x %if", "bind-key -T t x if-shell -F 1 { kill-serve }",
	} {
		tables, err := ParseKeyTables(Version{}, [][]byte{[]byte("K x y\nS $1\nS $0 1 1 C-b None root\nrubbish\n"), []byte(text + "\n")}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if m := tables.Session(0); m == nil || tables.Session(1) != nil {
			t.Errorf("%+v", tables.sessions)
		}
		if b := tables.Session(0).get("t", "x"); b != nil {
			if all, err := b.Commands(); err == nil && len(all) > 0 {
				t.Errorf("%q became %s", text, show(all))
			}
		}
	}
}

// repliesOf are what a server of that version would answer with.
func repliesOf(v Version, options, listed string) [][]byte {
	if v.AtLeast(v37) {
		options += "E whole\n"
		listed = strings.ReplaceAll(strings.TrimSuffix(listed, "\n")+"\n", "\n", lineWhole+"\n")
	}
	return [][]byte{[]byte(options), []byte(listed)}
}

// From 3.7 on tmux may leave unfinished what it is asked for, and each line of list-keys is such
// a thing. Without its key a line looks like one of another key, with all others in the wrong
// column: no table is made of that.
func TestUnfinishedKeysAreRefused(t *testing.T) {
	const options = "K 500 0\nS $0 1 1 C-b None root\n"
	lines := []string{"bind-key    -T prefix c   new-window", "bind-key    -T root   End send-keys -X end-of-line"}
	short := "bind-key    -T root       send-keys -X end-of-line"
	for name, c := range map[string]struct {
		options string
		lines   []string
		whole   bool
	}{
		"all":         {options + "E whole", []string{lines[0] + lineWhole, lines[1] + lineWhole}, true},
		"no key":      {options + "E whole", []string{lines[0] + lineWhole, short}, false},
		"no command":  {options + "E whole", []string{lines[0] + lineWhole, "bind-key    -T root   End "}, false},
		"no line":     {options + "E whole", []string{lines[0] + lineWhole, ""}, false},
		"no sessions": {"K 500 0\n", []string{lines[0] + lineWhole}, false},
	} {
		replies := [][]byte{[]byte(c.options + "\n"), []byte(strings.Join(c.lines, "\n") + "\n")}
		tables, err := ParseKeyTables(v37, replies, nil)
		if !c.whole {
			if !errors.Is(err, ErrUnfinished) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || tables.tables["root"].keys["End"] == nil || tables.tables["prefix"].keys["c"] == nil || tables.Session(0) == nil {
			t.Errorf("%s: %v, %+v", name, err, tables)
		}
	}
}

func FuzzListKeys(f *testing.F) {
	for _, line := range oddBindings {
		f.Add("bind-key -T odd x " + line)
	}
	for _, s := range []string{
		`bind-key -r -T q g     next-window`, `bind-key    -T q c     if-shell -F 1 { new-window ; kill-pane ;; display-message a } { display-message b }`, `bind-key    -T q f     send-keys \; \; send-keys`,
		`bind-key -T q \"   display-message 'x"y'`, `bind-key -T q a "\\$HOME" \;\; new-window`, "bind-key -T a b c\nbind-key -T a b \"", "bind-key -T t x if-shell -F 1 { { } }",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, listed string) {
		for _, v := range []Version{v32a, v34, v37} {
			tables, err := ParseKeyTables(v, repliesOf(v, "S $0 1 1 C-b None root\n", listed), nil)
			if err != nil {
				continue
			}
			for _, table := range tables.tables {
				for _, b := range table.keys {
					commands, err := b.Commands()
					if err != nil {
						continue
					}
					text, err := writeText(commands, ParseOptions{Version: v})
					if err != nil {
						t.Fatalf("%q: %v", b.text, err)
					}
					again, terr := ParseText(text, ParseOptions{Version: v})
					if terr != nil || len(again.Commands) != len(commands) {
						t.Fatalf("%q became %q: %v", b.text, text, terr)
					}
				}
			}
			var k Keyboard
			for i, now := 0, time.Unix(0, 0); i < len(listed) && i < 64; i++ {
				m := tables.Session(0)
				n := k.Plain(m, []byte(listed[i:]))
				if b, typed := k.Press(m, CharKey(rune(listed[i])), now); b != nil && typed || n > 0 && !typed {
					t.Fatalf("%q is plain %d, typed %v, bound %v", listed[i], n, typed, b)
				}
			}
		}
	})
}
