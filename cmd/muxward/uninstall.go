package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/hostconf"
	"github.com/muxward/muxward/internal/hostconf/hostfile"
)

func newUninstallCmd() *cobra.Command {
	var f setupFlags
	var purge, applied bool
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "take away what muxward setup has made",
		Long: `Take away all that muxward setup has made on this host, and put back what was there
before. The programs, man pages and completions stay: make uninstall removes what
make install has put there, and your packages are your package manager's.

What people have changed since, such as the policy, is kept, and named. So is muxward's state
directory with the log, and the one beside it with the keys, unless --purge says that they
are to go, and only if setup has made it, not only put it right, and no muxward serves from
it any more. While something is kept that belongs to the account muxward, the account is,
too. What muxward host has applied has to be taken back first (muxward host undo), or with
--applied is taken back here, all of it, as the packages do when they are removed.

With systemd the service is stopped; a muxward.socket that somebody has enabled has to be
disabled first. Without, stop muxward first. tmux servers that it has started go on.

Exit codes: 0 done; 1 not done: the error says why, and what is not as it was if anything is;
2 the command line is wrong.`,
		Example: `  sudo muxward uninstall --dry-run
  sudo muxward uninstall --purge`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.uninstall(cmd, purge, applied) },
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&purge, "purge", false, "remove the state directory with the log and the keys, too")
	cmd.Flags().BoolVar(&applied, "applied", false, "take back what muxward host has applied, too")
	return cmd
}

func (f *setupFlags) uninstall(cmd *cobra.Command, purge, applied bool) error {
	o, err := f.options(cmd)
	if err != nil {
		return err
	}
	nothing := hostconf.Just(hostconf.State{Set: setSetup})
	plan, err := hostconf.Compare(cmd.Context(), nothing, o)
	if err != nil {
		return err
	}
	if purge {
		if err := purged(&plan, o); err != nil {
			return err
		}
	}
	host, sets := hostconf.Just(hostconf.State{Set: hostfile.Set}), []string{setSetup} // nothing of that either
	if applied {
		of, err := hostconf.Compare(cmd.Context(), host, o)
		if err != nil {
			return err
		}
		plan.Changes = append(of.Changes, plan.Changes...)
		sets = append(sets, hostfile.Set)
	}
	if f.dryRun {
		return f.printPlan(cmd, plan)
	}
	if err := f.standsStill(cmd.Context(), plan); err != nil {
		return err
	}
	of, _, err := settleFirst(cmd.Context(), o)
	if err != nil {
		return fmt.Errorf("uninstall: %w", err)
	}
	if applied {
		back, err := hostconf.Apply(cmd.Context(), host, o)
		if err != nil {
			return fmt.Errorf("take back what muxward host has applied: %w", err)
		}
		of = behind(of, back)
	}
	res, err := hostconf.Apply(cmd.Context(), nothing, o)
	if err != nil {
		return fmt.Errorf("uninstall: %w", err)
	}
	res = behind(of, res)
	if purge {
		// Once more, and of one that systemd was to stop, too: what is removed does not come back.
		err := f.nobodyServes()
		for _, dir := range []string{setupState, setupKeys} {
			if err == nil {
				err = hostconf.Empty(dir, o)
			}
		}
		if err != nil {
			return fmt.Errorf("uninstall: what setup has made is gone, but for %s and %s with the log and the keys: %w", setupState, setupKeys, err)
		}
		more, err := hostconf.Apply(cmd.Context(), nothing, o)
		if err != nil {
			return fmt.Errorf("uninstall: %w", err)
		}
		// Where muxward-helper has made it, setup has not.
		if err := hostconf.RemoveDir(setupKeys, o); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("uninstall: %w", err)
		}
		more.Left = append(of.Left, more.Left...) // what the first one kept is looked at again
		more.Done, more.Recovered = append(res.Done, more.Done...), cmp.Or(more.Recovered, res.Recovered)
		res = more
	}
	if err := f.nobodyServes(); err != nil { // one that systemd did not stop, as it has not started it
		return fmt.Errorf("uninstall: what setup has made is gone, but %w", err)
	}
	clean, err := hostconf.Forget(o, sets...)
	if err != nil {
		return err
	}
	return f.printGone(cmd, res, clean)
}

