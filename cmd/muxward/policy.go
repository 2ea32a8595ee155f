package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/policy"
	"github.com/muxward/muxward/internal/tmux"
)

// errDenied and errTests end a command that has printed why: exit code 1.
var (
	errDenied = errors.New("denied")
	errTests  = errors.New("policy tests failed")
)

// newPolicyCmd makes `muxward policy` with its subcommands. They read policy
// files and need no running muxward.
func newPolicyCmd() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "check, test, explain and compare policy files",
		Long: `Reads policy directories: people.yaml, grants.yaml, *.grants.yaml, *.cedar and
*.test.yaml. Nothing here needs a running muxward or changes one.

Exit codes: 0 fine or allowed; 1 a test failed, or explain says denied;
2 the command line or the policy is wrong.`,
	}
	cmd.PersistentFlags().StringVar(&dir, "policy", defaultPolicyDir(), "the policy directory")
	_ = cmd.MarkPersistentFlagDirname("policy")
	return family(cmd, policyCheckCmd(&dir), policyTestCmd(&dir), policyExplainCmd(&dir), policyDiffCmd(), policySchemaCmd(), newPolicyBundleCmd())
}

// defaultPolicyDir is where the policy is looked for: MUXWARD_POLICY, else
// the system's place for root and one's own for others.
func defaultPolicyDir() string {
	if dir := os.Getenv("MUXWARD_POLICY"); dir != "" {
		return dir
	}
	_, host, _ := config.System()
	if os.Geteuid() == 0 {
		return host
	}
	base := os.Getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(base) {
		home, err := os.UserHomeDir()
		if err != nil {
			return host
		}
		base = filepath.Join(home, ".config")
	}
	return filepath.Join(base, "muxward", "policy")
}

// oneDir takes the policy directory from the argument, if there is one.
func oneDir(dir *string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 1 {
			return usageError{fmt.Errorf("give one policy directory at most: %s", cmd.UseLine())}
		}
		if len(args) == 1 {
			*dir = args[0]
		}
		return nil
	}
}

// loadPolicy reads a policy; its mistakes are the caller's to correct.
func loadPolicy(dir string) (*policy.Set, error) {
	set, err := policy.Load(dir)
	if err != nil {
		return nil, policyError(dir, err)
	}
	return set, nil
}

// policyError lists the mistakes with paths that an editor can open.
func policyError(dir string, err error) error {
	var ps policy.Problems
	if !errors.As(err, &ps) {
		return usageError{err}
	}
	lines := make([]string, 0, len(ps)+1)
	lines = append(lines, fmt.Sprintf("the policy in %s cannot be used", dir))
	for _, p := range ps {
		if p.File != "" {
			p.File = filepath.Join(dir, p.File)
		}
		lines = append(lines, p.Error())
	}
	_, host, _ := config.System()
	if hint := elsewhere(dir, host); hint != "" {
		lines = append(lines, hint)
	}
	return usageError{errors.New(strings.Join(lines, "\n"))}
}

// elsewhere says where the host's policy is to whoever has none where it was looked for.
func elsewhere(dir, host string) string {
	if _, err := os.Lstat(dir); dir == host || !errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	if _, err := os.Lstat(host); err != nil {
		return ""
	}
	return "the host's policy is in " + host + ": give that as the directory"
}

// checked is what `policy check --json` tells.
type checked struct {
	Dir      string          `json:"dir"`
	Good     bool            `json:"good"`
	People   int             `json:"people"`
	Groups   int             `json:"groups"`
	Grants   int             `json:"grants"`
	Policies int             `json:"policies"`
	Tests    int             `json:"tests"`
	Problems policy.Problems `json:"problems,omitempty"`
}

