package tmux

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
