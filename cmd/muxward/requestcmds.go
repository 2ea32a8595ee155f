package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/server/ctld"
	"github.com/muxward/muxward/internal/tmux"
)

// errHeld ends the waiting for what is held already.
var errHeld = errors.New("held already")

// notApproved gives the exit code of a request that was not approved, or a suggestion that
// was not taken.
func notApproved(err error) (int, bool) {
	switch {
	case errors.Is(err, acts.ErrSaidNo), errors.Is(err, errDismissed):
		return exitDenied, true
	case errors.Is(err, acts.ErrTimedOut), errors.Is(err, errNotTaken):
		return exitTimedOut, true
	case errors.Is(err, acts.ErrWithdrawn):
		return exitWithdrawn, true
	}
	return 0, false
}

func newRequestCmd() *cobra.Command {
	var f daemonFlags
	var host, wait bool
	var takeBack string
	c := ctld.Call{Act: "request"}
	cmd := &cobra.Command{
		Use:   "request ROLE|VERB,…",
		Short: "ask others for a right on a target, for a time",
		Long: `Ask those who may approve it for a role, or verbs with commas between, on the target.

You may ask for more of what you may view. Whoever holds approve there, and what you ask
for, is told in their own display, and answers by muxward approve or deny.
Nobody answers their own request. The policy may say that it takes several people, or
people of some group: see the key approvals of grants.yaml. What is approved is a grant
of whoever approved it last, and counts while they hold approve and what they gave.

It waits for the answer and says what it was. Ctrl-C takes the request back, and so does
all else that ends it; with --wait=false the request stands alone. When its time is
over, or muxward ends, the answer is no.

In your display request_key in muxward's configuration, such as F8, asks in the same way for
the pane that you are at; the answer is shown there, and leaving takes it back.

What you hold already, for as long as you ask, nobody is asked for: it says so at once.

Exit codes: 0 it is approved, or held already; 4 it is denied; 5 nobody has approved it in
time; 6 it was taken back; 1 it could not be asked for, or not be approved any more; 2 the
command line is wrong.`,
		Example: `  muxward request type -t alice/work:1 --for 30m --reason "the build is red"
  muxward request operator -t alice/work --deadline 2m
  muxward request type -t alice/work:1 --wait=false
  muxward request --take-back 4hq7aza`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case takeBack != "" && len(args) == 0 && c.Target == "" && !host:
				return nil
			case takeBack != "" || len(args) != 1:
				return usageError{fmt.Errorf("name one role, or verbs with commas between; the roles are %s", acts.RoleWords())}
			case (c.Target != "") == host:
				return usageError{fmt.Errorf("name a target with -t, or --host")}
			}
			return nil
		},
		ValidArgsFunction: completeAsked,
		RunE: func(cmd *cobra.Command, args []string) error {
			if takeBack != "" {
				return withdraw(cmd, &f, ctld.Call{Act: "withdraw", Request: takeBack, Reason: c.Reason}, "request", new(acts.ShownRequest))
			}
			if c.Role = args[0]; !wait {
				c.Stands = true
				return standing(cmd, &f, c)
			}
			return awaitAnswer(cmd, &f, c)
		},
	}
	f.add(cmd)
	addTarget(cmd, &c, "`target` as OWNER, OWNER/SESSION, …:WINDOW or ….PANE")
	cmd.Flags().BoolVar(&host, "host", false, "the whole host")
	cmd.Flags().StringVar(&c.For, "for", "30m", "how `long` you ask for it, at most a week")
	cmd.Flags().StringVar(&c.Within, "deadline", "10m", "how `long` the request waits for an answer, at most a day")
	cmd.Flags().StringVar(&c.Reason, "reason", "", "the reason, which is recorded and shown to those who answer")
	cmd.Flags().BoolVar(&wait, "wait", true, "wait for the answer")
	cmd.Flags().StringVar(&takeBack, "take-back", "", "take back the open request of this `ID`")
	return cmd
}

// completeAsked offers roles, and verbs.
func completeAsked(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	verbs, how := completeVerbs(cmd, args, begun)
	if !strings.Contains(begun, ",") {
		for _, r := range access.Roles() {
			verbs = append(verbs, string(r))
		}
	}
	return verbs, how
}

// standing asks and leaves the request alone.
func standing(cmd *cobra.Command, f *daemonFlags, c ctld.Call) error {
	var r acts.ShownRequest
	if err := f.call(cmd.Context(), c, &r); err != nil {
		return err
	}
	if f.json {
		return printJSON(cmd, r)
	}
	if r.Answer == grants.Held {
		return tellRequest(cmd, r, false)
	}
	return sayAsked(cmd.OutOrStdout(), r)
}

func sayAsked(w io.Writer, r acts.ShownRequest) error {
	_, err := fmt.Fprintf(w, "request %s: %s on %s for %s; it waits for an answer until %s\n",
		r.ID, r.What, tmux.OneLine(acts.TargetName(r.Target)), r.Lasts(), r.Until.Local().Format(time.TimeOnly))
	return err
}

// awaitAnswer asks and waits for the end of it.
func awaitAnswer(cmd *cobra.Command, f *daemonFlags, c ctld.Call) error {
	var asked, ended acts.ShownRequest
	begun := func() error {
		switch {
		case asked.Answer == grants.Held:
			return errHeld
		case f.json:
			return nil
		}
		return sayAsked(cmd.ErrOrStderr(), asked)
	}
	err := f.await(cmd, c, awaited{"request", "withdraw", func() string { return asked.ID }, begun}, &asked, &ended)
	switch {
	case asked.Answer == grants.Held:
		ended = asked
	case err != nil:
		return err
	}
	if f.json {
		if err := printJSON(cmd, ended); err != nil {
			return err
		}
	}
	return tellRequest(cmd, ended, f.json)
}

