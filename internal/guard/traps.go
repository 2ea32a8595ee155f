package guard

import (
	"context"
	"fmt"
	"regexp"
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
	option := place{read: readOption, late: ofUser}
	options := []place{option, option, option}
	for i, where := range []struct{ name, flag string }{{"server", "-s"}, {"every session", "-g"}, {"every window", "-gw"}} {
		options[i].name, options[i].asks, options[i].undo = where.name, [][]string{{"show-options", where.flag}}, unset("set-option", where.flag)
	}
	// Each a place of its own: a session that ends meanwhile takes no other's answer with it.
	variables := func(name string, where ...string) place {
		return place{name: name, asks: [][]string{append([]string{"show-environment"}, where...)}, read: readVariable, undo: unset("set-environment", where...)}
	}
	environments := []place{variables("the environment", "-g")}
	for _, n := range numbers(in.sessions) {
		id := fmt.Sprintf("$%d", n)
		p := variables("the environment of session "+id, "-t", id)
		p.single = true
		environments = append(environments, p)
	}
	return map[string][]place{
		"options":      append(options, in.each("show-options", "set-option", option)...),
		"environments": environments,
		"key bindings": {{name: "keys", asks: [][]string{{"list-keys"}}, read: bindingReader(), late: ofTable}},
	}
}

// ofUser reports whether a line of show-options is of an option that somebody has named.
func ofUser(line string) bool { return strings.HasPrefix(line, "@") }

// ofTable reports whether a line of list-keys is of a table that somebody has named.
func ofTable(line string) bool {
	_, rest, _ := strings.Cut(line, " -T ")
	name, _, _ := strings.Cut(strings.TrimLeft(rest, " "), " ")
	return !slices.Contains([]string{"root", "prefix", "copy-mode", "copy-mode-vi"}, name)
}

// lookAtTraps asks the server for them, of all places.
func (s *Server) lookAtTraps(ctx context.Context, in inspection) (all *hookLook, asked []place) {
	all = &hookLook{read: map[string]bool{}, whole: true}
	if teeth.Out(teeth.Traps) {
		return all, nil
	}
	places := in.trapPlaces()
	for _, what := range []string{"environments", "options", "key bindings"} {
		l := s.lookAt(ctx, what, in.opts, places[what])
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
	return all, asked
}

// inspectTraps asks the server for them and tells what has changed.
func (s *Server) inspectTraps(ctx context.Context, in inspection, settles bool) {
	all, asked := s.lookAtTraps(ctx, in)
	if s.Cause() != nil || s.g.ctx.Err() != nil {
		return
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
	case expandsTwice(value):
		said.text = "the option " + name + " expands what others say once more, and runs a program that they name"
	case bare == "":
		return said, false
	case name == "default-command":
		said.text = "new panes run what default-command says"
	case name == "editor" && strings.Trim(bare, plainPath) != "":
		said.text = "editor is more than the name of a program: a shell runs it"
	case name == "default-shell", name == "editor":
		said.text = name + " is not one of the system's programs"
		return said, elsewhere(bare)
	case name == "default-client-command":
		said.text = "default-client-command is not tmux's own"
		return said, bare != "new-session"
	case name == "key-table":
		said.text = "keys are looked for in another table than root"
		return said, bare != "root"
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
		return said, strings.ContainsAny(bare, "*?[") || slices.ContainsFunc(strings.FieldsFunc(bare, func(r rune) bool { return r == ' ' || r == ',' }), func(name string) bool {
			return loads(name) || steers(name)
		})
	}
	return said, said.text != ""
}

// readVariable reads a line of show-environment.
func readVariable(line string, _ tmux.ParseOptions) (saying, bool) {
	name, value, set := strings.Cut(line, "=")
	said := saying{name: name, command: value, text: "new panes have " + tmux.Clean(name) + " in their environment"}
	switch {
	case loads(name):
	case strings.Contains(value, "#("), expandsTwice(value): // formats find variables by their names, too
		said.text = "the variable " + tmux.Clean(name) + " holds a format that runs a program"
	case steers(name):
		said.usual = true
	default:
		return said, false
	}
	return said, set
}

// bindingReader reads the lines of one list-keys. A table is named by whoever binds, and printed as
// it is: a name with a line in it makes two of one, of which neither has its key where all others
// have theirs. What cannot be read is told of.
func bindingReader() func(string, tmux.ParseOptions) (saying, bool) {
	column := 0
	return func(line string, opts tmux.ParseOptions) (saying, bool) {
		table, key, b, ok := tmux.ListedKey(line, opts.Version)
		if !ok || column > 0 && b.Column() != column {
			return saying{name: "unread", command: tmux.Clean(line), text: "a key cannot be read, and may run anything"}, true
		}
		column = b.Column()
		said := saying{name: table + " " + key, command: b.Text(), undo: []string{"unbind-key", "-T", table, "--", key}, text: "the key " + tmux.Clean(key) + " of the table " + tmux.Clean(table) + " runs a program"}
		if expandsTwice(b.Text()) {
			said.text = "the key " + tmux.Clean(key) + " of the table " + tmux.Clean(table) + " expands what others say once more, and runs a program that they name"
			return said, true
		}
		return said, b.RunsProgram(opts)
	}
}

// expandsTwice reports whether a format may expand text once more that is not an option's: what that is
// is not the owner's to say. Options are looked at themselves, and tmux's own formats expand some of
// them so.
func expandsTwice(text string) bool {
	if !strings.Contains(text, "E:") && !strings.Contains(text, "T:") && !strings.Contains(text, "E;") && !strings.Contains(text, "T;") {
		return false
	}
	return twice.MatchString(ofOption.ReplaceAllString(text, ""))
}

// ofOption is such a part of a format that names an option: those of users begin with @, and those of
// tmux have a dash, which no variable's name has.
var ofOption = regexp.MustCompile(`\{[ET](;=/#\{[a-z-]+\}|;=-?[0-9]+)?:(@[A-Za-z0-9_-]+|[a-z]+(-[a-z0-9]+)+)\}`)

// twice is a part of a format that expands what it stands for.
var twice = regexp.MustCompile(`[{;][ET][;:]`)

// plainPath are the characters of a path that mean nothing to a shell.
const plainPath = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._+-"

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

// steers reports whether a variable of that name says which programs others start. Most servers have
// some of them from the start; one that comes later is an alarm.
func steers(name string) bool {
	return strings.HasPrefix(name, "GIT_") || slices.Contains([]string{"PATH", "SHELL", "EDITOR", "VISUAL", "PAGER", "MANPAGER", "BROWSER", "LESSOPEN", "LESSCLOSE",
		"JAVA_TOOL_OPTIONS", "PYTHONHOME", "GCONV_PATH", "TMUX_TMPDIR"}, name)
}

// loads reports whether a variable of that name has programs that are started load or run others.
func loads(name string) bool {
	return strings.HasPrefix(name, "LD_") || strings.HasPrefix(name, "BASH_FUNC_") ||
		slices.Contains([]string{"BASH_ENV", "ENV", "PROMPT_COMMAND", "SHELLOPTS", "ZDOTDIR", "PERL5LIB", "PERL5OPT", "PYTHONSTARTUP", "PYTHONPATH", "RUBYOPT", "NODE_OPTIONS"}, name)
}
