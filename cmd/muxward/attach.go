package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/server/ctld"
	"github.com/muxward/muxward/internal/siblings"
)

// newKeysCmd makes `muxward keys`, which sshd asks about keys.
func newKeysCmd() *cobra.Command {
	var f daemonFlags
	cmd := &cobra.Command{
		Use:   "keys ACCOUNT TYPE KEY",
		Short: "for sshd: say whose key it is, as a line of authorized_keys",
		Long: `Print the line of authorized_keys for a key of a person of muxward, or nothing if the
key is nobody's. An sshd of this host runs it as its AuthorizedKeysCommand. The line
lets whoever holds the key run muxward attach and nothing else, with a ticket that says
whose key it is. The ticket is taken once, within a minute, by what that very
connection starts. A ticket that sshd asked for earlier on the same connection is not
taken any more.

It needs muxward as root, with the account of AuthorizedKeysCommandUser named as
ssh: keys_user, and those that people log in to as ssh: keys_accounts. The first must be
one that nobody uses for anything else. The others must be nobody's own, and are good for
nothing but this: without a ticket, whoever comes as one of them is nobody to muxward. A
ForceCommand in sshd_config would take the place of what is printed here. Keys whose
from= has a star or question mark are given no ticket.`,
		Example: `  # config.yaml of muxward
  ssh: {keys_user: muxward-keys, keys_accounts: [work]}

  # sshd_config; sshd wants all paths to be root's
  Match User work
      AuthorizedKeysCommand /usr/bin/muxward keys --state /var/lib/muxward %u %t %k
      AuthorizedKeysCommandUser muxward-keys
      AuthorizedKeysFile none
      TrustedUserCAKeys none
      AuthenticationMethods publickey
      DisableForwarding yes`,
		Args: exactly(3, "an account, a key's type and the key, as sshd does with %u %t %k"),
		RunE: func(cmd *cobra.Command, args []string) error {
			key := args[1] + " " + args[2]
			if at, err := f.serving(); err == nil && f.state == "" {
				f.state = at.State // the line is to name whom we ask
			}
			var l identity.TicketLine
			if err := f.callPatiently(cmd.Context(), ctld.Call{Act: "keys", Account: args[0], Key: key}, &l); err != nil || l.Ticket == "" {
				return err
			}
			line, err := authorizedLine(f.state, l, key)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), line)
			return err
		},
	}
	f.add(cmd)
	return cmd
}

// patience is how long we ask again where there are too many at the moment; sshd waits
// for a key's answer, and a person for theirs.
const (
	patience   = 3 * time.Second
	betweenAsk = 100 * time.Millisecond
)

// What a ticket is written in.
const (
	ticketLength  = 64
	base64Letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
)

// callPatiently is call, again and again for a while if muxward closes the connection.
func (f *daemonFlags) callPatiently(ctx context.Context, c ctld.Call, v any) error {
	until := time.Now().Add(patience)
	for {
		err := f.call(ctx, c, v)
		if !errors.Is(err, ctld.ErrClosed) || time.Now().After(until) {
			return err
		}
		select {
		case <-time.After(betweenAsk):
		case <-ctx.Done():
			return err
		}
	}
}

// authorizedLine writes a line of authorized_keys (sshd(8)). Each part is to be what it
// says it is, whoever answered us: a newline would begin another line.
func authorizedLine(state string, l identity.TicketLine, key string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find our own program: %w", err)
	}
	if state, err = config.StateDir(state); err != nil {
		return "", err
	}
	if len(l.Ticket) != ticketLength || strings.Trim(l.Ticket, base64Letters) != "" {
		return "", errors.New("what answers as muxward has given no ticket")
	}
	if strings.Trim(l.From, "0123456789abcdefABCDEF:./!,") != "" {
		return "", errors.New("what answers as muxward has given no addresses for from=")
	}
	options := []string{"restrict"}
	if l.PTY {
		options = append(options, "pty")
	}
	if l.From != "" {
		options = append(options, `from="`+l.From+`"`)
	}
	command := shellQuote(self) + " attach --state " + shellQuote(state) + " --ticket " + l.Ticket
	if strings.ContainsAny(command, "\"\\\n") {
		return "", fmt.Errorf("%s and %s cannot be written in a line of authorized_keys: a quote or backslash is in one of them", self, state)
	}
	return strings.Join(append(options, `command="`+command+`"`), ",") + " " + key, nil
}

