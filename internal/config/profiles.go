package config

import (
	"slices"
	"strings"
)

// Profile is a named session: what runs in it, as whom, and for whom. It has a tmux server
// of its own that is isolated, and has its name.
type Profile struct {
	// Command runs in each of its panes: the program and its arguments.
	Command []string `yaml:"command"`
	// Account is what its tmux runs as. Nobody logs in to it, and nothing else runs as it.
	Account string `yaml:"account"`
	// As is the account that the command runs as.
	As string `yaml:"run_as"`
	// Directory is where it begins; by default in that account's home.
	Directory string `yaml:"directory"`
	// Environment is added to what it has.
	Environment map[string]string `yaml:"environment"`
	// Secrets are variables whose values lie in files of this host that only root can read.
	Secrets map[string]string `yaml:"secrets"`
	// Who may start it: people, and @groups.
	Who []string `yaml:"who"`
	// Role is what they may do in it: operator, which is the default, or owner.
	Role string `yaml:"role"`
	// Shared has them all in one session, main; by default each has one of their own.
	Shared bool `yaml:"shared"`
	// Shell lets them run other commands as that account, and thereby a shell.
	Shell bool `yaml:"shell"`
	// About says what it is for, to those who may start it.
	About string `yaml:"about"`

	// Line is where it stands in its file.
	Line int `yaml:"-"`
}

// DefaultRole is the role of those who may start a profile that names none.
const DefaultRole = "operator"

// SharedSession is the session of a profile that is shared.
const SharedSession = "main"

// SessionOf is how a person's session of a profile is called. A session's name has no dot.
func SessionOf(person string, shared bool) string {
	if shared {
		return SharedSession
	}
	return strings.ReplaceAll(person, ".", "+")
}

// Program is what each pane of a server runs, whatever it is asked for.
type Program struct {
	Command []string
	Dir     string
	Secrets map[string]string
	// Shell takes other commands, too.
	Shell bool
}

// Isolated is the server that a profile has.
func (p Profile) Isolated() Isolated {
	return Isolated{Account: p.Account, RunAs: p.As, TmuxConfig: []string{}, Environment: p.Environment,
		Program: &Program{Command: slices.Clone(p.Command), Dir: p.Directory, Secrets: p.Secrets, Shell: p.Shell}}
}
