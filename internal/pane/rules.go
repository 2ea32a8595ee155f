package pane

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Rules has what PAM knows of an account's sessions asked for one. A nil one asks nothing.
type Rules struct {
	// Program is muxward-pam, absolute.
	Program string
	// Service is the file of /etc/pam.d.
	Service string
	// Wait is how long each step may take.
	Wait time.Duration
}

const (
	// WaitTime is how long a step of PAM may take unless something else is asked for, and
	// MostWait the most.
	WaitTime = 15 * time.Second
	MostWait = 60 * time.Second
	// openTime is how long the steps may take all in all, until the session has begun.
	openTime = 2 * MostWait
)

func (r *Rules) wait() time.Duration {
	if r.Wait <= 0 {
		return WaitTime
	}
	return min(r.Wait, MostWait)
}

// PAMService is the service that is asked unless another one is named.
const PAMService = "muxward"

// Transaction is what [Open] does with libpam. Each method but User and Environ is a step
// of its own, and is called once at most. Its errors are for people.
type Transaction interface {
	// Account asks whether the account may have a session now.
	Account() error
	// Establish gives the process the account's credentials, Delete takes them back.
	Establish() error
	Delete() error
	Open() error
	Close() error
	// User is the account as it is now: modules can change it.
	User() (string, error)
	// Environ are the variables that modules have set.
	Environ() ([]string, error)
	End() error
}

// Asked is what a transaction is begun with.
type Asked struct {
	Service, Account string
	// TTY is the terminal's path (PAM_TTY), Person who asks for the pane (PAM_RUSER): the
	// person that muxward has made a ticket for, or the account of the tmux server.
	TTY, Person string
	// Tell is called with what modules tell. There is nobody to ask.
	Tell func(string)
}

const (
	maxVariables = 64 << 10 // bytes, of what PAM sets
	maxSaid      = 4 << 10  // bytes, of what modules tell in all
)

// withRules gives an environment with what PAM has set in it. What is the terminal's and the
// account's stays as it is, as does what the administrator has said of this very server
// (fixed), and nothing comes in by which the linker of programs is told what to load.
func withRules(env, set, fixed []string) ([]string, error) {
	out := map[string]string{}
	for _, kv := range env {
		k, v, _ := strings.Cut(kv, "=")
		out[k] = v
	}
	size := 0
	for _, kv := range set {
		k, v, ok := strings.Cut(kv, "=")
		if !ok || !isVariable(k) || ours(k) || slices.Contains(fixed, k) || strings.ContainsRune(v, 0) || !utf8.ValidString(v) {
			continue
		}
		if size += len(kv); size > maxVariables {
			return nil, fmt.Errorf("PAM modules set more than %d bytes of environment", maxVariables)
		}
		out[k] = v
	}
	var list []string
	for _, k := range slices.Sorted(maps.Keys(out)) {
		list = append(list, k+"="+out[k])
	}
	return list, nil
}

// ours reports whether a variable is none that PAM sets.
func ours(name string) bool {
	for _, prefix := range []string{"LD_", "TMUX", "MUXWARD", "GLIBC_TUNABLES"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return slices.Contains([]string{"TERM", "HOME", "USER", "LOGNAME", "SHELL", "IFS", "GCONV_PATH"}, name)
}

func isVariable(name string) bool {
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

// said gathers what modules tell, for the terminal: lines of text, and nothing else.
type said struct{ b strings.Builder }

func (s *said) add(text string) {
	for line := range strings.Lines(text) {
		line = strings.Map(func(r rune) rune {
			if r < ' ' && r != '\t' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
				return -1
			}
			return r
		}, line)
		if line == "" || s.b.Len()+len(line) > maxSaid {
			continue
		}
		s.b.WriteString(line + "\r\n")
	}
}

// errLeft is that nobody waits for the session any more.
var errLeft = errors.New("the pane has gone")
