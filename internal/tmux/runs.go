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
	all, err := b.Commands()
	return err != nil || anyRuns(all, opts, maxNesting)
}

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
