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

	"github.com/muxward/muxward/internal/tmux"
)

// Exit codes, documented in docs/man/muxward.1.
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
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	fmt.Fprintln(os.Stderr, "muxward:", tmux.Clean(err.Error())) // it may have words of others in it
	return exitCode(err)
}

// exitCode is the exit code of an error.
func exitCode(err error) int {
	var u usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &u):
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
		Use:           "muxward",
		Short:         "authorization in front of stock tmux",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; see %s --help", err, c.CommandPath())}
	})
	root.AddCommand(newServeCmd(), newInitCmd(), newEnvCmd(), newStatusCmd(), newLsCmd(), newProfilesCmd(), newWhoCmd(),
		newGrantCmd(), newGrantsCmd(), newShareCmd(), newJoinCmd(), newInvitesCmd(), newInviteCmd(),
		newRequestCmd(), newApprovalsCmd(), newApproveCmd(), newDenyCmd(),
		newLeaseCmd(), newLeasesCmd(), newSuggestCmd(), newSuggestionsCmd(),
		newRevokeCmd(), newKickCmd(), newLeftBehindCmd(), newRisksCmd(), newLockdownCmd(), newUnlockCmd(), newExplainCmd(),
		newSSHConfigCmd(), newSSHCACmd(), newSSHTOTPCmd(), newKeysCmd(), newAttachCmd(),
		newPolicyCmd(), newAuditCmd(), newSocketsCmd(), newHostCmd(), newDoctorCmd(), newSetupCmd(), newUninstallCmd(), newVersionCmd(), newKeeperCmd(), newReachCmd())
	return root
}
