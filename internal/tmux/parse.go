package tmux

import (
	"fmt"
	"strings"
)

// Invocation is one parsed command: a row of the table, the flags as given
// and the positional arguments. It belongs to its caller and may be changed
// with Set, Delete and by writing Args.
type Invocation struct {
	Row   *Command
	Typed string // the command word as it was typed
	Flags []FlagValue
	Args  []string

	// What only command text can say: see [ParseText].
	Blocks []Block  // the arguments that were written in braces
	Group  int      // commands of one group follow each other and fail together
	At     Position // where the command stands

	// Indirect is set if a part of it is not as whoever asks has written it: the server's
	// command-alias has said it, or the server was asked what is meant.
	Indirect bool
}

// FlagValue is one flag as given. A flag may be given several times.
type FlagValue struct {
	Letter   byte
	HasValue bool
	Value    string
}

// ParseOptions say how the server that a command line is for reads it. The
// zero value is tmux 3.3a without any command-alias.
type ParseOptions struct {
	Version Version
	Aliases []CommandAlias
	// Expand answers for the server's environment in command text. Without it,
	// text that asks for it is refused.
	Expand *Expansion
	// OneGroup makes all commands of a text one group, as tmux does for every
	// text but files and what source-file reads: see [Invocation].
	OneGroup bool
}

// Reason says why a command line was refused.
type Reason uint8

// The reasons of a [ParseError].
const (
	UnknownCommand   Reason = iota + 1 // no version-known command starts like this
	AmbiguousCommand                   // several commands start like this
	NotOffered                         // tmux knows it, muxward does not offer it
	BadUsage                           // -? : tmux prints the synopsis
	BadFlag                            // unknown flag, or its value is missing
	BadCount                           // too few or too many arguments
	BadAlias                           // a command-alias that cannot be read here
	TooMany                            // more commands or arguments than are read
	BadBlock                           // a block where the command takes a string
	Syntax                             // not the grammar of command text
	NotExpanded                        // $NAME, ~ or %if, which only the server itself can answer
	Unreadable                         // command text that tmux does not read in one way only
)

// ParseError says why a command line was refused as a whole. Text is what
// tmux prints for it (but for NotOffered, BadAlias, TooMany, NotExpanded and
// Unreadable, which are ours).
type ParseError struct {
	Reason  Reason
	Command string // the command word it is about
	Text    string
}

// Error returns the text for people, as tmux words it.
func (e *ParseError) Error() string { return e.Text }

// The most that one command line may hold: more than fits into one message of
// the client protocol, so that only made-up input meets it.
const (
	maxArguments = 8192
	maxCommands  = 1024
)

// ParseArgv parses the argument vector of a tmux client (without the program
// and its own options) as tmux does: commands are separated by arguments that
// end in ";", flags follow getopt(3), abbreviations must be unambiguous. All
// commands are parsed or none. An empty vector means new-session, as in tmux;
// one of nothing but separators is no command at all.
func ParseArgv(argv []string, opts ParseOptions) ([]*Invocation, *ParseError) {
	if len(argv) == 0 {
		argv = []string{"new-session"}
	}
	if len(argv) > maxArguments {
		return nil, &ParseError{Reason: TooMany, Text: fmt.Sprintf("too many arguments (at most %d)", maxArguments)}
	}
	words := make([]word, len(argv))
	for i := range argv {
		words[i].text = argv[i]
	}
	all, f := newAssembler(opts).build(nil, splitCommands(words))
	if f != nil {
		return nil, &f.ParseError
	}
	return all, nil
}

// splitCommands cuts arguments into commands. A ";" at the end of an argument
// ends the command; "\;" there stands for ";" itself.
func splitCommands(args []word) []textCommand {
	var all []textCommand
	var words []word
	for _, arg := range args {
		body, semicolon := strings.CutSuffix(arg.text, ";")
		switch {
		case !semicolon || arg.block != nil:
			words = append(words, arg)
			continue
		case strings.HasSuffix(body, `\`):
			arg.text = body[:len(body)-1] + ";"
			words = append(words, arg)
			continue
		case body != "":
			arg.text = body
			words = append(words, arg)
		}
		if len(words) > 0 {
			all = append(all, textCommand{words: words})
		}
		words = nil
	}
	if len(words) > 0 {
		all = append(all, textCommand{words: words})
	}
	return all
}

// parseFlags consumes leading flags and returns what follows them.
func (inv *Invocation) parseFlags(words []string, v Version) ([]string, *ParseError) {
	for len(words) > 0 {
		word := words[0]
		if len(word) < 2 || word[0] != '-' {
			return words, nil
		}
		if word == "--" {
			return words[1:], nil
		}
		rest, ended, err := inv.parseCluster(word[1:], words[1:], v)
		switch {
		case err != nil:
			return nil, err
		case ended:
			return words, nil
		}
		words = rest
	}
	return words, nil
}

// parseCluster reads one word of flags, such as the "dt" of "-dt", and takes a
// missing value from the words that follow. The flags may end in the word,
// which is then the first argument.
func (inv *Invocation) parseCluster(cluster string, words []string, v Version) (rest []string, ended bool, err *ParseError) {
	for i := range len(cluster) {
		letter := cluster[i]
		if letter == '?' {
			return nil, false, inv.refuse(BadUsage, "usage: "+inv.Row.Name+" "+inv.Row.UsageIn(v))
		}
		if letter == '-' && i > 0 && !v.AtLeast(v33) {
			return nil, true, nil // getopt(3), as tmux used it until then
		}
		if !alnum(letter) {
			return nil, false, inv.refuseFlag(fmt.Sprintf("invalid flag -%s", cluster[i:i+1]))
		}
		f := inv.Row.Flag(letter)
		known, takes := false, false
		if f != nil {
			known, takes = f.knows(v)
		}
		if !known {
			return nil, false, inv.refuseFlag("unknown flag -" + cluster[i:i+1])
		}
		if !takes {
			inv.Flags = append(inv.Flags, FlagValue{Letter: letter})
			continue
		}
		if value := cluster[i+1:]; value != "" {
			inv.Flags = append(inv.Flags, FlagValue{letter, true, value})
			return words, false, nil
		}
		if len(words) == 0 && f.Optional {
			inv.Flags = append(inv.Flags, FlagValue{Letter: letter})
			continue
		}
		if len(words) == 0 {
			return nil, false, inv.refuseFlag("-" + cluster[i:i+1] + " expects an argument")
		}
		inv.Flags = append(inv.Flags, FlagValue{letter, true, words[0]})
		return words[1:], false, nil
	}
	return words, false, nil
}

func (inv *Invocation) checkCount(most int) *ParseError {
	switch n := len(inv.Args); {
	case n < inv.Row.MinArgs:
		return inv.refuse(BadCount, fmt.Sprintf("command %s: too few arguments (need at least %d)", inv.Row.Name, inv.Row.MinArgs))
	case most >= 0 && n > most:
		return inv.refuse(BadCount, fmt.Sprintf("command %s: too many arguments (need at most %d)", inv.Row.Name, most))
	}
	return nil
}

func (inv *Invocation) refuseFlag(cause string) *ParseError {
	return inv.refuse(BadFlag, "command "+inv.Row.Name+": "+cause)
}

func (inv *Invocation) refuse(why Reason, text string) *ParseError {
	return &ParseError{Reason: why, Command: inv.Row.Name, Text: text}
}

func alnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
