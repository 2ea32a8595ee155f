package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/muxward/muxward/internal/sockets"
)

func newSocketsWatchCmd() *cobra.Command {
	var f socketFlags
	var auto []string
	var state string
	cmd := &cobra.Command{
		Use:   "watch [--auto ID]...",
		Short: "tell what becomes wrong with tmux's sockets as it does",
		Long: `Tell what is wrong with tmux's sockets, and then what becomes wrong or right again,
as it does. It is woken by changes in directories of sockets and by the end of
servers, and looks at everything each time, and every half a minute besides, or less
often where a look costs much. It ends with Ctrl-C or SIGTERM.

A kind of finding that is named with --auto is mended when it comes, as muxward
sockets fix --yes would, and tried again for as long as it is there. While it cannot
be written down what is done, nothing is mended, and the watch goes on. A muxward that
serves from the state directory has it in its log, too. What cannot be
looked at for a while is not told as right again.

With --json each change is one line.`,
		Example: `  sudo muxward sockets watch
  sudo muxward sockets watch --auto MW-S001 --auto MW-S002`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, id := range auto {
				if r, ok := sockets.RuleByID(id); !ok || r.Auto == "" {
					return usageError{fmt.Errorf("--auto %q: muxward sockets fix mends no such finding; see muxward sockets explain", id)}
				}
			}
			if err := f.check(); err != nil {
				return err
			}
			f.limits.Locks, f.opt.Locks = "", false // a benchmark is for who scans: nothing of it happens
			var j *journal
			if len(auto) > 0 {
				var err error
				if j, err = openJournal(state); err != nil {
					return err
				}
				defer j.Close()
			}
			m, err := mender("sentry")
			if err != nil {
				return err
			}
			return m.Watch(cmd.Context(), f.opt, f.limits, f.profile, func(c sockets.Change) (again bool, err error) {
				if len(c.New)+len(c.Gone)+len(c.Dark) > 0 {
					err = printChange(cmd, c, f.json)
				}
				if err != nil || len(auto) == 0 {
					return false, err
				}
				steps, _ := sockets.Plan(c.All, auto, uint32(os.Geteuid()))
				return mendWatched(cmd, j, steps, f.json)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringArrayVar(&auto, "auto", nil, "mend findings with this `ID` when they come")
	addState(cmd, &state)
	_ = cmd.RegisterFlagCompletionFunc("auto", completeRules)
	return cmd
}

// mendWatched does the steps, and says whether to try again. If it cannot be written
// down what is done nothing is, and the watch goes on.
func mendWatched(cmd *cobra.Command, j *journal, steps []sockets.Step, asJSON bool) (again bool, err error) {
	done, err := mendEach(cmd, j, steps, asJSON)
	var broken journalError
	switch {
	case cmd.Context().Err() != nil:
		return false, nil // the watch is to end
	case errors.As(err, &broken):
		fmt.Fprintln(cmd.ErrOrStderr(), "muxward: nothing is mended now:", err)
		again, err = true, nil
	}
	if lost := j.unreported(); lost != nil {
		fmt.Fprintln(cmd.ErrOrStderr(), "muxward:", lost)
	}
	for _, d := range done {
		again = again || d.Outcome != sockets.Mended
		if asJSON && err == nil {
			err = printLine(cmd, d)
		}
	}
	return again, err
}

// printChange writes a line for each finding that came or went.
func printChange(cmd *cobra.Command, c sockets.Change, asJSON bool) error {
	if asJSON {
		return printLine(cmd, c)
	}
	p := newPaint(cmd)
	at := c.Time.Format(time.DateTime)
	for _, f := range c.New {
		r, _ := sockets.RuleByID(f.ID)
		p.printf("%s %s\n", at, p.bad(strings.Join([]string{"new ", f.ID, f.Severity.String(), f.Path.String(), r.Title + ":", f.Evidence}, " ")))
	}
	for _, f := range c.Gone {
		p.printf("%s %s\n", at, p.good(strings.Join([]string{"gone", f.ID, f.Severity.String(), f.Path.String()}, " ")))
	}
	for _, k := range c.Dark {
		p.printf("%s %s %s: %s\n", at, p.bad("not looked at:"), k.Path, k.Reason)
	}
	return p.err()
}

// printLine prints JSON in one line.
func printLine(cmd *cobra.Command, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = cmd.OutOrStdout().Write(append(plainJSON(data), '\n'))
	return err
}
