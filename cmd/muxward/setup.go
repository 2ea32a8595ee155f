package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/hostconf"
	"github.com/muxward/muxward/internal/pam"
	"github.com/muxward/muxward/internal/policy"
	"github.com/muxward/muxward/internal/privsep"
	"github.com/muxward/muxward/internal/siblings"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/packaging"
)

// setupFlags are those of setup and uninstall.
type setupFlags struct {
	root           string
	dryRun, json   bool
	account, admin string
	program        string
	logins, start  bool
	loginsSaid     bool
	// separated is whether muxward is to run as an account without root's rights.
	separated, separatedSaid bool
}

func (f *setupFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.root, "root", "", "work in this `directory` in the place of /, as on an image")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "say what would be done, and do nothing")
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON")
	_ = cmd.MarkFlagDirname("root")
}

func newSetupCmd() *cobra.Command {
	var f setupFlags
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "prepare this host for muxward: account, directories, services",
		Long: `Prepare this host for muxward, as root: the system account muxward, /etc/muxward with
a configuration and a policy to start from, /var/lib/muxward, the PAM service muxward
(on hosts with Debian's common stacks), units of systemd, and a file that keeps cleaners
away from /run/muxward. muxward runs as that account, and has none of root's rights:
muxward-helper keeps them. With --doors-for-logins plain tmux of every login comes through
muxward; without the flag that stays as it is.

Everything is checked before anything moves, and what was there is kept: a setup that is
broken off, by kill -9 too, is taken back by the next one, and muxward uninstall takes all
of it away. A second setup changes nothing. What people have written into muxward.yaml, the
policy and the PAM service is theirs: of those only owner and mode are put right. A policy
that is there already is left alone, if it is root's and loads. A directory that has
something in it and is somebody else's is not taken over.

A muxward.yaml by which muxward runs as root is left so, and told of. --separated changes it
over; it counts with the next start, which gives the state to the account. What the account
could not read of what muxward goes by is told before anything moves. --separated=false has
the state given back, and muxward run as root: stop it first.

Nothing is written through a symlink, or in a directory that others can write to: it
says which, and does nothing.

Works without systemd; then start muxward serve --config /etc/muxward/muxward.yaml by what
starts services there. It is not started by setup, unless --start says so.

Exit codes: 0 done; 1 not done: the error says why, and what is not as it was if anything is;
2 the command line is wrong.`,
		Example: `  sudo muxward setup --dry-run
  sudo muxward setup --admin alice --start
  sudo muxward setup --separated && sudo systemctl restart muxward
  muxward setup --root /srv/image --program /usr/bin/muxward`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.separatedSaid = cmd.Flags().Changed("separated")
			f.loginsSaid = cmd.Flags().Changed("doors-for-logins")
			return f.run(cmd)
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&f.account, "account", "muxward", "`name` of muxward's system account")
	cmd.Flags().BoolVar(&f.separated, "separated", true, "have muxward run as that account, without root's rights; a muxward.yaml that is there is changed only if this is given; =false has it run as root")
	cmd.Flags().StringVar(&f.admin, "admin", "", "`account` of the person who the policy begins with (default: who called sudo, else root; with --root: root)")
	cmd.Flags().StringVar(&f.program, "program", "", "where muxward is on the host (default: this program; with --root "+packaging.Program+")")
	cmd.Flags().BoolVar(&f.logins, "doors-for-logins", false, "have plain tmux of every login come through muxward; =false takes that back")
	cmd.Flags().BoolVar(&f.start, "start", false, "start it, where systemd is")
	return cmd
}

// options are how the host is changed. Who is not root can only do so with a tree.
func (f *setupFlags) options(cmd *cobra.Command) (hostconf.Options, error) {
	if f.root != "" {
		root, err := filepath.Abs(f.root)
		if err != nil {
			return hostconf.Options{}, usageError{fmt.Errorf("--root %s: %w", f.root, err)}
		}
		if f.root = root; root == "/" {
			f.root = "" // it is the machine, and asked for all that the machine is asked for
		}
	}
	o := hostconf.Options{Root: f.root, Recovering: takingBack(f.root)}
	o.Returning = returning(f.root, os.Geteuid() != 0)
	if os.Geteuid() != 0 {
		if f.root == "" {
			return o, usageError{fmt.Errorf("%s changes the host: call it as root, or give --root", cmd.CommandPath())}
		}
		o.NoOwners = true
	}
	if f.root != "" {
		if st, err := os.Stat(f.root); err != nil || !st.IsDir() {
			return o, usageError{fmt.Errorf("--root %s: there is no such directory", f.root)}
		}
	}
	return o, nil
}

