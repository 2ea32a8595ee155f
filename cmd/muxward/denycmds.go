package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/server/ctld"
)

func newRevokeCmd() *cobra.Command {
	var f daemonFlags
	var c ctld.Call
	var list bool
	cmd := &cobra.Command{
		Use:   "revoke PERSON",
		Short: "take everything on a target from a person, now",
		Long: `Take every right on the target (by default on the whole host) from a person.

When it returns, nothing the person sends is executed and nothing more is
shown to them. It beats the policy files, survives restarts and reloads, and
is lifted by --undo only. It needs the verb kick on the target. What somebody revoked
who holds kick on more, such as the whole host, only those lift who do so, too.`,
		Example: `  muxward revoke bob --reason "left the team"
  muxward revoke carol -t alice/work:1
  muxward revoke --undo bob
  muxward revoke --list`,
		Args: func(cmd *cobra.Command, args []string) error {
			if list != (len(args) == 0) || len(args) > 1 {
				return usageError{fmt.Errorf("name one person, or --list alone; see muxward revoke --help")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if list {
				return listRevocations(cmd, &f, c.Target)
			}
			c.Act, c.Person = "revoke", args[0]
			var r acts.Revoked
			if err := f.call(cmd.Context(), c, &r); err != nil {
				return err
			}
			if f.json {
				return printJSON(cmd, r)
			}
			out := cmd.OutOrStdout()
			if c.Undo {
				_, err := fmt.Fprintf(out, "%s is let in again%s\n", r.Person, acts.On(c.Target))
				return err
			}
			_, err := fmt.Fprintf(out, "%s is revoked%s; %d permits in use were decided anew\n",
				r.Person, acts.On(c.Target), r.Report.Touched)
			return errors.Join(err, warnUnknown(cmd, r))
		},
	}
	f.add(cmd)
	cmd.Flags().StringVarP(&c.Target, "target", "t", "", "`target` as OWNER, OWNER/SESSION, …:WINDOW or ….PANE")
	cmd.Flags().StringVar(&c.Reason, "reason", "", "the reason, which the person is shown")
	cmd.Flags().BoolVar(&c.Undo, "undo", false, "lift the revocation")
	cmd.Flags().BoolVar(&list, "list", false, "list the revocations in force")
	return cmd
}

func listRevocations(cmd *cobra.Command, f *daemonFlags, target string) error {
	var list []acts.ShownDenial
	if err := f.call(cmd.Context(), ctld.Call{Act: "revocations", Target: target}, &list); err != nil {
		return err
	}
	if f.json {
		return printJSON(cmd, list)
	}
	rows := [][]string{{"PERSON", "TARGET", "BY", "AT", "REASON"}}
	for _, r := range list {
		what := r.Target
		if what == "" {
			what = "(host)"
		}
		rows = append(rows, []string{r.Person, what, r.By, r.At.Format(time.DateTime), r.Reason})
	}
	return printTable(cmd.OutOrStdout(), rows)
}

// undoing is the command that lets somebody in again whom a call has put out: with the target
// that was named, as it was, since without one it is about the caller's own server.
func undoing(c ctld.Call, r acts.Revoked) string {
	line := "muxward " + c.Act + " --undo " + shellQuote(r.Person)
	if c.Target != "" {
		line += " -t " + shellQuote(r.Target)
	}
	return line
}

func newKickCmd() *cobra.Command {
	var f daemonFlags
	c := ctld.Call{Act: "kick"}
	cmd := &cobra.Command{
		Use:   "kick PERSON",
		Short: "put a person out of your own server, or of a target, now",
		Long: `Put a person out, and keep them out until they are let in again by --undo.

It is a revocation on the target, which is your own tmux server unless you name
another: what they have attached there is closed, nothing they send is executed,
and they cannot come back, whatever the policy files and grants say. "muxward
revoke" without a target takes the whole host from them. It needs the verb kick
on the target, and takes from nobody what they govern more than the target by.
"muxward revoke --list" lists it.`,
		Example: `  muxward kick bob --reason "the lesson is over"
  muxward kick bob -t alice/work
  muxward kick --undo bob`,
		Args: onePerson,
		RunE: func(cmd *cobra.Command, args []string) error {
			c.Person = args[0]
			var r acts.Revoked
			if err := f.call(cmd.Context(), c, &r); err != nil {
				return err
			}
			if f.json {
				return printJSON(cmd, r)
			}
			did, where := "is put out", " of "+r.Target+", and stays out until: "+undoing(c, r)
			if c.Undo {
				did, where = "is let in again", acts.On(r.Target)
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s %s%s\n", r.Person, did, where)
			return errors.Join(err, warnUnknown(cmd, r))
		},
	}
	f.add(cmd)
	addTarget(cmd, &c, "`target` as OWNER, OWNER/SESSION, …:WINDOW or ….PANE (default: your own server)")
	cmd.Flags().StringVar(&c.Reason, "reason", "", "the reason, which the person is shown")
	cmd.Flags().BoolVar(&c.Undo, "undo", false, "let them in again")
	return cmd
}

// warnUnknown says that nobody may have been meant.
func warnUnknown(cmd *cobra.Command, r acts.Revoked) error {
	if !r.Unknown {
		return nil
	}
	_, err := fmt.Fprintf(cmd.ErrOrStderr(), "note: the policy names no person %q, and nobody of that name was here: "+
		"see muxward who, and take it back with --undo if it is not an account that you mean\n", r.Person)
	return err
}

func onePerson(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usageError{fmt.Errorf("name one person; see %s --help", cmd.CommandPath())}
	}
	return nil
}

func addTarget(cmd *cobra.Command, c *ctld.Call, help string) {
	cmd.Flags().StringVarP(&c.Target, "target", "t", "", help)
}

func newLockdownCmd() *cobra.Command {
	var f daemonFlags
	var list bool
	c := ctld.Call{Act: "lockdown"}
	cmd := &cobra.Command{
		Use:   "lockdown",
		Short: "freeze a pane, session, server or host for everybody, now",
		Long: `Freeze the target, by default your own tmux server, for everybody. Programs go on running.

When it returns, nothing is typed there any more and nobody gets in anew. With --views what
people have attached there is closed, too, and where muxward draws a part of a session for
them, that part is taken away. It beats the policy files, for owners as well, and survives
restarts, until "muxward unlock".

What it freezes is refused on all that the target lies in, too: nobody makes a window in a
session one of whose panes is locked down. Single commands that only show something are
still answered, but not with --views.

What could not be confirmed or recorded within some five seconds is said, with exit code 1.
A tmux server that is locked down as a whole, or with the host, and does not confirm by then
that nothing is under way is stopped (SIGSTOP), and what runs in the panes of an isolated
one is frozen, until it is unlocked; --list shows it. A lockdown of a part of a server stops
nothing.

It needs the verb lock on the target. What somebody locked down who holds lock on more, such
as the whole host, is not undone by who holds it on the target alone.`,
		Example: `  muxward lockdown --reason "incident 42"
  muxward lockdown -t alice/work --views
  muxward lockdown --host
  muxward lockdown --list`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if list {
				return listLockdowns(cmd, &f)
			}
			return lock(cmd, &f, c, "is locked down, until: muxward unlock")
		},
	}
	f.add(cmd)
	addLockTarget(cmd, &c)
	cmd.Flags().BoolVar(&c.Views, "views", false, "close what people look at, too")
	cmd.Flags().StringVar(&c.Reason, "reason", "", "the reason, which people are shown")
	cmd.Flags().BoolVar(&list, "list", false, "list the lockdowns in force")
	return cmd
}

func newUnlockCmd() *cobra.Command {
	var f daemonFlags
	c := ctld.Call{Act: "unlock"}
	cmd := &cobra.Command{
		Use:   "unlock",
		Short: "end a lockdown",
		Long: `End the lockdown of the target, by default of your own tmux server. Lockdowns of
what lies in the target stay. A tmux server that the lockdown has stopped goes on, and
does what it was sent before; only then people are let in. If it does not come to that
within some seconds, it is stopped again and nothing is unlocked: try it again, or end
its process. Of the whole host all else is unlocked then, and that server stays locked
down. It needs the verb lock on what is locked down, whatever
it is called by now. What somebody locked down who holds lock on more, such as the
whole host, only those end who do so, too: not the owner of the server.`,
		Example: `  muxward unlock
  muxward unlock -t alice/work
  muxward unlock --host`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return lock(cmd, &f, c, "is unlocked") },
	}
	f.add(cmd)
	addLockTarget(cmd, &c)
	return cmd
}

