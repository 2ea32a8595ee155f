package guard

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/keep"
	"github.com/muxward/muxward/internal/tmux"
)

// inspectTime is how long a server may take to tell what it is like.
const inspectTime = 2 * time.Second

// mendTime is how long the hands may take to mend a server. They give up before.
const mendTime = 5 * time.Second

// watched is what the watch last saw of a server. With Server.mu held.
type watched struct {
	busy     bool // an inspection is under way
	silent   bool // it did not answer
	sessions int
	state    riskList
	hooks    riskList
	traps    riskList
	settled  bool // and people were told
}

// Silent reports whether the server did not answer when the watch last asked:
// it is stopped, or overloaded.
func (s *Server) Silent() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen.silent
}

// askAliases asks for the aliases. The words that a server takes for commands
// are its owner's to choose, so everything after is spelled around them; an
// abbreviation is what is least likely to be taken.
func askAliases() []string { return []string{"show-optio", "-s", "command-alias"} }

// questions are what the watch asks, in one client, but for those whose command
// an alias hides. Every line of the answer begins with a word that says what it
// is about, but for the last command's. list-clients wants a session to be there. Whom the server lists is
// asked only if files have its account: tmux has the name service switch say each name, and serves nobody
// until a directory answers. The directory of the socket keeps others out, whoever is listed.
func questions(opts tmux.ParseOptions, sessions, files bool) (q, hidden []string) {
	all := [][]string{
		{"display-message", "-p", "server set-clipboard #{set-clipboard}"},
		{"list-sessions", "-F", "session #{session_id}"},
		{"list-panes", "-a", "-F", "pane #{pane_id} #{window_id} #{allow-rename} #{set-titles} #{allow-passthrough}"},
	}
	if sessions {
		all = append(all, []string{"list-clients", "-F", "client #{client_pid} #{s/[^ -~]/?/:client_name}"})
	}
	if files && opts.Version.AtLeast(tmux.Version{Major: 3, Minor: 3}) {
		all = append(all, []string{"server-access", "-l"})
	}
	return spelled(opts, all)
}

// spelled makes one command line of commands, but for those that an alias hides.
func spelled(opts tmux.ParseOptions, all [][]string) (line, hidden []string) {
	for _, words := range all {
		name, ok := tmux.SpellCommand(words[0], opts)
		if !ok {
			hidden = append(hidden, words[0])
			continue
		}
		if len(line) > 0 {
			line = append(line, ";")
		}
		line = append(append(line, name), words[1:]...)
	}
	return line, hidden
}

// shadowed gives the aliases that take the name of a tmux command.
func shadowed(opts tmux.ParseOptions) []string {
	full, short := tmux.CommandNames(opts.Version)
	var out []string
	for _, a := range opts.Aliases {
		if slices.Contains(full, a.Name) || slices.Contains(short, a.Name) {
			out = append(out, a.Name)
		}
	}
	return out
}

// inspection is what a server answered.
type inspection struct {
	sessions  []string // ids, as those of windows and panes
	windows   []string
	panes     []string
	clipboard string
	rename    []string // panes that may set names, and so on
	titles    []string
	through   []string
	clients   []foreignClient
	shadowed  []string
	hidden    []string // commands that were not asked
	allowed   []string // accounts on tmux's own list
	aliases   string   // as show-options prints them
	opts      tmux.ParseOptions
}

type foreignClient struct {
	pid  int
	name string
}

// parseInspection reads the answer. Names in it were chosen by others and are
// only shown.
func parseInspection(out []byte) inspection {
	var in inspection
	for line := range lines(out) {
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case word == "server":
			in.clipboard = strings.TrimPrefix(rest, "set-clipboard ")
		case word == "session":
			in.sessions = append(in.sessions, rest)
		case word == "pane":
			in.pane(strings.Split(rest, " "))
		case word == "client":
			pid, name, _ := strings.Cut(rest, " ")
			n, _ := strconv.Atoi(pid) // 0 is nobody's
			in.clients = append(in.clients, foreignClient{n, name})
		case strings.HasSuffix(line, " (W)"), strings.HasSuffix(line, " (R)"):
			in.allowed = append(in.allowed, line)
		}
	}
	return in
}

func (in *inspection) pane(f []string) {
	if len(f) != 5 {
		return
	}
	in.panes, in.windows = append(in.panes, f[0]), append(in.windows, f[1])
	on := func(s string) bool { return s != "" && s != "0" && s != "off" }
	if on(f[2]) {
		in.rename = append(in.rename, f[0])
	}
	if on(f[3]) {
		in.titles = append(in.titles, f[0])
	}
	if on(f[4]) {
		in.through = append(in.through, f[0])
	}
}

