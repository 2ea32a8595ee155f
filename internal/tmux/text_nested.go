package tmux

import "strings"

// Nested is one place among a command's arguments that holds commands: a block,
// a string with command text, or (bind-key) a command as separate words.
type Nested struct {
	inv   *Invocation
	Arg   int  // the first argument
	Words int  // how many arguments; more than one are words of a command
	Block bool // written in braces, and parsed already
	// Template: tmux puts something in before it runs the commands, the
	// expansion of formats or an answer for %1. What is written here is then
	// not all that will run.
	Template bool
	// Maybe: whether these are commands depends on the server: on whether an
	// option of that name is a hook or a list of aliases.
	Maybe bool
}

// Nested returns the places of the command that hold commands. Whoever does not
// hold every verb needs execute or configure for such a command as a whole;
// what is inside can be looked at for more.
func (inv *Invocation) Nested() []Nested {
	var all []Nested
	add := func(n Nested) {
		if n.Arg >= len(inv.Args) {
			return
		}
		n.inv = inv
		n.Words = max(n.Words, 1)
		n.Block = n.Words == 1 && inv.block(n.Arg) != nil
		all = append(all, n)
	}
	switch inv.Row.Name {
	case "bind-key":
		add(Nested{Arg: 1, Words: len(inv.Args) - 1})
	case "if-shell":
		add(Nested{Arg: 1})
		add(Nested{Arg: 2})
	case "run-shell":
		if inv.Has('C') {
			add(Nested{Arg: 0, Template: true})
		}
	case "confirm-before", "command-prompt", "display-panes",
		"choose-tree", "choose-client", "choose-buffer":
		add(Nested{Arg: 0, Template: true})
	case "display-menu":
		for i := range inv.Args {
			if inv.menuCommand(i) {
				add(Nested{Arg: i, Template: true})
			}
		}
	case "set-hook":
		add(Nested{Arg: 1, Template: inv.Has('F')})
	case "set-option", "set-window-option":
		if n := (Nested{Arg: 1, Template: inv.Has('F'), Maybe: true}); inv.block(1) != nil || len(inv.Args) > 1 && mayHoldCommands(inv.Args[0]) {
			add(n)
		}
	}
	return all
}

// Commands parses what the place holds as the server will. A place that only
// may hold commands gives an error if it does not.
func (n *Nested) Commands(opts ParseOptions) ([]*Invocation, error) {
	if n.Block {
		return n.inv.block(n.Arg).Commands, nil
	}
	b := newAssembler(opts)
	b.opts.OneGroup = true
	if n.Words == 1 {
		text := n.inv.Args[n.Arg]
		parsed, f := b.parseText(text)
		if f != nil {
			return nil, &TextError{ParseError: f.ParseError, At: b.place.find(f.at)}
		}
		if len(parsed.Assignments) > 0 {
			a := &parsed.Assignments[0]
			return nil, &TextError{At: a.At, ParseError: ParseError{
				Reason: NotExpanded, Text: a.Name + ": cannot be set by a command inside a command",
			}}
		}
		return parsed.Commands, nil
	}
	words := make([]word, n.Words)
	for i := range words {
		at := n.Arg + i
		words[i].text = n.inv.Args[at]
		if block := n.inv.block(at); block != nil {
			words[i].block = &textBlock{built: block}
		}
	}
	all, f := b.build(nil, splitCommands(words))
	if f != nil {
		return nil, &f.ParseError
	}
	return all, nil
}

// block returns the block that is the i-th argument, or nil.
func (inv *Invocation) block(i int) *Block {
	for n := range inv.Blocks {
		if inv.Blocks[n].Arg == i {
			return &inv.Blocks[n]
		}
	}
	return nil
}

// holdsCommands reports whether the i-th argument may be a block, given the
// flags and the arguments before it.
func (inv *Invocation) holdsCommands(i int) bool {
	switch inv.Row.Name {
	case "bind-key", "confirm-before", "command-prompt", "display-panes",
		"choose-tree", "choose-client", "choose-buffer":
		return true
	case "if-shell":
		return i == 1 || i == 2
	case "run-shell":
		return inv.Has('C')
	case "set-option", "set-window-option", "set-hook":
		return i == 1
	case "display-menu":
		return inv.menuCommand(i)
	}
	return false
}

// menuCommand reports whether the i-th argument of display-menu is an item's
// command. An item is a name, a key and a command; an empty name is a line and
// stands alone.
func (inv *Invocation) menuCommand(i int) bool {
	for at := 0; at < i; {
		if inv.Args[at] == "" {
			at++
			continue
		}
		if at+2 == i {
			return true
		}
		at += 3
	}
	return false
}

// mayHoldCommands reports whether an option's name, which may be abbreviated,
// can be that of a hook or of command-alias.
func mayHoldCommands(option string) bool {
	option, _, _ = strings.Cut(option, "[")
	if strings.HasPrefix(option, "@") {
		return false
	}
	for _, start := range []string{
		"after-", "alert-", "client-", "command-", "pane-", "session-", "window-",
	} {
		if strings.HasPrefix(option, start) || strings.HasPrefix(start, option) {
			return true
		}
	}
	// The name may hold a format that tmux expands.
	return strings.Contains(option, "#")
}
