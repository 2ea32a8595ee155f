package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/muxward/muxward/internal/sockets"
)

// errPartial ends a scan that found nothing, and did not see everything.
var errPartial = errors.New("not everything could be looked at")

// newSocketsCmd makes `muxward sockets`: it needs no running muxward.
func newSocketsCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sockets",
		Short: "find tmux's sockets, tell what is wrong with them, and mend it",
		Long: `Find every tmux socket and server of this host, tell what is wrong, and mend what
can be mended without hurting a session. No muxward has to run.

It sees what its caller may see: run it as root for the whole host. Where the kernel
does not list who listens at a socket it connects, asks the kernel for the peer, and
closes; no byte is sent to anybody's server, unless scan --ask says so.`,
	}
	return family(cmd, newSocketsScanCmd(), newSocketsExplainCmd(), newSocketsFixCmd(), newSocketsRestoreCmd(), newSocketsWatchCmd(), newSocketsErrandCmd(), newSocketsLookCmd(), newSocketsSentryCmd(), newSocketsAskCmd())
}

// socketFlags are those of all that looks at the host.
type socketFlags struct {
	opt     sockets.Options
	limits  sockets.Limits
	time    time.Duration
	json    bool
	file    string // of the profile
	profile sockets.Profile
	ask     bool // have servers asked
}

func (f *socketFlags) add(cmd *cobra.Command) {
	f.limits = sockets.DefaultLimits()
	cmd.Flags().StringArrayVar(&f.opt.Dirs, "dir", nil, "look for tmux-UID directories in this `directory`, too")
	cmd.Flags().StringArrayVar(&f.opt.Far, "far", nil, "what is in this `directory` may be in use on another host or virtual machine")
	cmd.Flags().StringVar(&f.opt.Only, "only", "", "look at nothing that is not below this `directory`")
	cmd.Flags().DurationVar(&f.opt.Settle, "settle", 2*time.Second, "how old a socket has to be before it is called dead")
	cmd.Flags().DurationVar(&f.limits.RootAge, "root-age", f.limits.RootAge, "from which age on a server of root that nobody uses is told of")
	cmd.Flags().IntVar(&f.limits.Alike, "alike", f.limits.Alike, "from which `number` on servers whose names begin alike are told of")
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON")
	cmd.Flags().StringVar(&f.file, "profile", "", "a `file` of directories, severities and exceptions; see docs/sockets.md")
	_ = cmd.RegisterFlagCompletionFunc("settle", cobra.NoFileCompletions)
}

// check looks at the flags, and reads the profile.
func (f *socketFlags) check() error {
	if f.opt.Settle < 0 {
		return usageError{fmt.Errorf("--settle %s: what is younger than nothing is never dead; give 0 or more", f.opt.Settle)}
	}
	for _, dir := range slices.Concat([]string{f.opt.Only}, f.opt.Dirs, f.opt.Far) {
		if dir != "" && !filepath.IsAbs(dir) {
			return usageError{fmt.Errorf("%q: give an absolute path", dir)}
		}
	}
	if f.limits.Locks != "" {
		if _, err := sockets.BenchmarkByName(f.limits.Locks); err != nil {
			return usageError{fmt.Errorf("--locks: %w", err)}
		}
	}
	if f.file == "" {
		f.opt.Locks = f.limits.Locks != ""
		return nil
	}
	data, err := os.ReadFile(f.file)
	if err == nil {
		f.profile, err = sockets.ParseProfile(f.file, data)
	}
	if err != nil {
		return usageError{fmt.Errorf("--profile: %w", err)}
	}
	f.opt.Dirs = append(f.opt.Dirs, f.profile.Dirs...)
	f.limits = f.profile.Limits(f.limits)
	f.opt.Locks = f.limits.Locks != ""
	return nil
}

// addTime is for what looks once.
func (f *socketFlags) addTime(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&f.time, "timeout", time.Minute, "how long looking may take")
}

// look looks and judges.
func (f *socketFlags) look(ctx context.Context) (report, error) {
	if err := f.check(); err != nil {
		return report{}, err
	}
	return f.lookAgain(ctx)
}

