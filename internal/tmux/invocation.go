package tmux

import (
	"fmt"
	"slices"
	"strings"
)

// Has reports whether the flag was given.
func (inv *Invocation) Has(letter byte) bool {
	for i := range inv.Flags {
		if inv.Flags[i].Letter == letter {
			return true
		}
	}
	return false
}

// HasOnly reports whether all flags that were given are among letters.
func (inv *Invocation) HasOnly(letters string) bool {
	return !slices.ContainsFunc(inv.Flags, func(f FlagValue) bool { return strings.IndexByte(letters, f.Letter) < 0 })
}

// Get returns the value of the flag, the last one if it was given several
// times, and whether it was given with a value.
func (inv *Invocation) Get(letter byte) (string, bool) {
	for i := len(inv.Flags) - 1; i >= 0; i-- {
		if inv.Flags[i].Letter == letter && inv.Flags[i].HasValue {
			return inv.Flags[i].Value, true
		}
	}
	return "", false
}

// Values returns every value of the flag, in the order given.
func (inv *Invocation) Values(letter byte) []string {
	var all []string
	for i := range inv.Flags {
		if inv.Flags[i].Letter == letter && inv.Flags[i].HasValue {
			all = append(all, inv.Flags[i].Value)
		}
	}
	return all
}

// Set gives the flag exactly this one value, in place of all it had.
func (inv *Invocation) Set(letter byte, value string) {
	inv.Delete(letter)
	inv.Flags = append(inv.Flags, FlagValue{letter, true, value})
}

// SetBare gives the flag once, without a value.
func (inv *Invocation) SetBare(letter byte) {
	inv.Delete(letter)
	inv.Flags = append(inv.Flags, FlagValue{Letter: letter})
}

// Delete takes the flag away.
func (inv *Invocation) Delete(letter byte) {
	kept := inv.Flags[:0:0]
	for _, f := range inv.Flags {
		if f.Letter != letter {
			kept = append(kept, f)
		}
	}
	inv.Flags = kept
}

// Clone returns a copy that shares nothing but the row.
func (inv *Invocation) Clone() *Invocation {
	c := *inv
	c.Flags = append([]FlagValue(nil), inv.Flags...)
	c.Args = append([]string(nil), inv.Args...)
	c.Blocks = append([]Block(nil), inv.Blocks...)
	for i := range c.Blocks {
		commands := make([]*Invocation, len(c.Blocks[i].Commands))
		for n, inner := range c.Blocks[i].Commands {
			commands[n] = inner.Clone()
		}
		c.Blocks[i].Commands = commands
	}
	return &c
}

// Words returns the command as plain words: its full name, its flags, "--" if
// arguments follow, the arguments. They are what tmux sees after its parser;
// to hand them to a parser use [Invocation.Argv] or [QuoteControl]. A block
// becomes its source as one word; [Invocation.Text] keeps it a block.
func (inv *Invocation) Words() []string {
	words := append(make([]string, 0, 2+2*len(inv.Flags)+len(inv.Args)), inv.Row.Name)
	var last []string
	for _, f := range inv.Flags {
		word := "-" + string(rune(f.Letter))
		if f.HasValue {
			words = append(words, word, f.Value)
		} else if row := inv.Row.Flag(f.Letter); row != nil && row.Optional {
			last = append(last, word) // it would take what follows for its value
		} else {
			words = append(words, word)
		}
	}
	words = append(words, last...)
	if len(inv.Args) > 0 {
		words = append(append(words, "--"), inv.Args...)
	}
	return words
}

// WordsFor is [Invocation.Words] with the command's name spelled so that no
// command-alias of the server stands in its way. Blocks cannot be said in words:
// tmux would put answers and formats into them in another way.
func (inv *Invocation) WordsFor(opts ParseOptions) ([]string, error) {
	name, ok := inv.Row.Spelling(opts)
	if !ok {
		return nil, fmt.Errorf("%s: this server's command-alias option hides the command", inv.Row.Name)
	}
	if len(inv.Blocks) > 0 {
		return nil, fmt.Errorf("%s: its commands in { } cannot be written as plain words", inv.Row.Name)
	}
	words := inv.Words()
	words[0] = name
	return words, nil
}

// Argv returns the command as the argument vector of a tmux client: exactly
// this one command, every value literal.
func (inv *Invocation) Argv() []string {
	words := inv.Words()
	for i := range words {
		words[i] = EscapeArg(words[i])
	}
	return words
}

// EscapeArg makes one argument of a client's argument vector literal: a
// semicolon at its end would end the command.
func EscapeArg(s string) string {
	if body, ok := strings.CutSuffix(s, ";"); ok {
		return body + `\;`
	}
	return s
}

// Rewrite passes every value that tmux would expand as a format through fn
// and puts the result in its place. Use it with [EscapeFormat], or with an
// expansion by our own engine, for people who do not hold every verb.
func (inv *Invocation) Rewrite(fn func(kind Kind, value string) (string, error)) error {
	for i := range inv.Flags {
		given := &inv.Flags[i]
		f := inv.Row.Flag(given.Letter)
		if f == nil || !given.HasValue || !f.Kind.Expanded() {
			continue
		}
		value, err := fn(f.Kind, given.Value)
		if err != nil {
			return fmt.Errorf("%s -%c: %w", inv.Row.Name, given.Letter, err)
		}
		given.Value = value
	}
	for i, arg := range inv.Args {
		kind := inv.Row.argKind(i)
		if !kind.Expanded() {
			continue
		}
		value, err := fn(kind, arg)
		if err != nil {
			return fmt.Errorf("%s: %w", inv.Row.Name, err)
		}
		inv.Args[i] = value
	}
	return nil
}

// EscapeFormat returns text that tmux's format expansion turns into s itself:
// "#" is doubled, except in a run of them before "[", which tmux leaves alone.
func EscapeFormat(s string) string {
	if !strings.Contains(s, "#") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		if s[i] != '#' {
			b.WriteByte(s[i])
			i++
			continue
		}
		run := i
		for i < len(s) && s[i] == '#' {
			i++
		}
		b.WriteString(s[run:i])
		if i == len(s) || s[i] != '[' {
			b.WriteString(s[run:i])
		}
	}
	return b.String()
}
