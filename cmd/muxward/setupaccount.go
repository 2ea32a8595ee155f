package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/hostconf"
	"github.com/muxward/muxward/internal/hostconf/hostfile"
	"github.com/muxward/muxward/internal/policy"
	"github.com/muxward/muxward/internal/privsep"
	"github.com/muxward/muxward/internal/privsep/holder"
	"github.com/muxward/muxward/internal/siblings"
	"github.com/muxward/muxward/packaging"
)

// asAccount finds as which account muxward is to run, and what is to be said of that in
// muxward.yaml. One that is there is people's: it is changed only if --separated was given.
func (f *setupFlags) asAccount(v *hostconf.View, w *setupWish) error {
	w.runAs, w.state = f.account, setupState
	if f.separatedSaid && !f.separated {
		w.runAs = ""
	}
	seen, is, err := v.File(setupConfig)
	if err != nil {
		return err
	}
	if !is {
		w.config = packaging.Config(w.runAs)
		return nil
	}
	w.there = true
	w.config = seen.Content // of a file that is kept it does not count
	c, err := config.Parse(setupConfig, []byte(seen.Content))
	if err != nil {
		w.runAs = ""
		return nil // a check says what is wrong with it
	}
	w.state = cmp.Or(c.State, setupState)
	to := w.runAs
	if w.runAs = c.Account; !f.separatedSaid || f.separated == (c.Account != "") {
		if f.separatedSaid && c.Account == "" { // it was taken out by hand, and the state is the account's still
			uid, _, is, err := v.Directory(w.state)
			of, ok := v.UID(f.account)
			if err == nil && is && ok && (uid != 0 && of == uid || f.root == "" && holder.KeysBack(w.state) != nil) {
				w.was = f.account
			}
			return nil
		}
		if v.HasGroup(c.Account) { // else muxward-helper refuses it
			w.account = c.Account // whatever --account says: it has to read the policy
		}
		return nil
	}
	if slices.ContainsFunc(v.Made(hostfile.Set), func(it hostconf.Item) bool { return it.Path == setupConfig }) {
		return usageError{fmt.Errorf("%s is from muxward host: say account: %q under serve in host.yaml, and apply that (docs/guide/install.md)", setupConfig, to)}
	}
	if to != "" && c.User {
		return usageError{fmt.Errorf("%s has user: true, for root's own tmux alone: leave that out first", setupConfig)}
	}
	w.changed, w.runAs, w.was = true, to, c.Account
	w.config, err = withAccount(seen.Content, to)
	return err
}

// accountLine is a line of muxward.yaml that says as which account muxward runs.
var accountLine = regexp.MustCompile(`(?m)^account:.*\n?`)

// withAccount has a configuration say as which account muxward runs; "" is root.
func withAccount(text, account string) (string, error) {
	out, line := text, packaging.ConfigAccount(account)
	switch where := accountLine.FindAllStringIndex(text, -1); {
	case account == "":
		out = accountLine.ReplaceAllString(text, "")
	case len(where) > 0: // it says that there is none
		out = accountLine.ReplaceAllString(text, line)
	case strings.Contains(text, "\n# "+line):
		out = strings.Replace(text, "\n# "+line, "\n"+line, 1)
	default:
		out = strings.TrimSuffix(text, "\n") + "\n" + line
	}
	c, err := config.Parse(setupConfig, []byte(out))
	if err != nil || c.Account != account {
		return "", usageError{fmt.Errorf("%s is not written as setup could change it: put %q into it by hand, or take it out; nothing has changed", setupConfig, strings.TrimSpace(line))}
	}
	return out, nil
}

// giveBackTime is how long muxward-helper may take to give the state back to root.
const giveBackTime = time.Minute

