package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/activation"
	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/privsep"
	"github.com/muxward/muxward/internal/webhook"
)

// drainTime is how long people have to go when muxward is told to end.
const drainTime = 8 * time.Second

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
			return serveAs(cmd.Context(), base, line, passed)
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

// serve runs until ctx ends. Everything is started in the order in which it
// depends on each other, and ended in reverse.
func serve(ctx context.Context, c config.Config, helper *privsep.Client, sockets []activation.Socket) error {
	leaveTerminal()
	d, err := assemble(ctx, c, helper, sockets)
	if err != nil {
		return err
	}
	defer d.close()
	if err := d.confine(); err != nil {
		return err
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	d.start(ctx)
	if err := d.saveServing(ctx); err != nil {
		return fmt.Errorf("say where we serve: %w", err)
	}
	d.ssh.announce()
	fmt.Printf("muxward %s is ready: export TMUX_TMPDIR=%s\n", version, c.Doors)
	d.notifyManager("READY=1")
	for {
		select {
		case <-hup:
			d.notifyManager("RELOADING=1")
			d.ssh.rereadPAM(d)
			d.reloadAll(ctx)
			d.notifyManager("READY=1")
		case err := <-d.failed:
			return err
		case <-ctx.Done():
			d.ssh.leave(d) // first: the helper is asked to tell the manager, and may take its time
			d.notifyManager("STOPPING=1")
			return d.drain()
		}
	}
}

// leaveTerminal gives up the terminal that we were started from: as one of its
// background jobs we would be stopped as soon as we read from it, which we do
// when somebody attaches there. Its interrupt key still reaches us.
func leaveTerminal() {
	if sid, err := unix.Getsid(0); err != nil || sid == os.Getpid() {
		return // a session of our own: its end would be ours
	}
	fd, err := unix.Open("/dev/tty", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return // there is none
	}
	defer unix.Close(fd)
	_ = unix.IoctlSetInt(fd, unix.TIOCNOTTY, 0) // it stays ours then, as before
}

// notifyManager tells a service manager how we are (sd_notify(3)); without one
// it does nothing.
func notifyManager(state string) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	if path[0] == '@' {
		path = "\x00" + path[1:]
	}
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer syscall.Close(fd)
	_ = syscall.Sendto(fd, []byte(state), syscall.MSG_NOSIGNAL, &syscall.SockaddrUnix{Name: path})
}

var errDraining = errors.New("muxward is ending; start it again and attach anew")
