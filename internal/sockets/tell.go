package sockets

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"
)

// watchSilent is how long who looks may say nothing: it waits for a change, rests,
// looks, and gives what it saw.
const watchSilent = watchMost + watchEvery + watchLook + 30*time.Second

// Change is what has become different between two looks.
type Change struct {
	Time time.Time `json:"time"`
	New  []Finding `json:"new"`
	Gone []Finding `json:"gone"`
	// Skipped is what could not be looked at this time.
	Skipped []Skipped `json:"skipped,omitempty"`
	// Dark is what could be looked at the last time, and cannot be now. What was
	// wrong there is still said to be so.
	Dark []Skipped `json:"dark,omitempty"`
	// All is everything that is wrong now.
	All []Finding `json:"-"`
}

// errTold ends a watch whose teller failed.
type errTold struct{ error }

func (e errTold) Unwrap() error { return e.error }

// telling is what a watch remembers of what it has told.
type telling struct {
	limits  Limits
	profile Profile
	tell    func(Change) (again bool, err error)
	known   map[findingID]Finding
	dark    map[Path]bool
}

// Watch tells everything that is wrong as new, and then what becomes different. It is a
// process of its own that looks, as for [Mender.Look]: one that gives no answer is
// given up, which is told, and another one looks. tell is called after each look; if it gives true,
// the next look comes soon. Watch returns nil when ctx ends, or tell's error.
func (m Mender) Watch(ctx context.Context, opt Options, lim Limits, profile Profile, tell func(Change) (again bool, err error)) error {
	if err := refuseSetuid(); err != nil {
		return err
	}
	t := telling{lim, profile, tell, map[findingID]Finding{}, map[Path]bool{}}
	for rest := watchSoon; ; rest = min(2*rest, watchRestMost) {
		began := time.Now()
		err := m.watchOnce(ctx, opt, &t)
		var told errTold
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &told):
			return told.error
		}
		if time.Since(began) > watchRestMost {
			rest = watchSoon
		}
		lost := Skipped{Path: "/", Reason: err.Error(), Others: true}
		if _, err := t.scanned(Scan{Time: time.Now(), Skipped: []Skipped{lost}}); err != nil {
			return err
		}
		timer := time.NewTimer(rest)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
}

// watchOnce is a watch by one process, for as long as that answers.
func (m Mender) watchOnce(ctx context.Context, opt Options, t *telling) error {
	ask, answers, stop, err := m.start(ctx, time.Time{})
	if err != nil {
		return fmt.Errorf("start a process that looks: %w", err)
	}
	defer stop()
	defer context.AfterFunc(ctx, func() { _ = answers.SetReadDeadline(time.Unix(1, 0)) })()
	to := json.NewEncoder(ask)
	err = to.Encode(newLookout(watchLook, opt))
	for err == nil {
		if err = answers.SetReadDeadline(time.Now().Add(watchSilent)); err == nil && ctx.Err() != nil {
			err = ctx.Err()
		}
		var seen sight
		if err == nil {
			seen, err = readSight(answers, maxLook)
		}
		switch {
		case err != nil:
			return fmt.Errorf("the process that looks gave no answer: %w", err)
		case seen.Error != "":
			return errors.New(seen.Error)
		}
		again, wrong := t.scanned(seen.Scan)
		if wrong != nil {
			return errTold{wrong}
		}
		err = to.Encode(again)
	}
	return fmt.Errorf("the process that looks takes no answer: %w", err)
}

// scanned tells what has become different by a look.
func (t *telling) scanned(s Scan) (again bool, err error) {
	found, _ := t.profile.Apply(Judge(s, t.limits), s.Time)
	c := compare(t.known, found, s.Skipped)
	c.Dark = darker(t.dark, s.Skipped)
	c.Time, c.Skipped, c.All = s.Time, s.Skipped, found
	return t.tell(c)
}

// ServeWatch is the process that looks, for a watch. It ends when nobody listens to it
// any more.
func ServeWatch(in io.Reader, out io.Writer) error {
	from := json.NewDecoder(in)
	var ask lookout
	if err := from.Decode(&ask); err != nil {
		return fmt.Errorf("what to look at cannot be read: %w", err)
	}
	answers := make(chan bool)
	go func() {
		for {
			var again bool
			if from.Decode(&again) != nil {
				os.Exit(0) // also while a look hangs
			}
			answers <- again
		}
	}()
	give := func(seen sight) error { return writeSight(out, seen) }
	err := sentry(context.Background(), ask.options(), func(s Scan) (bool, error) {
		if err := give(sight{Scan: s}); err != nil {
			return false, err
		}
		return <-answers, nil
	})
	if err != nil {
		err = errors.Join(err, give(sight{Error: err.Error()}))
	}
	return err
}

type findingID struct {
	id   string
	path Path
	pid  int
	uid  uint32
}

// compare makes known what was found now, and says what is new and what is gone.
// What was not looked at is not gone.
func compare(known map[findingID]Finding, found []Finding, skipped []Skipped) Change {
	c := Change{New: []Finding{}, Gone: []Finding{}}
	now := map[findingID]bool{}
	for _, f := range found {
		id := findingID{f.ID, f.Path, f.PID, f.UID}
		if _, old := known[id]; !old && !now[id] {
			c.New = append(c.New, f)
		}
		now[id] = true
		known[id] = f
	}
	for id, f := range known {
		if !now[id] && !slices.ContainsFunc(skipped, func(k Skipped) bool { return k.covers(f.Path) }) {
			c.Gone = append(c.Gone, f)
			delete(known, id)
		}
	}
	return c
}

// darker makes known what was skipped now, and gives what is new of that.
func darker(known map[Path]bool, skipped []Skipped) (out []Skipped) {
	was := maps.Clone(known)
	clear(known)
	for _, k := range skipped {
		if !was[k.Path] && !known[k.Path] && !k.Denied {
			out = append(out, k)
		}
		known[k.Path] = true
	}
	return out
}
