package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/server/ctld"
	"github.com/muxward/muxward/internal/tmux"
)

// The ends of a suggestion that was not taken, for exit codes.
var (
	errDismissed = errors.New("dismissed")
	errNotTaken  = errors.New("nobody has taken it in time")
)

func newSuggestCmd() *cobra.Command {
	var f daemonFlags
	var wait bool
	var takeBack string
	c := ctld.Call{Act: "suggest"}
	cmd := &cobra.Command{
		Use:   "suggest -t PANE TEXT...",
		Short: "suggest a line to whoever types into a pane",
		Long: `Suggest a line for a pane. Whoever may type there and is shown the pane is told in their
own display, with your name, and opens it by M-a: they see all of it, and run it, have it
typed without Enter to change it, or dismiss it, by one key. If the pane has a lease, its
holder alone does. What is typed is exactly the text, by their right and in their name; you
need no more than the verb suggest on the pane (the role suggester; who may type may suggest).

The text is one line of at most 1000 bytes in which everything is seen: a control character,
one that turns text around, or one that is not seen is refused, not left out. Several words
are put together with a space between; - reads the line from standard input. It is recorded.

It waits for an answer and says what it was. Ctrl-C takes the suggestion back, and so does
all else that ends it; with --wait=false, which is not for who comes by ssh, it stands alone,
and muxward suggestions tells what became of it. It ends when its time is over, when you may
not suggest there any more, and with the pane or the process that the pane was started with:
what that has started meanwhile is not looked at. Of two who take it at once, one does.

It takes answer_key in muxward's configuration. No command takes a suggestion.

Exit codes: 0 it was run, or typed; 4 it was dismissed; 5 nobody has taken it in time; 6 it
was taken back; 1 it could not be suggested, or not be taken any more, or nobody knows whether
it was typed, as tmux has not said (--json tells which); 2 the command line is wrong.`,
		Example: `  muxward suggest -t alice/work:0.1 make test
  git log -1 --format='git revert %h' | muxward suggest -t alice/work:0.1 --json -
  muxward suggest -t alice/work:0.1 --deadline 1h --wait=false 'systemctl restart web'
  muxward suggest --take-back 4hq7aza`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case takeBack != "" && (len(args) > 0 || c.Target != ""):
				return usageError{errors.New("name either a suggestion to take back, or a pane and a text")}
			case takeBack == "" && c.Target == "":
				return usageError{errors.New("name a pane with -t")}
			case takeBack == "" && len(args) == 0:
				return usageError{errors.New("give the text, or - to read it from standard input")}
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if takeBack != "" {
				return withdraw(cmd, &f, ctld.Call{Act: "unsuggest", Request: takeBack}, "suggestion", new(acts.ShownSuggestion))
			}
			var err error
			if c.Text, err = suggestedText(cmd.InOrStdin(), args); err != nil {
				return err
			}
			if c.Stands = !wait; c.Stands {
				return standingSuggestion(cmd, &f, c)
			}
			return awaitTaking(cmd, &f, c)
		},
	}
	f.add(cmd)
	addTarget(cmd, &c, leasePane)
	cmd.Flags().SetInterspersed(false) // what begins with a dash in the text is text
	cmd.Flags().StringVar(&c.Within, "deadline", "10m", "how `long` the suggestion waits to be taken, at most an hour")
	cmd.Flags().BoolVar(&wait, "wait", true, "wait for what becomes of it")
	cmd.Flags().StringVar(&takeBack, "take-back", "", "take back the open suggestion of this `ID`")
	return cmd
}

// suggestedText is the text of a command line. What is wrong with it muxward would say, too.
func suggestedText(in io.Reader, args []string) (string, error) {
	text := strings.Join(args, " ")
	if len(args) == 1 && args[0] == "-" {
		read, err := io.ReadAll(io.LimitReader(in, grants.MaxSuggested+2))
		if err != nil {
			return "", fmt.Errorf("read the text from standard input: %w", err)
		}
		text = strings.TrimSuffix(string(read), "\n")
	}
	if err := grants.Suggestible(text); err != nil {
		return "", usageError{err}
	}
	return text, nil
}

// standingSuggestion suggests and leaves it at that.
func standingSuggestion(cmd *cobra.Command, f *daemonFlags, c ctld.Call) error {
	var v acts.ShownSuggestion
	if err := f.call(cmd.Context(), c, &v); err != nil {
		return err
	}
	if f.json {
		return printJSON(cmd, v)
	}
	return saySuggested(cmd.OutOrStdout(), v)
}

func saySuggested(w io.Writer, v acts.ShownSuggestion) error {
	_, err := fmt.Fprintf(w, "suggestion %s waits in %s until %s\n", v.ID, tmux.OneLine(acts.TargetName(v.Target)), v.Until.Local().Format(time.TimeOnly))
	return err
}

// awaitTaking suggests and waits for the end of it.
func awaitTaking(cmd *cobra.Command, f *daemonFlags, c ctld.Call) error {
	var put, ended acts.ShownSuggestion
	begun := func() error {
		if f.json {
			return nil
		}
		return saySuggested(cmd.ErrOrStderr(), put)
	}
	if err := f.await(cmd, c, awaited{"suggestion", "unsuggest", func() string { return put.ID }, begun}, &put, &ended); err != nil {
		return err
	}
	if f.json {
		if err := printJSON(cmd, ended); err != nil {
			return err
		}
	}
	return tellSuggestion(cmd, ended, f.json)
}

// tellSuggestion says how a suggestion has ended; the error is that of one that was not taken.
func tellSuggestion(cmd *cobra.Command, v acts.ShownSuggestion, quiet bool) error {
	why := ""
	if v.Why != "" {
		why = ": " + tmux.OneLine(v.Why)
	}
	switch v.Answer {
	case grants.Ran, grants.Typed:
		if quiet {
			return nil
		}
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "suggestion %s was %s by %s\n", v.ID, v.Answer, v.By)
		return err
	case grants.Dismissed:
		return fmt.Errorf("suggestion %s: %w by %s", v.ID, errDismissed, v.By)
	case grants.TimedOut:
		return fmt.Errorf("suggestion %s: %w", v.ID, errNotTaken)
	case grants.Withdrawn:
		return fmt.Errorf("suggestion %s: %w%s", v.ID, acts.ErrWithdrawn, why)
	}
	return fmt.Errorf("suggestion %s is %s%s", v.ID, v.Answer, why)
}

func newSuggestionsCmd() *cobra.Command {
	var f daemonFlags
	cmd := &cobra.Command{
		Use:   "suggestions",
		Short: "list the suggestions that wait for you, and your own",
		Long: `List the suggestions that wait for panes that you may type into, and your own: also the
last eight of those that have ended, with how and by whom. With muxward they all end.`,
		Example: `  muxward suggestions
  muxward suggestions --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var list []acts.ShownSuggestion
			if err := f.call(cmd.Context(), ctld.Call{Act: "suggestions"}, &list); err != nil {
				return err
			}
			if f.json {
				return printJSON(cmd, list)
			}
			rows := [][]string{{"ID", "WHO", "IN", "UNTIL", "ANSWER", "BY", "TEXT"}}
			for _, v := range list {
				rows = append(rows, []string{v.ID, v.From, acts.TargetName(v.Target), v.Until.Local().Format(time.TimeOnly), string(v.Answer), v.By, v.Text})
			}
			return printTable(cmd.OutOrStdout(), rows)
		},
	}
	f.add(cmd)
	return cmd
}
