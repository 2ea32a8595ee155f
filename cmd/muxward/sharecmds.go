package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/server/ctld"
	"github.com/muxward/muxward/internal/server/sshd"
	"github.com/muxward/muxward/internal/tmux"
)

// inviteFor is for how long an invite is open unless somebody says.
const inviteFor = "1h"

func newShareCmd() *cobra.Command {
	var f daemonFlags
	var host string
	var qr bool
	c := ctld.Call{Act: "share"}
	cmd := &cobra.Command{
		Use:   "share",
		Short: "make a code by which people come to a target",
		Long: `Make an invite: whoever of the policy's people comes with its code is given a role, or
single verbs, on the target. Without -t that is the session you have, if it is one.

As with muxward grant you give no more than you hold, and it counts while you hold it.
What an invite gives ends when the invite does. Each person uses it once. Nothing is
shared from inside a pane.

With --approve whoever comes knocks, and waits ten minutes at most: they are let in when
somebody who may approve it says so, as of muxward request. That is told as a request is.

The code is shown once, and kept nowhere: muxward knows only whether one is right. Who
has it may come: hand it over as you would a key. On a terminal, the line for ssh is shown
as a QR code as well.`,
		Example: `  muxward share --role viewer
  muxward share -t work --role typist --for 2h --uses 3 --reason "pairing"
  muxward share -t work --role typist --approve
  muxward share --pane %3 --role viewer --bind
  muxward share -t work --role viewer --host bastion.example.org`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{errors.New("name the target with -t and the role with --role; see muxward share --help")}
			}
			if (c.Role != "") == (c.Verbs != "") {
				return usageError{fmt.Errorf("name either a --role or --verbs; the roles are %s", acts.RoleWords())}
			}
			if c.Uses < 1 || c.Uses > grants.MaxUses {
				return usageError{fmt.Errorf("--uses: an invite is for 1 to %d people", grants.MaxUses)}
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if c.Until != "" {
				c.For = ""
			}
			var s acts.Shared
			if err := f.call(cmd.Context(), c, &s); err != nil {
				return err
			}
			return printShared(cmd, &f, s, host, qr)
		},
	}
	f.add(cmd)
	addTarget(cmd, &c, "`target` as SESSION, OWNER, OWNER/SESSION, …:WINDOW or ….PANE")
	cmd.Flags().StringVar(&c.Pane, "pane", "", "only the pane of this `id`, such as %3")
	cmd.Flags().StringVar(&c.Role, "role", "", "the `role` that is given")
	cmd.Flags().StringVar(&c.Verbs, "verbs", "", "`verbs` with commas between, instead of a role")
	cmd.Flags().StringVar(&c.For, "for", inviteFor, "how long it is open, and what it gives counts, such as 30m or 2h")
	cmd.Flags().StringVar(&c.Until, "until", "", "`time` until which it is, such as 2027-01-31T18:00:00+01:00")
	cmd.Flags().IntVar(&c.Uses, "uses", 1, "how many people may come by it")
	cmd.Flags().BoolVar(&c.Bind, "bind", false, "what it gives counts only with the ssh key that its person came with")
	cmd.Flags().BoolVar(&c.Approve, "approve", false, "who comes with it waits until somebody who may approve lets them in")
	cmd.Flags().StringVar(&c.Reason, "reason", "", "the reason, which is recorded and shown")
	cmd.Flags().StringVar(&host, "host", "", "the `name` by which people reach this host (default: its own)")
	cmd.Flags().BoolVar(&qr, "qr", true, "show a QR code on a terminal")
	cmd.MarkFlagsMutuallyExclusive("for", "until")
	_ = cmd.RegisterFlagCompletionFunc("verbs", completeVerbs) // the flags are there
	_ = cmd.RegisterFlagCompletionFunc("role", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return strings.Split(acts.RoleWords(), ", "), cobra.ShellCompDirectiveNoFileComp
	})
	return cmd
}

