package guard

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/muxward/muxward/internal/teeth"
	"github.com/muxward/muxward/internal/tmux"
)

// What a server runs, besides hooks, without anybody having asked for it there and then, or when
// its owner presses a key: options that name programs, jobs in formats, bindings, and what
// its environment has programs load. Guests are held off by other things: a key is decided as
// the commands that it is bound to, formats are answered from a snapshot, and what tmux
// draws for them passes a filter. These are told of because whoever may type into a pane could have
// set them, and the owner is who runs them.

// trapPlaces are where traps are, one list for each kind of thing: options, the environment, keys.
func (in *inspection) trapPlaces() map[string][]place {
	options := []place{
		{"server", [][]string{{"show-options", "-s"}}, readOption},
		{"every session", [][]string{{"show-options", "-g"}}, readOption},
		{"every window", [][]string{{"show-options", "-gw"}}, readOption},
	}
	environments := [][]string{{"show-environment", "-g"}}
	for _, n := range numbers(in.sessions) {
		if len(environments) == placesAtOnce {
			break
		}
		environments = append(environments, []string{"show-environment", "-t", fmt.Sprintf("$%d", n)})
	}
	// A value may hold lines, also one as our mark: each is a look of its own, which needs none.
	return map[string][]place{
		"options":      append(options, in.each("show-options", readOption)...),
		"environments": {{"the environment", environments, readVariable}},
		"key bindings": {{"keys", [][]string{{"list-keys"}}, readBinding}},
	}
}

// inspectTraps asks the server for them and tells what has changed.
func (s *Server) inspectTraps(ctx context.Context, in inspection, settles bool) {
	if teeth.Out(teeth.Traps) {
		return
	}
	places := in.trapPlaces()
	all := &hookLook{read: map[string]bool{}, whole: true}
	var asked []place
	for _, what := range []string{"options", "environments", "key bindings"} {
		l := s.lookAt(ctx, what, in.opts, places[what])
		if s.Cause() != nil || s.g.ctx.Err() != nil {
			return
		}
		for place := range l.read {
			all.read[place] = true
		}
		for i := range l.unread {
			l.unread[i].key += " " + what
		}
		all.found, all.unread = append(all.found, l.found...), append(all.unread, l.unread...)
		all.whole = all.whole && l.whole
		asked = append(asked, places[what]...)
	}
	s.compare(&s.seen.traps, s.adjust(all, asked, &s.traps, &s.seen.traps), settles && all.whole)
}

// readOption reads a line of show-options, as tmux quotes it.
func readOption(line string, _ tmux.ParseOptions) (saying, bool) {
	key, value, _ := strings.Cut(line, " ")
	name, _, _ := strings.Cut(key, "[")
	bare := strings.Trim(value, `"'`)
	said := saying{name: name, command: value}
	switch {
	case strings.Contains(value, "#("):
		said.text = "the option " + name + " runs a program"
	case bare == "":
		return said, false
	case name == "default-command":
		said.text = "new panes run what default-command says"
	case name == "default-shell", name == "editor":
		said.text = name + " is not one of the system's programs"
		return said, elsewhere(bare)
	case name == "copy-command":
		said.text = "what is copied is given to copy-command"
	case name == "lock-command":
		said.text = "lock-command is not tmux's own"
		return said, bare != "lock -np"
	case name == "exit-unattached":
		said.text = "exit-unattached ends the server once nobody is attached"
		return said, bare != "off"
	case name == "destroy-unattached":
		said.text = "destroy-unattached ends sessions that nobody is attached to"
		return said, bare != "off"
	case name == "update-environment":
		said.text = "update-environment takes over what has programs load others"
		return said, slices.ContainsFunc(strings.Fields(bare), loads)
	}
	return said, said.text != ""
}

// readVariable reads a line of show-environment.
func readVariable(line string, _ tmux.ParseOptions) (saying, bool) {
	name, value, set := strings.Cut(line, "=")
	return saying{name: name, command: value, text: "new panes have " + tmux.Clean(name) + " in their environment"}, set && loads(name)
}

// readBinding reads a line of list-keys.
func readBinding(line string, opts tmux.ParseOptions) (saying, bool) {
	table, key, b, ok := tmux.ListedKey(line, opts.Version)
	if !ok {
		return saying{}, false
	}
	text := "the key " + tmux.Clean(key) + " of the table " + tmux.Clean(table) + " runs a program"
	return saying{name: table + " " + key, command: b.Text(), text: text}, b.RunsProgram(opts)
}

// elsewhere reports whether a program is not in one of the system's directories. One without a
// path is looked for in PATH.
func elsewhere(program string) bool {
	for _, dir := range []string{"/bin/", "/usr/bin/", "/usr/local/bin/", "/run/current-system/", "/nix/store/"} {
		if strings.HasPrefix(program, dir) && !strings.Contains(program, "/../") {
			return false
		}
	}
	return strings.Contains(program, "/")
}

// loads reports whether a variable of that name has programs that are started load or run others.
func loads(name string) bool {
	return strings.HasPrefix(name, "LD_") || strings.HasPrefix(name, "BASH_FUNC_") ||
		slices.Contains([]string{"BASH_ENV", "ENV", "PROMPT_COMMAND", "SHELLOPTS", "ZDOTDIR", "PERL5LIB", "PERL5OPT", "PYTHONSTARTUP", "PYTHONPATH", "RUBYOPT", "NODE_OPTIONS"}, name)
}
