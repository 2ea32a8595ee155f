package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/server/ctld"
	"github.com/muxward/muxward/internal/tmux"
)

// callTime bounds how long a command waits for the daemon: longer than a
// revocation waits for what it ends.
const callTime = 10 * time.Second

// stateHelp is the help of --state.
const stateHelp = "state `directory` of the muxward to ask (default $MUXWARD_STATE, else by TMUX_TMPDIR, else your own, else the host's)"

// daemonFlags are what every command has that asks the daemon.
type daemonFlags struct {
	state string
	told  bool // which muxward is asked
	json  bool
}

func (f *daemonFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.state, "state", "", stateHelp)
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON")
}

// serving gives the muxward to ask. Whoever has one of their own and asks the host's is told
// so: what they take from somebody in the one holds in the other no more than before.
func (f *daemonFlags) serving() (config.Serving, error) {
	return f.servingBy(os.Getenv("TMUX_TMPDIR"))
}

func (f *daemonFlags) servingBy(doors string) (config.Serving, error) {
	at, passed, err := config.AskedServing(f.state, doors)
	if err == nil && passed != "" && !f.told {
		f.told = true
		fmt.Fprintf(os.Stderr, "note: this is the host's muxward; your own is asked with --state %s\n", shellQuote(passed))
	}
	return at, err
}

func (f *daemonFlags) call(ctx context.Context, c ctld.Call, v any) error {
	at, err := f.serving()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	return c.Do(ctx, at.Ctl, v)
}

func newEnvCmd() *cobra.Command {
	var f daemonFlags
	cmd := &cobra.Command{
		Use:   "env",
		Short: "print what to set so that plain tmux goes through muxward",
		Long: `Print the shell commands by which plain tmux of this account goes through muxward: to where
the muxward of the state directory serves, or served last. They are for the shells that tmux
is started from; in a pane nothing has to be set.`,
		Example: `  eval "$(muxward env)"`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			at, err := f.servingBy("") // it is to say which doors, whichever are set
			if err != nil {
				return err
			}
			if f.json {
				return printJSON(cmd, map[string]string{"TMUX_TMPDIR": at.Doors})
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "unset TMUX\nexport TMUX_TMPDIR=%s\n", shellQuote(at.Doors))
			return err
		},
	}
	f.add(cmd)
	return cmd
}

func newStatusCmd() *cobra.Command {
	var f daemonFlags
	var box bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "tell how muxward is, and what it cannot promise here",
		Long: `Tell how the running muxward is. The exit code is 1 if something is wrong with it.

With --sandbox it tells what muxward gives up where it runs as an account beside
muxward-helper, and what of that holds: it tries.`,
		Example: `  muxward status
  sudo muxward status --sandbox`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var s acts.Status
			if err := f.call(cmd.Context(), ctld.Call{Act: "status"}, &s); err != nil {
				return err
			}
			if f.json {
				if err := printJSON(cmd, s); err != nil {
					return err
				}
			} else if box {
				printSandbox(cmd, s)
			} else if err := printStatus(cmd, s); err != nil {
				return err
			}
			if len(s.Red) > 0 {
				return fmt.Errorf("%d of its promises do not hold at the moment", len(s.Red))
			}
			return nil
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&box, "sandbox", false, "tell what muxward has given up, and what of that holds")
	return cmd
}

func printStatus(cmd *cobra.Command, s acts.Status) error {
	p := newPaint(cmd)
	p.printf("muxward %s, process %d, %s mode, since %s\n", s.Version, s.PID, s.Mode, s.Since.Format(time.DateTime))
	p.printf("doors    %s\n", s.Doors)
	if s.Generation > 0 { // or it is not for this person
		p.printf("state    %s\npolicy   %s (generation %d)\n", s.State, s.Policy, s.Generation)
		p.printf("servers  %d\nattached %d\n", s.Servers, s.Attached)
		for _, name := range slices.Sorted(maps.Keys(s.PAM)) {
			said := "PAM sessions by the service " + s.PAM[name]
			if s.PAM[name] == "" {
				said = "no PAM sessions"
			}
			p.printf("panes of %s: %s\n", name, said)
		}
	}
	if len(s.Red)+len(s.Left) == 0 {
		p.printf("%s\n", p.good("all is well"))
	}
	for _, r := range s.Red {
		p.printf("%s %s\n", p.bad("RED:"), tmux.OneLine(r))
	}
	for _, l := range s.Left {
		p.printf("%s %s\n", p.bad("LEFT:"), tmux.OneLine(l))
	}
	for _, l := range s.Locked {
		p.printf("%s %s\n", p.bad("LOCKED:"), tmux.OneLine(l))
	}
	for _, n := range s.Notes {
		p.printf("%s\n", p.dim("note: "+n))
	}
	return p.err()
}

func newLsCmd() *cobra.Command {
	var f daemonFlags
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "list the sessions you may see, with what you may do there",
		Long: `List the sessions that you may see. VERBS is what you may do in all of a session; it
is - where you hold something on windows or panes of it only.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var list []acts.Listed
			if err := f.call(cmd.Context(), ctld.Call{Act: "ls"}, &list); err != nil {
				return err
			}
			if f.json {
				return printJSON(cmd, list)
			}
			rows := [][]string{{"SESSION", "ID", "WINDOWS", "PEOPLE", "VERBS"}}
			for _, l := range list {
				verbs := "-"
				if len(l.Verbs) > 0 {
					verbs = verbsFor(cmd.OutOrStdout(), l.Verbs)
				}
				row := []string{l.Name, l.ID, fmt.Sprint(l.Windows), fmt.Sprint(l.People), verbs}
				if l.Locked != "" {
					row = append(row, l.Locked)
				}
				rows = append(rows, row)
			}
			return printTable(cmd.OutOrStdout(), rows)
		},
	}
	f.add(cmd)
	return cmd
}

// printSandbox prints what of the sandbox holds.
func printSandbox(cmd *cobra.Command, s acts.Status) {
	p := newPaint(cmd)
	if len(s.Sandbox) == 0 {
		p.printf("there is no sandbox in %s mode, or it is not for you to see\n", s.Mode)
	}
	for _, o := range s.Sandbox {
		mark := p.good("holds")
		switch {
		case !o.Tried:
			mark = p.dim("not tried")
		case !o.Holds:
			mark = p.bad("NOT  ")
		}
		p.printf("%s  %s (%s)\n", mark, o.What, tmux.OneLine(o.By))
	}
}
