package tmux

import "strings"

// CommandAlias is one element of tmux's command-alias option: a word that
// stands for a command with some arguments. It beats a command's own name.
type CommandAlias struct {
	Name  string
	Value string // command text, in tmux's configuration syntax
}

// DefaultAliases returns the command-alias option of a fresh tmux 3.3a.
func DefaultAliases() []CommandAlias {
	return []CommandAlias{
		{"split-pane", "split-window"},
		{"splitp", "split-window"},
		{"server-info", "show-messages -JT"},
		{"info", "show-messages -JT"},
		{"choose-window", "choose-tree -w"},
		{"choose-session", "choose-tree -s"},
	}
}

func findAlias(word string, aliases []CommandAlias) *CommandAlias {
	for i := range aliases {
		if aliases[i].Name == word {
			return &aliases[i]
		}
	}
	return nil
}

// expandAlias replaces the first word if it is an alias, once, as tmux does.
// Only aliases of plain words separated by blanks and ";" are read; another is
// refused by name, because what it does cannot be told.
func expandAlias(words []string, aliases []CommandAlias) ([][]string, *ParseError) {
	a := findAlias(words[0], aliases)
	if a == nil {
		return [][]string{words}, nil
	}
	commands, ok := plainCommands(a.Value)
	if !ok {
		return nil, &ParseError{
			Reason: BadAlias, Command: a.Name,
			Text: a.Name + ": this server's command-alias of that name is not offered by muxward yet",
		}
	}
	if len(commands) == 0 {
		return nil, nil
	}
	last := len(commands) - 1
	commands[last] = append(commands[last], words[1:]...)
	return commands, nil
}

// plainCommands cuts text into commands of words if it holds nothing that
// tmux's configuration syntax would treat specially.
func plainCommands(text string) ([][]string, bool) {
	for i := range len(text) {
		c := text[i]
		if !alnum(c) && !strings.ContainsRune(" \t-_./:,+@=;", rune(c)) {
			return nil, false
		}
	}
	var all [][]string
	for _, part := range strings.Split(text, ";") {
		words := strings.Fields(part)
		if len(words) == 0 {
			continue
		}
		if strings.Contains(words[0], "=") {
			return nil, false // a leading NAME=value sets a variable
		}
		all = append(all, words)
	}
	return all, true
}

// Spelling returns a way to write the command's name that the server takes for
// this command and nothing else, whatever its command-alias option holds: the
// name, its short name, or an abbreviation. It returns false if there is none.
func (c *Command) Spelling(opts ParseOptions) (string, bool) { return SpellCommand(c.Name, opts) }

// SpellCommand is [Command.Spelling] for any command of tmux by its full name.
func SpellCommand(full string, opts ParseOptions) (string, bool) {
	v := opts.Version.orReference()
	free := func(word string) bool {
		if word == "" || findAlias(word, opts.Aliases) != nil {
			return false
		}
		n, err := findName(word, v)
		return err == nil && n.full == full
	}
	if free(full) {
		return full, true
	}
	for i := range names {
		if names[i].full == full && free(names[i].alias) {
			return names[i].alias, true
		}
	}
	for n := len(full) - 1; n > 0; n-- {
		if free(full[:n]) {
			return full[:n], true
		}
	}
	return "", false
}
