package guard

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/tmux"
)

// Risk is something about a server that weakens what muxward promises, or that the server runs by
// itself.
type Risk struct {
	// ID stays the same while the matter does: it names the place and all of what was said there.
	ID   string
	Text string
	// Undo are the commands of tmux's that take it away; none if people have to.
	Undo [][]string
}

const (
	// maxListed is how many are listed.
	maxListed = 1000
	// lookTime is how long a look takes at most that somebody waits for.
	lookTime = 10 * time.Second
	// maxUndo is how many of a risk's commands go into one client.
	maxUndo = 100
)

// Look asks the server anew, and lists all, also what was told before. The
// error is of a look that is not whole; what was found comes with it.
func (s *Server) Look(ctx context.Context) ([]Risk, int, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	found, err := s.look(ctx)
	var all []Risk
	for _, r := range found {
		if len(all) < maxListed {
			sum := sha256.Sum256([]byte(r.key))
			all = append(all, Risk{ID: fmt.Sprintf("%x", sum[:6]), Text: clip(r.text, maxText), Undo: r.undo})
		}
	}
	return all, len(found) - len(all), err
}

func (s *Server) look(ctx context.Context) ([]risk, error) {
	in, err := s.examine(ctx)
	if err != nil {
		return nil, err
	}
	found := s.risks(in)
	if slices.ContainsFunc(found, func(r risk) bool { return r.twice }) {
		if found, err = s.again(ctx, found); err != nil {
			return nil, err
		}
	}
	hooks := s.lookAt(ctx, "hooks", in.opts, in.places())
	traps, _ := s.lookAtTraps(ctx, in)
	// What most servers have, such as a PATH, is one only where it has come later.
	listed, later := map[string]bool{}, map[string]bool{}
	s.mu.Lock()
	for _, r := range s.seen.traps.risks {
		later[r.key] = !r.usual
	}
	s.mu.Unlock()
	all := slices.DeleteFunc(slices.Concat(found, hooks.unread, traps.unread, hooks.found, traps.found), func(r risk) bool {
		was := listed[r.key]
		listed[r.key] = true
		return was || r.usual && !later[r.key]
	})
	if !hooks.whole || !traps.whole {
		err = fmt.Errorf("the tmux server of %s did not tell all in time", s.kept.Owner)
	}
	return all, err
}

// again gives what is found once more of what one look can find where nothing is wrong, and the rest.
func (s *Server) again(ctx context.Context, found []risk) ([]risk, error) {
	in, err := s.examine(ctx)
	if err != nil {
		return nil, err
	}
	now := map[string]bool{}
	for _, r := range s.risks(in) {
		now[r.key] = true
	}
	return slices.DeleteFunc(found, func(r risk) bool { return r.twice && !now[r.key] }), nil
}

// ErrChanged is the error of who names what is not there.
var ErrChanged = errors.New("there is no such risk any more")

// Clear takes away what is named, by tmux's own commands, and gives what of it is still there
// afterwards. What is not there any more is in neither: a program in a pane that sets something anew all
// the time would keep all else from being cleared. Nothing is done if all names are of nothing.
func (s *Server) Clear(ctx context.Context, ids []string) (done, left []Risk, err error) {
	all, _, err := s.Look(ctx)
	if err != nil {
		return nil, nil, err
	}
	var asked []Risk
	for _, id := range ids {
		if i := slices.IndexFunc(all, func(r Risk) bool { return r.ID == id }); i >= 0 {
			asked = append(asked, all[i])
		}
	}
	if len(asked) == 0 && len(ids) > 0 {
		return nil, nil, fmt.Errorf("%s: %w; list again", tmux.Clean(ids[0]), ErrChanged)
	}
	for _, r := range asked {
		s.undo(ctx, r)
	}
	now, _, err := s.Look(ctx)
	if err != nil {
		for _, r := range asked {
			s.g.tell(access.EventServer, s, fmt.Sprintf("told to go on the tmux server of %s, and it is not known whether it has: %s", s.kept.Owner, r.Text))
		}
		return nil, asked, fmt.Errorf("it is not known what was cleared: %w", err)
	}
	for _, r := range asked {
		if slices.ContainsFunc(now, func(n Risk) bool { return n.ID == r.ID }) {
			left = append(left, r)
			continue
		}
		done = append(done, r)
		s.g.tell(access.EventServer, s, fmt.Sprintf("cleared on the tmux server of %s: %s", s.kept.Owner, r.Text))
	}
	return done, left, nil
}

// undo runs a risk's commands. What comes of it is seen by looking again: tmux refuses some of them,
// as where a session has ended.
func (s *Server) undo(ctx context.Context, r Risk) {
	opts := tmux.ParseOptions{Version: s.Version()}
	if out, err := s.oneShot(ctx, askAliases()...); err == nil {
		opts.Aliases = tmux.ParseAliases(string(out), s.Version())
	}
	for some := range slices.Chunk(r.Undo, maxUndo) {
		line, _ := spelled(opts, literal(some))
		if len(line) == 0 {
			continue
		}
		if _, err := s.oneShot(ctx, line...); err == nil || len(some) == 1 {
			continue
		}
		for _, one := range some { // a command that fails has those behind it left out
			if line, _ := spelled(opts, literal([][]string{one})); len(line) > 0 && ctx.Err() == nil {
				_, _ = s.oneShot(ctx, line...)
			}
		}
	}
}

// literal has a semicolon at the end of a word mean itself, and not the next command.
func literal(commands [][]string) [][]string {
	out := make([][]string, len(commands))
	for i, words := range commands {
		for _, w := range words {
			if bare, ok := strings.CutSuffix(w, ";"); ok {
				w = bare + `\;`
			}
			out[i] = append(out[i], w)
		}
	}
	return out
}

// off are the commands that set an option to off for all, and have nobody say otherwise.
func (in *inspection) off(option string) [][]string {
	global := "-g"
	if option != "set-titles" {
		global = "-gw"
	}
	out := [][]string{{"set-option", global, option, "off"}}
	places := map[string][]string{"-u": in.sessions}
	if option != "set-titles" {
		places = map[string][]string{"-wu": in.windows, "-pu": in.panes}
	}
	for flags, ids := range places {
		for _, id := range slices.Compact(slices.Clone(ids)) {
			out = append(out, []string{"set-option", flags, "-t", id, option})
		}
	}
	return out
}

// unalias are the commands that take away what takes a command's name.
func (in *inspection) unalias(name string) (out [][]string) {
	for line := range strings.Lines(in.aliases) {
		at, _, _ := strings.Cut(line, " ")
		for _, a := range tmux.ParseAliases(line, in.opts.Version) {
			if a.Name == name {
				out = append(out, []string{"set-option", "-su", at})
			}
		}
	}
	return out
}
