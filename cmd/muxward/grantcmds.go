package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/server/ctld"
)

func newGrantCmd() *cobra.Command {
	var f daemonFlags
	var host bool
	c := ctld.Call{Act: "grant"}
	cmd := &cobra.Command{
		Use:   "grant WHO [ROLE]",
		Short: "give a person or group a right on a target, now",
		Long: `Give a person or @group of the policy a role, or single verbs, on the target.

You give no more than you hold: every verb, and share, on the whole target. It
counts beside the policy files for as long as you hold that yourself, and no
longer than you say; forbids of the policy files beat it. A grant on a session,
window or pane is on that one: it counts not while that has another name or place,
and never again when the tmux server was started anew. It does not count before it is
in the log and on disk. Nothing is granted from inside a pane.

--for is counted from now, or from --from, on the clock of the machine: set forward, it
ends a grant sooner and for good, set back, not later.`,
		Example: `  muxward grant bob typist -t alice/work --for 2h --reason "pairing"
  muxward grant @oncall viewer -t alice --until 2027-01-31T18:00:00+01:00
  muxward grant carol --verbs view,type -t alice/work:1.2 --for 10m`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) == 0 || len(args) > 2:
				return usageError{fmt.Errorf("name whom, and a role; see muxward grant --help")}
			case (len(args) == 2) == (c.Verbs != ""):
				return usageError{fmt.Errorf("name either a role or --verbs; the roles are %s", acts.RoleWords())}
			case (c.Target != "") == host:
				return usageError{fmt.Errorf("name a target with -t, or --host")}
			}
			return nil
		},
		ValidArgsFunction: completeRole,
		RunE: func(cmd *cobra.Command, args []string) error {
			if c.Person = args[0]; len(args) == 2 {
				c.Role = args[1]
			}
			var g acts.ShownGrant
			if err := f.call(cmd.Context(), c, &g); err != nil {
				return err
			}
			if f.json {
				return printJSON(cmd, g)
			}
			note := ""
			if !g.Counts && g.NotBefore.IsZero() {
				note = "; it does not count now, see muxward grants --help"
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "grant %d: %s on %s%s%s\n",
				g.ID, acts.Holding(g.Who, g.What), acts.TargetName(g.Target), acts.Lasting(g.Grant), note)
			return err
		},
	}
	f.add(cmd)
	addTarget(cmd, &c, "`target` as OWNER, OWNER/SESSION, …:WINDOW or ….PANE")
	cmd.Flags().BoolVar(&host, "host", false, "the whole host")
	cmd.Flags().StringVar(&c.Verbs, "verbs", "", "`verbs` with commas between, instead of a role")
	cmd.Flags().StringVar(&c.For, "for", "", "how long it counts, such as 90s, 30m or 2h")
	cmd.Flags().StringVar(&c.Until, "until", "", "`time` until which it counts, such as 2027-01-31T18:00:00+01:00")
	cmd.Flags().StringVar(&c.From, "from", "", "`time` from which it counts")
	cmd.Flags().StringVar(&c.Reason, "reason", "", "the reason, which is recorded and shown")
	cmd.MarkFlagsMutuallyExclusive("for", "until")
	_ = cmd.RegisterFlagCompletionFunc("verbs", completeVerbs) // the flag is there
	return cmd
}

func completeRole(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) != 1 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return strings.Split(acts.RoleWords(), ", "), cobra.ShellCompDirectiveNoFileComp
}

func completeVerbs(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	head := begun[:strings.LastIndexByte(begun, ',')+1]
	var out []string
	for _, v := range access.Verbs() {
		out = append(out, head+v.String())
	}
	return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

func newGrantsCmd() *cobra.Command {
	var f daemonFlags
	var who, onWhat string
	cmd := &cobra.Command{
		Use:   "grants",
		Short: "list the grants that were given, or take one back",
		Long: `List the grants that you have, that you gave, and that are on what you may kick
people from. What the policy files grant is not among them: see muxward explain.

COUNTS is no while the giver does not hold what they gave, as outside the hours of a
grant of the policy files, or it has gone through more
than eight hands; before it begins; when it is revoked from who got it; and when what
it is on was gone or elsewhere as muxward saw that tmux server last. Long reasons are cut.

SOURCE is by what it was given: the command line, an invite, an approval, or MUXWARD_ALLOW
of a session's environment. That is what whoever may share a session says in a terminal of
their own, as they make it or by set-environment:

  tmux new -s work -e MUXWARD_ALLOW="bob:typist,@oncall:viewer"
  tmux set-environment -t work MUXWARD_ALLOW "bob:typist,carol:view+type%3"

The last says it for pane %3 alone. Another value, or set-environment -u, ends what is not
said any more. It gives at most what a typist holds, unless declarations in grants.yaml
say otherwise. What hooks, keys, tmux's own prompt and what does not come by muxward set
there gives nothing.`,
		Example: `  muxward grants
  muxward grants --who bob --on alice/work
  muxward grants take-back 7 --reason "done"`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var list []acts.ShownGrant
			if err := f.call(cmd.Context(), ctld.Call{Act: "grants", Person: who, Target: onWhat}, &list); err != nil {
				return err
			}
			if f.json {
				return printJSON(cmd, list)
			}
			return printGrants(cmd, list)
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&who, "who", "", "only those of this `person` or @group")
	cmd.Flags().StringVar(&onWhat, "on", "", "only those on this `target` or what lies in it")
	cmd.AddCommand(newTakeBackCmd())
	return cmd
}

func printGrants(cmd *cobra.Command, list []acts.ShownGrant) error {
	rows := [][]string{{"ID", "WHO", "WHAT", "ON", "UNTIL", "BY", "SOURCE", "COUNTS", "REASON"}}
	for _, g := range list {
		until, counts := "-", "no"
		if !g.Until.IsZero() {
			until = g.Until.Local().Format(time.DateTime)
		}
		if g.Counts {
			counts = "yes"
		}
		rows = append(rows, []string{
			strconv.FormatInt(g.ID, 10), g.Who, g.What, acts.TargetName(g.Target), until, g.Giver.Person, g.Source, counts, g.Reason,
		})
	}
	return printTable(cmd.OutOrStdout(), rows)
}

func newTakeBackCmd() *cobra.Command {
	var f daemonFlags
	c := ctld.Call{Act: "take-back"}
	cmd := &cobra.Command{
		Use:   "take-back ID",
		Short: "end a grant, now",
		Long: `End the grant of a number, and what rests on it: what its receiver did by it, and
what they gave others from it. When it returns, that is true. You need share or kick on
what you gave yourself, and kick on what others gave.`,
		Example: `  muxward grants take-back 7
  muxward grants take-back 7 --reason "done"`,
		Args: func(cmd *cobra.Command, args []string) (err error) {
			if len(args) == 1 {
				c.ID, err = strconv.ParseInt(args[0], 10, 64)
			}
			if err != nil || len(args) != 1 || c.ID <= 0 {
				return usageError{fmt.Errorf("give the number of one grant; see: muxward grants")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			var r acts.TakenBack
			if err := f.call(cmd.Context(), c, &r); err != nil {
				return err
			}
			if f.json {
				return printJSON(cmd, r)
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "grant %d is taken back: %s on %s from %s\n",
				r.Grant.ID, r.Grant.What, acts.TargetName(r.Grant.Target), r.Grant.Who)
			return err
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&c.Reason, "reason", "", "the reason, which is recorded")
	return cmd
}
