package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/note"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/audit"
	"github.com/muxward/muxward/internal/config"
)

// newAuditCmd makes `muxward audit`: reading and proving the log. It works on
// the files, so it needs no running muxward, only the right to read them.
func newAuditCmd() *cobra.Command {
	var state string
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "read and verify the log of who did what",
		Long: `Read and verify the log of who did what.

The log is append-only. Each record is a leaf of a tree whose root muxward
signs about once a second, so that a third party with the public key alone can
tell whether a record was changed, dropped or moved, or the end was cut off.

Keep a checkpoint elsewhere now and then. It finds the whole log put back as it
was earlier, with its checkpoint, and convicts even somebody who has taken over
this host, and its key, of rewriting what came before.`,
		Example: `  muxward audit tail -f
  muxward audit query --who bob --since 2h --denied
  muxward audit key > muxward.pub           # once; keep it elsewhere
  muxward audit checkpoint > monday.note    # now and then; keep it elsewhere
  muxward audit verify --key muxward.pub --checkpoint monday.note`,
	}
	cmd.PersistentFlags().StringVar(&state, "state", "",
		"state `directory` of muxward (default $MUXWARD_STATE, else your own, else the host's)")
	return family(cmd, newAuditTailCmd(&state), newAuditQueryCmd(&state), newAuditVerifyCmd(&state),
		newAuditKeyCmd(&state), newAuditCheckpointCmd(&state))
}

// auditState gives the state directory: of whoever names none their own, and where no log is
// there, the host's.
func auditState(flag string) (string, error) {
	state, err := config.StateDir(flag)
	if err != nil {
		return "", usageError{err}
	}
	if flag != "" || os.Getenv("MUXWARD_STATE") != "" {
		return state, nil
	}
	host, _, _ := config.System()
	return whereLog(state, host), nil
}

func whereLog(own, host string) string {
	if _, err := os.Lstat(filepath.Join(own, "audit")); errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(filepath.Join(host, "audit")); err == nil {
			return host
		}
	}
	return own
}

// auditDir gives the log's directory, which must be there and be ours to read.
func auditDir(flag string) (string, error) {
	state, err := auditState(flag)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(state, "audit")
	st, err := os.Stat(dir)
	if err == nil && st.IsDir() {
		var f *os.File
		if f, err = os.Open(dir); err == nil {
			f.Close()
		}
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "", fmt.Errorf("%w: the log is for root and the account that runs muxward; run this as one of them", err)
	case errors.Is(err, fs.ErrNotExist):
		return "", usageError{fmt.Errorf("there is no log in %s; name muxward's state directory with --state", dir)}
	case err != nil:
		return "", err
	case !st.IsDir():
		return "", usageError{fmt.Errorf("%s is not a directory", dir)}
	}
	return dir, nil
}