// sshLine is how somebody comes by ssh with a code, "" if that door is closed.
func (f *daemonFlags) sshLine(host, code string) (string, error) {
	at, err := f.serving()
	if err != nil || at.SSH == nil {
		return "", err
	}
	listens, port, err := net.SplitHostPort(at.SSH.Addr)
	if err != nil {
		return "", fmt.Errorf("the ssh door's address %q cannot be read: %w", at.SSH.Addr, err)
	}
	if host == "" {
		host = sshd.ReachedBy(listens)
	}
	return fmt.Sprintf("ssh -t -p %s %s join %s", port, shellQuote(host), code), nil
}

func printShared(cmd *cobra.Command, f *daemonFlags, s acts.Shared, host string, qr bool) error {
	line, wrong := f.sshLine(host, s.Code) // what is wrong is told last: nobody is shown the code again
	if f.json {
		err := printJSON(cmd, struct {
			acts.Shared
			SSH string `json:"ssh,omitempty"`
		}{s, line})
		return errors.Join(err, wrong)
	}
	people := "one person"
	if s.Uses > 1 {
		people = fmt.Sprintf("%d people", s.Uses)
	}
	text := fmt.Sprintf("invite %d: %s on %s for %s until %s\n", s.ID, s.What, tmux.OneLine(acts.TargetName(s.Target)), people,
		s.Until.Local().Format(time.DateTime))
	if line != "" {
		text += "  " + line + "\n"
	}
	if !s.Bind || line == "" { // without the code: others of this host see what is in a command line
		text += "  muxward join\n"
	}
	text += "  code: " + s.Code + "\n"
	out := cmd.OutOrStdout()
	_, err := io.WriteString(out, text)
	if err == nil && qr && line != "" {
		err = showQR(out, line)
	}
	return errors.Join(err, wrong)
}

func newJoinCmd() *cobra.Command {
	var f daemonFlags
	cmd := &cobra.Command{
		Use:   "join [CODE]",
		Short: "use an invite",
		Long: `Use the code of an invite: you are given what it gives, until it ends. Without a code,
one is read from standard input, which others on this host cannot see as they can see
your command line; name one in scripts only that nobody else can watch.

If the invite says so you knock, and it waits until somebody lets you in, says no, or ten
minutes are over; Ctrl-C takes the knock back. The exit codes of that are those of muxward request.
Who was let in for a time has used the invite: when that is over the code lets them in no more.

Whatever is wrong with a code, the answer is the same. Who has tried some wrong ones
has to wait.`,
		Example: `  muxward join                             # asks for the code
  muxward join 7-abcd-efgh-jkmn-pqrs`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{errors.New("give one code, or none to be asked for it")}
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			code := ""
			if len(args) == 1 {
				code = args[0]
			} else if err := askCode(cmd, &code); err != nil {
				return err
			}
			if _, err := grants.ParseCode(code); err != nil {
				return usageError{err}
			}
			g, err := join(cmd, &f, code)
			if err != nil {
				return err
			}
			if f.json {
				return printJSON(cmd, g)
			}
			return sayJoined(cmd.OutOrStdout(), g)
		},
	}
	f.add(cmd)
	return cmd
}

// sayJoined tells people what they were given, and those who look how they get there.
func sayJoined(w io.Writer, g acts.ShownGrant) error {
	_, err := fmt.Fprintf(w, "grant %d: %s\n", g.ID, acts.JoinedText(g))
	f, ok := w.(*os.File)
	if err == nil && ok && isTerminal(f) && g.On.Session != "" && slices.Contains(g.Verbs, access.View.String()) {
		_, err = fmt.Fprintln(w, "  tmux attach -t "+shellQuote(tmux.OneLine(g.Target)))
	}
	return err
}

// askCode reads a code from standard input.
func askCode(cmd *cobra.Command, code *string) error {
	if _, err := fmt.Fprint(cmd.ErrOrStderr(), "code: "); err != nil {
		return err
	}
	text, err := bufio.NewReader(io.LimitReader(cmd.InOrStdin(), 256)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the code: %w", err)
	}
	*code = strings.TrimSpace(text)
	return nil
}

