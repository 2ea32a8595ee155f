package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/muxward/muxward/internal/attach/keeper"
	"github.com/muxward/muxward/internal/sandbox"
)

// confineKeeper gives up what a keeper has no use for where muxward, which starts it, has given
// up the same: somebody who has taken muxward over is not to go on here.
func confineKeeper() error {
	r, err := sandbox.OwnRights()
	if err != nil || !r.NoNewPrivs {
		return err
	}
	if err := sandbox.Undumpable(); err != nil {
		return err
	}
	return sandbox.Deny(sandbox.Confined())
}

// newKeeperCmd is the process that puts terminals right when `muxward serve`
// was killed. Only serve starts it.
func newKeeperCmd() *cobra.Command {
	return &cobra.Command{
		Use:    "keeper",
		Short:  "keep people's terminals (started by muxward serve)",
		Hidden: true,
		Args:   noArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := confineKeeper(); err != nil {
				return err
			}
			return keeper.Serve(os.NewFile(3, "keeper")) // passed by keeper.Start
		},
	}
}
