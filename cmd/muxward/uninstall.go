package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"

	"github.com/spf13/cobra"

	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/hostconf"
)

// newUninstallCmd makes `muxward uninstall`.
func newUninstallCmd() *cobra.Command {
	var f setupFlags
	var purge bool
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "take away what muxward setup has made",
		Long: `Take away all that muxward setup has made on this host, and put back what was there
before. The programs, man pages and completions stay: make uninstall removes what
make install has put there, and your packages are your package manager's.

What people have changed since, such as the policy, is kept, and named; so is muxward's
state directory with the log and the keys, unless --purge says that it is to go. While
something is kept that belongs to the account muxward, the account is, too. What
muxward host has applied has to be taken back first (muxward host undo).

With systemd the service is stopped. Without, stop muxward first. tmux servers that it has
started go on.

Exit codes: 0 done, 1 nothing was changed and the error says why, 2 the command line is
wrong.`,
		Example: `  sudo muxward uninstall --dry-run
  sudo muxward uninstall --purge`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.uninstall(cmd, purge) },
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&purge, "purge", false, "remove the state directory with the log and the keys, too")
	return cmd
}

func (f *setupFlags) uninstall(cmd *cobra.Command, purge bool) error {
	o, err := f.options(cmd)
	if err != nil {
		return err
	}
	nothing := hostconf.State{Set: setSetup}
	plan, err := hostconf.Compare(cmd.Context(), nothing, o)
	if err != nil {
		return err
	}
	if f.dryRun {
		return f.printPlan(cmd, plan)
	}
	if err := f.standsStill(plan); err != nil {
		return err
	}
	res, err := hostconf.Apply(cmd.Context(), nothing, o)
	if err != nil {
		return fmt.Errorf("uninstall: %w", err)
	}
	if purge {
		if err := hostconf.Empty(setupState, o); err != nil {
			return fmt.Errorf("uninstall: %w", err)
		}
		more, err := hostconf.Apply(cmd.Context(), nothing, o)
		if err != nil {
			return fmt.Errorf("uninstall: %w", err)
		}
		res.Done, res.Left = append(res.Done, more.Done...), more.Left
	}
	clean, err := hostconf.Forget(o)
	if err != nil {
		return err
	}
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
// systemd stops.
func (f *setupFlags) standsStill(plan hostconf.Plan) error {
	if f.root != "" {
		return nil
	}
	for _, c := range plan.Changes {
		if c.Item.Kind == hostconf.Service && c.Do == hostconf.Remove {
			return nil
		}
	}
	at, err := config.FindServing(setupState)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	conn, err := net.Dial("unix", at.Ctl)
	if err != nil {
		return nil // nobody serves there any more
	}
	_ = conn.Close()
	return fmt.Errorf("muxward serves from %s (process %d): stop it first", setupState, at.PID)
}