func policyCheckCmd(dir *string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check [DIR]",
		Short: "tell every mistake in a policy directory",
		Args:  oneDir(dir),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c := checked{Dir: *dir}
			set, err := policy.Load(*dir)
			if err == nil {
				n := set.Size()
				c.People, c.Groups, c.Grants, c.Policies = n.People, n.Groups, n.Grants, n.Policies
				var cases []policy.Case
				cases, err = policy.LoadCases(*dir, set)
				c.Tests = len(cases)
			}
			if err != nil {
				if asJSON && errors.As(err, &c.Problems) {
					if err := printJSON(cmd, c); err != nil {
						return err
					}
				}
				return policyError(*dir, err)
			}
			if c.Good = true; asJSON {
				return printJSON(cmd, c)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: good: %s, %s, %s, %s, %s\n", *dir, counted(c.People, "person", "people"),
				counted(c.Groups, "group", "groups"), counted(c.Grants, "grant", "grants"), counted(c.Policies, "policy", "policies"),
				counted(c.Tests, "test", "tests"))
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print what there is, or what is wrong, as JSON")
	return cmd
}

func policyTestCmd(dir *string) *cobra.Command {
	var asJSON, verbose bool
	cmd := &cobra.Command{
		Use:   "test [DIR]",
		Short: "run the policy's own tests (*.test.yaml)",
		Args:  oneDir(dir),
		RunE: func(cmd *cobra.Command, _ []string) error {
			set, err := loadPolicy(*dir)
			if err != nil {
				return err
			}
			cases, err := policy.LoadCases(*dir, set)
			if err != nil {
				return policyError(*dir, err)
			}
			if len(cases) == 0 {
				return usageError{fmt.Errorf("%s has no tests; write some in a file such as policy.test.yaml", *dir)}
			}
			results := set.RunCases(cases, time.Now())
			if asJSON {
				err = printJSON(cmd, results)
			} else {
				err = printResults(newPaint(cmd), results, verbose)
			}
			if err == nil && slices.ContainsFunc(results, func(r policy.Result) bool { return !r.Pass }) {
				err = errTests
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the results as JSON")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "print the tests that pass, too")
	return cmd
}

func printResults(p paint, results []policy.Result, verbose bool) error {
	failed := 0
	for _, r := range results {
		what := fmt.Sprintf("%s:%d: %s %s %s", r.File, r.Line, r.Who, r.Verb, r.On)
		if r.Name != "" {
			what += " (" + r.Name + ")"
		}
		switch {
		case !r.Pass:
			failed++
			p.printf("%s %s\n     wanted %s, got %s by %s: %s\n", p.bad("FAIL"), what, verdict(r.Allow), verdict(r.Got), r.Rule, r.Reason)
		case verbose:
			p.printf("%s %s\n     %s by %s\n", p.good("ok  "), what, verdict(r.Got), r.Rule)
		}
	}
	if failed == 0 {
		return p.printf("%s %s\n", p.good("ok"), counted(len(results), "test", "tests"))
	}
	return p.printf("%s %d of %d tests\n", p.bad("failed"), failed, len(results))
}

func verdict(allow bool) string {
	if allow {
		return "allow"
	}
	return "deny"
}

// explainFlags are what `policy explain` is asked.
type explainFlags struct {
	who, verb, on, at, door, account string
	inside, command, mfa, json       bool
}

func policyExplainCmd(dir *string) *cobra.Command {
	var f explainFlags
	cmd := &cobra.Command{
		Use:   "explain --who PERSON --verb VERB --on SELECTOR",
		Short: "say what is decided, by which rule, and what else was weighed",
		Example: `  muxward policy explain --who bob --verb type --on alice/work:1.2
  muxward policy explain --who bob --verb type --on alice/work --at 2027-01-31T20:00:00+01:00`,
		Args: exactly(0, "no arguments, only flags"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			q, err := f.question()
			if err != nil {
				return usageError{err}
			}
			set, err := loadPolicy(*dir)
			if err != nil {
				return err
			}
			e := set.Explain(q)
			if f.json {
				err = printJSON(cmd, e)
			} else {
				err = printExplanation(newPaint(cmd), e)
			}
			if err == nil && !e.Allow {
				err = errDenied
			}
			return err
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.who, "who", "", "the person")
	fl.StringVar(&f.verb, "verb", "", "the verb, such as view or type")
	fl.StringVar(&f.on, "on", "", "the object, such as alice/work:1.2")
	fl.StringVar(&f.at, "at", "", "when, as 2027-01-31T12:00:00Z (default: now)")
	fl.StringVar(&f.door, "door", "tmux", "the door")
	fl.StringVar(&f.account, "account", "", "the Unix account the connection comes from")
	fl.BoolVar(&f.inside, "inside", false, "the connection comes from inside a pane")
	fl.BoolVar(&f.mfa, "mfa", false, "a second factor was proved")
	fl.BoolVar(&f.command, "command", false, "a spawn with a command of its own")
	fl.BoolVar(&f.json, "json", false, "print JSON")
	_ = cmd.RegisterFlagCompletionFunc("verb", cobra.FixedCompletions(verbWords(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func verbWords() []string {
	var out []string
	for _, v := range access.Verbs() {
		out = append(out, v.String())
	}
	return out
}

// question makes the question that the flags ask.
func (f *explainFlags) question() (access.Question, error) {
	if f.who == "" || f.verb == "" || f.on == "" {
		return access.Question{}, errors.New("give --who, --verb and --on, as in --who bob --verb type --on alice/work:1.2")
	}
	who, err := identity.CanonicalName(f.who)
	if err != nil {
		return access.Question{}, fmt.Errorf("--who: %w", err)
	}
	verb, err := access.ParseVerb(f.verb)
	if err != nil {
		return access.Question{}, fmt.Errorf("--verb: %w", err)
	}
	sel, err := policy.ParseSelector(f.on)
	if err != nil {
		return access.Question{}, fmt.Errorf("--on: %w", err)
	}
	if sel.Prefix {
		return access.Question{}, errors.New("--on: name one session; a star is for files")
	}
	at, err := timeAsked(f.at)
	if err != nil {
		return access.Question{}, err
	}
	sub := identity.Subject{Person: who, UID: -1, Door: f.door, Account: f.account, MFA: f.mfa}
	if f.inside {
		sub.Inside = who + "/%0"
	}
	return access.Question{Who: sub, Verb: verb, Object: sel.Object(), At: at, Command: f.command}, nil
}

// timeAsked reads --at, which is now if it is not given.
func timeAsked(text string) (time.Time, error) {
	if text == "" {
		return time.Now(), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("--at: write it as 2027-01-31T12:00:00Z, not %q", text)
	}
	return at, nil
}

func printExplanation(p paint, e policy.Explanation) error {
	head := p.bad("deny")
	if e.Allow {
		head = p.good("allow")
	}
	p.printf("%s: %s %s %s\n", head, e.Who, e.Verb, e.On)
	p.printf("  rule    %s\n  why     %s\n", e.Rule, e.Reason)
	if e.Requires != "" {
		p.printf("  requires  %s: somebody else, who holds approve there, looks on\n", e.Requires)
	}
	if e.Record != "" {
		p.printf("  record  %s\n", e.Record)
	}
	if e.Expires != nil {
		p.printf("  until   %s (then it is asked again)\n", e.Expires.Format(time.RFC3339))
	}
	if len(e.Groups) > 0 {
		p.printf("  groups  %s\n", strings.Join(e.Groups, ", "))
	}
	verbs := "none"
	if len(e.Verbs) > 0 {
		verbs = strings.Join(e.Verbs, ", ")
	}
	p.printf("  holds   %s\n  weighed\n", verbs)
	for _, c := range e.Considered {
		mark := p.dim("-")
		if c.Applies {
			mark = p.good("+")
			if c.Effect == "forbid" {
				mark = p.bad("!")
			}
		}
		p.printf("    %s %-6s %s: %s\n", mark, c.Effect, c.Rule, c.Why)
	}
	if e.More > 0 {
		p.printf("    and %d more grants\n", e.More)
	}
	return p.err()
}

func policyDiffCmd() *cobra.Command {
	var asJSON bool
	var when string
	cmd := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "say who gains and loses which verbs between two policies",
		Args:  exactly(2, "two policy directories"),
		RunE: func(cmd *cobra.Command, args []string) error {
			at, err := timeAsked(when)
			if err != nil {
				return usageError{err}
			}
			before, err := loadPolicy(args[0])
			if err != nil {
				return err
			}
			after, err := loadPolicy(args[1])
			if err != nil {
				return err
			}
			changes, err := policy.Diff(before, after, at)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd, changes)
			}
			p := newPaint(cmd)
			for _, c := range changes {
				p.printf("%s on %s:", c.Who, c.On)
				if len(c.Gained) > 0 {
					p.printf(" %s", p.good("+"+strings.Join(c.Gained, ",")))
				}
				if len(c.Lost) > 0 {
					p.printf(" %s", p.bad("-"+strings.Join(c.Lost, ",")))
				}
				p.printf("\n")
			}
			if len(changes) == 0 {
				p.printf("nobody gains or loses anything\n")
			}
			return p.err()
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().StringVar(&when, "at", "", "when, as 2027-01-31T12:00:00Z (default: now)")
	return cmd
}

func policySchemaCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "print the Cedar schema, and the rules that always hold",
		Args:  exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s\n// The rules that hold in every policy:\n//\n%s", policy.Schema(), commented(policy.Builtin()))
			return err
		},
	}
}

// commented puts every line of a text behind //.
func commented(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		b.WriteString(strings.TrimRight("// "+line, " \n") + "\n")
	}
	return b.String()
}

// printJSON prints a value for programs. An empty list is [], not null.
func printJSON[T any](cmd *cobra.Command, v T) error { return writeJSON(cmd.OutOrStdout(), v) }

func writeJSON(w io.Writer, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(plainJSON(data), '\n'))
	return err
}

// plainJSON escapes what a terminal may obey and JSON lets stand as it is: such characters
// are in strings alone.
func plainJSON(data []byte) []byte {
	if tmux.Clean(string(data)) == string(data) {
		return data
	}
	var b []byte
	for _, c := range string(data) {
		if c != '\n' && c != utf8.RuneError && tmux.Clean(string(c)) != string(c) {
			b = fmt.Appendf(b, "\\u%04x", c) // all of them have four digits
		} else {
			b = utf8.AppendRune(b, c)
		}
	}
	return b
}

// plainWord needs no quotes in a shell.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./@%+=:-]+$`)

// shellQuote writes a word so that a shell reads it back.
func shellQuote(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// paint writes to a command's output: with colours on a terminal, plainly
// elsewhere and where NO_COLOR is set.
type paint struct {
	out    *strictWriter
	colour bool
}

// strictWriter keeps the first error of many writes.
type strictWriter struct {
	cmd *cobra.Command
	err error
}

func newPaint(cmd *cobra.Command) paint {
	p := paint{out: &strictWriter{cmd: cmd}}
	if f, ok := cmd.OutOrStdout().(*os.File); ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" {
		_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
		p.colour = err == nil
	}
	return p
}

func (p paint) printf(format string, args ...any) error {
	if p.out.err == nil {
		_, p.out.err = fmt.Fprintf(p.out.cmd.OutOrStdout(), format, args...)
	}
	return p.out.err
}

func (p paint) err() error { return p.out.err }

func (p paint) wrap(code, s string) string {
	if !p.colour {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[m"
}

func (p paint) good(s string) string { return p.wrap("32", s) }
func (p paint) bad(s string) string  { return p.wrap("1;31", s) }
func (p paint) dim(s string) string  { return p.wrap("2", s) }
