package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/server/ctld"
	"github.com/muxward/muxward/internal/tmux"
)

// leftWait bounds how long a client waits: longer than muxward looks, and ends panes.
const leftWait = acts.LeftTurn + acts.LeftTime + 3*time.Second

func newLeftBehindCmd() *cobra.Command {
	var f daemonFlags
	c := ctld.Call{Act: "left-behind"}
	cmd := &cobra.Command{
		Use:   "left-behind PERSON [PANE...]",
		Short: "list what somebody began that goes on, and end panes of it",
		Long: `List the panes that a person has made on the target, by default your own tmux server,
and that are still there, by the log and by what there is now; and what else they asked
for there that may go on, such as a hook, a binding or a job, or a line that they suggested
and another took, who began it. A revocation ends what a person does, not what they have
begun.

SURE is yes where tmux has said that their command made the pane, and its first process is
the one that it was made with. Other panes may be theirs: the note says why. With --hangup
the panes that are named are ended, or with --yes all that are sure; each as if you had
typed kill-pane there, which takes the right to. List first, and name what you have seen.
Nothing but panes is ended.

It needs the verb audit: on a pane to hear of it, on the whole server for the rest. The
exit code is 1 if a pane was not ended. With --hangup it is 1 also if that is not all: if
panes that may be theirs were left with --yes, if it is not known which pane a command of
theirs made, if the log does not go back to where the server began, or if a server does
not answer.`,
		Example: `  muxward left-behind bob
  muxward left-behind bob -t alice/work --json
  muxward left-behind bob --hangup %5,%7
  muxward left-behind bob --host --hangup --yes`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return onePerson(cmd, args)
			case len(args) > 1 && !c.Hangup:
				return usageError{fmt.Errorf("panes are named with --hangup only; see %s --help", cmd.CommandPath())}
			case c.Hangup && (len(args) == 1) != c.Sure:
				return usageError{fmt.Errorf("with --hangup name the panes to end, or give --yes for all that are sure; see %s --help", cmd.CommandPath())}
			case c.Sure && !c.Hangup:
				return usageError{fmt.Errorf("--yes goes with --hangup; see %s --help", cmd.CommandPath())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c.Person = args[0]
			for _, list := range args[1:] {
				c.Panes = append(c.Panes, strings.Split(list, ",")...)
			}
			if slices.Contains(c.Panes, "") {
				return usageError{fmt.Errorf("an empty name names no pane; see %s --help", cmd.CommandPath())}
			}
			return f.leftBehind(cmd, c)
		},
	}
	f.add(cmd)
	addLockTarget(cmd, &c)
	cmd.Flags().BoolVar(&c.Hangup, "hangup", false, "end the panes that are named")
	cmd.Flags().BoolVar(&c.Sure, "yes", false, "with --hangup: all that are sure")
	return cmd
}

func (f *daemonFlags) leftBehind(cmd *cobra.Command, c ctld.Call) error {
	at, err := f.serving()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), leftWait)
	defer cancel()
	var l acts.LeftBehind
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
	return leftFailed(l, c)
}

// leftFailed says that something was not ended, or may not have been, as not everything
// could be looked at.
func leftFailed(l acts.LeftBehind, c ctld.Call) error {
	failed, left := 0, 0
	for _, p := range l.Panes {
		if p.Hangup != "" && p.Hangup != "ended" {
			failed++
		}
		if p.Hangup == "" && c.Sure {
			left++
		}
	}
	switch {
	case failed > 0:
		return fmt.Errorf("%d panes were not ended; why stands at each of them", failed)
	case left > 0:
		return fmt.Errorf("%d panes may be theirs, and were not ended: name them", left)
	case c.Hangup && !l.Complete:
		return errors.New("there may be more: not everything could be looked at")
	}
	return nil
}

func printLeft(cmd *cobra.Command, l acts.LeftBehind) error {
	panes := [][]string{{"PANE", "SURE", "PLACE", "MADE", "PROCESS", "RUNS", "NOTE"}}
	for _, p := range l.Panes {
		sure := "no"
		if p.Sure {
			sure = "yes"
		}
		note := p.Note
		if p.Hangup != "" {
			note = strings.TrimPrefix(note+"; "+p.Hangup, "; ")
		}
		panes = append(panes, []string{p.Pane, sure, p.Name, p.When.Local().Format(time.DateTime), fmt.Sprint(p.PID), p.Runs, note})
	}
	if err := printTable(cmd.OutOrStdout(), panes); err != nil {
		return err
	}
	if len(l.Acts) > 0 {
		asked := [][]string{{"ASKED FOR", "BY", "ON", "LAST", "TIMES", "NOTE"}}
		for _, a := range l.Acts {
			asked = append(asked, []string{a.Kind, a.By, a.On, a.Last.Local().Format(time.DateTime), fmt.Sprint(a.Times), a.Note})
		}
		fmt.Fprintln(cmd.OutOrStdout())
		if err := printTable(cmd.OutOrStdout(), asked); err != nil {
			return err
		}
	}
	if l.More > 0 {
		l.Notes = append(l.Notes, fmt.Sprintf("%d more things that they asked for are not listed; see: muxward audit query --who %s", l.More, l.Person))
	}
	if l.Complete {
		l.Notes = append(l.Notes, "complete: the log was read from where the tmux servers began")
	} else {
		l.Notes = append(l.Notes, "incomplete: there may be more")
	}
	for _, n := range l.Notes {
		if _, err := fmt.Fprintln(cmd.OutOrStdout(), "note: "+tmux.OneLine(n)); err != nil {
			return err
		}
	}
	return nil
}
