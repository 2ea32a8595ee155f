package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/tmux"
)

// onTerminal gives what is printed on a terminal so wide.
func onTerminal(t *testing.T, cols int, print func(f *os.File)) string {
	t.Helper()
	pty, err := attach.OpenPty(attach.Size{Cols: cols, Rows: 24})
	if err != nil {
		t.Fatal(err)
	}
	defer pty.Close()
	f, err := pty.Peer()
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(f.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(cols), Row: 24}); err != nil { // no smaller than it may be
		t.Fatal(err)
	}
	read := make(chan []byte)
	go func() {
		var all []byte
		buf := make([]byte, 4096)
		for {
			n, err := pty.Read(buf, nil)
			if all = append(all, buf[:n]...); err != nil { // the other end is closed
				read <- all
				return
			}
		}
	}()
	print(f)
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	return string(bytes.ReplaceAll(<-read, []byte("\r"), nil))
}

// What is for people fits the terminal that they have, and what is for scripts is in one line.
func TestOnATerminal(t *testing.T) {
	rows := func() [][]string {
		return [][]string{{"PERSON", "VERBS", "REASON"}, {"bob\x1b[2J", "view,scroll,type", "because 漢字 and whatever else\nthere is to be said"}}
	}
	for _, cols := range []int{1, 2, 5, 20, 40, 80} {
		text := onTerminal(t, cols, func(f *os.File) {
			if err := printTable(f, rows()); err != nil {
				t.Error(err)
			}
		})
		for l := range strings.SplitSeq(text, "\n") {
			if cols >= 20 && tmux.MostColumns(l) > cols {
				t.Errorf("a line of a table is wider than %d columns: %q", cols, l)
			}
		}
		if strings.Contains(text, "\x1b") || !strings.Contains(text, "字") {
			t.Errorf("in %d columns: %q", cols, text)
		}
	}
	if got := onTerminal(t, 80, func(f *os.File) { _, _ = io.WriteString(f, verbsFor(f, []string{"view", "scroll"})) }); got != "viewer" {
		t.Errorf("verbs on a terminal: %q", got)
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if got := verbsFor(file, []string{"view", "scroll"}) + verbsFor(&bytes.Buffer{}, []string{"view", "scroll"}); got != "view,scrollview,scroll" {
		t.Errorf("verbs in a file and a pipe: %q", got)
	}
}

// Help is filled anew for a narrow terminal, and for nothing else.
func TestHelpOnATerminal(t *testing.T) {
	help := func(out io.Writer) {
		root := newRoot()
		root.SetArgs([]string{"kick", "--help"})
		root.SetOut(out)
		if err := root.Execute(); err != nil {
			t.Error(err)
		}
	}
	var piped bytes.Buffer
	help(&piped)
	wide := onTerminal(t, helpWidth, func(f *os.File) { help(f) })
	if wide != piped.String() {
		t.Errorf("%q\nis not what a pipe has:\n%q", wide, piped.String())
	}
	narrow := onTerminal(t, 50, func(f *os.File) { help(f) })
	long, _, _ := strings.Cut(narrow, "Usage:")
	for l := range strings.SplitSeq(long, "\n") {
		if len(l) > 50 {
			t.Errorf("in 50 columns: %s", l)
		}
	}
	if strings.Join(strings.Fields(long), " ") != strings.Join(strings.Fields(strings.Split(wide, "Usage:")[0]), " ") {
		t.Errorf("other words: %s", long)
	}
}

// Who has joined is told on a terminal how they get there, if they may look, and scripts are not.
func TestJoinedOnATerminal(t *testing.T) {
	var g acts.ShownGrant
	g.ID, g.What, g.Target, g.Giver.Person = 2, "viewer", "alice/my work", "alice"
	g.On, g.Verbs = acts.Where{Kind: "session", Owner: "alice", Session: "$0"}, []string{"view", "scroll"}
	say := func(w io.Writer) {
		if err := sayJoined(w, g); err != nil {
			t.Error(err)
		}
	}
	const said = "grant 2: you are viewer on alice/my work, by alice; it does not count now\n"
	if got := onTerminal(t, 100, func(f *os.File) { say(f) }); got != said+"  tmux attach -t 'alice/my work'\n" {
		t.Errorf("%q", got)
	}
	var piped bytes.Buffer
	if say(&piped); piped.String() != said {
		t.Errorf("%q", piped.String())
	}
	g.Verbs = []string{"share"}
	if got := onTerminal(t, 100, func(f *os.File) { say(f) }); got != said {
		t.Errorf("%q", got)
	}
}
