package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/hostconf"
	"github.com/muxward/muxward/internal/hostconf/hostcheck"
	"github.com/muxward/muxward/internal/policy"
	profilefile "github.com/muxward/muxward/internal/profiles"
)

// This file is about what keeps muxward from beginning with what is to land, besides what is said in it.

// asksPAM has a host be looked at for the PAM service that the ssh door asks: without one of its own PAM would go by
// another, and muxward does not begin.
func asksPAM(root string) hostconf.Check {
	return hostconf.Check{Name: "the PAM service of the ssh door", Run: func(_ context.Context, tree string) error {
		c, err := config.Load(tree + setupConfig)
		if err != nil || c.SSH.PAM == "" {
			return err
		}
		there := filepath.Join("/", root, "etc/pam.d")
		if _, err := os.Stat(there); root != "" && errors.Is(err, fs.ErrNotExist) {
			return nil // a tree without PAM, as yet
		}
		_, err = serviceIn(c.SSH.PAM, tree+"/etc/pam.d", there, filepath.Join("/", root, "usr/lib/pam.d"))
		return err
	}}
}

// runsOthers has a host be looked at for the policy, where that is not from here, and for the accounts that panes
// of session profiles and of isolated servers run as: muxward does not begin where one of them is not there, or is its own.
func runsOthers(root string, noOwners bool) hostconf.Check {
	return hostconf.Check{Name: "what session profiles and isolated servers rest on", Run: func(_ context.Context, tree string) error {
		c, err := config.Load(tree + setupConfig)
		if err != nil {
			return err
		}
		var all map[string]config.Profile
		if text, err := os.ReadFile(tree + c.Profiles); c.Profiles != "" && err == nil { // else they are not from here
			if all, err = profilefile.Parse(c.Profiles, text); err != nil {
				return err
			}
		}
		if _, err := os.Stat(tree + c.Policy); c.Policy != "" && errors.Is(err, fs.ErrNotExist) {
			if set, err := policy.Load(filepath.Join("/", root, c.Policy)); err == nil { // what is wrong with it others say
				if err := hostcheck.Fits(set, c.Isolated, all); err != nil {
					return err
				}
			}
		}
		if _, err := os.Stat(filepath.Join("/", root, "etc/passwd")); noOwners || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		as := map[string][]string{} // by what they are needed for
		for name, is := range c.Isolated {
			as["the isolated server "+name] = append(is.Shared(), is.Account)
		}
		for name, is := range all {
			as["the profile "+name] = []string{is.As} // its account is made
		}
		var wrong []error
		for _, what := range slices.Sorted(maps.Keys(as)) {
			for _, name := range as[what] {
				if name == "" {
					continue
				}
				if _, err := accountIn(root, name); err != nil {
					wrong = append(wrong, fmt.Errorf("%s runs as %s: %w", what, name, err))
				} else if name == c.Account {
					wrong = append(wrong, fmt.Errorf("%s runs as %s, as which muxward runs itself", what, name))
				}
			}
		}
		return errors.Join(wrong...)
	}}
}