func addLockTarget(cmd *cobra.Command, c *ctld.Call) {
	addTarget(cmd, c, "`target` as OWNER, OWNER/SESSION, …:WINDOW or ….PANE (default: your own server)")
	cmd.Flags().BoolVar(&c.All, "host", false, "the whole host")
	cmd.MarkFlagsMutuallyExclusive("target", "host")
}

// lock asks for a lockdown or its end.
func lock(cmd *cobra.Command, f *daemonFlags, c ctld.Call, did string) error {
	var r acts.Revoked
	if err := f.call(cmd.Context(), c, &r); err != nil {
		return err
	}
	if f.json {
		return printJSON(cmd, r)
	}
	what := r.Target
	if what == "" {
		what = "the host"
	}
	if c.Act == "lockdown" {
		switch {
		case c.All:
			did += " --host"
		case c.Target != "":
			did += " -t " + shellQuote(r.Target)
		}
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s %s\n", what, did)
	return err
}

func listLockdowns(cmd *cobra.Command, f *daemonFlags) error {
	var list []acts.Lockdown
	if err := f.call(cmd.Context(), ctld.Call{Act: "lockdowns"}, &list); err != nil {
		return err
	}
	if f.json {
		return printJSON(cmd, list)
	}
	rows := [][]string{{"TARGET", "VIEWS", "STOPPED", "BY", "AT", "REASON"}}
	for _, l := range list {
		views := "open"
		if l.Views {
			views = "closed"
		}
		stopped := cmp.Or(strings.Join(l.Stopped, ","), "-")
		rows = append(rows, []string{l.Where(), views, stopped, l.By, l.At.Format(time.DateTime), l.Reason})
	}
	return printTable(cmd.OutOrStdout(), rows)
}
