package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/server/ctld"
)

func newWhoCmd() *cobra.Command {
	var f daemonFlags
	var watch bool
	cmd := &cobra.Command{
		Use:   "who",
		Short: "list who is attached to what you may see",
		Long: `List who is attached to what you may see: at which door, since when, and whether
they have typed lately, in steps of ten seconds. From which network address they come,
and what they may do in all of that session (- if only in parts), is told of yourself and
of those whom you may kick. Who types only while somebody watches is told with those who
do. Where panes run as other accounts than their tmux (isolated servers), those of the
panes that you may view are told.

What is open by ssh besides tmux (forwards, listeners, agents, subsystems such as sftp) is
told of yourself, and to who may kick people from the host or read its log: in the place of the
session is what is reached, and in that of the input the verb.

With --watch it goes on until Ctrl-C: on a terminal the list is drawn anew when it
changes, elsewhere it is printed again behind a line with the time. With --json as well
each list is one line.`,
		Example: `  muxward who
  muxward who --watch
  muxward who --watch --json | jq -c '[.people[].person]'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if watch {
				return f.watchWho(cmd)
			}
			var people []gateway.Attached
			if err := f.call(cmd.Context(), ctld.Call{Act: "who"}, &people); err != nil {
				return err
			}
			if f.json {
				return printJSON(cmd, people)
			}
			return printTable(cmd.OutOrStdout(), whoRows(cmd.OutOrStdout(), people))
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "go on, and tell each change")
	return cmd
}

func whoRows(out io.Writer, people []gateway.Attached) [][]string {
	rows := [][]string{{"PERSON", "SESSION", "INPUT", "DOOR", "TERMINAL", "SINCE", "KEYS", "FROM", "VERBS", "WATCHED BY", "PANES AS"}}
	for _, a := range people {
		keys, from, verbs, eyes, as := "idle", "-", "-", "-", "-"
		if a.Typing {
			keys = "typing"
		}
		if a.From != "" {
			from = a.From
		}
		if len(a.Verbs) > 0 {
			verbs = verbsFor(out, a.Verbs)
		}
		if a.Bound {
			eyes = cmp.Or(strings.Join(a.Watchers, ","), "nobody")
		}
		if len(a.RunAs) > 0 {
			as = strings.Join(a.RunAs, ",")
		}
		at := a.Owner + "/" + a.Name
		if a.Reaches != "" {
			at, a.TTY, keys = a.Reaches, "-", "-"
		}
		rows = append(rows, []string{
			a.Person, at, a.Mode, a.Door, a.TTY, a.Since.Format(time.DateTime), keys, from, verbs, eyes, as,
		})
	}
	return rows
}

// watchTime bounds how long one answer is waited for: longer than muxward waits for
// something to tell.
const watchTime = 2 * acts.WhoWait

// watchWho prints who is there, and again whenever that has changed, until Ctrl-C.
func (f *daemonFlags) watchWho(cmd *cobra.Command) error {
	at, err := f.serving()
	if err != nil {
		return err
	}
	seen := ""
	for {
		var now acts.PresentNow
		ctx, cancel := context.WithTimeout(cmd.Context(), watchTime)
		err := ctld.Call{Act: "who-next", Seen: seen}.Do(ctx, at.Ctl, &now)
		cancel()
		switch {
		case cmd.Context().Err() != nil:
			return nil // that is how it ends
		case err != nil:
			return err
		case now.Mark == "":
			return errors.New("muxward serve does not say what has changed; the two versions may differ: restart it")
		case now.Mark == seen:
			continue
		}
		seen = now.Mark
		if err := printPresent(cmd, now, f.json); err != nil {
			return err
		}
	}
}

// printPresent prints one list of many.
func printPresent(cmd *cobra.Command, now acts.PresentNow, asJSON bool) error {
	if asJSON {
		now.Mark = ""
		return printLine(cmd, now)
	}
	out := cmd.OutOrStdout()
	head := now.At.Local().Format(time.DateTime) + "\n"
	if f, ok := out.(*os.File); ok && isTerminal(f) {
		head = "\x1b[H\x1b[2J" + head
	}
	if _, err := io.WriteString(out, head); err != nil {
		return err
	}
	return printTable(out, whoRows(out, now.People))
}