// risks says what people should know. It asks whose the clients are, so it comes
// directly after the answer that lists them: nobody is a stranger for having
// left meanwhile.
func (s *Server) risks(in inspection) []risk {
	var out []risk
	add := func(drift bool, undo [][]string, format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		out = append(out, risk{key: text, text: text, drift: drift, undo: undo})
	}
	if in.clipboard == "on" {
		add(false, [][]string{{"set-option", "-s", "set-clipboard", "external"}}, "set-clipboard is on: programs in panes may set the clipboard of who is attached")
	}
	for _, r := range []struct {
		panes        []string
		option, what string
	}{
		{in.through, "allow-passthrough", "allow-passthrough is on: programs may write to attached terminals past tmux"},
		{in.titles, "set-titles", "set-titles is on: terminals' titles follow what programs in panes say"},
		{in.rename, "allow-rename", "allow-rename is on: programs may rename windows"},
	} {
		if len(r.panes) > 0 {
			out = append(out, risk{key: r.what, text: fmt.Sprintf("%s (in %d panes, first %s)", r.what, len(r.panes), r.panes[0]), undo: in.off(r.option)})
		}
	}
	for _, name := range in.shadowed {
		add(true, in.unalias(name), "command-alias takes the name of the command %s", name)
	}
	for _, name := range in.hidden {
		text := "command-alias hides the command " + name + ": what it tells is not looked at"
		out = append(out, risk{key: text, text: text, always: true, undo: [][]string{{"set-option", "-su", "command-alias"}}})
	}
	if len(in.allowed) > 1 {
		var undo [][]string
		for _, line := range in.allowed { // tmux refuses to take the owner's away
			name, _, _ := strings.Cut(line, " (")
			undo = append(undo, []string{"server-access", "-d", name})
		}
		add(true, undo, "server-access lists other accounts than the owner's: %q; the directory keeps them out", in.allowed)
	}
	for _, c := range in.clients {
		if !s.g.opt.OurClient(s, c.pid, c.name) {
			text := fmt.Sprintf("a client that is not muxward's is attached: %q, process %d", c.name, c.pid)
			// tmux lists one of ours before we know its name.
			out = append(out, risk{key: text, text: text, always: true, twice: true, undo: [][]string{{"detach-client", "-t", c.name}}})
		}
	}
	return out
}

// inspect asks the server and tells what has changed since the last time.
func (s *Server) inspect(ctx context.Context) {
	short, cancel := context.WithTimeout(ctx, inspectTime)
	defer cancel()
	if err := s.wait(short); err != nil {
		if short.Err() != nil && s.g.ctx.Err() == nil {
			s.answered(err)
		}
		return
	}
	settles := s.settles()
	in, err := s.examine(short)
	if s.Cause() != nil || s.g.ctx.Err() != nil {
		return
	}
	if errors.Is(err, keep.ErrNobody) || errors.Is(err, keep.ErrNoSocket) || errors.Is(err, keep.ErrNotTheServer) {
		mend, cancel := context.WithTimeout(ctx, mendTime)
		defer cancel()
		if err := s.g.hands.Mend(mend, s.kept.ID); err != nil && !errors.Is(err, keep.ErrBusy) && s.Cause() == nil && s.g.ctx.Err() == nil {
			s.g.tell(access.EventAlarm, s, fmt.Sprintf("the tmux server of %s cannot be reached: %v", s.kept.Owner, err))
		}
		return
	}
	if errors.Is(err, errRefused) { // it lost its last session meanwhile
		s.sessions(0)
		return
	}
	s.answered(err)
	if err != nil {
		return
	}
	s.compare(&s.seen.state, s.risks(in), settles)
	if !slices.Contains(in.hidden, "list-sessions") {
		s.sessions(len(in.sessions))
	}
	s.inspectHooks(ctx, in.opts, in.places(), settles)
	s.inspectTraps(ctx, in, settles)
	if s.Cause() == nil && s.g.ctx.Err() == nil {
		s.tellSettled()
	}
}

func (s *Server) examine(ctx context.Context) (inspection, error) {
	out, err := s.oneShot(ctx, askAliases()...)
	if err != nil {
		return inspection{}, err
	}
	aliases := string(out)
	opts := tmux.ParseOptions{Version: s.Version(), Aliases: tmux.ParseAliases(aliases, s.Version())}
	q, hidden := questions(opts, s.hasSessions(), !s.kept.Account.Directory)
	out = nil
	if len(q) > 0 {
		if out, err = s.oneShot(ctx, q...); err != nil {
			return inspection{}, err
		}
	}
	in := parseInspection(out)
	in.opts, in.shadowed, in.hidden, in.aliases = opts, shadowed(opts), hidden, aliases
	return in, nil
}

// answered notes whether the server answers, and tells when that changes.
func (s *Server) answered(err error) {
	s.mu.Lock()
	was := s.seen.silent
	s.seen.silent = err != nil
	s.mu.Unlock()
	switch {
	case err != nil && !was && s.Cause() == nil:
		what := "does not answer"
		if errors.Is(err, errTooLong) {
			what = "cannot be looked at"
		}
		s.g.tell(access.EventAlarm, s, fmt.Sprintf("the tmux server of %s (process %d) %s: %v", s.kept.Owner, s.kept.PID, what, err))
	case err == nil && was:
		s.g.tell(access.EventServer, s, fmt.Sprintf("the tmux server of %s answers again", s.kept.Owner))
	}
}
