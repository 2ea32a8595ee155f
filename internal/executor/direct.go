package executor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
)

// This file is what tmux hears of somebody who types directly on a server that
// is not theirs: from us, and from nobody's client.

// keysOf gives the keys that a kind of terminal sends, by their names in
// terminfo(5). Keys with modifiers tmux knows by itself.
func keysOf(term string) []string {
	arrows := []string{"kcuu1=\x1bOA", "kcud1=\x1bOB", "kcuf1=\x1bOC", "kcub1=\x1bOD"}
	first := []string{"kf1=\x1bOP", "kf2=\x1bOQ", "kf3=\x1bOR", "kf4=\x1bOS"}
	ends := []string{"khome=\x1b[1~", "kend=\x1b[4~"}
	switch term {
	case "vt100":
		return slices.Concat(arrows, first)
	case "linux":
		arrows = []string{"kcuu1=\x1b[A", "kcud1=\x1b[B", "kcuf1=\x1b[C", "kcub1=\x1b[D"}
		first = []string{"kf1=\x1b[[A", "kf2=\x1b[[B", "kf3=\x1b[[C", "kf4=\x1b[[D", "kf5=\x1b[[E"}
	case "xterm-256color":
		ends = []string{"khome=\x1bOH", "kend=\x1bOF"}
	}
	all := slices.Concat(arrows, first, ends, []string{
		"kich1=\x1b[2~", "kdch1=\x1b[3~", "kpp=\x1b[5~", "knp=\x1b[6~", "kcbt=\x1b[Z",
	})
	for i, number := range []int{15, 17, 18, 19, 20, 21, 23, 24} {
		if i > 0 || term != "linux" {
			all = append(all, fmt.Sprintf("kf%d=\x1b[%d~", i+5, number))
		}
	}
	return all
}

// maxVariable is how long a variable may be that is said again.
const maxVariable = 8 << 10

// environment is what a session has already, said of a display that may switch
// between sessions by keys: tmux then gives each of them what its client has,
// and that must change nothing.
func environment(ctx context.Context, server Server, plan *gateway.Plan) ([]string, error) {
	name, ok := tmux.SpellCommand("show-environment", plan.Snapshot.Reading())
	if !ok {
		return nil, fmt.Errorf("the server's command-alias hides show-environment")
	}
	asking := [][]string{{name, "-g"}}
	if s := plan.Found.Session; s != nil {
		asking = append(asking, []string{name, "-t", s.ID.String()})
	}
	var env []string
	for _, words := range asking {
		out, err := ask(ctx, server, nil, words)
		if err != nil {
			return nil, fmt.Errorf("look at the session's environment: %w", err)
		}
		for line := range strings.Lines(string(out)) {
			line = strings.TrimSuffix(line, "\n")
			removed, is := strings.CutPrefix(line, "-")
			if variable, _, set := strings.Cut(line, "="); set {
				removed = variable
			} else if !is {
				continue // the rest of a value with a line end in it
			}
			env = slices.DeleteFunc(env, func(v string) bool { return strings.HasPrefix(v, removed+"=") })
			if !is && len(line) < maxVariable {
				env = append(env, line)
			}
		}
	}
	return env, nil
}