// lookAgain is look, once the flags were checked.
func (f *socketFlags) lookAgain(ctx context.Context) (report, error) {
	m, err := mender("look")
	if err != nil {
		return report{}, err
	}
	s, err := m.Look(ctx, f.time, f.opt)
	if err != nil {
		return report{}, fmt.Errorf("%w: %w", errPartial, err)
	}
	if f.ask {
		if m, err = mender("ask"); err != nil {
			return report{}, err
		}
		m.Ask(ctx, f.time, f.opt.Only, &s)
	}
	r := report{scan: s}
	r.findings, r.excepted = f.profile.Apply(sockets.Judge(s, f.limits), s.Time)
	return r, nil
}

// scanned is what `sockets scan --json` prints.
type scanned struct {
	found
	Scan sockets.Scan `json:"scan"`
}

// found is scanned without what was seen.
type found struct {
	Schema   int               `json:"schema"`
	Complete bool              `json:"complete"`
	Findings []sockets.Finding `json:"findings"`
	Excepted []sockets.Finding `json:"excepted"`
}

func newSocketsScanCmd() *cobra.Command {
	var f socketFlags
	var failOn, format string
	var explain []string
	cmd := &cobra.Command{
		Use:   "scan",
		Short: "list what is wrong with tmux's sockets",
		Long: `List what is wrong with tmux's sockets and servers on this host.

It looks at tmux-UID and tmate-UID directories in /tmp, in the TMUX_TMPDIR of all
processes, and in /run/user/*; at the kernel's list of sockets; at processes that
are tmux; and at what TMUX in the environment of processes names. A directory that
does not answer within two seconds is left out, and the output says so.

With --ask each server that the caller may ask is asked for what it says of itself:
its version, its list of accounts, and options, hooks and names in its environment.
A process with the rights of its account asks, which on kernels that have Landlock can
open no files; a server has two seconds.

With --locks, what a benchmark wanted of session locks is compared with this host and,
with --ask, with its servers. DISA has withdrawn these items since: each is of severity
info. muxward sockets explain MW-S031 says what such locks are worth.

Exit codes: 0 nothing is as severe as --fail-on says; 1 something is; 2 the
command line is wrong; 3 nothing is, but not everything could be looked at. What is
not for the caller to see does not count as that.`,
		Example: `  sudo muxward sockets scan
  muxward sockets scan --json | jq '.findings[] | .id + " " + .path'
  sudo muxward sockets scan --ask --locks rhel-9
  muxward sockets explain MW-S004`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("explain") {
				if err := findingIDs(cmd, explain); err != nil {
					return err
				}
				return explainFindings(cmd, explain, f.json)
			}
			least, err := sockets.ParseSeverity(failOn)
			if err != nil {
				return usageError{fmt.Errorf("--fail-on: %w", err)}
			}
			if f.json {
				format = "json"
			}
			if !slices.Contains(scanFormats(), format) {
				return usageError{fmt.Errorf("--format: %q is none; take %s", format, strings.Join(scanFormats(), ", "))}
			}
			r, err := f.look(cmd.Context())
			if err != nil {
				return err
			}
			if err := printFormat(cmd, format, r); err != nil {
				return err
			}
			bad := slices.ContainsFunc(r.findings, func(x sockets.Finding) bool { return x.Severity >= least })
			switch {
			case bad:
				return errors.New("something is wrong with tmux's sockets here; muxward sockets explain ID says what to do")
			case !r.scan.Complete():
				return errPartial
			}
			return nil
		},
	}
	f.add(cmd)
	f.addTime(cmd)
	cmd.Flags().StringSliceVar(&explain, "explain", nil, "look at nothing, and say what the finding with this `ID` means, as sockets explain does")
	cmd.Flags().StringVar(&failOn, "fail-on", "warning", "from which `severity` on the exit code is 1: info, warning or serious")
	cmd.Flags().BoolVar(&f.ask, "ask", false, "ask servers for what they say of themselves, for as long again at most")
	cmd.Flags().StringVar(&f.limits.Locks, "locks", "", "compare session locks with this `benchmark`, withdrawn by now: rhel-8 or rhel-9")
	_ = cmd.RegisterFlagCompletionFunc("locks", cobra.FixedCompletions([]string{"rhel-8", "rhel-9"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.Flags().StringVar(&format, "format", "table", "table, json, sarif, junit or prometheus")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(scanFormats(), cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("fail-on", cobra.FixedCompletions([]string{"info", "warning", "serious"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// printScan writes a table for people, and a line that sums it up.
func printScan(cmd *cobra.Command, r report) error {
	s, findings := r.scan, r.findings
	p := newPaint(cmd)
	if len(findings) > 0 {
		rows := [][]string{{"ID", "SEVERITY", "UID", "WHAT", "PATH", "EVIDENCE", "FIX"}}
		for _, f := range findings {
			r, _ := sockets.RuleByID(f.ID)
			rows = append(rows, []string{f.ID, f.Severity.String(), fmt.Sprint(f.UID), r.Title, f.Path.String(), f.Evidence, f.Fix})
		}
		if err := printTable(cmd.OutOrStdout(), rows); err != nil {
			return err
		}
	}
	denied := 0
	for _, k := range s.Skipped {
		if k.Denied {
			denied++
			continue
		}
		p.printf("%s %s: %s\n", p.bad("not looked at:"), k.Path, k.Reason)
	}
	if denied > 0 {
		p.printf("%s\n", p.dim(fmt.Sprintf("%d places are not for uid %d to see", denied, s.UID)))
	}
	unknown, open := 0, 0
	for _, srv := range s.Servers {
		if srv.Asked != nil && !srv.Asked.Confined {
			open++
		}
		if slices.ContainsFunc(srv.Sockets, func(b sockets.Bound) bool { return b.ClientsUnknown }) {
			unknown++
		}
	}
	if unknown > 0 {
		p.printf("%s\n", p.dim(fmt.Sprintf("who is connected to %d servers cannot all be seen by uid %d", unknown, s.UID)))
	}
	if open > 0 {
		p.printf("%s\n", p.dim(fmt.Sprintf("this kernel has no Landlock: %d servers were asked by processes that can open files of their accounts", open)))
	}
	if s.List != "sock_diag" {
		p.printf("%s\n", p.dim("this kernel has no sock_diag: servers whose sockets were replaced, and who is connected, are not all found"))
	}
	if len(r.excepted) > 0 {
		p.printf("%s\n", p.dim(fmt.Sprintf("%d findings are excepted by the profile", len(r.excepted))))
	}
	sum := counted(len(s.Servers), "server", "servers") + ", " + counted(len(s.Sockets), "socket", "sockets") + " in " +
		counted(len(s.Dirs), "directory", "directories") + "; " + counted(len(findings), "finding", "findings")
	if len(findings) == 0 {
		sum = p.good(sum)
	} else {
		sum = p.bad(sum) + "; muxward sockets explain ID says more, muxward sockets fix mends what it can"
	}
	p.printf("%s\n", sum)
	return p.err()
}

func newSocketsExplainCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:               "explain [ID...]",
		Short:             "say what a finding means and what to do; without an ID, list all",
		Example:           `  muxward sockets explain MW-S003`,
		Args:              findingIDs,
		RunE:              func(cmd *cobra.Command, ids []string) error { return explainFindings(cmd, ids, asJSON) },
		ValidArgsFunction: completeRules,
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// findingIDs is for a command that takes IDs of findings, or none.
func findingIDs(_ *cobra.Command, ids []string) error {
	for _, id := range ids {
		if _, ok := sockets.RuleByID(id); !ok {
			return usageError{fmt.Errorf("there is no finding %q; muxward sockets explain lists them", id)}
		}
	}
	return nil
}

// explainFindings says of each ID what it means; without one it lists them all.
func explainFindings(cmd *cobra.Command, ids []string, asJSON bool) error {
	var rules []sockets.Rule
	for _, id := range ids {
		r, _ := sockets.RuleByID(id) // findingIDs has seen it
		rules = append(rules, r)
	}
	switch {
	case asJSON && len(ids) == 0:
		return printJSON(cmd, sockets.Rules())
	case asJSON:
		return printJSON(cmd, rules)
	case len(ids) == 0:
		rows := [][]string{{"ID", "WHAT"}}
		for _, r := range sockets.Rules() {
			rows = append(rows, []string{r.ID, r.Title})
		}
		return printTable(cmd.OutOrStdout(), rows)
	}
	p := newPaint(cmd)
	for _, r := range rules {
		auto := r.Auto
		if auto == "" {
			auto = "leaves this to people."
		}
		p.printf("%s: %s\n\nwhy: %s\nfix: %s\nmuxward sockets fix %s\n\n", r.ID, r.Title, r.Why, r.Fix, auto)
	}
	return p.err()
}

func completeRules(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var out []string
	for _, r := range sockets.Rules() {
		out = append(out, r.ID+"\t"+r.Title)
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

func newSocketsFixCmd() *cobra.Command {
	var f socketFlags
	var dry, yes bool
	var state string
	cmd := &cobra.Command{
		Use:   "fix [--dry-run | --yes] [ID...]",
		Short: "mend what can be mended without hurting a session",
		Long: `Mend what can be mended without hurting a session: all of it, or the kinds of
findings that are named. The plan is shown first. Without --yes each step of it is
asked about, on the terminal: y does it, n leaves it, a does it and all that come after
it, q leaves it and all that come after it, and does what was agreed to before. Nothing
is done before the last answer, and nothing at all where there is no terminal to ask at.
Then it looks once more: what has changed since it was shown is left alone. What was
typed before a question was asked does not answer it.

Each thing is held by a descriptor and looked at again before it is touched, with the rights
of the account that it belongs to, even as root: a process that has no others does it, and
is given up if it takes longer than ten seconds. What has changed meanwhile, or is not
certain, is left alone. A dead socket is not deleted: it is moved into .muxward-quarantine
in its directory, from where muxward sockets restore puts it back. What was done is appended
to sockets.jsonl in the state directory (where that is an account's, root's in STATE-keys),
and nothing is done if that cannot be written. A muxward that serves from that directory has
it in its log, too.

Exit codes: 0 all that was planned is done, or there was nothing to do; 1 something failed,
was left alone, or is not in the log of a muxward that serves; 2 the command line is wrong;
3 all is done that was planned, and not everything could be looked at.`,
		Example: `  muxward sockets fix --dry-run
  sudo muxward sockets fix --yes MW-S001 MW-S002`,
		Args: findingIDs,
		RunE: func(cmd *cobra.Command, ids []string) error {
			r, err := f.look(cmd.Context())
			if err != nil {
				return err
			}
			steps, left := sockets.Plan(r.findings, ids, uint32(os.Geteuid()))
			if !dry {
				err = mendPlanned(cmd, f.json, yes, steps, left, state, func() ([]sockets.Step, error) {
					r, err := f.lookAgain(cmd.Context())
					again, _ := sockets.Plan(r.findings, ids, uint32(os.Geteuid()))
					return again, err
				})
			} else {
				err = printPlan(cmd, f.json, steps, left)
			}
			if err == nil && !r.scan.Complete() {
				printSkipped(cmd, r.scan)
				err = errPartial
			}
			return err
		},
		ValidArgsFunction: completeRules,
	}
	f.add(cmd)
	f.addTime(cmd)
	cmd.Flags().BoolVarP(&dry, "dry-run", "n", false, "show the plan and do nothing")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do it without asking")
	cmd.MarkFlagsMutuallyExclusive("dry-run", "yes")
	addState(cmd, &state)
	return cmd
}

// mendPlanned shows the plan, asks, and does it. again plans anew.
func mendPlanned(cmd *cobra.Command, asJSON, yes bool, steps []sockets.Step, left []sockets.Finding, state string, again func() ([]sockets.Step, error)) error {
	if asJSON && !yes {
		return usageError{errors.New("nothing was done: with --json there is no plan to be seen and agreed to; say --yes, or --dry-run to see it")}
	}
	if !asJSON {
		if err := printPlan(cmd, false, steps, left); err != nil {
			return err
		}
	}
	if len(steps) == 0 {
		if asJSON {
			return printJSON(cmd, []sockets.Done{})
		}
		return nil
	}
	if yes {
		return mendAll(cmd, asJSON, steps, state)
	}
	// Whether it can be written down is told before anybody has answered anything.
	j, err := openJournal(state)
	if err == nil {
		err = j.Close()
	}
	if err == nil {
		steps, err = agreed(cmd, steps)
	}
	if err != nil {
		return err
	}
	later, err := again()
	if err != nil {
		return fmt.Errorf("nothing was done: %w", err)
	}
	still, gone := sockets.Still(steps, later)
	p := newPaint(cmd)
	for _, s := range gone {
		p.printf("%s  %s: left alone: it is not what was shown any more\n", s.Finding.ID, s.Finding.Path)
	}
	if err = p.err(); err == nil && len(still) > 0 {
		err = mendAll(cmd, false, still, state)
	}
	if len(gone) > 0 {
		err = errors.Join(err, fmt.Errorf("%d of %d things changed while you were asked; call it again for what there is now", len(gone), len(steps)))
	}
	return err
}

// printSkipped says on stderr what was not looked at.
func printSkipped(cmd *cobra.Command, s sockets.Scan) {
	for _, k := range s.Skipped {
		if !k.Denied {
			fmt.Fprintf(cmd.ErrOrStderr(), "not looked at: %s: %s\n", k.Path, k.Reason)
		}
	}
}

func printPlan(cmd *cobra.Command, asJSON bool, steps []sockets.Step, left []sockets.Finding) error {
	if asJSON {
		return printJSON(cmd, struct {
			Schema int               `json:"schema"`
			Steps  []sockets.Step    `json:"steps"`
			Left   []sockets.Finding `json:"left"`
		}{sockets.Schema, append([]sockets.Step{}, steps...), append([]sockets.Finding{}, left...)})
	}
	p := newPaint(cmd)
	for _, s := range steps {
		p.printf("%s  %s\n", s.Finding.ID, s.What)
	}
	for _, f := range left {
		p.printf("%s\n", p.dim(fmt.Sprintf("%s  %s: for people: %s", f.ID, f.Path, f.Fix)))
	}
	if len(steps) == 0 {
		p.printf("%s\n", p.good("there is nothing that muxward would mend"))
	}
	return p.err()
}

// mendAll does the steps and writes down each.
func mendAll(cmd *cobra.Command, asJSON bool, steps []sockets.Step, state string) error {
	j, err := openJournal(state)
	if err != nil {
		return err
	}
	defer j.Close()
	done, err := mendEach(cmd, j, steps, asJSON)
	if err != nil {
		return err
	}
	if asJSON {
		err = printJSON(cmd, done)
	}
	bad := 0
	for _, d := range done {
		if d.Outcome != sockets.Mended {
			bad++
		}
	}
	if err == nil && bad > 0 {
		err = fmt.Errorf("%d of %d things were not mended; why stands at each of them", bad, len(done))
	}
	return errors.Join(err, j.unreported())
}

// mendEach does the steps and tells of each, unless it is to be quiet.
func mendEach(cmd *cobra.Command, j *journal, steps []sockets.Step, quiet bool) ([]sockets.Done, error) {
	done := []sockets.Done{}
	p := newPaint(cmd)
	m, err := mender("errand")
	if err != nil {
		return done, err
	}
	for _, s := range steps {
		if err := cmd.Context().Err(); err != nil {
			return done, fmt.Errorf("after %d of %d steps: %w", len(done), len(steps), err)
		}
		d, err := mendOne(cmd.Context(), m, j, s)
		if err != nil {
			return done, err
		}
		done = append(done, d)
		if !quiet {
			printDone(p, d)
		}
	}
	return done, p.err()
}

// mendOne does a step, and writes it down before and after.
func mendOne(ctx context.Context, m sockets.Mender, j *journal, s sockets.Step) (sockets.Done, error) {
	if err := ctx.Err(); err != nil {
		return sockets.Done{}, err
	}
	if err := j.write(sockets.Done{Time: time.Now(), ID: s.Finding.ID, Path: s.Finding.Path, PID: s.Finding.PID, UID: s.Finding.UID, To: s.To, Outcome: "begun"}); err != nil {
		return sockets.Done{}, err
	}
	d := m.Mend(ctx, s)
	if err := j.write(d); err != nil {
		return d, err
	}
	j.report(ctx, d)
	return d, nil
}

func printDone(p paint, d sockets.Done) {
	line := fmt.Sprintf("%s  %s: %s", d.ID, d.Path, d.Outcome)
	if d.ID == sockets.RestoreID && d.Outcome == sockets.Mended {
		line = d.To.String() + " is back"
	}
	if d.Reason != "" {
		line += ": " + d.Reason
	}
	if d.Outcome == sockets.Mended {
		line = p.good(line)
		if d.To != "" && d.ID != sockets.RestoreID {
			line += p.dim("; muxward sockets restore " + d.To.ShellWord() + " puts it back")
		}
	}
	p.printf("%s\n", line)
}
