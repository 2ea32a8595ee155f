package guard

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/tmux"
)

const (
	// hooksTime is how long a server may take to tell its hooks. It is apart
	// from inspectTime: whoever makes many hooks hides nothing else by them.
	hooksTime = 2 * time.Second
	// maxPlaces is how many sessions, windows and panes are asked for hooks of
	// their own: what a program in a pane can make many of must not keep us
	// busy.
	maxPlaces = 1000
	// placesAtOnce go into one client's command line.
	placesAtOnce = 100
	// maxApart is how many hooks of one place are known one by one; those after
	// are known as one.
	maxApart = 100
	// maxRead is how much of what one place says is read; what comes after is known as
	// one. To parse many keys takes longer than tmux takes to print them.
	maxRead = 256 << 10
	// maxCommand is how much of a hook's command people are told.
	maxCommand = 200
	// maxRules bounds what is remembered of hooks that have gone.
	maxRules = 10000
)

// place is where a hook can be set, or a trap.
type place struct {
	name string // for people
	asks [][]string
	// read is what a line of the answer tells, and false of one that tells nothing.
	read func(line string, opts tmux.ParseOptions) (saying, bool)
	// undo is the command of tmux's that takes away what was said there.
	undo func(saying) []string
	// late tells lines that are read after all others: what anybody may name as they like
	// must not keep what is tmux's own from being told one by one. It may be nil.
	late func(line string) bool
	// single is a place of one session, window or pane: those can be many, too.
	single bool
}

// unset has a command of tmux's take back what it has set at a place.
func unset(command string, where ...string) func(saying) []string {
	return func(said saying) []string {
		return append(append([]string{command, "-u"}, where...), "--", said.name)
	}
}

// saying is one thing that a server says of itself.
type saying struct {
	name    string // that of a hook, of an option or of a variable
	command string // what is compared
	text    string // for people, before the place; "" for a hook
	usual   bool   // most servers have one: only one that comes later is told of
	// undo takes it away, where that is not said by its place.
	undo []string
}

// readHook reads a line of show-hooks.
func readHook(line string, _ tmux.ParseOptions) (saying, bool) {
	key, command, _ := strings.Cut(line, " ")
	name, _, _ := strings.Cut(key, "[")
	return saying{name: name, command: command}, command != ""
}

// places are all of them, those for everything first.
func (in *inspection) places() []place {
	all := []place{
		{name: "every session", asks: [][]string{{"show-hooks", "-g"}}, read: readHook, undo: unset("set-hook", "-g")},
		{name: "every window", asks: [][]string{{"show-hooks", "-gw"}}, read: readHook, undo: unset("set-hook", "-gw")},
	}
	return append(all, in.each("show-hooks", "set-hook", place{read: readHook})...)
}

// each are all sessions, windows and panes, which a command is to tell of. Another takes back what was set.
func (in *inspection) each(show, set string, like place) (all []place) {
	for _, kind := range []struct {
		name, sign, flag string
		ids              []string
	}{{"session ", "$", "", in.sessions}, {"window ", "@", "-w", in.windows}, {"pane ", "%", "-p", in.panes}} {
		for _, n := range numbers(kind.ids) {
			id := kind.sign + strconv.FormatUint(n, 10)
			where := []string{"-t", id}
			if kind.flag != "" {
				where = []string{kind.flag, "-t", id}
			}
			p := like
			p.name, p.asks, p.undo, p.single = kind.name+id, [][]string{append([]string{show}, where...)}, unset(set, where...), true
			all = append(all, p)
		}
	}
	return all
}