// giveBack has muxward-helper give the state back to root, if muxward.yaml is to be changed so that
// muxward runs as root, and nothing is in the way of that. It comes first: until muxward.yaml is
// changed the next start hands all of it over again.
func (f *setupFlags) giveBack(cmd *cobra.Command, o hostconf.Options) error {
	ctx := cmd.Context()
	if !f.separatedSaid || f.separated || f.root != "" {
		return nil
	}
	var w setupWish
	before := *f
	before.dryRun = true // the state is the account's still
	plan, err := hostconf.Compare(ctx, before.wish(o, &w), o)
	if err != nil || w.was == "" {
		return wrongCall(err)
	}
	if all := plan.Blocked(); len(all) > 0 {
		return fmt.Errorf("nothing has changed: %s", all[0].Reason)
	}
	c, err := config.Load(setupConfig)
	if err != nil {
		return err
	}
	if c.State != "" && c.State != setupState {
		return fmt.Errorf("the state directory is %s, and not setup's: have muxward-helper give it back (muxward-helper give-back --config %s), and take account out of that", c.State, setupConfig)
	}
	if err := f.nobodyServes(); err != nil {
		return err
	}
	c.Account = ""
	if err := takes(c); err != nil { // before anything moves
		return err
	}
	program, err := siblings.Beside(w.program, privsep.HelperProgram)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, giveBackTime)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, "give-back", "--config", setupConfig, "--account", w.was).CombinedOutput()
	if err != nil {
		return fmt.Errorf("have the state given back to root: %w: %s", err, strings.TrimSpace(string(out)))
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "muxward: the state in %s is root's again\n", setupState)
	return nil
}

// keptLists are the files and directories that muxward takes only from root, or whom it runs as (see kept). One that
// has no absolute path lies where the unit has muxward begin.
func keptLists(c config.Config) []string {
	return inRoot(c.SSH.Keys, c.SSH.Authorities, c.SSH.Revoked, c.SSH.HostCertificate, c.SSH.TOTP, c.Webhook.Secret)
}

// inRoot has paths be absolute that are not.
func inRoot(paths ...string) []string {
	for i, path := range paths {
		if path != "" {
			paths[i] = filepath.Join("/", path)
		}
	}
	return paths
}

// mustRead is what muxward has to read itself, of root's files. Of the policy its own are what is made
// together with the directory, for the account to read.
func mustRead(root string, c config.Config, own map[string]string) []string {
	all := keptLists(c)
	if own == nil {
		return append(all, c.Policy)
	}
	entries, err := os.ReadDir(root + c.Policy)
	if err != nil {
		return all // there is none yet
	}
	for _, e := range entries {
		if _, ours := own[e.Name()]; !ours {
			all = append(all, filepath.Join(c.Policy, e.Name()))
		}
	}
	return all
}

// readable says which files an account cannot read that muxward is to run as. It goes by owners and
// modes, not by access lists. What is not there is somebody else's to say.
func readable(root string, c config.Config, own map[string]string) error {
	if c.Account == "" {
		return nil
	}
	as := reader{name: c.Account, uid: accounts.NoID, gid: accounts.NoID}
	if a, err := accountIn(root, c.Account); err == nil {
		as.uid, as.gid = a.UID, a.GID
	}
	var wrong []error
	for _, path := range mustRead(root, c, own) {
		if path == "" || !filepath.IsAbs(path) {
			continue
		}
		made := ""
		if own != nil {
			made = c.Policy
		}
		if err := as.reads(root, path, made); err != nil {
			wrong = append(wrong, err)
		} else if slices.Contains(secrets(c), path) {
			wrong = append(wrong, as.keeps(root, path))
		}
	}
	return errors.Join(wrong...)
}

// secrets are the files that muxward takes only from nobody else's hands (see secret, and package webhook).
func secrets(c config.Config) []string { return inRoot(c.SSH.TOTP, c.Webhook.Secret) }

