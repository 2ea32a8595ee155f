package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/hostconf"
	"github.com/muxward/muxward/internal/hostconf/hostcheck"
	"github.com/muxward/muxward/internal/policy"
	"github.com/muxward/muxward/internal/server/ctld"
)

// watchHealth has an apply ask how sshd and the muxward that serves from the state directory
// are, if they are there: before anything moves, and once everything is in its place.
func watchHealth(w *wanted) {
	if w.opt.Root != "" {
		return // nothing runs in there
	}
	serve := w.found.Host.Serve
	var before acts.Status
	var up bool
	var sshd error
	w.opt.Checks = append(w.opt.Checks, hostconf.Check{Name: "how this host is", Run: func(ctx context.Context, _ string) error {
		var hangs error
		if before, up, hangs = askStatus(ctx, serve.State); hangs != nil {
			w.opt.Tell("the muxward of " + serve.State + " does not answer, and is not asked how it is afterwards: " + hangs.Error())
		}
		if sshd = hostcheck.Whole(ctx); sshd != nil {
			w.opt.Tell("sshd was not well before, and is not asked afterwards: " + sshd.Error())
		}
		return nil
	}})
	w.opt.Health = func(ctx context.Context, done []hostconf.Change) error {
		touched := func(below string) bool {
			return slices.ContainsFunc(done, func(c hostconf.Change) bool { return strings.HasPrefix(c.Item.Path, below+"/") })
		}
		if touched(path.Dir("/etc/ssh/sshd_config")) && sshd == nil {
			if err := hostcheck.Whole(ctx); err != nil {
				return err
			}
		}
		if !up {
			return nil
		}
		digest := ""
		if touched(serve.Policy) {
			// It looks at its policy by itself, within seconds. Which process it is only it
			// could tell us, and no signal is sent to what somebody else names.
			digest = policy.Digest(serve.Policy)
		}
		return healthy(ctx, serve.State, before, digest)
	}
}

// askStatus asks the muxward of a state directory how it is; false if none answers. The error
// is of one that is there, and does not.
func askStatus(ctx context.Context, state string) (s acts.Status, up bool, hangs error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	at, err := config.FindServing(state)
	if err != nil {
		return s, false, nil
	}
	err = ctld.Call{Act: "status"}.Do(ctx, at.Ctl, &s)
	if nobody := errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist); err != nil && !nobody {
		hangs = err
	}
	return s, err == nil, hangs
}

// healthy waits until a muxward says that it is as well as it was, and has read the policy of
// that digest; "" is any.
func healthy(ctx context.Context, state string, before acts.Status, digest string) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	said := errors.New("it does not answer")
	for {
		if now, up, _ := askStatus(ctx, state); up {
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
func worse(before, now acts.Status) error {
	for _, r := range now.Red {
		if !slices.Contains(before.Red, r) {
			return fmt.Errorf("muxward says: %s", r)
		}
	}
	return nil
}
