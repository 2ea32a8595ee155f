package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/daemon"
	"github.com/muxward/muxward/internal/webhook"
)

// serveHelp is what muxward serve --help says.
const serveHelp = `Run muxward in the foreground until SIGTERM or SIGINT.

As an ordinary account (or with --user) it guards that account's tmux server. As root it
opens a door for every account, and runs each account's tmux as that account. With
account: NAME in the configuration it does so without root's rights: started as root it
becomes muxward-helper (beside this program or in ../libexec), which keeps them and starts
muxward as that account.

A changed policy is loaded within seconds, by SIGHUP at once; a broken one is refused and
the last good one stays in force.

With ssh: {pam: true} in the configuration people of people.yaml may come to the SSH door
by the password of their account, as in ssh alice+work@host. PAM is asked by the service
muxward (/etc/pam.d/muxward), by the program muxward-pam beside this one or in ../libexec.
SIGHUP reads ssh: pam, pam_root, pam_mfa, pam_behind_keys and pam_wait again.

Where a service manager passes listening TCP sockets (muxward.socket of systemd), the SSH
door is open at those, and nothing is listened at besides. An ssh: listen has to be one of
them, and none of the others open to more, or left out. Anything else that is passed keeps
muxward from starting.

With isolated: {prod: {account: mw-prod, run_as: svc}} in the configuration, and with
servers: {prod: {account: mw-prod}} in people.yaml, it keeps a tmux server that is nobody's
(as root, or with account: NAME): tmux runs as mw-prod, which nobody logs in to, and its
panes as svc. It is prod/main to those whom the policy permits something there. It takes the
program muxward-pane beside this one or in ../libexec. Such a server may also have

    sessions: [main]               are always there
    tmux_config: [FILE]            its configuration
    environment: {NAME: value}     that of its panes
    people_as_themselves: true     panes that people make there run as their own accounts;
                                   or [alice, bob], for those
    session_run_as: {NAME: ACCT}   the panes of a session run as another account
    pam: required                  auto, required or off: PAM opens a session for each pane
                                   where it has the service (pam_service: NAME), and has
                                   pam_wait: 15s for each step
    pane_processes: 4096           bounds each pane, as pane_memory: BYTES does; where a bound
                                   is asked for and does not hold, panes are refused

With profiles: FILE it offers session profiles, each on such a server of its own: a program,
as whom it runs, and who may start it by its name (docs/profiles.md). SIGHUP reads FILE again.

The tmux servers outlive muxward: start it again and people re-attach.`

func newServeCmd() *cobra.Command {
	var file string
	var line, passed int
	var c config.Config
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "run muxward: guard the tmux servers and open the doors",
		Long:  serveHelp,
		Example: `  muxward init ~/.config/muxward/policy
  muxward serve
  eval "$(muxward env)" && tmux new -s work`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			base, err := config.Load(file)
			if err != nil {
				return usageError{err}
			}
			if base.Webhook.URL != "" {
				if err := webhook.CheckURL(base.Webhook.URL); err != nil {
					return usageError{fmt.Errorf("%s: webhook: url: %w", file, err)}
				}
			}
			base.Override(c)
			base.Separated = line != 0
			if err := base.Fill(); err != nil {
				return usageError{err}
			}
			err = daemon.Serve(cmd.Context(), base, daemon.Start{Version: version, Line: line, Passed: passed})
			if errors.As(err, new(daemon.ConfigError)) {
				return usageError{err}
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&file, "config", "", "configuration `file` (YAML)")
	f.StringVar(&c.State, "state", os.Getenv("MUXWARD_STATE"), "`directory` of the log, keys and revocations")
	f.StringVar(&c.Policy, "policy", os.Getenv("MUXWARD_POLICY"), "policy `directory`")
	f.StringVar(&c.Doors, "doors", "", "`directory` of the doors, exported as TMUX_TMPDIR")
	f.StringVar(&c.Tmux, "tmux", "", "the tmux `program` (default: from PATH)")
	f.StringVar(&c.SSH.Listen, "ssh", "", "open the SSH door at this `address`, such as :2222")
	f.BoolVar(&c.User, "user", false, "as root: guard root's own tmux server only")
	f.IntVar(&line, "line", 0, "the descriptor of the line to muxward-helper, which starts muxward so")
	f.IntVar(&passed, "passed", 0, "how many listening sockets follow that descriptor")
	_ = f.MarkHidden("line")
	_ = f.MarkHidden("passed")
	return cmd
}