// numbers are those of ids, each once, the oldest first: what is new then moves
// nothing out of sight.
func numbers(ids []string) []uint64 {
	var all []uint64
	for _, id := range ids {
		if n, err := strconv.ParseUint(strings.TrimLeft(id, "$@%"), 10, 32); err == nil { // else it was not tmux that said this
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// hook is one command that a server runs when something happens. The name ""
// stands for all those of a place that are too many to be known one by one.
type hook struct {
	place, name string
	sum         [sha256.Size]byte // of the whole command
}

// rule is what a hook does, wherever.
func (h hook) rule() string { return h.name + " " + string(h.sum[:]) }

// risk is it as people are told of it; what says what there are several of. The text of
// what stands for several is how many those are.
func (h hook) risk(said saying, what string) risk {
	text := said.text
	if text == "" {
		text = fmt.Sprintf("the hook %s of %s runs: ", h.name, h.place)
	} else {
		text = fmt.Sprintf("%s (%s): ", text, h.place)
	}
	switch {
	case h.name == "":
		text = fmt.Sprintf("%s has more than %s %s; the others are known by their sum alone: %x", h.place, said.text, what, h.sum[:8])
	case len(said.command) > maxCommand:
		text += fmt.Sprintf("%s (all of it: %d bytes, sha256 %x)", clip(said.command, maxCommand), len(said.command), h.sum[:8])
	default:
		text += said.command
	}
	return risk{key: "hook " + h.place + " " + h.rule(), text: text, drift: true, usual: said.usual, hook: h}
}

// hookLook is one look at the hooks of a server, or at its traps.
type hookLook struct {
	what   string // "hooks", for people
	opts   tmux.ParseOptions
	found  []risk
	read   map[string]bool // places whose hooks are in found
	unread []risk
	whole  bool // what could be read was read in time
}

// lookAt asks the server which commands it runs when something happens, or else. No
// place's answer keeps those of others from being read.
func (s *Server) lookAt(ctx context.Context, what string, opts tmux.ParseOptions, all []place) *hookLook {
	ctx, cancel := context.WithTimeout(ctx, hooksTime)
	defer cancel()
	l := &hookLook{what: what, opts: opts, read: map[string]bool{}, whole: true}
	if len(all) > maxPlaces {
		l.unread = append(l.unread, risk{key: "many places", always: true,
			text: fmt.Sprintf("its %s cannot all be read: it has more than %d sessions, windows and panes", what, maxPlaces)})
		all = all[:maxPlaces]
	}
	for chunk := range slices.Chunk(all, placesAtOnce) {
		s.readPlaces(ctx, l, chunk)
	}
	return l
}

// readPlaces reads the hooks of some places, and of each half apart if it
// cannot have them at once: one of them may be gone, or say too much.
func (s *Server) readPlaces(ctx context.Context, l *hookLook, places []place) {
	// New ones, and each another: nobody has put one into what they set, and who hears one
	// while the server answers, as a hook can, cannot say the next.
	marks := make([]string, len(places))
	for i := range marks {
		marks[i] = rand.Text()
	}
	q, err := hookQuestions(l.opts, places, marks)
	var out []byte
	if err == nil {
		out, err = s.oneShot(ctx, q...)
	}
	apart := errors.Is(err, errRefused) || errors.Is(err, errTooLong)
	switch {
	case err == nil:
		l.answer(out, places, marks)
	case apart && len(places) > 1:
		half := len(places) / 2
		s.readPlaces(ctx, l, places[:half])
		s.readPlaces(ctx, l, places[half:])
	case errors.Is(err, errRefused):
		l.read[places[0].name] = true // it is gone
	case errors.Is(err, errTooLong):
		l.unread = append(l.unread, risk{key: "unread " + places[0].name, always: true,
			text: fmt.Sprintf("its %s cannot be read, those of %s: %v", l.what, places[0].name, err)})
	default:
		l.whole = false
		l.unread = append(l.unread, risk{key: "unread", always: true, twice: true,
			text: fmt.Sprintf("its %s cannot be read: %v", l.what, err)})
	}
}

// hookQuestions has each place's answer end with a mark.
func hookQuestions(opts tmux.ParseOptions, places []place, marks []string) ([]string, error) {
	var all [][]string
	for i, p := range places {
		all = append(append(all, p.asks...), []string{"display-message", "-p", marks[i]})
	}
	q, hidden := spelled(opts, all)
	if len(hidden) > 0 {
		return nil, fmt.Errorf("%s: this server's command-alias option hides the command", hidden[0])
	}
	return q, nil
}

// answer takes the answer of some places.
func (l *hookLook) answer(out []byte, places []place, marks []string) {
	var said, late []string
	for line := range lines(out) {
		switch {
		case line == marks[0]:
			l.take(places[0], append(said, late...))
			said, late = nil, nil
			if places, marks = places[1:], marks[1:]; len(places) == 0 {
				return
			}
		case places[0].late != nil && places[0].late(line):
			late = append(late, line)
		default:
			said = append(said, line)
		}
	}
}

// take takes the lines of one place.
func (l *hookLook) take(p place, lines []string) {
	l.read[p.name] = true
	n, size, more, rest, first := 0, 0, "", sha256.New(), len(l.found)
	for _, line := range lines {
		if size += len(line); size > maxRead {
			more = fmt.Sprintf("%d KiB of", maxRead>>10)
			_, _ = rest.Write([]byte(line + "\n")) // never fails
			continue
		}
		said, tells := p.read(line, l.opts)
		if !tells {
			continue
		}
		if n++; n > maxApart {
			more = strconv.Itoa(maxApart)
			_, _ = rest.Write([]byte(line + "\n"))
			continue
		}
		r := hook{p.name, strings.Clone(said.name), sha256.Sum256([]byte(said.command))}.risk(said, l.what)
		r.late = p.single || p.late != nil && p.late(line)
		switch {
		case said.undo != nil:
			r.undo = [][]string{said.undo}
		case p.undo != nil:
			r.undo = [][]string{p.undo(said)}
		}
		l.found = append(l.found, r)
	}
	if more != "" {
		// Before those of its place: it is not to be behind what is told.
		l.found = slices.Insert(l.found, first, hook{p.name, "", [sha256.Size]byte(rest.Sum(nil))}.risk(saying{text: more}, l.what))
	}
}

// knownHooks is what earlier looks have seen. Of the one that looks alone.
type knownHooks struct {
	places map[string]bool // in the last look
	rules  map[string]bool // hooks that were told or configured, wherever
}

// inspectHooks asks the server for its hooks and tells what has changed.
func (s *Server) inspectHooks(ctx context.Context, opts tmux.ParseOptions, all []place, settles bool) {
	l := s.lookAt(ctx, "hooks", opts, all)
	if s.Cause() != nil || s.g.ctx.Err() != nil {
		return
	}
	s.compare(&s.seen.hooks, s.adjust(l, all, &s.hooks, &s.seen.hooks), settles && l.whole)
}

// tellSettled tells, once, that all that can settle has.
func (s *Server) tellSettled() {
	s.mu.Lock()
	tell := s.seen.hooks.settled && s.seen.traps.settled && !s.seen.settled
	s.seen.settled = s.seen.settled || tell
	s.mu.Unlock()
	if tell {
		s.g.tell(access.EventServer, s, fmt.Sprintf("what the tmux server of %s has now is its configuration: a hook that comes later is an alarm, and so is a command-alias, an account on its list, or another thing that it runs", s.kept.Owner))
	}
}

// adjust adds to what a look found what it could not read again, and takes for
// the work of a configuration what that does again for a new session, window or
// pane: a hook that is known by its name and command.
func (s *Server) adjust(l *hookLook, all []place, k *knownHooks, seen *riskList) []risk {
	there := map[string]bool{}
	for _, p := range all {
		there[p.name] = true
	}
	found := append(l.found, l.unread...)
	for i, r := range found {
		found[i].drift = k.places[r.hook.place] || !k.rules[r.hook.rule()]
	}
	for _, r := range found {
		if r.hook.name != "" && len(k.rules) < maxRules {
			if k.rules == nil {
				k.rules = map[string]bool{}
			}
			k.rules[r.hook.rule()] = true
		}
	}
	k.places = there
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range seen.risks {
		if there[r.hook.place] && !l.read[r.hook.place] {
			found = append(found, r)
		}
	}
	// What there can be many of is told last.
	slices.SortStableFunc(found, func(a, b risk) int {
		switch {
		case a.late == b.late:
			return 0
		case b.late:
			return -1
		}
		return 1
	})
	return found
}
