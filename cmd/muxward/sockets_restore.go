package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/muxward/muxward/internal/sockets"
)

func newSocketsRestoreCmd() *cobra.Command {
	var state string
	cmd := &cobra.Command{
		Use:   "restore PATH...",
		Short: "put sockets back that fix has moved away",
		Long: `Put sockets back that muxward sockets fix has moved away. Nothing is replaced: if
there is something at the old place, it stays. What was done is appended to
sockets.jsonl in the state directory, and nothing is done if that cannot be written. A
muxward that serves from that directory has it in its log, too.`,
		Example: `  muxward sockets restore /tmp/tmux-1000/.muxward-quarantine/default.k3f7q2ab`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{errors.New("name a socket in a .muxward-quarantine directory")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var steps []sockets.Step
			for _, path := range args {
				s, err := sockets.Restoring(path)
				if err != nil {
					return err
				}
				steps = append(steps, s)
			}
			return mendAll(cmd, false, steps, state)
		},
	}
	addState(cmd, &state)
	return cmd
}

func addState(cmd *cobra.Command, state *string) {
	cmd.Flags().StringVar(state, "state", "",
		"state `directory` of muxward (default $MUXWARD_STATE, else /var/lib/muxward for root, else $XDG_STATE_HOME/muxward)")
}

// newSocketsErrandCmd is the process that acts for an account. Only fix, restore
// and watch start it.
func newSocketsErrandCmd() *cobra.Command {
	return &cobra.Command{
		Use:    "errand",
		Short:  "do a step with an account's rights (started by muxward sockets)",
		Hidden: true,
		Args:   noArgs,
		RunE:   func(*cobra.Command, []string) error { return sockets.ServeErrand(os.Stdin, os.Stdout) },
	}
}

// newSocketsLookCmd is the process that looks. Only scan and fix start it.
func newSocketsLookCmd() *cobra.Command {
	return &cobra.Command{
		Use:    "look",
		Short:  "look at the host (started by muxward sockets)",
		Hidden: true,
		Args:   noArgs,
		RunE:   func(*cobra.Command, []string) error { return sockets.ServeLook(os.Stdin, os.Stdout) },
	}
}

// newSocketsSentryCmd is the process that looks again and again. Only watch starts it.
func newSocketsSentryCmd() *cobra.Command {
	return &cobra.Command{
		Use:    "sentry",
		Short:  "look at the host whenever it changes (started by muxward sockets watch)",
		Hidden: true,
		Args:   noArgs,
		RunE:   func(*cobra.Command, []string) error { return sockets.ServeWatch(os.Stdin, os.Stdout) },
	}
}

// newSocketsAskCmd is the process that asks a server. Only scan starts it.
func newSocketsAskCmd() *cobra.Command {
	return &cobra.Command{
		Use:    "ask",
		Short:  "ask a server with its account's rights (started by muxward sockets)",
		Hidden: true,
		Args:   noArgs,
		RunE:   func(*cobra.Command, []string) error { return sockets.ServeAsk(os.Stdin, os.Stdout) },
	}
}

// mender has things done by processes of this same program, which run a command.
func mender(command string) (sockets.Mender, error) {
	self, err := os.Executable()
	if err != nil {
		return sockets.Mender{}, fmt.Errorf("find our own program: %w", err)
	}
	return sockets.Mender{Argv: []string{self, "sockets", command}}, nil
}
