package profiles

import (
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/strictyaml"
)

// Most is how many profiles a host has at most.
const Most = 64

// Bounds of what a file says.
const (
	maxWho         = 64
	maxWords       = 256
	maxCommand     = 16 << 10
	maxEnvironment = 64 << 10
	maxAbout       = 200
)

var (
	// nameForm is that of an owner's name, without what would mean something to a shell, to
	// ssh or in a target.
	nameForm     = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)
	accountForm  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,31}$`)
	personForm   = regexp.MustCompile(`^@?[a-z_][a-z0-9_.-]{0,63}$`)
	variableForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)
)

// Fail tells what is wrong with the value at a key, such as environment.PATH; "" is the
// profile itself.
type Fail func(key, hint, format string, args ...any)

// Check looks at one profile.
func Check(name string, p config.Profile, fail Fail) {
	if !nameForm.MatchString(name) {
		fail("", "", "is no name of a profile: a small letter, then small letters, digits, - and _, at most 32")
	}
	if len(p.Command) == 0 || p.Account == "" || p.As == "" || len(p.Who) == 0 {
		fail("", "", "has to say command, account, run_as and who")
		return
	}
	checkCommand(p, fail)
	for _, a := range []struct{ key, name string }{{"account", p.Account}, {"run_as", p.As}} {
		if !accountForm.MatchString(a.name) {
			fail(a.key, "", "%q is no name of an account", strictyaml.Clip(a.name))
		}
	}
	if p.Account == p.As {
		fail("account", "give tmux an account of its own, which nothing else runs as", "is run_as, too: what runs in its panes could do everything to its tmux")
	}
	if len(p.Who) > maxWho {
		fail("who", "make a group of them", "has more than %d entries", maxWho)
	}
	for _, w := range p.Who {
		if !personForm.MatchString(w) {
			fail("who", "", "%q is no name of a person, or of a @group", strictyaml.Clip(w))
		}
	}
	if roles := []string{config.DefaultRole, "owner"}; p.Role != "" && !slices.Contains(roles, p.Role) {
		fail("role", strictyaml.DidYouMean(p.Role, roles), "%q is none for those who start a profile; who may only look on is given that by the policy", strictyaml.Clip(p.Role))
	}
	if len(p.About) > maxAbout {
		fail("about", "", "has more than %d bytes", maxAbout)
	}
	checkVariables(p, fail)
}

func checkCommand(p config.Profile, fail Fail) {
	size := 0
	for _, word := range p.Command {
		size += len(word) + 1
	}
	switch {
	case !path.IsAbs(p.Command[0]):
		fail("command", "", "%q is no absolute path: what runs must not hang on a PATH", strictyaml.Clip(p.Command[0]))
	case len(p.Command) > maxWords || size > maxCommand:
		fail("command", "", "has more than %d words or %d bytes", maxWords, maxCommand)
	case slices.ContainsFunc(p.Command, func(w string) bool { return strings.ContainsRune(w, 0) }):
		fail("command", "", "has a NUL in it")
	}
	if p.Directory != "" && !path.IsAbs(p.Directory) {
		fail("directory", "", "%q is no absolute path", strictyaml.Clip(p.Directory))
	}
}

func checkVariables(p config.Profile, fail Fail) {
	size := 0
	for _, v := range slices.Sorted(maps.Keys(p.Environment)) {
		size += len(v) + len(p.Environment[v]) + 2
		if !variableForm.MatchString(v) || Loads(v) {
			fail("environment."+v, "", "is no name that a session is given from here: programs run by it, or it is the session's own")
		}
		if strings.ContainsRune(p.Environment[v], 0) {
			fail("environment."+v, "", "has a NUL in it")
		}
	}
	if size > maxEnvironment {
		fail("environment", "", "has more than %d bytes", maxEnvironment)
	}
	for _, v := range slices.Sorted(maps.Keys(p.Secrets)) {
		_, twice := p.Environment[v]
		switch file := p.Secrets[v]; {
		case !variableForm.MatchString(v) || Loads(v):
			fail("secrets."+v, "", "is no name that a session is given from here: programs run by it, or it is the session's own")
		case twice:
			fail("secrets."+v, "", "is in environment, too")
		case !path.IsAbs(file) || path.Clean(file) != file:
			// Not the value: it may be the secret itself.
			fail("secrets."+v, "put the value into a file that only root can read, and name that", "is no absolute path of a file")
		}
	}
}

// Loads reports whether a variable has programs load or run code that somebody else names.
func Loads(name string) bool {
	for _, prefix := range []string{"LD_", "BASH_", "PYTHON", "PERL5", "RUBY", "NODE_", "GIT_", "JAVA_", "GCONV", "MALLOC_", "GLIBC_", "TMUX", "MUXWARD_"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	switch name {
	case "PATH", "ENV", "PROMPT_COMMAND", "IFS", "PS1", "PS4", "SHELLOPTS", "BASHOPTS", "HOME", "SHELL", "USER", "LOGNAME", "TERM",
		"TERMINFO", "TERMINFO_DIRS", "NLSPATH", "LOCPATH", "LESSOPEN", "LESSCLOSE", "EDITOR", "VISUAL", "PAGER", "CDPATH", "TMPDIR":
		return true
	}
	return false
}