func newInvitesCmd() *cobra.Command {
	var f daemonFlags
	cmd := &cobra.Command{
		Use:   "invites",
		Short: "list the invites that you made, or may revoke",
		Long: `List the invites that are open or used up: yours, and those on what you may kick people
from. USED says by how many of how many, and WHO by whom. Codes are not shown: nobody has
them but who was given them.`,
		Example: `  muxward invites
  muxward invite revoke 7`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var list []acts.ShownInvite
			if err := f.call(cmd.Context(), ctld.Call{Act: "invites"}, &list); err != nil {
				return err
			}
			if f.json {
				return printJSON(cmd, list)
			}
			rows := [][]string{{"ID", "WHAT", "ON", "UNTIL", "USED", "BY", "WHO", "REASON"}}
			for _, v := range list {
				var who []string
				for _, u := range v.Used {
					who = append(who, u.Who)
				}
				rows = append(rows, []string{
					strconv.FormatInt(v.ID, 10), v.What, acts.TargetName(v.Target), v.Until.Local().Format(time.DateTime),
					fmt.Sprintf("%d/%d", len(v.Used), v.Uses), v.By, orDash(strings.Join(who, ",")), v.Reason,
				})
			}
			return printTable(cmd.OutOrStdout(), rows)
		},
	}
	f.add(cmd)
	return cmd
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func newInviteCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "invite",
		Short: "revoke an invite",
	}
	return family(cmd, newRevokeInviteCmd())
}

func newRevokeInviteCmd() *cobra.Command {
	var f daemonFlags
	c := ctld.Call{Act: "invite-revoke"}
	cmd := &cobra.Command{
		Use:   "revoke ID",
		Short: "end an invite and what came by it, now",
		Long: `End the invite of a number, take back what people were given by it, and what they gave
others from that. When it returns, that is true. You need share or kick on what you
share yourself, and kick on what others do.`,
		Example: `  muxward invite revoke 7
  muxward invite revoke 7 --reason "posted by mistake"`,
		Args: func(cmd *cobra.Command, args []string) (err error) {
			if len(args) == 1 {
				c.ID, err = strconv.ParseInt(args[0], 10, 64)
			}
			if err != nil || len(args) != 1 || c.ID <= 0 {
				return usageError{fmt.Errorf("give the number of one invite; see: muxward invites")}
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var r acts.ClosedInvite
			if err := f.call(cmd.Context(), c, &r); err != nil {
				return err
			}
			if f.json {
				return printJSON(cmd, r)
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "invite %d is revoked: %s on %s, and %d grants that came by it\n",
				r.Invite.ID, r.Invite.What, tmux.OneLine(acts.TargetName(r.Invite.Target)), len(r.Taken))
			return err
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&c.Reason, "reason", "", "the reason, which is recorded")
	return cmd
}

// errJoined ends the waiting of who has come in at once.
var errJoined = errors.New("joined")

// join uses a code, and waits if that is to knock.
func join(cmd *cobra.Command, f *daemonFlags, code string) (acts.ShownGrant, error) {
	at, err := f.serving()
	if err != nil {
		return acts.ShownGrant{}, err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), acts.KnockTime+2*callTime)
	defer cancel()
	var first struct {
		acts.ShownGrant
		acts.Knocking
	}
	begun := func() error {
		if first.Knock == "" {
			return errJoined
		}
		_, err := fmt.Fprintln(cmd.ErrOrStderr(), first.Text())
		return err
	}
	var end acts.KnockEnd
	err = ctld.Call{Act: "join", Code: code}.Follow(ctx, at.Ctl, callTime, &first, begun, &end)
	switch {
	case errors.Is(err, errJoined):
		return first.ShownGrant, nil
	case err != nil && cmd.Context().Err() != nil:
		return acts.ShownGrant{}, fmt.Errorf("the knock ends with this: %w", acts.ErrWithdrawn)
	case err == nil:
		err = end.Refusal(first.Knock)
	}
	if err != nil {
		return acts.ShownGrant{}, err
	}
	return *end.Grant, nil
}