func (f *setupFlags) run(cmd *cobra.Command) error {
	o, err := f.options(cmd)
	if err != nil {
		return err
	}
	var w setupWish
	want := f.wish(o, &w)
	o.Checks = setupChecks(f.root, &w)
	if f.dryRun {
		plan, err := hostconf.Compare(cmd.Context(), want, o)
		if err != nil {
			return wrongCall(err)
		}
		if w.was != "" && w.runAs == "" && !f.json {
			newPaint(cmd).printf("first the state in %s, and the keys, are given back to root (stop muxward before)\n", setupState)
		}
		return f.printPlan(cmd, plan)
	}
	if err := f.giveBack(cmd, o); err != nil { // first: nothing may bring root's muxward.yaml back before
		return wrongCall(fmt.Errorf("setup: %w", err))
	}
	first, _, err := settleFirst(cmd.Context(), o)
	if err != nil {
		return fmt.Errorf("setup: %w", err)
	}
	res, err := hostconf.Apply(cmd.Context(), want, o)
	if err != nil {
		return wrongCall(fmt.Errorf("setup: %w", err))
	}
	res = behind(first, res)
	if f.json {
		return printJSON(cmd, res)
	}
	p := newPaint(cmd)
	printApplied(p, res)
	if len(res.Done) == 0 {
		p.printf("%s\n", p.good("everything is as it should be"))
		return f.printAsRoot(p, w)
	}
	return f.printSetupNext(p, w)
}

// wrongCall is a mistake of the command line as it is told, whatever it went through.
func wrongCall(err error) error {
	var u usageError
	if errors.As(err, &u) {
		return u
	}
	return err
}

// wish is what is asked for, by the flags and by how the host is. What it was the first time
// it was asked for is in first.
func (f *setupFlags) wish(o hostconf.Options, first *setupWish) hostconf.Wish {
	asked := false
	return func(v *hostconf.View) (hostconf.State, error) {
		w, err := f.wishOf(v, o)
		if err != nil {
			return hostconf.State{}, err
		}
		if !asked {
			*first, asked = w, true
		}
		s, err := setupItems(w)
		if err != nil {
			return s, usageError{err}
		}
		return s, nil
	}
}

func (f *setupFlags) wishOf(v *hostconf.View, o hostconf.Options) (setupWish, error) {
	w := setupWish{account: f.account, admin: f.admin, program: f.program, logins: f.logins, start: f.start}
	has := map[string]bool{}
	for _, it := range v.Made(setSetup) {
		has[it.Path] = true
	}
	if !f.loginsSaid {
		w.logins = has[setupProfile]
	}
	there, err := v.Names(setupPolicy, maxPolicyNames)
	if err != nil {
		return w, err
	}
	var kept []string
	if kept, w.fresh = starterWanted(there, has); !w.fresh {
		if err := v.Trusted(setupPolicy); err != nil { // who may do what is said there
			return w, err
		}
		w.policy = map[string]string{}
	}
	for _, name := range kept {
		seen, is, err := v.File(path.Join(setupPolicy, name))
		if err != nil {
			return w, err
		}
		if is {
			w.policy[name] = seen.Content
		}
	}
	if err := f.asAccount(v, &w); err != nil {
		return w, err
	}
	as := w.runAs
	if as == "" && f.dryRun {
		as = w.was // it is given back before
	}
	if err := findStateOwner(v, &w, as); err != nil {
		return w, err
	}
	if w.pam, err = v.There("/etc/pam.d/common-account"); err != nil {
		return w, err
	}
	w.pam = w.pam || has[setupPAM]
	if err := f.findProgram(&w); err != nil {
		return w, err
	}
	if f.root == "" && w.runAs != "" {
		if _, err := siblings.Beside(w.program, privsep.HelperProgram); err != nil {
			return w, usageError{fmt.Errorf("%w; muxward needs it to run as %s without root's rights, or say --separated=false", err, w.runAs)}
		}
	}
	return w, f.findAdmin(&w, o)
}

