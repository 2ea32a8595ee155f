package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/muxward/muxward/internal/hostconf/hostcheck"
	"github.com/muxward/muxward/internal/hostconf/hostfile"
	"github.com/muxward/muxward/internal/policy"
	"github.com/muxward/muxward/internal/tmux"
)

// newHostCmd makes `muxward host`: it needs no running muxward.
func newHostCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "host",
		Short: "keep a host in the state that a directory of files describes",
		Long: `Keep a host in the state that a directory of files describes, which is kept in git:
muxward's own configuration, the policy with its tests, the environment of logins,
tmux's and sshd's configuration, units. See docs/guide/host.md.

host.yaml is for every host; groups/NAME.yaml and hosts/NAME.yaml lie over it. Session
profiles may have a file each: profiles/NAME.yaml. What they do not say is not managed.`,
		Example: `  muxward host init hosts
  muxward host check hosts
  sudo muxward host plan hosts
  sudo muxward host apply hosts`,
	}
	return family(cmd, newHostInitCmd(), newHostCheckCmd(), newHostSchemaCmd(), newHostPlanCmd(), newHostApplyCmd(), newHostUndoCmd(), newHostVerifyCmd())
}

func newHostInitCmd() *cobra.Command {
	var me string
	cmd := &cobra.Command{
		Use:   "init DIR",
		Short: "write a first directory of hosts",
		Long: `Writes a commented directory of hosts into DIR, which must be new or empty: nothing is
ever overwritten. It has host.yaml, a policy with tests in which you are named by your
account, files of tmux's configuration, examples of session profiles, schemas for editors,
and an example for CI.`,
		Args: exactly(1, "the directory to write"),
		RunE: func(cmd *cobra.Command, args []string) error {
			account, uid, err := whoIsNamed(me)
			if err != nil {
				return err
			}
			if me == "" {
				me = account
			}
			written, err := hostfile.Write(args[0], me, account, uid)
			if err != nil {
				return usageError{fmt.Errorf("cannot write a directory of hosts: %w", err)}
			}
			p := newPaint(cmd)
			p.printf("wrote a directory of hosts into %s:\n", args[0])
			for _, name := range written {
				p.printf("  %s\n", name)
			}
			q := shellQuote(args[0])
			p.printf("\nnext:\n  read host.yaml, and name your people in policy/people.yaml\n  muxward host check %[1]s\n  sudo muxward host plan %[1]s\n", q)
			return p.err()
		},
	}
	cmd.Flags().StringVar(&me, "me", "", "what the policy calls you (default: your account); of root, the `name` of an account that is meant")
	return cmd
}

func newHostSchemaCmd() *cobra.Command {
	profile := false
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "print the JSON Schema of host.yaml, or of profiles, for editors",
		Example: `  muxward host schema > host.schema.json
  muxward host schema --profile > profile.schema.json`,
		Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			text := hostfile.JSONSchema()
			if profile {
				text = hostfile.ProfileSchema()
			}
			_, err := fmt.Fprint(cmd.OutOrStdout(), text)
			return err
		},
	}
	cmd.Flags().BoolVar(&profile, "profile", false, "that of profiles/NAME.yaml")
	return cmd
}

// checkedHost is what `host check --json` prints of a host.
type checkedHost struct {
	Host     string          `json:"host"`
	Layers   []string        `json:"layers,omitempty"`
	Problems policy.Problems `json:"problems,omitempty"`
	Error    string          `json:"error,omitempty"`
}

func newHostCheckCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check [DIR]",
		Short: "tell every mistake in a directory of hosts, for every host",
		Long: `Reads the files of DIR (default: here) for each host that has a file in hosts/, or for
any host if there is none; loads the policy and runs its tests; and has a tmux server of
its own try tmux's configuration, which takes what it would do there: as root it is done
as nobody. Nothing of this host is looked at or changed.

Exit codes: 0 all is good; 2 something is wrong.`,
		Example: `  muxward host check hosts`,
		Args:    atMostOne("one directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := dirOf(args)
			var all []checkedHost
			bad := 0
			for _, name := range hostsOf(dir) {
				c := checkHost(cmd, dir, name)
				if c.Error != "" || len(c.Problems) > 0 {
					bad++
				}
				all = append(all, c)
			}
			if asJSON {
				if err := printJSON(cmd, all); err != nil {
					return err
				}
			} else if err := printChecked(cmd, dir, all); err != nil {
				return err
			}
			if bad > 0 {
				return usageError{fmt.Errorf("the files of %d of %d hosts are wrong", bad, len(all))}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printChecked(cmd *cobra.Command, dir string, all []checkedHost) error {
	p := newPaint(cmd)
	told := map[string]bool{} // what is wrong in a file of many hosts is told once
	for _, c := range all {
		if c.Error == "" && len(c.Problems) == 0 {
			p.printf("%s %s: %s\n", p.good("good"), c.Host, strings.Join(c.Layers, ", "))
			continue
		}
		p.printf("%s %s\n", p.bad("bad "), c.Host)
		for _, problem := range c.Problems {
			if problem.File != "" {
				problem.File = filepath.Join(dir, problem.File)
			}
			if line := problem.Error(); !told[line] {
				told[line] = true
				p.printf("  %s\n", tmux.OneLine(line))
			}
		}
		if c.Error != "" && !told[c.Error] {
			told[c.Error] = true
			p.printf("  %s\n", strings.ReplaceAll(cleanLines(c.Error), "\n", "\n  "))
		}
	}
	return p.err()
}

// cleanLines gives words of others in several lines as they may come to a terminal.
func cleanLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = tmux.OneLine(strings.ReplaceAll(lines[i], "\t", "    "))
	}
	return strings.Join(lines, "\n")
}

// checkHost reads the files of one host, and tries them where nothing lands.
func checkHost(cmd *cobra.Command, dir, name string) checkedHost {
	c := checkedHost{Host: name}
	fail := func(err error) checkedHost {
		if !errors.As(err, &c.Problems) {
			c.Error = err.Error()
		}
		return c
	}
	found, err := hostfile.Load(dir, name, false)
	if err != nil {
		return fail(err)
	}
	c.Layers = found.Layers
	tree, err := os.MkdirTemp("", "muxward-host-")
	if err != nil {
		return fail(err)
	}
	defer os.RemoveAll(tree)
	s, err := found.State(hostfile.Present{})
	if err != nil {
		return fail(err)
	}
	for _, i := range s.Items {
		if i.Kind != "file" {
			continue
		}
		at := filepath.Join(tree, i.Path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o700), os.WriteFile(at, []byte(i.Content), 0o600)); err != nil {
			return fail(err)
		}
	}
	for _, check := range hostcheck.For(found, nil) {
		ctx, cancel := contextFor(cmd, time.Minute)
		err := check.Run(ctx, tree)
		cancel()
		var ps policy.Problems
		if errors.As(err, &ps) { // of the policy: where its files are here
			for i := range ps {
				if ps[i].File != "" {
					ps[i].File = filepath.Join(found.Host.Policy.Directory, ps[i].File)
				}
			}
		}
		if err != nil {
			return fail(fmt.Errorf("%s: %w", check.Name, err))
		}
	}
	return c
}

// dirOf is the directory of hosts of a command.
func dirOf(args []string) string {
	if len(args) == 0 {
		return "."
	}
	return args[0]
}

// hostsOf lists the hosts that a directory names; "any" if it names none.
func hostsOf(dir string) []string {
	files, err := os.ReadDir(filepath.Join(dir, "hosts"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return []string{"any"}
	}
	var out []string
	for _, f := range files {
		if name, yes := strings.CutSuffix(f.Name(), ".yaml"); yes {
			out = append(out, name)
		}
	}
	if len(out) == 0 {
		return []string{"any"}
	}
	return out
}

// nameOf is what a host is called in a directory of hosts: what was given, else its own name,
// as it is or without its domain.
func nameOf(dir, given string) (string, error) {
	if given != "" {
		return given, nil
	}
	name, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("cannot tell what this host is called: %w; give --host", err)
	}
	short, _, _ := strings.Cut(name, ".")
	if all := hostsOf(dir); !slices.Contains(all, name) && slices.Contains(all, short) {
		return short, nil
	}
	return name, nil
}

// hostFileError tells mistakes in files with paths that an editor can open.
func hostFileError(dir string, err error) error {
	var ps policy.Problems
	if !errors.As(err, &ps) {
		return usageError{err}
	}
	lines := []string{fmt.Sprintf("the files in %s cannot be used", dir)}
	for _, p := range ps {
		if p.File != "" {
			p.File = filepath.Join(dir, p.File)
		}
		lines = append(lines, p.Error())
	}
	return usageError{errors.New(strings.Join(lines, "\n"))}
}
