package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/muxward/muxward/internal/hostconf"
	"github.com/muxward/muxward/internal/hostconf/proof"
	"github.com/muxward/muxward/internal/sockets"
	"github.com/muxward/muxward/internal/tmux"
)

// socketPart is what a plan has about tmux's sockets. What is wrong with them, and what is safe to
// do about it, is for the package sockets to say, as in muxward sockets.
type socketPart struct {
	// Mend is what an apply would mend.
	Mend []socketLine `json:"mend"`
	// Blocked is what the files have mended, too, and muxward cannot mend by itself, or not with the
	// rights of who looks: people have to.
	Blocked []socketLine `json:"blocked,omitempty"`
	// MoreMend and MoreBlocked are how many of those are not listed: what an account
	// can make many of must not fill a plan.
	MoreMend    int `json:"moreMend,omitempty"`
	MoreBlocked int `json:"moreBlocked,omitempty"`
	// People is what the files do not name, and is for people to mend: an apply leaves it alone.
	People []socketLine `json:"people,omitempty"`
	// Dark is what could not be looked at.
	Dark []string `json:"notLookedAt,omitempty"`

	steps []sockets.Step
	// all: who looked may see everything, and nothing was kept from them.
	all bool
}

// differ reports whether an apply would mend something, or could not.
func (s *socketPart) differ() bool { return len(s.Mend)+len(s.Blocked) > 0 }

// socketLine is one of them.
type socketLine struct {
	ID   string `json:"id"`
	Path string `json:"path"`
	UID  uint32 `json:"uid"`
	// Seen is what is wrong, Do what is done about it, Why what for.
	Seen string `json:"seen"`
	Do   string `json:"do"`
	Why  string `json:"why"`
}

const (
	// maxSocketLines bounds how much is told of each kind.
	maxSocketLines = 50
	// socketsTime is how long an apply mends sockets: what acts for an account can be stopped by it, and
	// an account can have many. What is left is for the next one.
	socketsTime = 2 * time.Minute
)

// sockets looks at those of the machine, if the files say what is to be mended of them.
func (w *wanted) sockets(ctx context.Context) (*socketPart, error) {
	if w.opt.Root != "" || len(w.found.Host.Sockets.Mend) == 0 {
		return nil, nil
	}
	return lookAtSockets(ctx, sockets.Options{}, w.found.Host.Sockets.Mend)
}

func lookAtSockets(ctx context.Context, opt sockets.Options, mend []string) (*socketPart, error) {
	f := socketFlags{opt: opt, limits: sockets.DefaultLimits(), time: time.Minute}
	f.opt.Settle = 2 * time.Second
	r, err := f.look(ctx)
	if err != nil {
		return nil, err
	}
	return partOf(r, mend, uint32(os.Geteuid())), nil
}

// partOf sorts what was found by who mends it.
func partOf(r report, mend []string, uid uint32) *socketPart {
	part := &socketPart{Mend: []socketLine{}, all: uid == 0}
	var left []sockets.Finding
	part.steps, left = sockets.Plan(r.findings, mend, uid)
	line := func(f sockets.Finding, do string) socketLine {
		rule, _ := sockets.RuleByID(f.ID)
		return socketLine{ID: f.ID, Path: f.Path.String(), UID: f.UID, Seen: f.Evidence, Do: do, Why: rule.Title}
	}
	for _, s := range part.steps {
		part.Mend = append(part.Mend, line(s.Finding, s.What))
	}
	is := func(f sockets.Finding) func(sockets.Finding) bool {
		return func(o sockets.Finding) bool { return o.ID == f.ID && o.Path == f.Path && o.PID == f.PID }
	}
	for _, f := range r.findings {
		switch {
		case f.Severity < sockets.Warning, slices.ContainsFunc(part.steps, func(s sockets.Step) bool { return is(f)(s.Finding) }):
		case slices.ContainsFunc(left, is(f)):
			part.Blocked = append(part.Blocked, line(f, f.Fix))
		case len(part.People) < maxSocketLines:
			part.People = append(part.People, line(f, f.Fix))
		}
	}
	part.MoreMend, part.MoreBlocked = max(0, len(part.Mend)-maxSocketLines), max(0, len(part.Blocked)-maxSocketLines)
	part.Mend, part.Blocked = part.Mend[:len(part.Mend)-part.MoreMend], part.Blocked[:len(part.Blocked)-part.MoreBlocked]
	for _, k := range r.scan.Skipped {
		switch {
		case k.Denied:
			part.all = false
		case len(part.Dark) < maxSocketLines:
			part.Dark = append(part.Dark, fmt.Sprintf("%s: %s", k.Path, k.Reason))
		}
	}
	return part
}

