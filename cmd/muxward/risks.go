package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/server/ctld"
	"github.com/muxward/muxward/internal/tmux"
)

// risksWait is how long the client waits for risks to be looked for, or cleared.
const risksWait = 25 * time.Second

func newRisksCmd() *cobra.Command {
	var f daemonFlags
	c := ctld.Call{Act: "risks"}
	all := false
	cmd := &cobra.Command{
		Use:   "risks [--clear ID,...]",
		Short: "list what a tmux server runs by itself, and clear it",
		Long: `List what about a tmux server, by default your own, weakens what muxward promises, or
is run without anybody having asked for it there and then: hooks, aliases that take a
command's name, options and formats that run programs, keys that do, variables that have
programs load others, accounts on tmux's list, clients that are not muxward's, and options
that let programs reach terminals. Much of that is what people's tmux.conf is for, and is
listed all the same: whoever may type into a pane could have set it as well.

With --clear those that are named are taken away, as tmux's own commands do it: an option is
as tmux has it by default, a variable is not set any more (a PATH, too: what panes had of it
before does not come back), a key is not bound, a client is detached. Where an alias hides
one of muxward's questions all aliases go. With --clear-all it is
all that was listed and that a command can take away. A file of configuration is not changed:
what it sets is there again when the server is started anew. What is cleared is looked for
again afterwards; the exit code is 1 if some of it is still there, or had gone before: what
was set anew meanwhile has another id.

It needs every verb on that server.`,
		Example: `  muxward risks
  muxward risks --json
  muxward risks --clear 5f1c02aa9be3,0d117c8842f0
  muxward risks -t alice --clear-all`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if slices.Contains(c.IDs, "") || cmd.Flags().Changed("clear") && len(c.IDs) == 0 {
				return usageError{fmt.Errorf("an empty name is of nothing; see %s --help", cmd.CommandPath())}
			}
			return f.risks(cmd, c, all)
		},
	}
	f.add(cmd)
	cmd.Flags().StringVarP(&c.Target, "target", "t", "", "`owner` of the tmux server (default: you)")
	cmd.Flags().StringSliceVar(&c.IDs, "clear", nil, "take these away, by their `ids`")
	cmd.Flags().BoolVar(&all, "clear-all", false, "take away all that is listed and that can be")
	cmd.MarkFlagsMutuallyExclusive("clear", "clear-all")
	return cmd
}

func (f *daemonFlags) risks(cmd *cobra.Command, c ctld.Call, all bool) error {
	at, err := f.serving()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), 2*risksWait)
	defer cancel()
	ask := func(c ctld.Call) (l acts.RiskList, err error) {
		ctx, cancel := context.WithTimeout(ctx, risksWait)
		defer cancel()
		return l, c.Do(ctx, at.Ctl, &l)
	}
	l, err := ask(c)
	var people []*acts.RiskLine
	if err == nil && all {
		for _, r := range l.Risks {
			if len(r.Undo) == 0 {
				people = append(people, r)
				continue
			}
			c.IDs = append(c.IDs, r.ID)
		}
		if len(c.IDs) > 0 {
			more := l.More
			l, err = ask(c)
			l.Risks, l.More = append(l.Risks, people...), more
		}
	}
	if err != nil {
		return err
	}
	if f.json {
		err = printJSON(cmd, l)
	} else {
		err = printRisks(cmd, l)
	}
	if err != nil {
		return err
	}
	left := 0
	for _, r := range l.Risks {
		if r.Cleared != "yes" {
			left++
		}
	}
	if left+l.More > 0 && (len(c.IDs) > 0 || all) {
		return fmt.Errorf("%d are still there; muxward risks lists them", left+l.More)
	}
	return nil
}

func printRisks(cmd *cobra.Command, l acts.RiskList) error {
	rows := [][]string{{"ID", "CLEARED", "WHAT"}}
	for _, r := range l.Risks {
		cleared := r.Cleared
		switch {
		case cleared == "" && len(r.Undo) == 0:
			cleared = "for people"
		case cleared == "":
			cleared = "-"
		}
		rows = append(rows, []string{r.ID, cleared, tmux.OneLine(r.Text)})
	}
	if err := printTable(cmd.OutOrStdout(), rows); err != nil {
		return err
	}
	var notes []string
	if l.More > 0 {
		notes = append(notes, fmt.Sprintf("%d more are not listed", l.More))
	}
	if l.Note != "" {
		notes = append(notes, "there may be more: "+l.Note)
	}
	if len(l.Risks) == 0 && len(notes) == 0 {
		notes = append(notes, "nothing was found")
	}
	if len(notes) == 0 {
		return nil
	}
	_, err := fmt.Fprintln(cmd.OutOrStdout(), "note: "+tmux.OneLine(strings.Join(notes, "; ")))
	return err
}