// tellRequest says how a request has ended; the error is that of one that was not approved.
func tellRequest(cmd *cobra.Command, r acts.ShownRequest, quiet bool) error {
	why := ""
	if r.Why != "" {
		why = ": " + tmux.OneLine(r.Why)
	}
	switch r.Answer {
	case grants.Approved:
		if quiet {
			return nil
		}
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "request %s is approved by %s%s; grant %d\n", r.ID, r.By, why, r.Grant)
		return err
	case grants.Held:
		if quiet {
			return nil
		}
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "you hold %s on %s already%s; nobody was asked\n", r.What, tmux.OneLine(acts.TargetName(r.Target)), why)
		return err
	}
	return r.Refusal()
}

func newApprovalsCmd() *cobra.Command {
	var f daemonFlags
	cmd := &cobra.Command{
		Use:   "approvals",
		Short: "list the open requests that you may answer, and your own",
		Long: `List the open requests on what you hold approve on, and your own.

YES is how many have approved it, and how many it takes. Long reasons are cut.`,
		Example: `  muxward approvals
  muxward approvals --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var list []acts.ShownRequest
			if err := f.call(cmd.Context(), ctld.Call{Act: "approvals"}, &list); err != nil {
				return err
			}
			if f.json {
				return printJSON(cmd, list)
			}
			rows := [][]string{{"ID", "WHO", "WHAT", "ON", "FOR", "YES", "UNTIL", "REASON"}}
			for _, r := range list {
				lasts := r.For // scripts read that
				if columnsOf(cmd.OutOrStdout()) > 0 {
					lasts = r.Lasts()
				}
				rows = append(rows, []string{
					r.ID, r.From, r.What, acts.TargetName(r.Target), lasts, fmt.Sprintf("%d/%d", len(r.Yes), r.Need),
					r.Until.Local().Format(time.TimeOnly), acts.ShortReason(r.Reason),
				})
			}
			return printTable(cmd.OutOrStdout(), rows)
		},
	}
	f.add(cmd)
	return cmd
}

func newApproveCmd() *cobra.Command {
	var f daemonFlags
	c := ctld.Call{Act: "approve"}
	cmd := &cobra.Command{
		Use:   "approve ID",
		Short: "give somebody what they have asked for",
		Long: `Say yes to an open request. You have to hold approve, and all that is asked for, on the
whole of the target. Where the policy has it take more people, yours is one yes.

What is given is a grant from you, for the time asked for or less; see muxward grants.
From inside a pane nobody approves, nor without a terminal: do it in a terminal of your
own, or, with answer_key in muxward's configuration, by M-a while a request waits.`,
		Example: `  muxward approve 4hq7aza
  muxward approve 4hq7aza --for 10m`,
		Args:              oneRequest(&c),
		ValidArgsFunction: completeRequest,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var r acts.ShownRequest
			if err := f.call(cmd.Context(), c, &r); err != nil {
				return err
			}
			if f.json {
				return printJSON(cmd, r)
			}
			out := cmd.OutOrStdout()
			if r.Answer == grants.Open {
				_, err := fmt.Fprintf(out, "request %s has your yes; it takes %d, so somebody else has to approve it, too\n", r.ID, r.Need)
				return err
			}
			_, err := fmt.Fprintf(out, "request %s is approved: %s on %s; end it with: muxward grants take-back %d\n",
				r.ID, acts.Holding(r.From, r.What), tmux.OneLine(acts.TargetName(r.Target)), r.Grant)
			return err
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&c.For, "for", "", "give it for less `time` than was asked for")
	cmd.Flags().StringVar(&c.Reason, "reason", "", "the reason, which is recorded and told")
	return cmd
}

func newDenyCmd() *cobra.Command {
	var f daemonFlags
	c := ctld.Call{Act: "deny"}
	cmd := &cobra.Command{
		Use:   "deny ID",
		Short: "say no to what somebody has asked for",
		Long: `Say no to an open request, which ends it. You have to hold approve on the target. From
inside a pane nobody denies, nor without a terminal: do it in a terminal of your own, or,
with answer_key in muxward's configuration, by M-a while a request waits.`,
		Example:           `  muxward deny 4hq7aza --reason "not during the release"`,
		Args:              oneRequest(&c),
		ValidArgsFunction: completeRequest,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var r acts.ShownRequest
			if err := f.call(cmd.Context(), c, &r); err != nil {
				return err
			}
			if f.json {
				return printJSON(cmd, r)
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "request %s of %s is denied\n", r.ID, r.From)
			return err
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&c.Reason, "reason", "", "the reason, which is recorded and told")
	return cmd
}

func oneRequest(c *ctld.Call) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 || args[0] == "" {
			return usageError{errors.New("give the ID of one request; see: muxward approvals")}
		}
		c.Request = args[0]
		return nil
	}
}

// completeRequest offers the open requests of others.
func completeRequest(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var f daemonFlags
	f.state, _ = cmd.Flags().GetString("state") // it has that flag
	var list []acts.ShownRequest
	if err := f.call(cmd.Context(), ctld.Call{Act: "approvals"}, &list); err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var out []string
	for _, r := range list {
		if !r.Mine {
			out = append(out, fmt.Sprintf("%s\t%s: %s on %s", r.ID, r.From, r.What, tmux.OneLine(acts.TargetName(r.Target))))
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}