// printGone tells what was taken away; clean, that there are no records of it any more.
func (f *setupFlags) printGone(cmd *cobra.Command, res hostconf.Result, clean bool) error {
	if f.json {
		return printJSON(cmd, res)
	}
	p := newPaint(cmd)
	printApplied(p, res)
	switch {
	case len(res.Left) > 0:
		p.printf("what is kept is named above")
	case len(res.Done) == 0:
		p.printf("muxward setup has made nothing here")
	default:
		p.printf("%s", p.good("all of it is gone"))
	}
	if !clean {
		p.printf("; the records of it are in %s", hostconf.DefaultRecords)
	}
	return p.printf("\n")
}

// standsStill makes sure that no muxward runs of the state that is to go, but for one that
// systemd stops, and that systemd starts none.
func (f *setupFlags) standsStill(ctx context.Context, plan hostconf.Plan) error {
	if err := f.socketIsShut(ctx); err != nil {
		return err
	}
	if f.root != "" {
		return nil
	}
	for _, c := range plan.Changes {
		if c.Item.Kind == hostconf.Service && c.Do == hostconf.Remove {
			return nil
		}
	}
	return f.nobodyServes()
}

// systemctlTime is how long systemctl may take to say whether a unit is active.
const systemctlTime = 10 * time.Second

// socketIsShut refuses while systemd holds the ssh door open, which an administrator has
// asked for, not setup: it would go on to do so with nobody behind it.
func (f *setupFlags) socketIsShut(ctx context.Context) error {
	disable := "systemctl disable --now muxward.socket"
	if f.root != "" {
		disable = "systemctl --root=" + f.root + " disable muxward.socket"
	}
	open := fmt.Errorf("muxward.socket is enabled, and systemd listens for muxward: %s first; nothing has changed", disable)
	_, err := os.Lstat(filepath.Join("/", f.root, setupUnits, "sockets.target.wants", "muxward.socket"))
	if err == nil {
		return open
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, err := os.Lstat("/run/systemd/system"); f.root != "" || err != nil {
		return nil // nothing runs in there, or no systemd here (sd_booted(3))
	}
	ctx, cancel := context.WithTimeout(ctx, systemctlTime)
	defer cancel()
	err = exec.CommandContext(ctx, "systemctl", "is-active", "--quiet", "muxward.socket").Run()
	switch {
	case err == nil:
		return open
	case ctx.Err() == nil && errors.As(err, new(*exec.ExitError)):
		return nil
	}
	return fmt.Errorf("ask whether muxward.socket is active: %w; nothing has changed", err)
}

// purged has a plan say that the state directory goes. Setup has to have made it, not only put it
// right: what is in another one is not ours to remove.
func purged(plan *hostconf.Plan, o hostconf.Options) error {
	made, err := hostconf.MadeAnew(setSetup, setupState, o)
	if err != nil {
		return err
	}
	if !made {
		return fmt.Errorf("--purge: muxward setup has not made %s: if nobody needs it, remove it by hand; nothing has changed", setupState)
	}
	for i := range plan.Changes {
		if c := &plan.Changes[i]; (c.Item.Path == setupState || c.Item.Path == setupKeys) && c.Do == hostconf.Keep {
			c.Do, c.Reason = hostconf.Remove, ""
		}
	}
	return nil
}

// dialTime is how long a muxward has to take a connection.
const dialTime = 5 * time.Second

// nobodyServes makes sure that no muxward serves from the state directory. One that cannot be
// asked may.
func (f *setupFlags) nobodyServes() error {
	if f.root != "" {
		return nil // nothing runs in there
	}
	at, err := config.FindServing(setupState)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	conn, err := net.DialTimeout("unix", at.Ctl, dialTime)
	if errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist) {
		return nil // nobody serves there any more
	}
	if err != nil {
		return fmt.Errorf("it cannot be told whether muxward serves from %s (process %d): %w; stop it first", setupState, at.PID, err)
	}
	_ = conn.Close()
	return fmt.Errorf("muxward serves from %s (process %d): stop it first, with systemctl stop muxward if systemd has started it", setupState, at.PID)
}