// words are all texts in it that a host has said.
func (s *socketPart) words() (all []*string) {
	for _, list := range [][]socketLine{s.Mend, s.Blocked, s.People} {
		for i := range list {
			l := &list[i]
			all = append(all, &l.ID, &l.Path, &l.Seen, &l.Do, &l.Why)
		}
	}
	for i := range s.Dark {
		all = append(all, &s.Dark[i])
	}
	return all
}

func (s *socketPart) print(p paint) {
	list := func(word string, lines []socketLine, by string) {
		for _, l := range lines {
			p.printf("%s %s %s\n    why: %s\n    %s; %s%s\n", l.ID, word, tmux.OneLine(l.Path), tmux.OneLine(l.Why), tmux.OneLine(l.Seen), by, tmux.OneLine(l.Do))
		}
	}
	list(p.good("mend"), s.Mend, "")
	list(p.bad("blocked"), s.Blocked, "for people: ")
	if n := s.MoreMend + s.MoreBlocked; n > 0 {
		p.printf("and %d more; muxward sockets scan lists all\n", n)
	}
	list(p.dim("keep"), s.People, "for people: ")
	for _, d := range s.Dark {
		p.printf("%s\n", p.dim("not looked at: "+tmux.OneLine(d)))
	}
}

// mendSockets mends what the files say of sockets, one after the other: each is looked at again, with
// the rights of its account, and what has changed is left alone. None of it is taken back by
// an undo: what it does is to take rights away from others, and to move what is dead aside.
func (w *wanted) mendSockets(cmd *cobra.Command) ([]sockets.Done, error) {
	part, err := w.sockets(cmd.Context())
	if err != nil || part == nil {
		return nil, err
	}
	var done []sockets.Done
	if len(part.steps) > 0 {
		done, err = mendPart(cmd, part, w.found.Host.Serve.State)
	}
	if n := len(part.Blocked) + part.MoreBlocked; n > 0 {
		err = errors.Join(err, fmt.Errorf("%d are for people to mend, such as %s %s: %s; muxward host plan tells all",
			n, part.Blocked[0].ID, part.Blocked[0].Path, part.Blocked[0].Do))
	}
	return done, err
}

func mendPart(cmd *cobra.Command, part *socketPart, state string) ([]sockets.Done, error) {
	j, err := openJournal(state)
	if err != nil {
		return nil, err
	}
	defer j.Close()
	m, err := mender("errand")
	if err != nil {
		return nil, err
	}
	ctx, cancel := contextFor(cmd, socketsTime)
	defer cancel()
	done, err := mendInTurn(ctx, m, j, part.steps)
	bad := len(part.steps)
	for _, d := range done {
		if d.Outcome == sockets.Mended {
			bad--
		}
	}
	if bad > 0 {
		err = errors.Join(err, fmt.Errorf("%d of %d sockets were not mended; muxward host plan tells which", bad, len(part.steps)))
	}
	return done, errors.Join(err, j.unreported())
}

// mendInTurn does the steps one after the other. Those of an account whose first one had no answer are left: it
// may have stopped who acts for it, and would hold up those of all others.
func mendInTurn(ctx context.Context, m sockets.Mender, j *journal, steps []sockets.Step) (done []sockets.Done, err error) {
	silent := map[uint32]bool{}
	for _, s := range steps {
		if silent[s.Finding.UID] {
			continue
		}
		d, err := mendOne(ctx, m, j, s)
		if err != nil {
			return done, fmt.Errorf("after %d of %d steps: %w", len(done), len(steps), err)
		}
		silent[s.Finding.UID] = d.Silent
		done = append(done, d)
	}
	return done, nil
}

// applied is what became of an apply.
type applied struct {
	hostconf.Result
	Sockets []sockets.Done `json:"sockets,omitempty"`
}

// provenClosed is whether nothing that the files have mended of sockets is found. Who is not root does not see all.
func provenClosed(part *socketPart, err error) proof.Proof {
	p := proof.Proof{ID: "MW-V070", Title: "what is to be mended of tmux's sockets is mended", Outcome: proof.Holds,
		Lost: "who is let in past muxward is neither decided nor written down"}
	switch {
	case err != nil:
		p.Outcome, p.Evidence = proof.Unknown, []string{err.Error()}
	case part.differ():
		p.Outcome = proof.Broken
		for _, l := range slices.Concat(part.Mend, part.Blocked) {
			p.Evidence = append(p.Evidence, fmt.Sprintf("%s %s: %s", l.ID, l.Path, l.Seen))
		}
		if n := part.MoreMend + part.MoreBlocked; n > 0 {
			p.Evidence = append(p.Evidence, fmt.Sprintf("and %d more", n))
		}
	case len(part.Dark) > 0:
		p.Outcome, p.Evidence = proof.Unknown, part.Dark
	case !part.all:
		p.Outcome, p.Evidence = proof.Unknown, []string{"who is not root does not see all sockets; run it as root"}
	}
	return p
}
