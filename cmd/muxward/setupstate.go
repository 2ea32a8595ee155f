package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"time"

	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/hostconf"
	"github.com/muxward/muxward/internal/hostconf/hostfile"
	"github.com/muxward/muxward/internal/policy"
	"github.com/muxward/muxward/internal/policy/starter"
	"github.com/muxward/muxward/packaging"
)

// setSetup is whose muxward setup's things are, in hostconf's records.
const setSetup = "setup"

// Where setup puts things.
const (
	setupEtc     = "/etc/muxward"
	setupConfig  = "/etc/muxward/muxward.yaml"
	setupPolicy  = "/etc/muxward/policy"
	setupState   = "/var/lib/muxward"
	setupKeys    = "/var/lib/muxward-keys"
	setupPAM     = "/etc/pam.d/muxward"
	setupUnits   = "/etc/systemd/system"
	setupTmp     = "/etc/tmpfiles.d/muxward.conf"
	setupProfile = "/etc/profile.d/muxward.sh"
)

// setupWish is what muxward setup was asked for.
type setupWish struct {
	account string // of muxward
	runAs   string // the account that muxward runs as; "" for root
	config  string // what muxward.yaml is to say, where it is not there, or changed
	there   bool   // muxward.yaml is there
	changed bool   // and is changed
	was     string // the account before that
	state   string // the state directory that muxward.yaml names
	owner   string // whose the state directory is; "" for root
	group   string
	program string // where muxward is on the host
	admin   string // account of the person who the policy begins with
	uid     int
	policy  map[string]string // files of the starter policy that are there, as they are; nil: all are made
	fresh   bool              // there is no policy yet
	pam     bool              // the host has the stacks that Debian's services include
	logins  bool              // plain tmux of logins comes through the doors
	start   bool
}

// setupItems is the state of a host that muxward setup brings about.
func setupItems(w setupWish) (hostconf.State, error) {
	s := hostconf.State{Set: setSetup, Under: []string{hostfile.Set}, Items: []hostconf.Item{
		{ID: "MW-H010", Kind: hostconf.Account, Name: w.account, Comment: "muxward", State: w.state,
			Why: "what muxward does not do as root it does as an account that nobody logs in to"},
		{ID: "MW-H020", Kind: hostconf.Directory, Path: setupEtc, Mode: 0o755,
			Why: "only root says what muxward does"},
		{ID: "MW-H021", Kind: hostconf.File, Path: setupConfig, Mode: 0o644, Once: !w.changed, Content: w.config,
			Why: "where muxward keeps its things, and which doors are open"},
		{ID: "MW-H022", Kind: hostconf.Directory, Path: setupState, Mode: 0o711, Owner: w.owner, Group: w.group,
			Why: "the log and the keys in it are for muxward alone; people's commands find the running one by a file in it"},
		{ID: "MW-H023", Kind: hostconf.Directory, Path: setupKeys, Mode: 0o700,
			Why: "the ssh host key and the key of the log are root's, where the rest is the account's that muxward runs as"},
		{ID: "MW-H030", Kind: hostconf.Directory, Path: setupPolicy, Mode: 0o750, Group: w.account,
			Why: "only root says who may do what, and who may do what is nobody else's to read"},
		{ID: "MW-H060", Kind: hostconf.File, Path: setupTmp, Mode: 0o644, Content: packaging.Tmpfiles(),
			Why: "a cleaner that removes a socket locks people out of their sessions"},
	}}
	if err := setupStarter(&s, w); err != nil {
		return s, err
	}
	for _, name := range packaging.Units() {
		text, err := packaging.Unit(name, w.program)
		if err != nil {
			return s, err
		}
		why := "muxward sockets can watch over tmux's sockets; enable it if you want that"
		switch name {
		case "muxward.socket":
			why = "systemd can hold the ssh door open while muxward is started anew; enable it if you want that"
		case "muxward.service":
			why = "systemd starts muxward, and leaves people's tmux servers alone when it stops it"
		}
		s.Items = append(s.Items, hostconf.Item{ID: "MW-H050", Kind: hostconf.File, Path: path.Join(setupUnits, name), Mode: 0o644, Content: text, Why: why})
	}
	s.Items = append(s.Items, hostconf.Item{ID: "MW-H051", Kind: hostconf.Service, Name: "muxward.service", Running: w.start,
		Why: "the doors are open after the host was started again"})
	if w.pam {
		s.Items = append(s.Items, hostconf.Item{ID: "MW-H040", Kind: hostconf.File, Path: setupPAM, Mode: 0o644, Once: true, Content: packaging.PAM(),
			Why: "without a service of its own PAM would ask \"other\" about logins by password"})
	}
	if w.logins {
		s.Items = append(s.Items, hostconf.Item{ID: "MW-H070", Kind: hostconf.File, Path: setupProfile, Mode: 0o644, Content: packaging.Profile(),
			Why: "plain tmux of a login goes through muxward"})
	}
	return s, nil
}

// setupStarter adds the policy that one starts with.
func setupStarter(s *hostconf.State, w setupWish) error {
	files := w.policy
	if files == nil {
		made, err := starter.Files(w.admin, w.admin, w.uid, starter.OnlyMe)
		if err != nil {
			return fmt.Errorf("--admin %s: %w", w.admin, err)
		}
		files = map[string]string{}
		for _, f := range made {
			files[f.Name] = string(f.Text)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		s.Items = append(s.Items, hostconf.Item{ID: "MW-H031", Kind: hostconf.File, Path: path.Join(setupPolicy, name), Mode: 0o640, Group: w.account,
			Once: true, Content: files[name], Why: "without a policy muxward lets nobody in; this one has examples as comments, and tests that say what it means"})
	}
	return nil
}

// setupChecks look at what is to land.
func setupChecks(root string, w *setupWish) []hostconf.Check {
	return []hostconf.Check{{Name: "muxward.yaml", Run: func(ctx context.Context, tree string) error {
		c, err := config.Load(tree + setupConfig)
		if err != nil {
			return err
		}
		own := w.policy
		if c.Policy != setupPolicy {
			own = nil
		} else if own == nil {
			own = map[string]string{} // all of it is made
		}
		if w.changed && c.Account != "" && root == "" {
			if err := handable(ctx, w.program, tree+setupConfig, c.Account); err != nil {
				return err
			}
		}
		if c.Account != "" {
			if err := untaken(root, tree, cmp.Or(c.State, setupState)); err != nil {
				return err
			}
		}
		return readable(root, c, own)
	}}, {Name: "the policy", Run: func(_ context.Context, tree string) error {
		if !w.fresh { // it is people's, and they may have tests that they still work on
			_, err := loadPolicy(filepath.Join("/", root, setupPolicy))
			return err
		}
		return policyHolds(tree + setupPolicy)
	}}}
}

// policyHolds loads a policy and runs its tests.
func policyHolds(dir string) error {
	set, err := loadPolicy(dir)
	if err != nil {
		return err
	}
	cases, err := policy.LoadCases(dir, set)
	if err != nil {
		return policyError(dir, err)
	}
	for _, r := range set.RunCases(cases, time.Now()) {
		if !r.Pass {
			return fmt.Errorf("%w: %s:%d: %s %s %s", errTests, r.File, r.Line, r.Who, r.Verb, r.On)
		}
	}
	if len(cases) == 0 {
		return errors.New("it has no tests")
	}
	return nil
}
