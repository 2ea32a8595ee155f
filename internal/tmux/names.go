package tmux

import "strings"

// name is one command name that some known version of tmux has, whether
// muxward offers the command or not. All of them are needed to decide
// abbreviations exactly as tmux does.
type name struct {
	full, alias string
	since       Version
}

// names is every command of tmux 3.2a to 3.7, in the order of tmux's own
// table, which decides how ambiguous names are listed.
var names = []name{
	{full: "attach-session", alias: "attach"},
	{full: "bind-key", alias: "bind"},
	{full: "break-pane", alias: "breakp"},
	{full: "capture-pane", alias: "capturep"},
	{full: "choose-buffer"},
	{full: "choose-client"},
	{full: "choose-tree"},
	{full: "clear-history", alias: "clearhist"},
	{full: "clear-prompt-history", alias: "clearphist", since: v33},
	{full: "clock-mode"},
	{full: "command-prompt"},
	{full: "confirm-before", alias: "confirm"},
	{full: "copy-mode"},
	{full: "customize-mode"},
	{full: "delete-buffer", alias: "deleteb"},
	{full: "detach-client", alias: "detach"},
	{full: "display-menu", alias: "menu"},
	{full: "display-message", alias: "display"},
	{full: "display-popup", alias: "popup"},
	{full: "display-panes", alias: "displayp"},
	{full: "find-window", alias: "findw"},
	{full: "has-session", alias: "has"},
	{full: "if-shell", alias: "if"},
	{full: "join-pane", alias: "joinp"},
	{full: "kill-pane", alias: "killp"},
	{full: "kill-server"},
	{full: "kill-session"},
	{full: "kill-window", alias: "killw"},
	{full: "last-pane", alias: "lastp"},
	{full: "last-window", alias: "last"},
	{full: "link-window", alias: "linkw"},
	{full: "list-buffers", alias: "lsb"},
	{full: "list-clients", alias: "lsc"},
	{full: "list-commands", alias: "lscm"},
	{full: "list-keys", alias: "lsk"},
	{full: "list-panes", alias: "lsp"},
	{full: "list-sessions", alias: "ls"},
	{full: "list-windows", alias: "lsw"},
	{full: "load-buffer", alias: "loadb"},
	{full: "lock-client", alias: "lockc"},
	{full: "lock-server", alias: "lock"},
	{full: "lock-session", alias: "locks"},
	{full: "move-pane", alias: "movep"},
	{full: "move-window", alias: "movew"},
	{full: "new-pane", alias: "newp", since: v37},
	{full: "new-session", alias: "new"},
	{full: "new-window", alias: "neww"},
	{full: "next-layout", alias: "nextl"},
	{full: "next-window", alias: "next"},
	{full: "paste-buffer", alias: "pasteb"},
	{full: "pipe-pane", alias: "pipep"},
	{full: "previous-layout", alias: "prevl"},
	{full: "previous-window", alias: "prev"},
	{full: "refresh-client", alias: "refresh"},
	{full: "rename-session", alias: "rename"},
	{full: "rename-window", alias: "renamew"},
	{full: "resize-pane", alias: "resizep"},
	{full: "resize-window", alias: "resizew"},
	{full: "respawn-pane", alias: "respawnp"},
	{full: "respawn-window", alias: "respawnw"},
	{full: "rotate-window", alias: "rotatew"},
	{full: "run-shell", alias: "run"},
	{full: "save-buffer", alias: "saveb"},
	{full: "select-layout", alias: "selectl"},
	{full: "select-pane", alias: "selectp"},
	{full: "select-window", alias: "selectw"},
	{full: "send-keys", alias: "send"},
	{full: "send-prefix"},
	{full: "server-access", since: v33},
	{full: "set-buffer", alias: "setb"},
	{full: "set-environment", alias: "setenv"},
	{full: "set-hook"},
	{full: "set-option", alias: "set"},
	{full: "set-window-option", alias: "setw"},
	{full: "show-buffer", alias: "showb"},
	{full: "show-environment", alias: "showenv"},
	{full: "show-hooks"},
	{full: "show-messages", alias: "showmsgs"},
	{full: "show-options", alias: "show"},
	{full: "show-prompt-history", alias: "showphist", since: v33},
	{full: "show-window-options", alias: "showw"},
	{full: "source-file", alias: "source"},
	{full: "split-window", alias: "splitw"},
	{full: "start-server", alias: "start"},
	{full: "suspend-client", alias: "suspendc"},
	{full: "swap-pane", alias: "swapp"},
	{full: "swap-window", alias: "swapw"},
	{full: "switch-client", alias: "switchc"},
	{full: "unbind-key", alias: "unbind"},
	{full: "unlink-window", alias: "unlinkw"},
	{full: "wait-for", alias: "wait"},
}

var rowByName = func() map[string]*Command {
	m := make(map[string]*Command, len(offered))
	for _, c := range offered {
		m[c.Name] = c
	}
	return m
}()

// inTableOrder sorts rows as tmux lists them.
func inTableOrder(rows []*Command) []*Command {
	sorted := make([]*Command, 0, len(rows))
	for _, n := range names {
		for _, c := range rows {
			if c.Name == n.full {
				sorted = append(sorted, c)
			}
		}
	}
	return sorted
}

// CommandNames returns the names and aliases (empty for none) of every command
// that version v has, offered or not, in tmux's order.
func CommandNames(v Version) (full, alias []string) {
	v = v.orReference()
	for _, n := range names {
		if n.in(v) {
			full, alias = append(full, n.full), append(alias, n.alias)
		}
	}
	return full, alias
}

func (n *name) in(v Version) bool { return n.since.IsZero() || v.AtLeast(n.since) }

// findName decides what a typed word means to version v: an alias, a full
// name, or the start of exactly one full name.
func findName(word string, v Version) (*name, *ParseError) {
	var found *name
	ambiguous := false
	for i := range names {
		n := &names[i]
		if !n.in(v) {
			continue
		}
		if n.alias != "" && n.alias == word {
			return n, nil
		}
		if !strings.HasPrefix(n.full, word) {
			continue
		}
		ambiguous = ambiguous || found != nil
		found = n
		if n.full == word {
			// As in tmux, a whole name that is also the start of an
			// earlier one stays ambiguous; no such pair exists today.
			break
		}
	}
	switch {
	case found == nil:
		return nil, &ParseError{Reason: UnknownCommand, Command: word, Text: "unknown command: " + word}
	case ambiguous:
		return nil, &ParseError{
			Reason: AmbiguousCommand, Command: word,
			Text: "ambiguous command: " + word + ", could be: " + strings.Join(startingWith(word, v), ", "),
		}
	}
	return found, nil
}

func startingWith(word string, v Version) []string {
	var list []string
	for i := range names {
		if names[i].in(v) && strings.HasPrefix(names[i].full, word) {
			list = append(list, names[i].full)
		}
	}
	return list
}
