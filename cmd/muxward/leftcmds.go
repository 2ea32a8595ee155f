package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/muxward/muxward/internal/server/ctld"
)

func newLeftBehindCmd() *cobra.Command {
	var f daemonFlags
	c := ctld.Call{Act: "left-behind"}
	cmd := &cobra.Command{
		Use:   "left-behind PERSON",
		Short: "list what a person began that goes on, and end it",
		Long: `List what a person began that goes on without them, on your own tmux server, on a
target, or on the whole host. It needs the verb audit there.

It goes by the log, and says how far back that was read, and by what the tmux servers
that run now have. SURE is yes for what is theirs: panes that were the only new ones
when their command had run, and what of their hooks, bindings, options, environments,
pipes, buffers and grants is known. Others may have changed that since. It is no for
what may be theirs: what runs in panes where they typed, jobs, and what the log leaves
open. Of panes the processes are told, those, too, that have left the terminal and
still name the pane in their environment; what was handed to at, cron or the like is
not found. Who holds every verb types at tmux itself, and what their keys make is not
known.

--hangup ends the panes that are theirs for sure, each by a kill-pane of yours: you
need the right to close it, and it is decided and recorded like any other. What could
not be ended is told, and the exit code is 1 then.`,
		Example: `  muxward left-behind bob
  muxward left-behind bob -t alice/work --json
  sudo muxward left-behind bob --host --hangup`,
		Args: func(cmd *cobra.Command, args []string) error {
			if c.All && c.Target != "" {
				return usageError{fmt.Errorf("name a target with -t, or --host")}
			}
			return onePerson(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c.Person = args[0]
			at, err := f.serving()
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), leftBehindIn+callTime)
			defer cancel()
			var l leftBehind
			if err := c.Do(ctx, at.Ctl, &l); err != nil {
				return err
			}
			if f.json {
				err = printJSON(cmd, l)
			} else {
				err = printLeft(cmd, l)
			}
			if err != nil {
				return err
			}
			return notEnded(l)
		},
	}
	f.add(cmd)
	addTarget(cmd, &c, "`target` as OWNER, OWNER/SESSION, …:WINDOW or ….PANE (default: your own server)")
	cmd.Flags().BoolVar(&c.All, "host", false, "the whole host")
	cmd.Flags().BoolVar(&c.Hangup, "hangup", false, "end the panes that they made")
	return cmd
}

// notEnded is the error of a list with panes that could not be ended.
func notEnded(l leftBehind) error {
	n := 0
	for _, t := range l.Things {
		if strings.HasPrefix(t.Hangup, "not ended") {
			n++
		}
	}
	if n > 0 {
		return fmt.Errorf("%d of the panes could not be ended", n)
	}
	return nil
}

func printLeft(cmd *cobra.Command, l leftBehind) error {
	rows := [][]string{{"SURE", "WHAT", "ON", "WHEN", "COMMAND", "PROCESSES", "NOTE"}}
	for _, t := range l.Things {
		sure, on, procs := "no", t.On, "-"
		if t.Sure {
			sure = "yes"
		}
		if t.Name != "" {
			on += " (" + t.Name + ")"
		}
		var words []string
		for _, p := range t.Processes {
			word := fmt.Sprintf("%d %s", p.PID, p.Command)
			if p.Away {
				word += " (away)"
			}
			words = append(words, word)
		}
		if len(words) > 0 {
			procs = strings.Join(words, ", ")
		}
		note := t.Note
		if t.Hangup != "" {
			note = t.Hangup
		}
		rows = append(rows, []string{sure, t.Kind, on, t.When.Local().Format(time.DateTime), shortReason(strings.Join(t.Command, " ")), procs, note})
	}
	if len(l.Things) > 0 {
		if err := printTable(cmd.OutOrStdout(), rows); err != nil {
			return err
		}
	}
	more := ""
	if l.More > 0 {
		more = fmt.Sprintf("; %d older ones are left out", l.More)
	}
	for _, n := range l.Notes {
		more += "; " + oneLine(n)
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "%d things of %s, by the log since %s (%d records)%s\n",
		len(l.Things), l.Person, l.Since.Local().Format(time.DateTime), l.Records, more)
	return err
}
