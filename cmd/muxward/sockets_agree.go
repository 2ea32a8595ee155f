package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/muxward/muxward/internal/sockets"
)

// errNothingDone is the error of a plan to which nobody has agreed.
var errNothingDone = errors.New("nothing was done")

// agreed asks about each step, at the terminal, and gives those that are to be done.
func agreed(cmd *cobra.Command, steps []sockets.Step) ([]sockets.Step, error) {
	in, ok := cmd.InOrStdin().(*os.File)
	if !ok || !isTerminal(in) {
		return nil, usageError{errors.New("nothing was done: there is no terminal to ask at; say --yes, or --dry-run to see the plan")}
	}
	return choose(cmd.Context(), in, cmd.ErrOrStderr(), steps)
}

// choose asks about one step after the other. Where the answers end, or who asked is to
// end, nothing is agreed to.
func choose(ctx context.Context, in io.Reader, out io.Writer, steps []sockets.Step) (yes []sockets.Step, err error) {
	answers := make(chan string)
	asked := make(chan struct{}, 1)
	defer close(asked)
	go func() { // it may stay: a terminal cannot be called back, and the program ends
		defer close(answers)
		lines := bufio.NewReaderSize(in, 4096)
		for range asked {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			select {
			case answers <- strings.ToLower(strings.TrimSpace(line)):
			case <-ctx.Done():
				return
			}
		}
	}()
	for i, s := range steps {
		fmt.Fprintf(out, "(%d/%d) %s  %s\n", i+1, len(steps), s.Finding.ID, s.What)
		said, err := choice(ctx, out, asked, answers)
		if err != nil {
			return nil, err
		}
		switch said {
		case "y":
			yes = append(yes, s)
		case "a":
			return append(yes, steps[i:]...), nil
		case "q":
			return someOf(yes)
		}
	}
	return someOf(yes)
}

// someOf is what was agreed to, if anything was.
func someOf(yes []sockets.Step) ([]sockets.Step, error) {
	if len(yes) == 0 {
		return nil, errNothingDone
	}
	return yes, nil
}

// choice asks until there is an answer that says something. Just Enter is no.
func choice(ctx context.Context, out io.Writer, asked chan<- struct{}, answers <-chan string) (string, error) {
	for {
		fmt.Fprint(out, "Do this? [y]es, [N]o, [a]ll from here, [q]uit: ")
		asked <- struct{}{}
		select {
		case said, ok := <-answers:
			switch {
			case !ok:
				fmt.Fprintln(out)
				return "", errNothingDone
			case said == "":
				return "n", nil
			case said == "y" || said == "n" || said == "a" || said == "q":
				return said, nil
			case said == "yes" || said == "no" || said == "all" || said == "quit":
				return said[:1], nil
			}
			fmt.Fprintln(out, "y does it, n leaves it, a does it and all after it, q leaves it and all after it; nothing is done before the last answer")
		case <-ctx.Done():
			fmt.Fprintln(out)
			return "", errNothingDone
		}
	}
}
