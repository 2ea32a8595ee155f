package tmux

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// keyMap makes what keys mean of lines "table key commands", a key with r: in
// front of it being one that repeats.
func keyMap(t *testing.T, options string, bound ...string) *KeyMap {
	t.Helper()
	var listed strings.Builder
	for _, b := range bound {
		table, rest, _ := strings.Cut(b, " ")
		repeat := ""
		if more, ok := strings.CutPrefix(rest, "r:"); ok {
			repeat, rest = "-r ", more
		}
		fmt.Fprintf(&listed, "bind-key %s-T %-8s %s\n", repeat, table, rest)
	}
	tables, err := ParseKeyTables(Version{}, [][]byte{[]byte(options), []byte(listed.String())}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return tables.Session(0)
}

// Keys as a person presses them, one after the other: +N is N ms later, >table
// is what switch-client -T does. What comes of each is the command, typed or
// nothing.
func TestKeyboard(t *testing.T) {
	const usual = "K 500 0\nS $0 500 0 C-b None root\n"
	tables := []string{
		"prefix c new-window", "prefix r:n next-window", "prefix r:p previous-window", "prefix C-b send-prefix", "prefix d detach-client",
		"root F5 clock-mode", "root r:F6 last-pane", "root M-x kill-pane", "mine x kill-window", "mine r:y last-window", "off Any refresh-client", "off F5 choose-tree",
	}
	for _, c := range []struct{ options, keys, want string }{
		{usual, "a F5 b", "typed clock-mode typed"},
		{usual, "C-b c c", "- new-window typed"},
		{usual, "C-b x x", "- - typed"},               // unbound: swallowed, and the prefix is over
		{usual, "C-b C-b C-b a", "- send-prefix - -"}, // twice: bound like any other
		{usual, "C-b F5 c", "- clock-mode typed"},     // what is not in the table is looked up where keys begin
		{usual, "C-b +9999 c", "- new-window"},        // no limit unless there is one
		{usual, "C-b n n p +400 n c", "- next-window next-window previous-window next-window typed"},
		{usual, "C-b n +501 n", "- next-window typed"},       // too late
		{usual, "C-b n c a", "- next-window typed typed"},    // one that does not repeat ends it, and is what it is without
		{usual, "C-b n C-b c", "- next-window - new-window"}, // the prefix again
		{usual, "C-b n F5 n", "- next-window clock-mode typed"},
		{usual, "C-b n x n", "- next-window typed typed"}, // typed, as it was no answer to a prefix
		{usual, "F6 F6 a F6", "last-pane last-pane typed last-pane"},
		{usual, "F6 C-b c n", "last-pane - typed typed"}, {usual, "F6 C-b n c", "last-pane - next-window typed"}, {usual, "F6 C-b +501 c", "last-pane - typed"}, {usual, "F6 >mine x x", "last-pane typed typed"},
		{usual, ">mine x x", "kill-window typed"}, {usual, ">mine z x", "- typed"}, {usual, ">mine F5", "clock-mode"}, {usual, ">mine C-b c", "- new-window"},
		{usual, ">mine y y x x", "last-window last-window typed typed"}, {usual, ">gone x x", "- typed"}, {usual, ">off a a", "refresh-client typed"}, {usual, ">off F5", "choose-tree"},
		{"K 1 0\nS $0 0 0 C-b None root\n", "C-b n n", "- next-window typed"}, // repeat-time 0
		{"K 1 0\nS $0 500 900 C-b None root\n", "C-b n +800 n +600 n", "- next-window next-window typed"},
		{"K 1 0\nS $0 500 900 C-b None root\n", "C-b n +800 p +600 p +600 p", "- next-window previous-window previous-window typed"},
		{"K 1 300\nS $0 500 0 C-b None root\n", "C-b +301 c C-b +299 c", "- typed - new-window"}, // prefix-timeout
		{"K 1 300\nS $0 500 0 C-b None root\n", "C-b n +400 n +400 c", "- next-window next-window typed"},
		{"K 1 0\nS $0 500 0 M-x F5 root\n", "C-b M-x c F5 d", "typed - new-window - detach-client"}, // prefix and prefix2, before what they are bound to
		{"K 1 0\nS $0 500 0 None None root\n", "C-b c None", "typed typed typed"},
		{"K 1 0\nS $0 500 0 C-b None off\n", "a F5 C-b c b M-x", "refresh-client choose-tree - new-window refresh-client refresh-client"}, // key-table
		{"K 1 0\nS $0 500 0 C-b None off\n", "C-b x", "- refresh-client"},
		{"K 1 0\nS $0 500 0 C-b None nothing\n", "a C-b c", "typed - new-window"},
	} {
		m := keyMap(t, c.options, tables...)
		var k Keyboard
		var got []string
		now := time.Unix(1000, 0)
		for _, key := range strings.Fields(c.keys) {
			if ms, err := strconv.Atoi(key); err == nil && key[0] == '+' {
				now = now.Add(time.Duration(ms) * time.Millisecond)
				continue
			}
			if table, ok := strings.CutPrefix(key, ">"); ok {
				k.Enter(table, now)
				continue
			}
			plain := 0
			if len(key) == 1 {
				plain = k.Plain(m, []byte(key))
			}
			b, typed := k.Press(m, key, now)
			switch {
			case plain > 0 && !typed:
				t.Errorf("%s: %s is plain, and not typed", c.keys, key)
			case typed:
				got = append(got, "typed")
			case b == nil:
				got = append(got, "-")
			default:
				commands, err := b.Commands()
				if err != nil || len(commands) != 1 {
					t.Fatal(err)
				}
				got = append(got, commands[0].Row.Name)
			}
		}
		if got := strings.Join(got, " "); got != c.want {
			t.Errorf("%s\n got  %s\n want %s", c.keys, got, c.want)
		}
	}
}

// What nothing is bound to is passed over at once.
func TestPlainKeys(t *testing.T) {
	m := keyMap(t, "K 500 0\nS $0 500 0 C-b ` root\n", `root x new-window`, "prefix y new-window")
	var k Keyboard
	for text, want := range map[string]int{"abc": 3, "abx": 2, "xab": 0, "ab\x02": 2, "`": 0, "yé\xff\x00\x7f": 6, "": 0} {
		if got := k.Plain(m, []byte(text)); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
	if wide := keyMap(t, "K 500 0\nS $0 500 0 C-b None root\n", "root é new-window"); k.Plain(wide, []byte("aé")) != 1 {
		t.Error("é is passed over")
	}
	text := []byte("what somebody types")
	if n := testing.AllocsPerRun(100, func() { k.Plain(m, text) }); n > 0 {
		t.Errorf("%v allocations for each key", n)
	}
	k.Press(m, "C-b", time.Time{})
	if !k.Begun() || k.Plain(m, []byte("abc")) != 0 {
		t.Error("plain after the prefix key")
	}
}
