package main

import (
	"errors"
	"fmt"
	"os/user"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/muxward/muxward/internal/policy/starter"
)

// newInitCmd makes `muxward init`: a starter policy with tests.
func newInitCmd() *cobra.Command {
	var me string
	cmd := &cobra.Command{
		Use:   "init DIR",
		Short: "write a commented starter policy with tests",
		Long: `Writes a commented starter policy with its tests into DIR, which must be new
or empty: nothing is ever overwritten. You are named in it by your account.`,
		Args: exactly(1, "the directory to write"),
		RunE: func(cmd *cobra.Command, args []string) error {
			account, uid, err := whoIsNamed(me)
			if err != nil {
				return err
			}
			if me == "" {
				me = account
			}
			written, err := starter.Write(args[0], me, account, uid)
			if err != nil {
				return usageError{fmt.Errorf("cannot write a starter policy: %w (--me says what it calls you)", err)}
			}
			return initDone(cmd, args[0], me, written)
		},
	}
	cmd.Flags().StringVar(&me, "me", "", "what the policy calls you (default: your account); of root, the `name` of an account that is meant")
	return cmd
}

// initDone says what was written and what to do next.
func initDone(cmd *cobra.Command, dir, me string, written []string) error {
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "wrote a starter policy for %s into %s:\n", me, dir)
	for _, name := range written {
		fmt.Fprintf(out, "  %s\n", name)
	}
	where := " --policy " + shellQuote(dir)
	if abs, err := filepath.Abs(dir); err == nil && abs == defaultPolicyDir() {
		where = "" // it is looked for there
	}
	_, err := fmt.Fprintf(out, `
next:
  read it, and name your people and groups in people.yaml
  muxward policy test%[1]s
  muxward policy explain%[1]s --who bob --verb type --on %[2]s/demo:0.0
  muxward serve%[1]s
`, where, me)
	return err
}

// whoRuns tells the account that a starter names as its own.
func whoRuns() (account string, uid int, err error) {
	u, err := user.Current()
	if err == nil {
		uid, err = strconv.Atoi(u.Uid)
	}
	if err != nil {
		return "", 0, fmt.Errorf("cannot tell who you are: %w", err)
	}
	return u.Username, uid, nil
}

// whoIsNamed is whoRuns for who may name somebody: root who names another account of this host means that
// one. Who gave its name to root's uid would keep its owner out.
func whoIsNamed(me string) (account string, uid int, err error) {
	account, uid, err = whoRuns()
	if err != nil || uid != 0 || me == "" {
		return account, uid, err
	}
	u, err := user.Lookup(me)
	var none user.UnknownUserError
	if errors.As(err, &none) {
		return account, uid, nil // no account: root is called so
	}
	if err != nil { // a directory service that does not answer: that it has no such account is not known
		return "", 0, fmt.Errorf("look up the account %s: %w", me, err)
	}
	named, err := strconv.Atoi(u.Uid)
	return u.Username, named, err
}
