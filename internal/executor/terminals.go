package executor

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
)

// terminalsFile holds, for the kinds of terminals that there are, the
// capabilities of terminfo(5) that tmux draws with: no keys, as a guest's
// keys never reach the display, and nothing that sets titles or clipboards.
// Made from ncurses' database with the names that tmux asks for.
//
//go:embed terminals.json
var terminalsFile []byte

var terminals = sync.OnceValues(func() (map[string][]string, error) {
	var all map[string][]string
	err := json.Unmarshal(terminalsFile, &all)
	return all, err
})

// termName reports whether a TERM may be named to tmux at all.
func termName(s string) bool {
	if s == "" || len(s) > 64 || s[0] == '.' || s[0] == '-' {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+._-") == ""
}

// terminal gives what tmux hears of a guest's terminal: one of the few kinds
// that muxward describes itself. Of what the guest's client said, nothing but
// the kind is used.
func terminal(term string) (name string, capabilities []string, err error) {
	all, err := terminals()
	if err != nil {
		return "", nil, fmt.Errorf("muxward's own terminal descriptions: %w", err)
	}
	switch {
	case !termName(term) || term == "dumb" || term == "unknown":
		return "", nil, fmt.Errorf("open terminal failed: missing or unsuitable terminal: %.64q; set TERM to what "+
			"your terminal is, such as xterm-256color", term)
	case all[term] != nil:
		name = term
	case strings.HasPrefix(term, "vt") || term == "ansi":
		name = "vt100"
	default:
		name = "xterm-256color" // what terminals of today understand
	}
	return name, all[name], nil
}

// mouseOf says that a kind of terminal has a mouse: of one that has none tmux
// never asks for what it does.
func mouseOf(term string) []string {
	if term == "vt100" {
		return nil
	}
	return []string{"kmous=\x1b[M"}
}
