package guard

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/muxward/muxward/internal/tmux"
)

const (
	// maxPlaces is how many sessions, windows and panes are asked for hooks of
	// their own, and maxTold how many hooks are told one by one: what a program
	// in a pane can make many of must not keep us busy.
	maxPlaces = 1000
	maxTold   = 20
	// placesAtOnce go into one client's command line.
	placesAtOnce = 100
)

// place is where a hook can be set.
type place struct {
	name string // for people
	ask  []string
}

// places are all of them, those for everything first. What is gone meanwhile
// answers nothing.
func (in *inspection) places() []place {
	all := []place{
		{"every session", []string{"show-hooks", "-g"}},
		{"every window", []string{"show-hooks", "-gw"}},
	}
	for _, kind := range []struct {
		name, flags string
		ids         []string
	}{{"session ", "-qH", in.sessions}, {"window ", "-qHw", in.windows}, {"pane ", "-qHp", in.panes}} {
		for _, id := range slices.Compact(slices.Sorted(slices.Values(kind.ids))) {
			if _, err := strconv.ParseUint(strings.TrimLeft(id, "$@%"), 10, 32); err != nil {
				continue // it was not tmux that said this
			}
			all = append(all, place{kind.name + id, []string{"show-options", kind.flags, "-t", id}})
		}
	}
	return all
}

// hooks asks the server which commands it runs when something happens, and
// gives them in words for people.
func (s *Server) hooks(ctx context.Context, opts tmux.ParseOptions, all []place) ([]string, error) {
	var told []string
	more := max(len(all)-maxPlaces, 0)
	all = all[:len(all)-more]
	names := map[string]bool{}
	for chunk := range slices.Chunk(all, placesAtOnce) {
		q, err := hookQuestions(opts, chunk)
		if err != nil {
			return nil, err
		}
		out, err := s.oneShot(ctx, q...)
		if err != nil {
			return nil, err
		}
		told = append(told, s.readHooks(out, chunk, names)...)
	}
	if n := len(told) - maxTold; n > 0 {
		told = append(told[:maxTold], fmt.Sprintf("and %d more hooks", n))
	}
	if more > 0 {
		told = append(told, fmt.Sprintf("hooks of %d more places, which are not looked at", more))
	}
	return told, nil
}

// hookQuestions has each place's answer end with the server's mark.
func hookQuestions(opts tmux.ParseOptions, places []place) ([]string, error) {
	var q []string
	for _, p := range places {
		for _, words := range [][]string{p.ask, {"show-options", "-sqv", tmux.MarkOption}} {
			name, ok := tmux.SpellCommand(words[0], opts)
			if !ok {
				return nil, fmt.Errorf("%s: this server's command-alias option hides the command", words[0])
			}
			if len(q) > 0 {
				q = append(q, ";")
			}
			q = append(append(q, name), words[1:]...)
		}
	}
	return q, nil
}

// readHooks reads the answer. The places for everything come first and list
// every hook by its name; so names tells the hooks of others from their options.
func (s *Server) readHooks(out []byte, places []place, names map[string]bool) []string {
	var told []string
	for line := range lines(out) {
		if line == s.rec.Mark && len(places) > 1 {
			places = places[1:]
			continue
		}
		key, command, _ := strings.Cut(line, " ")
		name, _, _ := strings.Cut(key, "[")
		if places[0].ask[0] == "show-hooks" {
			names[name] = true
		}
		if names[name] && command != "" {
			told = append(told, fmt.Sprintf("the hook %s of %s runs: %s", name, places[0].name, command))
		}
	}
	return told
}