// keeps refuses a secret that others than the account can read: muxward would not take it.
func (r reader) keeps(root, path string) error {
	info, err := os.Stat(root + path)
	if err != nil || info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	return fmt.Errorf("%s may be read by others than %s, as which muxward is to run (mode %04o): chown %[2]s %[1]s, and chmod 600", path, r.name, info.Mode().Perm())
}

// takes says which files root's muxward would not take, as they belong to the account that it ran as before.
func takes(c config.Config) error {
	if c.Account != "" {
		return nil
	}
	var wrong []error
	for _, path := range keptLists(c) {
		info, err := os.Stat(path)
		if err != nil {
			continue // that is somebody else's to say
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 {
			wrong = append(wrong, fmt.Errorf("%s is uid %d's, and muxward is to run as root, who takes it from nobody else: chown root %[1]s", path, st.Uid))
		}
	}
	return errors.Join(wrong...)
}

// accountIn looks an account up in a tree, or on this machine.
func accountIn(root, name string) (accounts.Account, error) {
	all := accounts.System()
	if root != "" {
		all = accounts.Files{Passwd: filepath.Join(root, "etc/passwd"), Group: filepath.Join(root, "etc/group")}
	}
	uid, err := all.UIDOf(name)
	if err != nil {
		return accounts.Account{}, err
	}
	return all.Named(name, uid)
}

// reader is an account with no group but its own.
type reader struct {
	name     string
	uid, gid uint32
}

// reads says what keeps it from reading a file, or a directory with all files in it. made is a
// directory that is put right.
func (r reader) reads(root, path, made string) error {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if err := r.may(root, dir, 0o1); err != nil && dir != made {
			return err
		}
		if dir == "/" {
			break
		}
	}
	info, err := os.Stat(root + path)
	if err != nil {
		return nil
	}
	if !info.IsDir() {
		return r.may(root, path, 0o4)
	}
	if err := r.may(root, path, 0o5); err != nil {
		return err
	}
	entries, err := os.ReadDir(root + path)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := r.may(root, filepath.Join(path, e.Name()), 0o4); err != nil {
			return err
		}
	}
	return nil
}