// newAttachCmd makes `muxward attach`, which sshd runs in the place of a shell.
func newAttachCmd() *cobra.Command {
	var f daemonFlags
	var ticket string
	cmd := &cobra.Command{
		Use:   "attach [TARGET]",
		Short: "for sshd: run the tmux client for somebody who came by ssh",
		Long: `Run the stock tmux client for somebody who came by an sshd of this host, with what
SSH_ORIGINAL_COMMAND asks for: a tmux command line, as at the ssh door of muxward. Any
other command is refused. Without one they are attached to TARGET, or to the one session
that they may see; if there are several, they are listed.

They are the account that it runs as, or with a ticket of muxward keys the person that
the ticket is for, until their ssh connection ends. No file is opened with the rights of
that account either way. If muxward begins anew, they have to log in again.`,
		Example: `  # sshd_config: everybody of the group is the account they log in as
  Match Group terminals
      ForceCommand /usr/bin/muxward attach --state /var/lib/muxward
      PermitUserRC no
      DisableForwarding yes`,
		Args: atMostOne("one target"),
		RunE: func(cmd *cobra.Command, args []string) error {
			at, err := f.serving()
			if err == nil {
				err = rootMay(at, os.Geteuid())
			}
			if err != nil {
				return err
			}
			c := ctld.Call{Act: "attach", Ticket: ticket}
			if line := os.Getenv("SSH_ORIGINAL_COMMAND"); strings.TrimSpace(line) != "" {
				c.Argv = []string{line}
			}
			var run acts.Forced
			if err := f.callPatiently(cmd.Context(), c, &run); err != nil {
				return err
			}
			if run.Mode == "-CC" && !isTerminal(os.Stdin) {
				return errors.New("tmux -CC needs a terminal; ask for one with: ssh -t")
			}
			if c.Argv == nil {
				target, err := chosen(cmd, &f, args)
				if err != nil || target == "" {
					return err
				}
				run.Argv = []string{"attach-session", "-t", target}
			}
			return become(at, run)
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&ticket, "ticket", "", "the `ticket` that muxward keys made")
	return cmd
}

// chosen is the session for somebody who has named none; "" if they were shown a list.
func chosen(cmd *cobra.Command, f *daemonFlags, args []string) (string, error) {
	terminal := isTerminal(os.Stdin)
	if len(args) == 1 && terminal {
		return args[0], nil
	}
	var l acts.Lobby
	if err := f.callPatiently(cmd.Context(), ctld.Call{Act: "lobby"}, &l); err != nil {
		return "", err
	}
	if terminal && len(l.Targets) == 1 {
		return l.Targets[0], nil
	}
	if _, err := fmt.Fprint(cmd.OutOrStdout(), l.Text); err != nil || !terminal || len(l.Targets) == 0 {
		return "", err
	}
	return "", errors.New("say which of them: ssh -t HOST attach -t SESSION")
}

// rootMay refuses root's client where muxward runs as an account that root has no server for:
// tmux's client does what its server says, and that may be whoever has taken muxward over.
func rootMay(at config.Serving, euid int) error {
	if euid != 0 || at.Account == "" {
		return nil
	}
	c, err := rootsConfig(at)
	if err == nil && !c.Serves("root", 0, "", nil) {
		err = fmt.Errorf("muxward runs as %s, and root has no tmux server here: to come as root list it under accounts in %s", at.Account, at.File)
	}
	return err
}

// become is the tmux client from here on: the same process, which is what was let in.
func become(at config.Serving, run acts.Forced) error {
	program, argv, env, err := clientOf(at, run)
	if err != nil {
		return err
	}
	return fmt.Errorf("run %s: %w", at.Tmux, syscall.Exec(program, argv, env))
}

// clientOf is the client: its program, arguments and environment. The program, and at which door
// it knocks, is root's word or our own: muxward, which has answered with run, may be an account
// that is neither, and says no more than what is asked of tmux.
func clientOf(at config.Serving, run acts.Forced) (program string, argv, env []string, err error) {
	if !filepath.IsAbs(at.Tmux) || !filepath.IsAbs(at.Doors) {
		return "", nil, nil, errors.New("where muxward serves is written down without its tmux: an older muxward has done that; start it again")
	}
	if program, err = siblings.RealProgram(at.Tmux); err != nil {
		return "", nil, nil, fmt.Errorf("tmux (%s) is not run: %w", at.Tmux, err)
	}
	env = slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return name == "TMUX" || name == "TMUX_PANE" || name == "TMUX_TMPDIR" || name == identity.ForcedMark
	})
	env = append([]string{identity.ForcedMark + "=1", "TMUX_TMPDIR=" + at.Doors}, env...)
	argv = []string{filepath.Base(at.Tmux), "-N"}
	if os.Getenv("LC_ALL")+os.Getenv("LC_CTYPE")+os.Getenv("LANG") == "" {
		argv = append(argv, "-u") // as terminals of today do
	}
	switch run.Mode {
	case "":
	case "-C", "-CC":
		argv = append(argv, run.Mode)
	default:
		return "", nil, nil, fmt.Errorf("what answers as muxward wants tmux to be started with %.40q, which is no mode", run.Mode)
	}
	return program, append(append(argv, "--"), run.Argv...), env, nil
}
