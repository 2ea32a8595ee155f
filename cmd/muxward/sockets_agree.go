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
	"golang.org/x/sys/unix"

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
	// What was typed while it looked was not typed in answer to anything.
	forget := func() error { return unix.IoctlSetInt(int(in.Fd()), unix.TCFLSH, unix.TCIFLUSH) }
	return choose(cmd.Context(), in, cmd.ErrOrStderr(), forget, steps)
}

// choose asks about one step after the other. Where the answers end, or who asked is to
// end, nothing is agreed to. forget is called before each question.
func choose(ctx context.Context, in io.Reader, out io.Writer, forget func() error, steps []sockets.Step) (yes []sockets.Step, err error) {
	answers, asked := readAnswers(ctx, in)
	defer close(asked)
	for i, s := range steps {
		about := fmt.Sprintf("(%d/%d) %s  %s\n", i+1, len(steps), s.Finding.ID, s.What)
		said, err := choice(ctx, out, about, forget, asked, answers)
		if err != nil {
			return nil, err
		}
		if said == "y" {
			yes = append(yes, s)
		}
		if said == "a" {
			yes = append(yes, steps[i:]...)
		}
		if said == "a" || said == "q" {
			break
		}
	}
	if len(yes) == 0 {
		return nil, errNothingDone
	}
	fmt.Fprintf(out, "%d of %d to be done\n", len(yes), len(steps))
	return yes, nil
}

// readAnswers reads a line for each word that it is given on asked.
func readAnswers(ctx context.Context, in io.Reader) (<-chan string, chan<- struct{}) {
	answers := make(chan string)
	asked := make(chan struct{}, 1)
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
	return answers, asked
}

// choice asks until there is an answer that says something. Just Enter is no.
func choice(ctx context.Context, out io.Writer, about string, forget func() error, asked chan<- struct{}, answers <-chan string) (string, error) {
	for {
		if err := forget(); err != nil {
			return "", fmt.Errorf("%w: what was typed before the question cannot be told from an answer: %w", errNothingDone, err)
		}
		fmt.Fprint(out, about+"Do this? [y]es, [N]o, [a]ll from here, [q] none from here: ")
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
			about = "y does it, n leaves it, a does it and all after it, q leaves it and all after it; nothing is done before the last answer\n"
		case <-ctx.Done():
			fmt.Fprintln(out)
			return "", errNothingDone
		}
	}
}
