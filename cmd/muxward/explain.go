package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/server/ctld"
	"github.com/muxward/muxward/internal/server/sshd"
	"github.com/muxward/muxward/internal/tmux"
)

// errLater ends an explanation that has printed what is decided later only.
var errLater = errors.New("not decided yet")

func newExplainCmd() *cobra.Command {
	var f daemonFlags
	var who string
	cmd := &cobra.Command{
		Use:   "explain [--who PERSON] -- tmux COMMAND...",
		Short: "say what would be decided for a command line, and do nothing",
		Long: `Say what would be decided, now, for a whole tmux command line, and do nothing.

For each of its commands, by its full name, it prints every verb that is needed, up to the
first that is refused: on which object, whether that is allowed, by which rule, why, and
until when; of a pane on an isolated server also the account that it would run as. The last
line is the verdict: all of a line is allowed, or none of it runs. What a command is about
may be made by one before it: that is decided when its turn comes.

You are told what you would hear if you ran it, and no more: what you may not
see is not there. Your terminal is not looked at: attach-session may be allowed
and yet need one. Options of the tmux client itself, such as -L or -u, decide
nothing and are left out. As for tmux, a semicolon between commands has to be
kept from the shell.

For somebody else, --who, it needs the verb audit on the host. They are taken to
come from outside, by the tmux door, with the first account that the policy
gives them.

With ssh, sftp or scp in the place of tmux it is what that would ask for besides tmux: -L, -W,
-R, -A and -s of OpenSSH's client, wherever they are in its command line. Its other options
are left out, as is what ssh_config(5) says; -J is decided by the host that it names. What
asks for something that cannot be told here (-D, -X, -w, -o LocalForward, scp -O), or is not
known, is an error. A name is looked up as it would be. Which key somebody would come by is
not known: one with restrict, or another second factor, may have other answers.

Exit codes: 0 all of it is allowed; 1 something is refused, or is not decided
yet; 2 the command line is wrong.`,
		Example: `  muxward explain -- tmux kill-pane -t work:1.2
  muxward explain -- tmux send-keys -t alice/work:1.2 make Enter ';' kill-window -t alice/work:2
  muxward explain --who bob --json -- tmux attach -t alice/work
  muxward explain --who bob -- ssh -AL 5432:db.internal:5432 host`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{errors.New("give a command line: muxward explain -- tmux kill-pane -t work:1.2")}
			}
			return nil
		},
		ValidArgsFunction: completeTmux,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := explainCall(args, os.Getenv)
			if err != nil {
				return err
			}
			c.Person = who
			var e gateway.Explanation
			if err := f.call(cmd.Context(), c, &e); err != nil {
				return err
			}
			if f.json {
				err = printJSON(cmd, e)
			} else {
				err = printExplained(cmd, e)
			}
			switch {
			case err != nil:
				return err
			case e.Verdict == gateway.WouldNotRun:
				return errDenied
			case e.Verdict == gateway.DecidedLater:
				return errLater
			}
			return nil
		},
	}
	f.add(cmd)
	cmd.Flags().SetInterspersed(false) // what follows the first word is tmux's
	cmd.Flags().StringVar(&who, "who", "", "the `person` to explain it for (default yourself)")
	_ = cmd.RegisterFlagCompletionFunc("who", cobra.NoFileCompletions)
	return cmd
}

