package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/muxward/muxward/internal/attach/keeper"
)

// newKeeperCmd is the process that puts terminals right when `muxward serve`
// was killed. Only serve starts it.
func newKeeperCmd() *cobra.Command {
	return &cobra.Command{
		Use:    "keeper",
		Short:  "keep people's terminals (started by muxward serve)",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return keeper.Serve(os.NewFile(3, "keeper")) // passed by keeper.Start
		},
	}
}
