package tmux

import (
	"fmt"
	"strings"
)

// Block is an argument that was written in braces.
type Block struct {
	// Arg is its place in [Invocation.Args], where its source text is.
	Arg int
	// Commands is what tmux has parsed it to. Their groups are of this block.
	Commands []*Invocation
}

// assembler makes invocations of what was split into words: it looks names up,
// expands command-alias and reads flags.
type assembler struct {
	opts     ParseOptions
	place    place
	assigned map[string]string
	made     int
	noAlias  bool // inside an alias, or in what was given to one
	alias    int  // 1 + where the alias stands whose commands are being made
}

func newAssembler(opts ParseOptions) *assembler {
	opts.Version = opts.Version.orReference()
	return &assembler{opts: opts}
}

// build appends the invocations of commands to all and says how they group: by
// the lines of the text, unless it is read as a string.
func (b *assembler) build(all []*Invocation, commands []textCommand) ([]*Invocation, *fault) {
	group, line := -1, 0
	for i := range commands {
		c := &commands[i]
		if group < 0 || !b.opts.OneGroup && c.line != line {
			group++
		}
		line = c.line
		first := len(all)
		var f *fault
		if all, f = b.command(all, c); f != nil {
			return nil, f
		}
		for _, inv := range all[first:] {
			inv.Group = group
		}
	}
	return all, nil
}

// command appends what one command stands for: itself, or what an alias says.
func (b *assembler) command(all []*Invocation, c *textCommand) ([]*Invocation, *fault) {
	if !b.noAlias {
		if a := findAlias(c.words[0].text, b.opts.Aliases); a != nil {
			return b.expand(all, a, c)
		}
	}
	if b.made++; b.made > maxCommands {
		return nil, b.fault(c.at, TooMany, fmt.Sprintf("too many commands (at most %d)", maxCommands))
	}
	inv, f := b.invocation(c)
	if f != nil {
		return nil, f
	}
	return append(all, inv), nil
}

// expand appends what an alias stands for, with the command's arguments behind
// the last of its commands. As in tmux it happens once: neither in what an alias
// says nor in the blocks given to it are aliases looked for again.
func (b *assembler) expand(all []*Invocation, a *CommandAlias, c *textCommand) ([]*Invocation, *fault) {
	p := newParser(a.Value, &b.opts)
	p.assigned = b.assigned
	commands := p.lines()
	switch {
	case p.fault != nil:
		return nil, b.badAlias(c, a, p.fault.Text)
	case len(p.assignments) > 0:
		return nil, b.badAlias(c, a, "it sets "+p.assignments[0].Name)
	case len(commands) == 0:
		return all, nil
	}
	last := &commands[len(commands)-1]
	last.words = append(last.words, c.words[1:]...)
	b.noAlias, b.alias = true, c.at+1
	all, f := b.build(all, commands)
	b.noAlias, b.alias = false, 0
	return all, f
}

func (b *assembler) badAlias(c *textCommand, a *CommandAlias, why string) *fault {
	f := b.fault(c.at, BadAlias, a.Name+": this server's command-alias of that name cannot be read here: "+why)
	f.Command = a.Name
	return f
}

// fault is a reason to refuse at an offset, or at the alias that led there.
func (b *assembler) fault(at int, why Reason, text string) *fault {
	return b.from(at, &ParseError{Reason: why, Text: text})
}

func (b *assembler) from(at int, err *ParseError) *fault {
	if b.alias > 0 {
		at = b.alias - 1
	}
	return &fault{*err, at}
}

// invocation makes one command of its words. Its blocks are read before its
// name is looked up, so that errors come in tmux's order.
func (b *assembler) invocation(c *textCommand) (*Invocation, *fault) {
	var blocks []*Block
	plain := make([]string, len(c.words))
	first := len(c.words)
	for i := range c.words {
		w := &c.words[i]
		plain[i] = w.text
		if w.block == nil {
			continue
		}
		block, f := b.block(w.block)
		if f != nil {
			return nil, f
		}
		if blocks == nil {
			first, blocks = i, make([]*Block, len(c.words))
		}
		blocks[i] = block
	}
	if first == 0 {
		// Only arguments can come like this: versions differ in what they make of it.
		return nil, b.fault(c.at, BadBlock, "a block stands where the name of a command must be")
	}
	inv, err := b.named(plain[0])
	if err != nil {
		return nil, b.from(c.at, err)
	}
	if b.place.text != "" {
		at := c.at
		if b.alias > 0 {
			at = b.alias - 1
		}
		inv.At = b.place.find(at)
	}
	rest, err := inv.parseFlags(plain[1:first], b.opts.Version)
	if err == nil && first < len(plain) && len(rest) == 0 {
		err = inv.checkOptional(b.opts.Version)
	}
	if err == nil {
		skip := first - len(rest)
		inv.Args = plain[skip:]
		if blocks != nil {
			err = inv.takeBlocks(blocks[skip:])
		}
	} else if blocks != nil && strings.HasSuffix(err.Text, "expects an argument") {
		err.Text = strings.TrimSuffix(err.Text, "expects an argument") + "argument must be a string"
	}
	if err == nil {
		err = inv.checkCount(inv.Row.most(b.opts.Version))
	}
	if err != nil {
		return nil, b.from(c.at, inv.worded(err, b.opts.Version))
	}
	return inv, nil
}

// worded is a refusal in the words of a version: those before 3.3 print the synopsis
// for all that does not fit it.
func (inv *Invocation) worded(err *ParseError, v Version) *ParseError {
	if !v.AtLeast(v33) && (err.Reason == BadFlag || err.Reason == BadCount) {
		err.Text = "usage: " + inv.Row.Name + " " + inv.Row.UsageIn(v)
	}
	return err
}

// checkOptional refuses a block in the place of a flag's value that may be left
// out only at the very end.
func (inv *Invocation) checkOptional(v Version) *ParseError {
	if len(inv.Flags) == 0 {
		return nil
	}
	given := inv.Flags[len(inv.Flags)-1]
	f := inv.Row.Flag(given.Letter)
	if _, value := f.knows(v); !value || given.HasValue {
		return nil
	}
	return inv.refuseFlag("-" + string(rune(given.Letter)) + " argument must be a string")
}

func (b *assembler) named(word string) (*Invocation, *ParseError) {
	n, err := findName(word, b.opts.Version)
	if err != nil {
		return nil, err
	}
	row := FindCommand(n.full)
	if row == nil {
		return nil, &ParseError{
			Reason: NotOffered, Command: n.full,
			Text: n.full + ": not offered by muxward",
		}
	}
	return &Invocation{Row: row, Typed: word, Indirect: b.alias > 0}, nil
}

func (b *assembler) block(t *textBlock) (*Block, *fault) {
	if t.built != nil {
		return t.built, nil
	}
	commands, f := b.build(nil, t.commands)
	if f != nil {
		return nil, f
	}
	return &Block{Commands: commands}, nil
}

// takeBlocks takes the blocks among the arguments, which only stand where the
// command takes commands.
func (inv *Invocation) takeBlocks(blocks []*Block) *ParseError {
	for i, block := range blocks {
		if block == nil {
			continue
		}
		if !inv.holdsCommands(i) {
			return inv.refuse(BadBlock, fmt.Sprintf("command %s: argument %d must be \"string\"", inv.Row.Name, i+1))
		}
		inv.Blocks = append(inv.Blocks, Block{Arg: i, Commands: block.Commands})
	}
	return nil
}
