package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/hostconf"
	"github.com/muxward/muxward/internal/hostconf/hostcheck"
	"github.com/muxward/muxward/internal/policy"
	"github.com/muxward/muxward/internal/server/ctld"
)

// healthOf gives what is asked once an apply has everything in its place: sshd, and the
// muxward that serves from the state directory, if one does. nil is nothing to be asked.
func healthOf(ctx context.Context, w *wanted) (func(context.Context) error, error) {
	if w.opt.Root != "" {
		return nil, nil // nothing runs in there
	}
	plan, err := hostconf.Compare(ctx, w.state, w.opt)
	if err != nil {
		return nil, err
	}
	touched := func(below string) bool {
		return slices.ContainsFunc(plan.Changes, func(c hostconf.Change) bool {
			return c.Do != hostconf.Keep && c.Do != hostconf.Skip && strings.HasPrefix(c.Item.Path, below+"/")
		})
	}
	before, up := askStatus(ctx, w.found.Host.Serve.State)
	changed := up && touched(w.found.Host.Serve.Policy)
	sshd := touched(path.Dir("/etc/ssh/sshd_config"))
	return func(ctx context.Context) error {
		if sshd {
			if err := hostcheck.Whole(ctx); err != nil {
				return err
			}
		}
		if !up {
			return nil
		}
		digest := ""
		if changed {
			// It looks at its policy by itself, within seconds. Which process it is only it
			// could tell us, and no signal is sent to what somebody else names.
			digest = policy.Digest(w.found.Host.Serve.Policy)
		}
		return healthy(ctx, w.found.Host.Serve.State, before, digest)
	}, nil
}

// askStatus asks the muxward of a state directory how it is; false if none answers.
func askStatus(ctx context.Context, state string) (status, bool) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	var s status
	at, err := config.FindServing(state)
	if err == nil {
		err = ctld.Call{Act: "status"}.Do(ctx, at.Ctl, &s)
	}
	return s, err == nil
}

// healthy waits until a muxward says that it is as well as it was, and has read the policy of
// that digest; "" is any.
func healthy(ctx context.Context, state string, before status, digest string) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	said := errors.New("it does not answer")
	for {
		if now, up := askStatus(ctx, state); up {
			said = worse(before, now)
			switch {
			case digest != "" && now.Digest != digest:
				said = errors.Join(said, errors.New("it has not read the policy yet"))
			default:
				return said
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("muxward is not well: %w", said)
		case <-tick.C:
		}
	}
}

// worse tells what is red that was not; nil if nothing is.
func worse(before, now status) error {
	for _, r := range now.Red {
		if !slices.Contains(before.Red, r) {
			return fmt.Errorf("muxward says: %s", r)
		}
	}
	return nil
}
