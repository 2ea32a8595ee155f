package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/server/ctld"
	"github.com/muxward/muxward/internal/tmux"
)

const leasePane = "the `pane`, such as alice/work:0.1"

func newLeaseCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lease",
		Short: "have one person at a time type into a pane",
		Long: `Have one person at a time type into a pane, whoever else may.

"lease on" begins it, for who holds lock on the pane: they could freeze it for everybody.
Who has the keyboard hands it over ("hand") or lets it go ("free"); others ask for it
("ask"), and have it at once if nobody has it; who holds lock takes it back ("take") or
ends the lease ("off"). When the keyboard has gone from somebody, nothing arrives that
they have typed before. What they had tmux begin may still type: who held execute can have
left a pipe, a hook or a delayed job there.

A lease gives nothing: to have the keyboard somebody has to hold type there. It is a
person's, whatever door they are at, and nobody's when they are not attached to a session
with the pane for the time of grace, or may not type there any more. It is kept when
muxward starts again, and its holder has the time of grace to come back. While another has
the keyboard of a pane, nobody has tmux run something by itself on that server, either
(the verb execute), also not its owner: that may type. What an owner runs in that way then,
and their control mode, end; who attaches then attaches again for menus and sizes.

From inside a pane nobody types into a pane with a lease, and none of these commands is
carried out, nor, but for "ask", without a terminal. A program that makes itself one is not
found out: see SECURITY.md.`,
	}
	return family(cmd, newLeaseOnCmd(),
		newLeaseDoCmd("off", "end a lease: everybody types there again who may", noArgs, false),
		newLeaseDoCmd("ask", "ask for the keyboard of a pane, or have it if nobody has it", noArgs, false),
		newLeaseDoCmd("hand PERSON", "hand the keyboard of a pane over", onePerson, true),
		newLeaseDoCmd("take", "take the keyboard of a pane from whoever has it", noArgs, false),
		newLeaseDoCmd("free", "let the keyboard of a pane go", noArgs, true))
}

func newLeaseOnCmd() *cobra.Command {
	var f daemonFlags
	c := ctld.Call{Act: "lease-on"}
	cmd := &cobra.Command{
		Use:   "on",
		Short: "begin a lease",
		Long: `Begin a lease on a pane. The keyboard is yours then if you may type there, or that of
--for PERSON, who has to be attached to a session of that server and to hold type on the
pane; for that you have to be at a terminal of your own that is no pane. It needs the verb
lock on the pane.`,
		Example: `  muxward lease on -t work:0.1
  muxward lease on -t alice/work:0.1 --for bob --grace 5m`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return lease(cmd, &f, c, true) },
	}
	f.add(cmd)
	addTarget(cmd, &c, leasePane)
	cmd.Flags().StringVar(&c.Person, "for", "", "whose the keyboard is at first")
	cmd.Flags().StringVar(&c.Within, "grace", "30s", "how `long` who has left keeps it")
	return cmd
}

func newLeaseDoCmd(use, short string, args cobra.PositionalArgs, mine bool) *cobra.Command {
	var f daemonFlags
	what, _, _ := strings.Cut(use, " ")
	c := ctld.Call{Act: "lease-" + what}
	cmd := &cobra.Command{
		Use:     use,
		Short:   short,
		Example: "  muxward lease " + strings.Replace(use, "PERSON", "bob", 1) + " -t alice/work:0.1",
		Args: func(cmd *cobra.Command, given []string) error {
			if err := args(cmd, given); err != nil {
				return usageError{err}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, given []string) error {
			if len(given) > 0 {
				c.Person = given[0]
			}
			return lease(cmd, &f, c, !mine)
		},
	}
	f.add(cmd)
	help := leasePane
	if mine {
		help += " (default: the only one whose keyboard you have)"
	}
	addTarget(cmd, &c, help)
	return cmd
}

// lease asks for something about a lease and tells what was done.
func lease(cmd *cobra.Command, f *daemonFlags, c ctld.Call, names bool) error {
	if names && c.Target == "" {
		return usageError{errors.New("name a pane with -t; see: muxward leases")}
	}
	var l acts.ShownLease
	if err := f.call(cmd.Context(), c, &l); err != nil {
		return err
	}
	if f.json {
		return printJSON(cmd, l)
	}
	_, err := fmt.Fprintln(cmd.OutOrStdout(), tmux.OneLine(l.Did))
	return err
}

func newLeasesCmd() *cobra.Command {
	var f daemonFlags
	cmd := &cobra.Command{
		Use:   "leases",
		Short: "list the leases on panes that you may view",
		Long: `List the leases on panes that you may view.

LEFT is how long who has left keeps the keyboard, LINE whose line is begun there, as far as
that can be told by what was typed, and ASK who asks for the keyboard.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var list []acts.ShownLease
			if err := f.call(cmd.Context(), ctld.Call{Act: "leases"}, &list); err != nil {
				return err
			}
			if f.json {
				return printJSON(cmd, list)
			}
			rows := [][]string{{"PANE", "KEYBOARD", "LEFT", "LINE", "ASK", "BY", "GRACE"}}
			for _, l := range list {
				rows = append(rows, []string{acts.TargetName(l.Target), l.Holder, l.Left, l.Line, strings.Join(l.Asks, " "), l.By, l.Grace})
			}
			return printTable(cmd.OutOrStdout(), rows)
		},
	}
	f.add(cmd)
	return cmd
}
