package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/muxward/muxward/internal/keep"
	"github.com/muxward/muxward/internal/reach"
)

// newReachCmd is what is started as a person's account for what they reach for by ssh
// besides tmux. People have no use for it.
func newReachCmd() *cobra.Command {
	return &cobra.Command{
		Use: keep.ReachWord + " [ACCOUNT] [" + keep.ReachMinded + "]", Hidden: true, Args: cobra.MaximumNArgs(2),
		Short: "reach for what somebody asks for by ssh (muxward starts this by itself)",
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 2 && args[1] == keep.ReachMinded {
				return reach.Mind(keep.ReachFD, keep.ReachWord, args[0])
			}
			return reach.Run(keep.ReachFD, strings.Join(args, ""))
		},
	}
}
