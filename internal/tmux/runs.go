package tmux

import (
	"slices"
	"strings"
)

// maxNesting is how deep commands inside commands are looked at.
const maxNesting = 16

// RunsProgram reports whether a key may have tmux run a program that it names: by a command in what
// it is bound to, or in what that holds, or by a job in a format. What cannot be read may. opts are
// how the server reads commands inside of commands, once the key is pressed.
func (b *Binding) RunsProgram(opts ParseOptions) bool {
	if strings.Contains(b.text, "#(") {
		return true
	}
	// Most keys are bound to other commands, and list-keys writes the names of those out: the
	// watch over a server asks this of all its keys every few seconds.
	if !slices.ContainsFunc(mayRun, func(name string) bool { return strings.Contains(b.text, name) }) {
		return false
	}
	all, err := b.Commands()
	return err != nil || anyRuns(all, opts, maxNesting)
}

// mayRun are in the names of all commands that run programs, or hold commands: see runs and Nested.
var mayRun = []string{"run-shell", "if-shell", "pipe", "display-popup", "source-file", "new-window", "new-session", "split-window",
	"respawn-", "confirm-before", "command-prompt", "display-menu", "display-panes", "choose-", "bind-key", "set-hook", "set-option", "set-window-option"}

// Column is where list-keys has printed the key: for all keys of a listing in the same one.
func (b *Binding) Column() int { return b.column }

// Text is what list-keys prints of the commands.
func (b *Binding) Text() string { return b.text }

func anyRuns(all []*Invocation, opts ParseOptions, depth int) bool {
	return slices.ContainsFunc(all, func(inv *Invocation) bool { return inv.runs(opts, depth) })
}

func (inv *Invocation) runs(opts ParseOptions, depth int) bool {
	if depth == 0 {
		return true
	}
	switch inv.Row.Name {
	case "pipe-pane", "new-window", "split-window", "respawn-pane", "respawn-window", "new-session":
		if len(inv.Args) > 0 {
			return true
		}
	case "display-popup", "source-file":
		return true
	case "run-shell":
		if !inv.Has('C') && len(inv.Args) > 0 { // else it only waits
			return true
		}
	case "if-shell":
		if !inv.Has('F') {
			return true
		}
	case "send-keys":
		if inv.Has('X') && len(inv.Args) > 1 && strings.Contains(inv.Args[0], "pipe") {
			return true // without a word behind it is the option copy-command that says what
		}
	}
	return slices.ContainsFunc(inv.Nested(), func(n Nested) bool {
		commands, err := n.Commands(opts)
		if err != nil {
			return !n.Maybe
		}
		return anyRuns(commands, opts, depth-1)
	})
}

// ListedKey reads a line of list-keys: the table, the key, and what it is bound to.
func ListedKey(line string, v Version) (table, key string, b *Binding, ok bool) {
	t := KeyTables{version: v.orReference()}
	k, ok := t.line(line)
	return k.table, k.key, k.bound, ok
}
