package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// Isolated is a tmux server that runs as an account of its own, and its panes as another.
// The paths are absolute once Fill has run.
type Isolated struct {
	// Account is what tmux runs as. Nobody logs in to it, and nothing else runs as it.
	Account string `yaml:"account"`
	// RunAs is the account of its panes, SessionRunAs that of the panes of some of its
	// sessions, by their names.
	RunAs        string            `yaml:"run_as"`
	SessionRunAs map[string]string `yaml:"session_run_as"`
	// AsThemselves has people's new panes run as their own accounts.
	AsThemselves Themselves `yaml:"people_as_themselves"`
	// Sessions are there at any time; by default one, main.
	Sessions []string `yaml:"sessions"`
	// TmuxConfig lists its configuration files; by default it has none.
	TmuxConfig []string `yaml:"tmux_config"`
	// PAM says whether PAM has a word in each pane: "auto" (or nothing) where this host has
	// the service, "required", or "off". PAMService is the service, muxward by default, and
	// PAMWait how long each of its steps may take.
	PAM        string        `yaml:"pam"`
	PAMService string        `yaml:"pam_service"`
	PAMWait    time.Duration `yaml:"pam_wait"`
	// PaneProcesses and PaneMemory (bytes) bound each pane, where cgroups can be written;
	// nothing is 4096 processes, and -1 no bound.
	PaneProcesses int64 `yaml:"pane_processes"`
	PaneMemory    int64 `yaml:"pane_memory"`
	// Environment are variables of the programs in its panes.
	Environment map[string]string `yaml:"environment"`
	// Program is what its panes run, of a profile's server; nil: what they are asked for.
	Program *Program `yaml:"-"`
}

// Themselves says who is meant, as whose panes run as their own accounts: everybody (true),
// nobody (false), or the people in a list.
type Themselves struct {
	All    bool
	People []string
}

// UnmarshalYAML reads true, false, or a list of people.
func (t *Themselves) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		return n.Decode(&t.All)
	}
	return n.Decode(&t.People)
}

// Any reports whether anybody's do.
func (t Themselves) Any() bool { return t.All || len(t.People) > 0 }

// Has reports whether those of a person do.
func (t Themselves) Has(person string) bool { return t.All || slices.Contains(t.People, person) }

// onlySession is the one that there is where none is named.
const onlySession = "main"

const (
	maxIsolated    = 64
	maxEnvironment = 64 << 10 // bytes, of one server
)

var (
	sessionForm  = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$`)
	serviceForm  = regexp.MustCompile(`^[a-z0-9_][a-z0-9_-]{0,63}$`)
	variableForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)
)

func (c *Config) checkIsolated() error {
	if len(c.Isolated) > maxIsolated {
		return fmt.Errorf("more than %d servers", maxIsolated)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Isolated)) {
		if err := c.Isolated[name].check(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (i Isolated) check() error {
	if i.Account == "" || i.RunAs == "" {
		return errors.New("say which account tmux runs as (account: NAME) and which one its panes (run_as: NAME)")
	}
	if err := i.checkPAM(); err != nil {
		return err
	}
	for _, s := range i.Sessions {
		if !sessionForm.MatchString(s) {
			return fmt.Errorf("the session %.80q: a name has letters, digits, _ and -", s)
		}
	}
	for _, s := range slices.Sorted(maps.Keys(i.SessionRunAs)) {
		if !slices.Contains(i.Sessions, s) && (len(i.Sessions) > 0 || s != onlySession) {
			return fmt.Errorf("session_run_as: the session %.80q is not among its sessions", s)
		}
		if i.SessionRunAs[s] == "" {
			return fmt.Errorf("session_run_as: say which account the panes of %s run as", s)
		}
	}
	if slices.Contains(i.AsThemselves.People, "") {
		return errors.New("people_as_themselves: true, false, or a list of people's names")
	}
	size := 0
	for k, v := range i.Environment {
		size += len(k) + len(v)
		switch {
		case !variableForm.MatchString(k):
			return fmt.Errorf("the variable %.80q: a name has letters, digits and _", k)
		case strings.HasPrefix(k, "TMUX") || k == "TERM":
			return fmt.Errorf("the variable %s is tmux's to set", k)
		case strings.ContainsRune(v, 0):
			return fmt.Errorf("the variable %s has a NUL in it", k)
		}
	}
	if size > maxEnvironment {
		return fmt.Errorf("its environment has more than %d bytes", maxEnvironment)
	}
	return nil
}

const maxPaneWait = time.Minute

// The values of pam.
const (
	PAMAuto     = "auto"
	PAMRequired = "required"
	PAMOff      = "off"
)

func (i Isolated) checkPAM() error {
	switch {
	case !slices.Contains([]string{"", PAMAuto, PAMRequired, PAMOff}, i.PAM):
		return fmt.Errorf("pam: %.80q is none of auto, required and off", i.PAM)
	case i.PAMService != "" && !serviceForm.MatchString(i.PAMService):
		return fmt.Errorf("pam_service: %.80q is no file of /etc/pam.d: give small letters, digits, _ and -", i.PAMService)
	case i.PAMWait < 0 || i.PAMWait > maxPaneWait:
		return fmt.Errorf("pam_wait: %v is not between nothing and %v", i.PAMWait, maxPaneWait)
	case i.PaneProcesses < -1 || i.PaneMemory < -1 || i.PaneProcesses > 0 && i.PaneProcesses < leastProcesses || i.PaneMemory > 0 && i.PaneMemory < leastMemory:
		return fmt.Errorf("pane_processes and pane_memory: give at least %d and %d (bytes), or -1 for no bound", leastProcesses, leastMemory)
	}
	return nil
}

// A pane with less than this does not come to run.
const (
	leastProcesses = 16
	leastMemory    = 16 << 20
)

// fillIsolated makes the paths absolute.
func (c *Config) fillIsolated() (err error) {
	for name, i := range c.Isolated {
		i.TmuxConfig = slices.Clone(i.TmuxConfig)
		for n := range i.TmuxConfig {
			if i.TmuxConfig[n], err = filepath.Abs(i.TmuxConfig[n]); err != nil {
				return err
			}
		}
		if len(i.Sessions) == 0 {
			i.Sessions = []string{onlySession}
		}
		c.Isolated[name] = i
	}
	return nil
}

// Environ gives the variables as an environment has them, sorted.
func (i Isolated) Environ() []string {
	var out []string
	for k, v := range i.Environment {
		out = append(out, k+"="+v)
	}
	slices.Sort(out)
	return out
}

// Shared lists the accounts that its panes run as where they are not a person's own.
func (i Isolated) Shared() []string {
	all := []string{i.RunAs}
	for _, s := range slices.Sorted(maps.Keys(i.SessionRunAs)) {
		if !slices.Contains(all, i.SessionRunAs[s]) {
			all = append(all, i.SessionRunAs[s])
		}
	}
	return all
}

// SharedIn is the account of panes in a session that are not a person's own.
func (i Isolated) SharedIn(session string) string { return cmp.Or(i.SessionRunAs[session], i.RunAs) }

// isolates reports whether an account is that of an isolated server.
func (c *Config) isolates(account string) bool {
	for _, i := range c.Isolated {
		if i.Account == account {
			return true
		}
	}
	return false
}
