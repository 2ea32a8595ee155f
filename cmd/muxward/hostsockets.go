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
)

// socketPart is what a plan has about tmux's sockets. What is wrong with them, and what is safe to
// do about it, is for the package sockets to say, as in muxward sockets.
type socketPart struct {
	// Mend is what an apply would mend.
	Mend []socketLine `json:"mend"`
	// People is what is for people to mend: an apply leaves it alone.
	People []socketLine `json:"people,omitempty"`
	// Dark is what could not be looked at.
	Dark []string `json:"notLookedAt,omitempty"`

	steps []sockets.Step
}

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

// maxPeople bounds how much is told of what is for people.
const maxPeople = 50

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
	part := &socketPart{Mend: []socketLine{}}
	part.steps, _ = sockets.Plan(r.findings, mend, uint32(os.Geteuid()))
	line := func(f sockets.Finding, do string) socketLine {
		rule, _ := sockets.RuleByID(f.ID)
		return socketLine{ID: f.ID, Path: f.Path.String(), UID: f.UID, Seen: f.Evidence, Do: do, Why: rule.Title}
	}
	for _, s := range part.steps {
		part.Mend = append(part.Mend, line(s.Finding, s.What))
	}
	for _, f := range r.findings {
		planned := slices.ContainsFunc(part.steps, func(s sockets.Step) bool {
			return s.Finding.ID == f.ID && s.Finding.Path == f.Path && s.Finding.PID == f.PID
		})
		if !planned && f.Severity >= sockets.Warning && len(part.People) < maxPeople {
			part.People = append(part.People, line(f, f.Fix))
		}
	}
	for _, k := range r.scan.Skipped {
		if !k.Denied && len(part.Dark) < maxPeople {
			part.Dark = append(part.Dark, fmt.Sprintf("%s: %s", k.Path, k.Reason))
		}
	}
	return part, nil
}

// words are all texts in it that a host has said.
func (s *socketPart) words() (all []*string) {
	for _, list := range [][]socketLine{s.Mend, s.People} {
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
	for _, l := range s.Mend {
		p.printf("%s %s %s\n    why: %s\n    %s; %s\n", l.ID, p.good("mend"), oneLine(l.Path), oneLine(l.Why), oneLine(l.Seen), oneLine(l.Do))
	}
	for _, l := range s.People {
		p.printf("%s %s %s\n    why: %s\n    %s; for people: %s\n", l.ID, p.dim("keep"), oneLine(l.Path), oneLine(l.Why), oneLine(l.Seen), oneLine(l.Do))
	}
	for _, d := range s.Dark {
		p.printf("%s\n", p.dim("not looked at: "+oneLine(d)))
	}
}

// mendSockets mends what the files say of sockets, one after the other: each is looked at again, with
// the rights of its account, and what has changed is left alone. None of it is taken back by
// an undo: what it does is to take rights away from others, and to move what is dead aside.
func (w *wanted) mendSockets(cmd *cobra.Command) ([]sockets.Done, error) {
	part, err := w.sockets(cmd.Context())
	if err != nil || part == nil || len(part.steps) == 0 {
		return nil, err
	}
	return mendPart(cmd, part, w.found.Host.Serve.State)
}

func mendPart(cmd *cobra.Command, part *socketPart, state string) ([]sockets.Done, error) {
	j, err := openJournal(state)
	if err != nil {
		return nil, err
	}
	defer j.Close()
	done, err := mendEach(cmd, j, part.steps, true)
	bad := 0
	for _, d := range done {
		if d.Outcome != sockets.Mended {
			bad++
		}
	}
	if bad > 0 {
		err = errors.Join(err, fmt.Errorf("%d of %d sockets were not mended; muxward host plan tells which", bad, len(done)))
	}
	return done, errors.Join(err, j.unreported())
}

// applied is what became of an apply.
type applied struct {
	hostconf.Result
	Sockets []sockets.Done `json:"sockets,omitempty"`
}

// provenClosed is whether no socket, and no directory of sockets, lets others in.
func provenClosed(part *socketPart, err error) proof.Proof {
	p := proof.Proof{ID: "MW-V070", Title: "what is to be mended of tmux's sockets is mended", Outcome: proof.Holds,
		Lost: "who is let in past muxward is neither decided nor written down"}
	switch {
	case err != nil:
		p.Outcome, p.Evidence = proof.Unknown, []string{err.Error()}
	case len(part.Mend) > 0:
		p.Outcome = proof.Broken
		for _, l := range part.Mend {
			p.Evidence = append(p.Evidence, fmt.Sprintf("%s %s: %s", l.ID, l.Path, l.Seen))
		}
	case len(part.Dark) > 0:
		p.Outcome, p.Evidence = proof.Unknown, part.Dark
	}
	return p
}
