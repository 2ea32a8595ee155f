package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestReflow(t *testing.T) {
	text := strings.Repeat("word ", 17) + "\n" + strings.Repeat("more ", 16) + "\nlast.\n\n" +
		"kept:\n  as it is, however long this line happens to be, as it is indented below something\n\n" +
		"a short line\nand another one"
	got := reflow(text, 60)
	for n, l := range strings.Split(got, "\n") {
		if len(l) > 60 && !strings.HasPrefix(l, "  ") {
			t.Errorf("line %d is %d wide: %s", n, len(l), l)
		}
	}
	if strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(text), " ") {
		t.Errorf("other words:\n%s", got)
	}
	if !strings.HasSuffix(got, text[strings.Index(text, "\n\nkept"):]) {
		t.Errorf("what is no prose was filled anew:\n%s", got)
	}
}

// What everybody types first.
func TestVersionFlag(t *testing.T) {
	var of, by bytes.Buffer
	for arg, out := range map[string]*bytes.Buffer{"--version": &of, "version": &by} {
		root := newRoot()
		root.SetArgs([]string{arg})
		root.SetOut(out)
		if err := root.Execute(); err != nil {
			t.Fatal(err)
		}
	}
	if of.String() != by.String() || !strings.HasPrefix(of.String(), "muxward ") {
		t.Errorf("--version says %q, version %q", of.String(), by.String())
	}
}

// No line about a flag or a command is wider than a terminal.
func TestUsageFits(t *testing.T) {
	everyCommand(newRoot(), func(c *cobra.Command) {
		for l := range strings.SplitSeq(c.UsageString(), "\n") {
			if len([]rune(l)) > 80 && strings.HasPrefix(l, "  ") && !strings.Contains(c.Example, strings.TrimSpace(l)) {
				t.Errorf("%s --help has a line of %d columns: %s", c.CommandPath(), len(l), l)
			}
		}
	})
}