// may says whether it lacks rights, which are those of one of three.
func (r reader) may(root, path string, need uint32) error {
	info, err := os.Stat(root + path)
	if err != nil {
		return nil // that is somebody else's to say
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	has := st.Mode
	switch {
	case st.Uid == r.uid:
		has >>= 6
	case st.Gid == r.gid:
		has >>= 3
	}
	if has&need == need {
		return nil
	}
	how := fmt.Sprintf("chgrp %s %s, and chmod g+r", r.name, path)
	switch {
	case info.IsDir():
		how += "x"
	case st.Mode&0o077 == 0:
		how = fmt.Sprintf("chown %s %s", r.name, path) // a secret: nobody else's at all
	}
	return fmt.Errorf("%s cannot be read by %s, as which muxward is to run (mode %04o): %s", path, r.name, st.Mode&0o7777, how)
}

// rooted refuses a configuration by which root's muxward would find a state that is an account's: it
// would not begin.
func rooted(c config.Config) error {
	c.State = cmp.Or(c.State, setupState)
	info, err := os.Stat(c.State)
	if c.Account != "" || err != nil {
		return nil
	}
	if err := holder.KeysBack(c.State); err != nil {
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 {
		return fmt.Errorf("%s is uid %d's, as which muxward runs, and by this configuration it is to run as root: say account: NAME under serve, "+
			"or stop muxward and have muxward-helper give it back first (muxward-helper give-back --config %s)", c.State, st.Uid, setupConfig)
	}
	return nil
}

// runsAs has a host be looked at for what keeps muxward from running as its configuration says.
func runsAs(root string, own map[string]string) hostconf.Check {
	return hostconf.Check{Name: "as whom muxward runs", Run: func(ctx context.Context, tree string) error {
		c, err := config.Load(tree + setupConfig)
		if err != nil {
			return err
		}
		if c.Account != "" {
			if err := untaken(root, tree, cmp.Or(c.State, setupState)); err != nil {
				return err
			}
		}
		if err := readable(root, c, own); err != nil || root != "" || os.Geteuid() != 0 {
			return err
		}
		if c.Account == "" {
			return errors.Join(rooted(c), takes(c))
		}
		info, err := os.Stat(cmp.Or(c.State, setupState))
		if err != nil {
			return nil // it is made
		}
		// Of one that is the account's already nothing is asked: what it has put there is no reason to do nothing.
		self, err := os.Executable()
		if st, ok := info.Sys().(*syscall.Stat_t); err != nil || !ok || st.Uid != 0 {
			return err
		}
		return handable(ctx, self, tree+setupConfig, c.Account)
	}}
}

// returning refuses to take an apply back by which muxward would run as root again, or as another
// account, while the state is that of the account that it runs as: it would not begin, and the account, which
// may go then, leaves its number, and the log with it, to the next one that is made.
func returning(root string, noOwners bool) func(map[string][]byte) error {
	return func(files map[string][]byte) error {
		text, comes := files[setupConfig]
		if !comes || noOwners || os.Geteuid() != 0 {
			return nil
		}
		c, err := config.Parse(setupConfig, text)
		if err != nil || c.User {
			return nil // no muxward begins with it, and what it was is what comes back
		}
		state := cmp.Or(c.State, setupState)
		info, err := os.Stat(filepath.Join("/", root, state))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("whose the state is: %w", err)
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		if !ok || st.Uid == 0 {
			return nil
		}
		to := "root"
		if c.Account != "" {
			to = c.Account
			if a, err := accountIn(root, c.Account); err == nil && a.UID == st.Uid {
				return nil
			}
		}
		return fmt.Errorf("%s that would come back has muxward run as %s, and the state in %s is uid %d's: stop muxward, and have that given back first: "+
			"muxward setup --separated=false (muxward-helper give-back where %s is from muxward host); nothing has changed", setupConfig, to, state, st.Uid, setupConfig)
	}
}

// doorless names the people of a policy whose accounts have no tmux server and no door beside
// muxward-helper, which goes by the configuration and /etc/passwd alone.
func doorless(root string, c config.Config, set *policy.Set) (out []string) {
	if c.Account == "" || set == nil {
		return nil
	}
	all := accounts.System()
	if root != "" {
		all = accounts.Files{Passwd: filepath.Join(root, "etc/passwd"), Group: filepath.Join(root, "etc/group")}
	}
	for _, person := range set.People() {
		name := set.AccountOf(person) // their own, where nothing is said
		uid, numbered := set.UIDOf(person)
		a, err := accountIn(root, name)
		if numbered {
			name = fmt.Sprintf("uid %d", uid)
			a, err = all.ByUID(uid)
		}
		in := func(group string) bool { return all.Members()(group, a.Name, a.GID) }
		switch {
		case err != nil && name == person: // they have none, and come by ssh
		case err != nil:
			out = append(out, fmt.Sprintf("%s (%s is no account of /etc/passwd)", person, name))
		case !c.Serves(a.Name, a.UID, a.Shell, in):
			out = append(out, fmt.Sprintf("%s (%s is not under accounts in %s)", person, a.Name, setupConfig))
		}
	}
	return out
}

// handable has muxward-helper look whether it could hand root's state over to an account, before muxward
// is to run as that by a configuration. Where there is no helper beside a program nothing is handed over.
func handable(ctx context.Context, program, config, account string) error {
	helper, err := siblings.Beside(program, privsep.HelperProgram)
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, giveBackTime)
	defer cancel()
	out, err := exec.CommandContext(ctx, helper, "look", "--config", config, "--account", account).CombinedOutput()
	if err != nil {
		return fmt.Errorf("the state could not be handed over to %s: %w: %s", account, err, strings.TrimSpace(string(out)))
	}
	return nil
}
