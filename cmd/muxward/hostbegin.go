package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/hostconf"
	"github.com/muxward/muxward/internal/hostconf/hostcheck"
	"github.com/muxward/muxward/internal/pam/pamd"
	"github.com/muxward/muxward/internal/pane"
	"github.com/muxward/muxward/internal/policy"
	profilefile "github.com/muxward/muxward/internal/profiles"
)

// This file is about what keeps muxward from beginning with what is to land, besides what is said in it.

// asksPAM has a host be looked at for the PAM services that the ssh door asks, and panes that are not to be without: without
// one of its own PAM would go by another, and muxward does not begin.
func asksPAM(root string) hostconf.Check {
	return hostconf.Check{Name: "the PAM service of the ssh door and of panes", Without: func(_ context.Context, tree string, gone []string) error {
		c, err := config.Load(tree + setupConfig)
		if err != nil {
			return err
		}
		there := filepath.Join("/", root, "etc/pam.d")
		if _, err := os.Stat(there); root != "" && errors.Is(err, fs.ErrNotExist) {
			return nil // a tree without PAM, as yet
		}
		dirs := func(service string) []string {
			if slices.Contains(gone, filepath.Join("/etc/pam.d", service)) { // it is there now, and will not be
				return []string{tree + "/etc/pam.d"}
			}
			return []string{tree + "/etc/pam.d", there}
		}
		var wrong []error
		if service := c.SSH.PAMService(); service != "" {
			_, err := pamd.ServiceIn(service, append(dirs(service), filepath.Join("/", root, "usr/lib/pam.d"))...)
			wrong = append(wrong, err)
		}
		for _, name := range slices.Sorted(maps.Keys(c.Isolated)) {
			service := cmp.Or(c.Isolated[name].PAMService, pane.PAMService)
			if c.Isolated[name].PAM == config.PAMRequired && !slices.ContainsFunc(dirs(service), func(dir string) bool { return hasFile(filepath.Join(dir, service)) }) {
				wrong = append(wrong, fmt.Errorf("the isolated server %s: pam: required, and there is no /etc/pam.d/%s", name, service))
			}
		}
		return errors.Join(wrong...)
	}}
}

// hasFile reports whether there is something at a path, or what is cannot be told, which others say.
func hasFile(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// runsOthers has a host be looked at for the policy, where that is not from here, and for the accounts that panes
// of session profiles and of isolated servers run as: muxward does not begin where one of them is not there, or is its own.
func runsOthers(root string, noOwners bool) hostconf.Check {
	return hostconf.Check{Name: "what session profiles and isolated servers rest on", Without: func(_ context.Context, tree string, gone []string) error {
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
			if err := fitsWhatStays(tree, filepath.Join("/", root), c, gone, all); err != nil {
				return err
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

// fitsWhatStays looks whether the policy that the host has fits what is to land, without those of its files that go. Where
// the one goes by which muxward has gone until now, there has to be another.
func fitsWhatStays(tree, root string, c config.Config, gone []string, profiles map[string]config.Profile) error {
	dir := filepath.Join(root, c.Policy)
	was, err := config.Load(filepath.Join(root, setupConfig))
	if err != nil {
		was.Policy = "" // there is none, or it is no good
	}
	goes := slices.ContainsFunc(gone, func(p string) bool {
		return strings.HasPrefix(p, c.Policy+"/") || was.Policy != "" && strings.HasPrefix(p, was.Policy+"/")
	})
	if goes && !hasFile(dir) {
		return fmt.Errorf("the policy in %s goes, and there is none in %s", was.Policy, c.Policy)
	}
	if goes {
		stays := filepath.Join(tree, ".stays")
		defer os.RemoveAll(stays)
		if err := copyWithout(stays, root, c.Policy, gone); err != nil {
			return err
		}
		dir = stays
	}
	set, err := policy.Load(dir)
	switch {
	case err == nil:
		return hostcheck.Fits(set, c.Isolated, profiles)
	case goes:
		return fmt.Errorf("without those files of %s that go the policy is none: %w", c.Policy, err)
	}
	return nil // what is wrong with it others say
}

// maxPolicyFile bounds a file of the policy that is copied.
const maxPolicyFile = 16 << 20

// copyWithout copies the regular files of a directory of root's, but for those that go.
func copyWithout(to, root, dir string, gone []string) error {
	return filepath.WalkDir(filepath.Join(root, dir), func(path string, e fs.DirEntry, err error) error {
		name, rerr := filepath.Rel(root, path)
		if err = errors.Join(err, rerr); err != nil {
			return err
		}
		rel, err := filepath.Rel(filepath.Join(root, dir), path)
		switch {
		case err != nil:
			return err
		case e.IsDir():
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		case !e.Type().IsRegular() || slices.Contains(gone, "/"+name):
			return nil
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if info.Size() > maxPolicyFile {
			return fmt.Errorf("%s has more than %d bytes", path, maxPolicyFile)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), text, 0o600)
	})
}
