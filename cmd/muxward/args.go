package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// What a command takes besides flags. cobra's own validators, and its silence about words
// behind a command that has others below it, would make a mistyped command line a failure,
// or even a success.

// noArgs is for a command that takes flags alone.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("%q is not understood; see %s --help", args[0], cmd.CommandPath())}
	}
	return nil
}

// exactly is for a command that takes n words, which are what.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usageError{fmt.Errorf("give %s: %s", what, cmd.UseLine())}
		}
		return nil
	}
}

// atMostOne is for a command that takes one word or none.
func atMostOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 1 {
			return usageError{fmt.Errorf("give %s at most: %s", what, cmd.UseLine())}
		}
		return nil
	}
}

// checkFlags says of flags that exclude each other, or are missing, that the command line is
// wrong: cobra calls it a failure. It asks once the words were looked at, for cmd and all below it.
func checkFlags(cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		checkFlags(c)
	}
	words := cmd.Args
	if words == nil {
		return // a test finds it
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if err := words(cmd, args); err != nil {
			return err
		}
		err := cmp.Or(cmd.ValidateRequiredFlags(), cmd.ValidateFlagGroups())
		if err == nil {
			return nil
		}
		// cobra: if any flags in the group [a b] are set none of the others can be; [a b] were all set
		if _, set, ok := strings.Cut(err.Error(), "none of the others can be; ["); ok {
			set, _, _ = strings.Cut(set, "]")
			err = fmt.Errorf("--%s do not go together", strings.Join(strings.Fields(set), " and --"))
		}
		return usageError{fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())}
	}
}

// family makes cmd a command that does nothing itself: it tells what is below it.
func family(cmd *cobra.Command, below ...*cobra.Command) *cobra.Command {
	cmd.DisableFlagsInUseLine = true
	cmd.SuggestionsMinimumDistance = 2
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		meant := ""
		if like := cmd.SuggestionsFor(args[0]); len(like) > 0 {
			meant = fmt.Sprintf(" (did you mean %s?)", like[0])
		}
		return usageError{fmt.Errorf("there is no command %q%s; see %s --help", args[0], meant, cmd.CommandPath())}
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.AddCommand(below...)
	return cmd
}

// completions adds cobra's own command that prints completions, which takes any word for one of its commands
// and answers it with help: a shell would have that evaluated. It has no man page.
func completions(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			family(c)
			for _, shell := range c.Commands() {
				shell.Args = noArgs
			}
		}
	}
}

// helpFor says that help was asked for about a command that there is not: cobra looks at no words then,
// and has printed that of the family.
func helpFor(cmd *cobra.Command) error {
	words := cmd.Flags().Args()
	if cmd.Name() == "help" && cmd.Parent() == cmd.Root() {
		var err error
		if cmd, words, err = cmd.Root().Find(words); err != nil {
			return usageError{err}
		}
	} else if asked := cmd.Flags().Lookup("help"); asked == nil || !asked.Changed {
		return nil
	}
	if !cmd.HasSubCommands() || cmd.Args == nil {
		return nil
	}
	return cmd.Args(cmd, words)
}