func newAuditTailCmd(state *string) *cobra.Command {
	var follow, asJSON bool
	var n uint64
	var f audit.Filter
	cmd := &cobra.Command{
		Use:   "tail [-f] [-n NUMBER]",
		Short: "show the last records",
		Example: `  muxward audit tail
  muxward audit tail -f --json | jq .`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := auditDir(*state)
			if err != nil {
				return err
			}
			p := newRecordPrinter(cmd, asJSON)
			return p.all(audit.Tail(cmd.Context(), dir, n, follow, f))
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with records as they come")
	cmd.Flags().Uint64VarP(&n, "lines", "n", 20, "begin this many records before the end")
	auditOutputFlags(cmd, &asJSON, &f.Keys)
	return cmd
}

func newAuditQueryCmd(state *string) *cobra.Command {
	var asJSON bool
	var since, until, kind string
	var f audit.Filter
	cmd := &cobra.Command{
		Use:   "query",
		Short: "find records",
		Example: `  muxward audit query --who bob --verb type --on alice/$1:@3.%7
  muxward audit query --denied --since 24h
  muxward audit query --kind revoke --since 2026-11-01 --until 2026-12-01
  muxward audit query --request 812 --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			now := time.Now()
			if f.Since, err = auditTime("since", since, now); err != nil {
				return err
			}
			if f.Until, err = auditTime("until", until, now); err != nil {
				return err
			}
			if f.Verb != "" {
				if _, err := access.ParseVerb(f.Verb); err != nil {
					return usageError{fmt.Errorf("--verb: %w", err)}
				}
			}
			f.Kind = access.EventKind(kind)
			dir, err := auditDir(*state)
			if err != nil {
				return err
			}
			return newRecordPrinter(cmd, asJSON).all(audit.Query(cmd.Context(), dir, f))
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.Person, "who", "", "records of this `person`")
	fl.StringVar(&f.Verb, "verb", "", "records that needed this `verb`, such as type")
	fl.StringVar(&f.Object, "on", "", "records about this `object`: alice/$1:@3.%7 or whole parts of it, such as alice, alice/$1 or %7")
	fl.StringVar(&since, "since", "", "records from this `time` on: 2h (ago), 2026-11-23, 2026-11-23T10:00, or with zone")
	fl.StringVar(&until, "until", "", "records before this `time`")
	fl.StringVar(&kind, "kind", "", "records of this `kind`: intent, denied, outcome, unknown, keys, key, attach, detach, shown, revoke, grant, request, reload, server, door, alarm, life, absorbed, log")
	fl.Uint64Var(&f.Request, "request", 0, "records of the request with this `number`")
	fl.BoolVar(&f.Denied, "denied", false, "only what was refused")
	auditOutputFlags(cmd, &asJSON, &f.Keys)
	return cmd
}

func auditOutputFlags(cmd *cobra.Command, asJSON, keys *bool) {
	cmd.Flags().BoolVar(asJSON, "json", false, "print records as they are in the log, one JSON line each")
	cmd.Flags().BoolVar(keys, "keys", false, "also each single delivery of keys, not only their sums")
}

// auditTime reads a time from the command line: how long ago, or when.
func auditTime(flag, s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	for _, layout := range []string{"2006-01-02", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02 15:04:05"} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usageError{fmt.Errorf("--%s %q is not a time; write 2h, 2026-11-23 or 2026-11-23T10:00", flag, s)}
}

func newAuditVerifyCmd(state *string) *cobra.Command {
	var key string
	var kept []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "prove that the log is what was signed",
		Long: `Prove that the log is what was signed: no record changed, dropped, moved or
inserted, the end not cut off, no checkpoint forged.

Without --key the key stored beside the log is used, which whoever changed the
log could have changed too: bring your own. With --checkpoint the log must
also agree with a checkpoint that you kept elsewhere; this finds even a
history that was rewritten and signed anew with a stolen key.

Where muxward runs as an account, root's verify goes by the key that its holder
has (STATE-keys/audit.key), not by the one beside the log, and also compares
with what the holder has signed last (STATE-keys/audit.last): the log must have
that as its beginning, so one that was cut back, or replaced by another with
a key of its own, is found. A note says where that could not be compared.

The exit code is 0 if all is well, 1 if something was found or the log cannot
be read, 2 if the command line is wrong.`,
		Example: `  muxward audit verify
  muxward audit verify --state /backup/muxward --key muxward.pub
  muxward audit verify --key muxward.pub --checkpoint monday.note --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := auditDir(*state)
			if err != nil {
				return err
			}
			var opt audit.VerifyOptions
			verifier, err := askHolder(&opt, key, filepath.Dir(dir))
			if err != nil {
				return err
			}
			for _, path := range kept {
				signed, err := os.ReadFile(path)
				if err != nil {
					return usageError{err}
				}
				opt.Checkpoints = append(opt.Checkpoints, signed)
			}
			rep, err := audit.Verify(cmd.Context(), dir, verifier, opt)
			if err != nil && !errors.Is(err, audit.ErrTampered) {
				return err
			}
			return errors.Join(printReport(cmd.OutOrStdout(), rep, asJSON), err)
		},
	}
	cmd.Flags().StringVar(&key, "key", "", "the public key, or a `file` that holds it (default the holder's for root, else STATE/audit.pub)")
	cmd.Flags().StringArrayVar(&kept, "checkpoint", nil, "a `file` with a checkpoint that was kept elsewhere (may be repeated)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	return cmd
}

// auditKey reads a public key given as such, as a file, or beside the log.
func auditKey(key, state string) (note.Verifier, error) {
	if strings.Count(key, "+") >= 2 {
		if v, err := audit.ParseVerifier(key); err == nil {
			return v, nil
		}
	}
	var text []byte
	var err error
	if key == "" {
		key = filepath.Join(state, "audit.pub")
		text, err = audit.StoredKey(state)
	} else {
		text, err = os.ReadFile(key)
	}
	if err != nil {
		return nil, usageError{fmt.Errorf("no public key: %w; give one with --key", err)}
	}
	v, err := audit.ParseVerifier(string(text))
	if err != nil {
		return nil, usageError{fmt.Errorf("%s: %w", key, err)}
	}
	return v, nil
}

func printReport(w io.Writer, rep audit.Report, asJSON bool) error {
	if asJSON {
		return writeJSON(w, rep)
	}
	var b strings.Builder
	verdict := "ok: every record is as it was signed"
	if len(rep.Problems) > 0 {
		verdict = "NOT WHAT WAS SIGNED: " + strconv.Itoa(len(rep.Problems)) + " findings"
	}
	fmt.Fprintf(&b, "%s\nlog      %s\nrecords  %d in %d files\nsigned   %d records", verdict, audit.Escape(rep.Origin),
		rep.Records, rep.Segments, rep.Signed)
	if !rep.SignedAt.IsZero() {
		fmt.Fprintf(&b, ", %s, %d checkpoints", rep.SignedAt.Local().Format(time.RFC3339), rep.Checkpoints)
	}
	fmt.Fprintf(&b, "\nroot     %s\n", rep.Root)
	for _, p := range rep.Problems {
		fmt.Fprintf(&b, "finding  %s: %s\n", p.Kind, p.What)
	}
	for _, n := range rep.Notes {
		fmt.Fprintf(&b, "note     %s\n", n)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func newAuditKeyCmd(state *string) *cobra.Command {
	return &cobra.Command{
		Use:   "key",
		Short: "print the public key that verifies the log",
		Long: `Prints the public key that verifies the log.

If the secret key was stolen, roll it: stop muxward, move the directory audit and the files
audit.key and audit.pub of its state directory away together, and start it again. It begins
a new log with a new key. What was moved is verified as before, with --state and its own
audit.pub, and with a checkpoint from before the theft, which no stolen key can undo. Hand
the new public key to who verifies.`,
		Example: `  muxward audit key > muxward.pub`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := auditState(*state)
			if err != nil {
				return err
			}
			text, err := audit.StoredKey(dir)
			if errors.Is(err, fs.ErrNotExist) {
				return usageError{fmt.Errorf("there is no log in %s; name muxward's state directory with --state", dir)}
			}
			if err != nil {
				return err
			}
			if _, err := audit.ParseVerifier(string(text)); err != nil {
				return fmt.Errorf("%s/audit.pub: %w", dir, err)
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
}

func newAuditCheckpointCmd(state *string) *cobra.Command {
	return &cobra.Command{
		Use:   "checkpoint",
		Short: "print the last signed checkpoint, to be kept elsewhere",
		Example: `  muxward audit checkpoint > monday.note
  muxward audit verify --checkpoint monday.note`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := auditDir(*state)
			if err != nil {
				return err
			}
			signed, err := audit.LastCheckpoint(dir)
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(signed)
			return err
		},
	}
}

// recordPrinter prints records: columns for a terminal, tab-separated for a
// pipe, or as they are. What it prints was escaped when it was written, and a
// line that was not is an error before it comes here.
type recordPrinter struct {
	out, errs io.Writer
	json      bool
	cols      int // of the terminal, 0 if it is none
	headed    bool
	day       string // of the record before, on a narrow terminal
}

// wideLog is how wide a terminal is that has room for a record in one line.
const wideLog = 130

func newRecordPrinter(cmd *cobra.Command, asJSON bool) *recordPrinter {
	p := &recordPrinter{out: cmd.OutOrStdout(), errs: cmd.ErrOrStderr(), json: asJSON}
	if !asJSON {
		p.cols = columnsOf(p.out)
	}
	return p
}

// all prints records. Lines that are no records are told of, and make the
// command fail in the end.
func (p *recordPrinter) all(recs func(func(audit.Record, error) bool)) error {
	bad := 0
	for rec, err := range recs {
		if err != nil {
			bad++
			fmt.Fprintln(p.errs, "muxward:", audit.Escape(err.Error()))
			continue
		}
		if err := p.one(&rec); err != nil {
			return err
		}
	}
	if bad > 0 {
		return errors.New("some of the log could not be read; see `muxward audit verify`")
	}
	return nil
}

func (p *recordPrinter) one(rec *audit.Record) error {
	var err error
	switch who := rec.Person; {
	case p.json:
		_, err = fmt.Fprintf(p.out, "%s\n", rec.Line)
	case p.cols > 0 && p.cols < wideLog:
		_, err = io.WriteString(p.out, p.narrow(rec))
	case p.cols > 0:
		if !p.headed {
			p.headed = true
			fmt.Fprintf(p.out, "%7s  %-19s  %-8s  %-12s  %-20s  %s\n", "SEQ", "TIME", "KIND", "WHO", "ON", "WHAT")
		}
		_, err = fmt.Fprintf(p.out, "%7d  %-19s  %-8s  %-12s  %-20s  %s\n", rec.Seq,
			rec.Time.Local().Format(time.DateTime), rec.Kind, who, strings.Join(rec.Objects, " "), recordText(rec))
	default:
		_, err = fmt.Fprintf(p.out, "%d\t%s\t%s\t%s\t%s\t%s\n", rec.Seq,
			rec.Time.Format(time.RFC3339Nano), rec.Kind, who, strings.Join(rec.Objects, " "), recordText(rec))
	}
	return err
}

// narrow gives a record for a terminal that has no room for all of it beside each other:
// what it is about and what was done are one column, and the day has a line of its own.
func (p *recordPrinter) narrow(rec *audit.Record) string {
	var rows [][]string
	at := []int{5, 8, 7, 8}
	if !p.headed {
		p.headed = true
		rows = append(rows, []string{"SEQ", "TIME", "KIND", "WHO", "ON, WHAT"})
	}
	when := rec.Time.Local()
	what := strings.TrimSpace(strings.Join(rec.Objects, " ") + "  " + recordText(rec))
	rows = append(rows, []string{fmt.Sprint(rec.Seq), when.Format(time.TimeOnly), string(rec.Kind), rec.Person, what})
	left := p.cols
	for i := range at {
		at[i] = max(at[i], widths(rows)[i])
		left -= at[i] + gap
	}
	lines := aligned(rows, append(at, max(left, 20)))
	if day := when.Format(time.DateOnly); day != p.day {
		p.day = day
		lines = slices.Insert(lines, len(rows)-1, day) // the headings take a line
	}
	return strings.Join(lines, "\n") + "\n"
}

// recordText says in one line what a record tells.
func recordText(rec *audit.Record) string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if rec.Kind == access.EventDenied {
		add("DENIED")
	}
	if len(rec.Asked) > 0 {
		add("%s", strings.Join(rec.Asked, " "))
	}
	if len(rec.Verbs) > 0 && len(rec.Asked) == 0 {
		add("%s", strings.Join(rec.Verbs, ","))
	}
	if rec.Exit != nil {
		add("exit %d", *rec.Exit)
	}
	if rec.From != "" && (rec.Kind == access.EventDoor || rec.Kind == access.EventAbsorbed) {
		add("%s", strings.TrimSpace("from "+rec.From+" "+rec.Key))
	}
	if rec.Bytes > 0 {
		add("%d bytes", rec.Bytes)
	}
	if rec.Count > 0 {
		add("×%d", rec.Count)
	}
	if len(rec.Content) > 0 {
		add("%q", rec.Content)
	}
	if rec.Reason != "" {
		add("(%s)", rec.Reason)
	}
	if rec.Rule != "" {
		add("[%s]", rec.Rule)
	}
	if rec.Note != "" {
		add("%s", rec.Note)
	}
	if rec.Ref > 0 {
		add("→ %d", rec.Ref)
	}
	for _, c := range rec.Cut {
		add("{%s cut: %d bytes}", c.Field, c.Bytes)
	}
	return strings.Join(parts, "  ")
}
