package main

import (
	"github.com/spf13/cobra"

	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/server/ctld"
)

func newProfilesCmd() *cobra.Command {
	var f daemonFlags
	cmd := &cobra.Command{
		Use:   "profiles",
		Short: "list the session profiles that you may start",
		Long: `List the session profiles that you may start: named sessions of this host, whose
program, account and secrets are its administrator's. By its name you get to your session
of it, at any door, and it is started if it does not run. Where it is shared there is one
for all of you.`,
		Example: `  muxward profiles
  tmux new -t prod-psql
  ssh prod-psql@host
  muxward profiles --json | jq -r '.[].name'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var list []acts.Offered
			if err := f.call(cmd.Context(), ctld.Call{Act: "profiles"}, &list); err != nil {
				return err
			}
			if f.json {
				return printJSON(cmd, list)
			}
			rows := [][]string{{"PROFILE", "SESSION", "SHARED", "RUNS", "ABOUT"}}
			for _, o := range list {
				runs := "unknown"
				if o.Runs != nil {
					runs = yesNo(*o.Runs)
				}
				rows = append(rows, []string{o.Name, o.Session, yesNo(o.Shared), runs, o.About})
			}
			return printTable(cmd.OutOrStdout(), rows)
		},
	}
	f.add(cmd)
	return cmd
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}
