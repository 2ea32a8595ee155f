package main

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// everyCommand calls f for root and all that is below it.
func everyCommand(root *cobra.Command, f func(*cobra.Command)) {
	f(root)
	for _, c := range root.Commands() {
		everyCommand(c, f)
	}
}

// TestWrongWords: a word too many, and a command that there is not, are mistakes of the
// command line wherever they stand, and the answer says where to look.
func TestWrongWords(t *testing.T) {
	takesMany := []string{"muxward explain", "muxward suggest", "muxward sockets restore"}
	tried := 0
	everyCommand(newRoot(), func(c *cobra.Command) {
		if c.Hidden { // muxward starts it by itself
			return
		}
		if c.Args == nil {
			t.Errorf("%s: does not say what it takes", c.CommandPath())
			return
		}
		for _, many := range takesMany {
			if c.CommandPath() == many {
				return
			}
		}
		tried++
		err := c.Args(c, strings.Fields("no such words here at all"))
		if exitCode(err) != exitUsage {
			t.Errorf("%s: exit code %d, %v", c.CommandPath(), exitCode(err), err)
		}
		if c.HasSubCommands() && (c.RunE == nil || c.HasParent() && c.Short == "") {
			t.Errorf("%s: shows no help", c.CommandPath())
		}
	})
	if tried < 50 {
		t.Errorf("only %d commands were tried", tried)
	}
	for line, want := range map[string]string{
		"hots":                 `there is no command "hots" (did you mean host?); see muxward --help`,
		"lease tkae":           `there is no command "tkae" (did you mean take?); see muxward lease --help`,
		"ssh-ca xyzzy":         `there is no command "xyzzy"; see muxward ssh-ca --help`,
		"completion bsh":       `there is no command "bsh" (did you mean bash?); see muxward completion --help`,
		"completion bash x":    `"x" is not understood; see muxward completion bash --help`,
		"who x":                `"x" is not understood; see muxward who --help`,
		"ssh-ca sign":          "give one public key: muxward ssh-ca sign KEY.pub [flags]",
		"lockdown -t a --host": "--host and --target do not go together; see muxward lockdown --help",
		"policy bundle create --key k --serial 1 -o x": `required flag(s) "name" not set; see muxward policy bundle create --help`,
		"host plan a b": "give one directory at most: muxward host plan [DIR] [flags]",
	} {
		root := newRoot()
		completions(root)
		root.SetArgs(strings.Fields(line))
		if err := root.Execute(); err == nil || err.Error() != want || exitCode(err) != exitUsage {
			t.Errorf("%s: %v, exit code %d, want %s", line, err, exitCode(err), want)
		}
	}
}

// TestHelpForNothing: help about a command that there is not is a mistake, too, in whatever way it is asked for.
func TestHelpForNothing(t *testing.T) {
	for line, want := range map[string]string{
		"stats --help":      `there is no command "stats" (did you mean status?); see muxward --help`,
		"help stats":        `there is no command "stats" (did you mean status?); see muxward --help`,
		"policy tset -h":    `there is no command "tset" (did you mean test?); see muxward policy --help`,
		"help policy tset":  `there is no command "tset" (did you mean test?); see muxward policy --help`,
		"--help":            "",
		"help":              "",
		"policy":            "",
		"policy --help":     "",
		"help policy":       "",
		"grants --help":     "",
		"help explain":      "",
		"who x --help":      "",
		"help policy test":  "",
		"policy test -h":    "",
		"version":           "",
		"completion --help": "",
	} {
		root, out := newRoot(), new(strings.Builder)
		completions(root)
		root.SetArgs(strings.Fields(line))
		root.SetOut(out)
		cmd, err := root.ExecuteC()
		if err == nil {
			err = helpFor(cmd)
		}
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != want || exitCode(err) != exitUsage && want != "" {
			t.Errorf("%s: %v, exit code %d, want %s", line, err, exitCode(err), want)
		}
		if strings.Contains(out.String(), "Usage:\n  muxward\n") || strings.Contains(out.String(), "Usage:\n  muxward policy\n") {
			t.Errorf("%s: the family alone is no way to use it:\n%s", line, out)
		}
	}
}

// TestGroups: whatever people can call is found under a heading of muxward --help.
func TestGroups(t *testing.T) {
	for _, c := range newRoot().Commands() {
		if !c.Hidden && c.GroupID == "" && c.Name() != "version" {
			t.Errorf("%s is in no group", c.Name())
		}
	}
}

// TestHelpFits: a help text is read in a terminal, and in a man page, which is not wide.
func TestHelpFits(t *testing.T) {
	everyCommand(newRoot(), func(c *cobra.Command) {
		for line := range strings.Lines(c.Long) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 100 {
				t.Errorf("%s: a line of its help has %d characters: %s", c.CommandPath(), n, line)
			}
		}
	})
}