// completeTmux completes tmux and the names of its commands.
func completeTmux(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return []string{"tmux"}, cobra.ShellCompDirectiveNoFileComp
	}
	if len(args) > 1 && !strings.HasSuffix(args[len(args)-1], ";") {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, row := range tmux.Commands() {
		names = append(names, row.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// explainCall makes the call of a command line as a shell has it, with what
// tmux would take from the environment.
func explainCall(words []string, env func(string) string) (ctld.Call, error) {
	for _, w := range words {
		if !utf8.ValidString(w) {
			return ctld.Call{}, usageError{fmt.Errorf("%q is not UTF-8", w)}
		}
	}
	if name := filepath.Base(words[0]); name == "ssh" || name == "sftp" || name == "scp" {
		if _, err := sshd.Wants(words); err != nil {
			return ctld.Call{}, usageError{err}
		}
		return ctld.Call{Act: "explain-ssh", Argv: words}, nil
	}
	argv, socket, err := clientOptions(words)
	if err != nil {
		return ctld.Call{}, err
	}
	if socket == "" {
		socket, _, _ = strings.Cut(env("TMUX"), ",")
	}
	return ctld.Call{Act: "explain", Argv: argv, Pane: env("TMUX_PANE"), Socket: socket}, nil
}

// clientOptions takes away the word tmux and what is for the client that is
// started by it, and gives the socket that -S names.
func clientOptions(words []string) (argv []string, socket string, err error) {
	if filepath.Base(words[0]) == "tmux" {
		words = words[1:]
	}
	for len(words) > 0 && len(words[0]) > 1 && words[0][0] == '-' {
		word := words[0]
		words = words[1:]
		if word == "--" {
			break
		}
		for i := 1; i < len(word); i++ {
			switch letter := word[i]; {
			case strings.IndexByte("2DdlNquUv", letter) >= 0:
				continue
			case strings.IndexByte("fLST", letter) < 0:
				return nil, "", usageError{fmt.Errorf("tmux -%c: only commands are explained; muxward offers neither a shell (-c) nor control mode (-C)", letter)}
			}
			value := word[i+1:]
			if value == "" {
				if len(words) == 0 {
					return nil, "", usageError{fmt.Errorf("tmux %s: its value is missing", word)}
				}
				value, words = words[0], words[1:]
			}
			if word[i] == 'S' {
				socket = value
			}
			break
		}
	}
	return words, socket, nil
}

// printExplained writes a table for each command, and the verdict.
func printExplained(cmd *cobra.Command, e gateway.Explanation) error {
	p := newPaint(cmd)
	for _, c := range e.Commands {
		words := make([]string, len(c.Words))
		for i, w := range c.Words {
			words[i] = shellQuote(tmux.Clean(w))
		}
		p.printf("%s\n", strings.Join(words, " "))
		rows := [][]string{{"VERB", "OBJECT", "ID", "DECISION", "RULE", "REASON", "UNTIL"}}
		for _, n := range c.Needs {
			rows = append(rows, needRow(n))
		}
		if len(c.Needs) > 0 {
			if err := printTable(cmd.OutOrStdout(), rows); err != nil {
				return err
			}
		}
		if c.Starts != "" {
			p.printf("%s is started for it\n", tmux.Clean(c.Starts))
		}
		if c.RunAs != "" {
			p.printf("the pane runs as %s\n", tmux.Clean(c.RunAs))
		}
		if len(e.Commands) > 1 && c.Why != "" {
			p.printf("%s: %s\n", c.Verdict, tmux.Clean(c.Why))
		}
		p.printf("\n")
	}
	switch e.Verdict {
	case gateway.WouldRun:
		p.printf("%s\n", p.good(string(e.Verdict)))
	case gateway.WouldNotRun:
		p.printf("%s: %s\n", p.bad(string(e.Verdict)), tmux.Clean(e.Why))
	default:
		p.printf("%s: it is decided when its turn comes: %s\n", e.Verdict, tmux.Clean(e.Why))
	}
	return p.err()
}

func needRow(n gateway.NeedShown) []string {
	decision, until := "refused", ""
	if n.Allowed {
		decision = "allowed"
	}
	if n.Expires != nil {
		until = n.Expires.Format(time.RFC3339)
	}
	switch {
	case n.Requires != "" && len(n.Watchers) > 0:
		n.Reason += "; requires a watcher: " + strings.Join(n.Watchers, ", ")
	case n.Requires != "" && n.Allowed:
		n.Reason += "; requires a watcher"
	}
	row := []string{n.Verb, n.Object, n.ID, decision, n.Rule, n.Reason, until}
	for i := range row {
		if row[i] == "" {
			row[i] = "-"
		}
	}
	return row
}
