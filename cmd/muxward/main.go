// Command muxward puts authorization in front of stock tmux. This file is
// where the program begins; each subcommand has a file of its own.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/muxward/muxward/internal/server/ctld"
	"github.com/muxward/muxward/internal/tmux"
)

// Exit codes. The help of muxward, and of each command with codes of its own, tells them.
const (
	exitOK      = 0
	exitFailure = 1 // it did not work, or was denied
	exitUsage   = 2 // the command line or a file is wrong
	exitDrift   = 2 // host plan: something differs; of it nothing else is 2
	exitPartial = 3 // sockets: not everything could be looked at
	// Of what was asked for by muxward request, or suggested:
	exitDenied    = 4
	exitTimedOut  = 5
	exitWithdrawn = 6
)

// usageError marks an error of the command line or of a file the caller
// named, as opposed to a failure: exit code 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	// Never stopped: a second signal, while the last is tidied up, must not kill.
	ctx, _ := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	root := newRoot()
	completions(root)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		err = helpFor(cmd)
	}
	if err == nil {
		return exitOK
	}
	fmt.Fprintln(os.Stderr, "muxward:", tmux.Clean(err.Error())) // it may have words of others in it
	return exitCode(err)
}

func exitCode(err error) int {
	var u usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &u), errors.As(err, new(ctld.Words)):
		return exitUsage
	case errors.As(err, new(errDrift)):
		return exitDrift
	case errors.Is(err, errPartial):
		return exitPartial
	}
	if code, ok := notApproved(err); ok {
		return code
	}
	return exitFailure
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "muxward",
		Short: "authorization in front of stock tmux",
		Long: `muxward puts authorization in front of stock tmux: people reach a session only
through it, a policy decides on every key and command, and all of it is written down and
can be taken back at once.

Exit codes: 0 it is done; 1 it failed, or was denied; 2 the command line or a file is
wrong. Commands with more of them say so.`,
		Example: `  muxward init ~/.config/muxward/policy   # a policy to start from
  muxward serve &                         # guards your account's tmux
  eval "$(muxward env)"                   # plain tmux goes through it from now on
  tmux new -s work
  muxward audit tail                      # what was written down`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; see %s --help", err, c.CommandPath())}
	})
	group := func(id, title string, commands ...*cobra.Command) {
		root.AddGroup(&cobra.Group{ID: id, Title: title})
		for _, c := range commands {
			c.GroupID = id
		}
		root.AddCommand(commands...)
	}
	group("run", "Start and look after muxward:", newInitCmd(), newServeCmd(), newStatusCmd(), newSetupCmd(), newUninstallCmd())
	group("use", "Use tmux through it:", newEnvCmd(), newLsCmd(), newWhoCmd(), newJoinCmd(), newProfilesCmd(),
		newLeaseCmd(), newLeasesCmd(), newSuggestCmd(), newSuggestionsCmd())
	group("give", "Give rights, and ask for them:", newGrantCmd(), newGrantsCmd(), newShareCmd(), newInvitesCmd(), newInviteCmd(),
		newRequestCmd(), newApprovalsCmd(), newApproveCmd(), newDenyCmd())
	group("take", "Take them back:", newRevokeCmd(), newKickCmd(), newLockdownCmd(), newUnlockCmd(), newLeftBehindCmd())
	group("tell", "See what is decided, and what was:", newPolicyCmd(), newExplainCmd(), newAuditCmd(), newRisksCmd())
	group("host", "Keep hosts in order:", newHostCmd(), newDoctorCmd(), newSocketsCmd())
	group("ssh", "Let people come by ssh:", newSSHConfigCmd(), newSSHCACmd(), newSSHTOTPCmd(), newKeysCmd(), newAttachCmd())
	family(root, newVersionCmd(), newKeeperCmd(), newReachCmd())
	checkFlags(root)
	fitHelp(root)
	root.Version = version
	root.SetVersionTemplate(versionLine() + "\n")
	return root
}