// findStateOwner finds whose the state directory is to be. Of a muxward with an account of its own
// it is that account's once muxward-helper has handed it over: only that looks at all that is in
// it, and keeps the keys back. Until then, setup leaves it to root.
func findStateOwner(v *hostconf.View, w *setupWish, as string) error {
	if as == "" {
		return nil
	}
	uid, gid, is, err := v.Directory(setupState)
	if err != nil || !is {
		return err
	}
	if of, ok := v.UID(as); ok && of == uid && uid != 0 {
		w.owner, w.group = strconv.FormatUint(uint64(uid), 10), strconv.FormatUint(uint64(gid), 10)
	}
	return nil
}

// maxPolicyNames is more than any policy has files.
const maxPolicyNames = 10000

// starterWanted says which files of the starter policy belong to the state: all where there
// is no policy, and later those of them that people have not removed. nil is all. What is no file of
// a policy by its name, such as a README, or one of ours until it is moved to its place, is none.
func starterWanted(there []string, has map[string]bool) (names []string, fresh bool) {
	there = slices.DeleteFunc(there, func(n string) bool {
		_, like := policy.FileName(n)
		return !like
	})
	if len(there) == 0 {
		return nil, true
	}
	names = []string{}
	for _, n := range there {
		if has[path.Join(setupPolicy, n)] {
			names = append(names, n)
		}
	}
	return names, false
}

// findProgram finds the muxward that units are to start, which nobody but root can replace.
func (f *setupFlags) findProgram(w *setupWish) error {
	switch {
	case w.program == "" && f.root != "":
		w.program = packaging.Program
	case w.program == "":
		self, err := os.Executable()
		if err == nil {
			self, err = filepath.EvalSymlinks(self)
		}
		if err != nil {
			return fmt.Errorf("find our own program: %w", err)
		}
		w.program = self
	}
	if f.root == "" {
		if err := pam.CheckProgram(w.program); err != nil {
			return usageError{fmt.Errorf("%w; units start it as root: install it (make install), or name it with --program", err)}
		}
	}
	if _, err := packaging.Unit("muxward.service", w.program); err != nil {
		return usageError{fmt.Errorf("--program: %w", err)}
	}
	return nil
}

// findAdmin finds who the policy begins with.
func (f *setupFlags) findAdmin(w *setupWish, o hostconf.Options) error {
	if f.root == "" {
		w.admin = cmp.Or(w.admin, os.Getenv("SUDO_USER"))
	}
	w.admin = cmp.Or(w.admin, "root")
	if w.policy != nil || w.admin == "root" {
		return nil // there is a policy
	}
	if f.root != "" {
		// Who has that name here, and who called sudo here, is nobody there.
		uid, err := hostconf.AccountOf(w.admin, o)
		if err != nil {
			return usageError{fmt.Errorf("--admin %s: %w", w.admin, err)}
		}
		w.uid = int(uid)
		return nil
	}
	u, err := user.Lookup(w.admin)
	if err == nil {
		w.uid, err = strconv.Atoi(u.Uid)
	}
	if err != nil {
		return usageError{fmt.Errorf("--admin %s: %w", w.admin, err)}
	}
	return nil
}

func (f *setupFlags) printPlan(cmd *cobra.Command, plan hostconf.Plan) error {
	if f.json {
		return printJSON(cmd, plan)
	}
	p := newPaint(cmd)
	if b := plan.Broken; b != nil {
		p.printf("%s\n", p.bad(brokenLine(*b)))
		p.printf("what follows is about the host as it is now, half done\n")
	}
	for _, c := range plan.Changes {
		printSetupChange(p, c)
		if c.Do == hostconf.Mend {
			printSetupDiff(p, c.Diff)
		}
	}
	if n := len(plan.Blocked()); n > 0 {
		_ = p.printf("%s\n", p.bad(fmt.Sprintf("%d things are in the way: nothing would be done", n))) // the error says so, too
		return errors.New("nothing would be done")
	}
	return p.printf("%d to do, %d are as they should be; nothing was done\n", countDo(plan.Changes), plan.Same)
}

func countDo(all []hostconf.Change) (n int) {
	for _, c := range all {
		if c.Do != hostconf.Keep && c.Do != hostconf.Skip {
			n++
		}
	}
	return n
}

func brokenLine(b hostconf.Broken) string {
	what, then := "an apply", "the next one takes it back first"
	if b.Undoing {
		what, then = "an undo", "the next one goes on with it"
	}
	if b.Running {
		then = "it is going on right now"
	}
	return fmt.Sprintf("%s (%s, number %d) has not come to its end: %d of %d steps are on the host; %s", what, b.Set, b.Number, b.Moved, b.Steps, then)
}

// printApplied says what was done.
func printApplied(p paint, res hostconf.Result) {
	if b := res.Recovered; b != nil {
		p.printf("%s\n", p.bad(fmt.Sprintf("apply %d of muxward %s was broken off: it has been taken back", b.Number, b.Set)))
	}
	for _, c := range res.Done {
		p.printf("%s %s\n", c.Do, tmux.OneLine(setupWhat(c)))
	}
	for _, c := range res.Left {
		printSetupChange(p, c)
	}
}

// setupWhat says what a change is about.
func setupWhat(c hostconf.Change) string {
	it := c.Item
	what := string(it.Kind) + " " + cmp.Or(it.Path, it.Name)
	switch {
	case c.Do == hostconf.Make && it.Mode != 0:
		what += fmt.Sprintf(" (%04o %s:%s)", it.Mode, cmp.Or(it.Owner, "root"), cmp.Or(it.Group, "root"))
	case c.Do == hostconf.Mend:
		var in []string
		for _, d := range c.Differs {
			text := d.What
			if d.Have != "" {
				text += " " + d.Have + " → " + d.Want
			}
			in = append(in, text)
		}
		what += " (" + strings.Join(in, ", ") + ")"
	}
	return what
}

// printSetupChange is a change with why it is made, or what is in its way.
func printSetupChange(p paint, c hostconf.Change) {
	why, do := c.Item.Why, string(c.Do)
	switch c.Do {
	case hostconf.Keep, hostconf.Skip:
		why, do = c.Reason, p.dim(do)
	case hostconf.Block:
		why, do = c.Reason, p.bad(do)
	}
	p.printf("%s %s\n    %s\n", do, tmux.OneLine(setupWhat(c)), p.dim(tmux.OneLine(why)))
}

// printSetupDiff shows what changes in a file.
func printSetupDiff(p paint, diff string) {
	for line := range strings.Lines(diff) {
		line = tmux.OneLine(strings.ReplaceAll(strings.TrimSuffix(line, "\n"), "\t", "    "))
		switch {
		case strings.HasPrefix(line, "+"):
			line = p.good(line)
		case strings.HasPrefix(line, "-"):
			line = p.bad(line)
		}
		p.printf("    %s\n", line)
	}
}

func (f *setupFlags) printSetupNext(p paint, w setupWish) error {
	p.printf("\nnext:\n")
	if w.fresh {
		p.printf("  name your people in %s/people.yaml, and who may do what in grants.yaml\n", setupPolicy)
	}
	p.printf("  muxward policy test --policy %s\n", setupPolicy)
	switch {
	case w.changed && w.runAs != "":
		p.printf("  systemctl restart muxward: it then runs as %s, and the state in %s is given to that account\n", w.runAs, setupState)
	case w.changed:
		p.printf("  systemctl start muxward: it runs as root; the state in %s is root's again\n", setupState)
	case !w.start:
		p.printf("  systemctl start muxward, or without systemd: muxward serve --config %s\n", setupConfig)
	}
	if !w.pam {
		p.printf("  (no PAM service was made: this host has no /etc/pam.d/common-account; see docs/ssh.md)\n")
	}
	p.printf("  (muxward uninstall takes all of it away)\n")
	f.printDoorless(p)
	return f.printAsRoot(p, w)
}

// printAsRoot says so where muxward runs as root and nobody has just asked for that.
func (f *setupFlags) printAsRoot(p paint, w setupWish) error {
	if w.runAs != "" || f.separatedSaid {
		return nil
	}
	return p.printf("  (muxward runs as root by %s, and needs none of root's rights: muxward setup --separated, then systemctl restart muxward)\n", setupConfig)
}

// printDoorless names people who have no door. What cannot be read was told by a check.
func (f *setupFlags) printDoorless(p paint) {
	c, err := config.Load(filepath.Join("/", f.root, setupConfig))
	if err != nil {
		return
	}
	set, err := loadPolicy(filepath.Join("/", f.root, setupPolicy))
	if err != nil {
		return
	}
	for _, who := range doorless(f.root, c, set) {
		p.printf("  (no door is opened for %s)\n", tmux.OneLine(who))
	}
}
