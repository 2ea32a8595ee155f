package fidelity

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/test/host"
)

// values are what is tried for each kind of value that a flag or an argument
// has: the first is a good one, the others want more than that. W is the
// person's own word.
var values = map[tmux.Kind][]string{
	tmux.Text:           {"W", job, "bg=red"},
	tmux.Number:         {"3", job, "-1", "99999999999"},
	tmux.Percent:        {"30%", job},
	tmux.Line:           {"-", "-5", job},
	tmux.FormatValue:    {"/", job, everything},
	tmux.NewName:        {"W", job, "a:b", everything},
	tmux.Layout:         {"tiled", "W", job},
	tmux.OutFormat:      {"#{pane_id}", everything, job},
	tmux.Filter:         {"1", "#{m:*,#{session_name}}", job},
	tmux.BufferName:     {"mark", "W"},
	tmux.KeyTable:       {"root", "W", "prefix"},
	tmux.Path:           {"CANARY", job, "/etc/passwd"},
	tmux.Shell:          {"touch CANARY"},
	tmux.ShellArgs:      {"touch CANARY"},
	tmux.Env:            {"W=x", "PATH=/tmp"},
	tmux.ClientFlags:    {"ignore-size", "!read-only", "active-pane,no-output"},
	tmux.Keys:           {"W", "Enter"},
	tmux.CommandName:    {"list-panes", "W"},
	tmux.Content:        {"W", everything},
	tmux.Word:           {"command", "W"},
	tmux.OptionName:     {"@mark", "mouse", job, "status-left"},
	tmux.NestedCommands: {"kill-server", "run-shell 'touch CANARY'", "rename-window W"},
	tmux.ShellFormat:    {"touch CANARY", job, "1"},
	tmux.Glob:           {"CANARY/*", "/etc/passwd", "-"},
}

// What nobody of the three may have: a program run, and all there is shown.
const (
	job        = "#(touch CANARY)"
	everything = "#{S:#{session_name}#{W:#{window_name}#{P:#{pane_title}}}}#{buffer_sample}"
)

// whole are the fixed forms that do not end a command.
var whole = slices.DeleteFunc(slices.Clone(fixed), func(f string) bool { return strings.HasSuffix(f, ";") })

// sweep asks for every command with every flag, and keeps what it asked.
type sweep struct {
	*house
	version tmux.Version
	who     string
	turn    int
	lines   [][]string
	pairs   []pair
	// Where among the forms it is.
	fixed, forms int
	hit          map[string]bool
}

func newSweep(t *testing.T, tag string) *sweep { return sweepOf(t, build(t, tag)) }

func sweepOf(t *testing.T, x *house) *sweep {
	t.Helper()
	s := &sweep{house: x, hit: map[string]bool{}}
	s.server.Run("set-environment", "-g", "HOUSE_SECRET", mark)
	v, err := tmux.ParseVersion(s.server.Run("display-message", "-p", "#{version}"))
	if err != nil {
		t.Fatal(err)
	}
	s.version = v
	return s
}

// part is one flag or one argument of a row, with a value to try.
type part struct {
	row   *tmux.Command
	flag  *tmux.Flag // nil for the command as it is
	value string
}

// knows says whether the server has the flag, and whether it takes a value.
func (s *sweep) knows(row *tmux.Command, letter byte) (known, value bool) {
	opts := row.Getopt(s.version)
	i := strings.IndexByte(opts, letter)
	return i >= 0, i >= 0 && i+1 < len(opts) && opts[i+1] == ':'
}

// line makes the argument vector of a part that is about target.
func (s *sweep) line(p part, target string) []string {
	argv := []string{p.row.Name}
	taken := byte(0)
	if p.flag != nil {
		taken = p.flag.Letter
		argv = append(argv, "-"+string(rune(taken)))
		if _, value := s.knows(p.row, taken); value && named(p.flag) {
			argv = append(argv, target)
		} else if value {
			argv = append(argv, p.value)
		}
	}
	for i := range p.row.Flags {
		f := &p.row.Flags[i]
		if _, value := s.knows(p.row, f.Letter); !value || f.Kind != tmux.TargetValue || f.Letter == taken {
			continue
		}
		switch {
		case p.flag != nil && named(p.flag) && takesBoth(p.row):
			argv = append(argv, "-"+string(rune(f.Letter)), owner+"work:1.1")
		case p.flag == nil || !named(p.flag):
			argv = append(argv, "-"+string(rune(f.Letter)), target)
		}
	}
	n := s.arguments(p.row)
	if n > 0 {
		argv = append(argv, "--")
	}
	for i := range n {
		argv = append(argv, s.fill(s.turns(argument(p.row, i))))
	}
	return argv
}

// arguments are as many as the command needs, at times as many as it takes.
func (s *sweep) arguments(row *tmux.Command) int {
	if row.MaxArgs >= 0 && s.turn%2 == 1 {
		return row.MaxArgs
	}
	if row.MaxArgs < 0 && s.turn%2 == 1 {
		return row.MinArgs + 1
	}
	return row.MinArgs
}

func argument(row *tmux.Command, i int) tmux.Kind {
	if i == 0 && row.First != tmux.NoValue {
		return row.First
	}
	return row.Args
}

func named(f *tmux.Flag) bool { return f.Kind == tmux.TargetValue || f.Kind == tmux.ClientValue }

func takesBoth(row *tmux.Command) bool {
	return row.Flag('s') != nil && row.Flag('s').Kind == tmux.TargetValue && row.Flag('t') != nil && row.Flag('t').Kind == tmux.TargetValue
}

// turns gives a value of the kind, another one each time.
func (s *sweep) turns(kind tmux.Kind) string {
	all := values[kind]
	if len(all) == 0 {
		s.t.Fatalf("nothing is tried for values of the kind %d", kind)
	}
	return all[s.turn/2%len(all)]
}

// fill puts in who asks and where they want to leave something.
func (s *sweep) fill(text string) string {
	text = strings.ReplaceAll(text, "CANARY", s.canary+"/"+s.who)
	if head, rest, ok := strings.Cut(text, "W"); ok && (rest == "" || strings.HasPrefix(rest, "=")) {
		text = head + s.who + rest
	}
	return text
}

// next gives one after the other, over and over.
func next(at *int, list []string) string {
	*at++
	return list[*at%len(list)]
}

func (s *sweep) put(argv []string, form string) int {
	s.hit["form "+s.who+" "+form] = true
	s.lines = append(s.lines, argv)
	return len(s.lines) - 1
}

// granting is what carol may type into and bob may look at.
const granting = "work:1.1"

// try puts down a part about what is granted, about something else, and about
// what is hidden and what is not there; in a short run one of these.
func (s *sweep) try(p part) {
	s.turn++
	pairs := s.who != host.Mallory || soak.Full()
	if soak.Full() || s.turn%3 == 1 {
		s.put(s.line(p, owner+granting), granting)
	}
	if soak.Full() || s.turn%3 == 2 {
		f := next(&s.fixed, whole)
		s.put(s.line(p, owner+f), f)
	}
	if soak.Full() || s.turn%3 == 0 || !pairs {
		form := next(&s.forms, forms)
		h := s.put(s.line(p, owner+s.hidden.fill(form)), form)
		if pairs {
			a := s.put(s.line(p, owner+s.absent.fill(form)), form)
			s.pairs = append(s.pairs, pair{h, a})
		}
	}
}

// sweepRow puts down the command as it is, with each of its flags, and in a
// full run with each value of each of them about many things.
func (s *sweep) sweepRow(row *tmux.Command) {
	s.lines, s.pairs = nil, nil
	turn := s.turn
	s.turn = 1 // all arguments, with good values
	s.put(s.line(part{row: row}, owner+granting), granting)
	s.turn = turn
	rounds := soak.N(8, 1)
	for range rounds {
		for range 2 { // few arguments, and many
			s.try(part{row: row})
		}
		for i := range row.Flags {
			f := &row.Flags[i]
			known, value := s.knows(row, f.Letter)
			if !known {
				continue
			}
			switch {
			case !value || named(f):
				s.try(part{row: row, flag: f})
			case soak.Full():
				for _, v := range values[f.Kind] {
					s.try(part{row, f, s.fill(v)})
				}
			default:
				s.try(part{row, f, s.fill(s.turns(f.Kind))})
			}
		}
	}
}

// ran notes what the server reads the lines as that were asked for.
func (s *sweep) ran() {
	for _, argv := range s.lines {
		invs, err := tmux.ParseArgv(argv, tmux.ParseOptions{Version: s.version})
		if err != nil {
			s.t.Errorf("%q tests nothing: %v", argv, err)
			continue
		}
		for _, inv := range invs {
			s.hit["row "+s.who+" "+inv.Row.Name] = true
			for _, f := range inv.Flags {
				s.hit[fmt.Sprintf("flag %s %s -%c", s.who, inv.Row.Name, f.Letter)] = true
				if f.HasValue {
					s.hit[fmt.Sprintf("kind %s %d", s.who, inv.Row.Flag(f.Letter).Kind)] = true
				}
			}
			for i := range inv.Args {
				s.hit[fmt.Sprintf("kind %s %d", s.who, argument(inv.Row, i))] = true
			}
		}
	}
}

// missing lists what was not asked for by a person: a row, a flag, a kind of
// value, or a form of a target.
func (s *sweep) missing(who string) (missing []string) {
	want := func(format string, args ...any) {
		if key := fmt.Sprintf(format, args...); !s.hit[key] {
			missing = append(missing, key)
		}
	}
	rows := s.rows()
	for _, row := range rows {
		want("row %s %s", who, row.Name)
		for i := range row.Flags {
			f := &row.Flags[i]
			known, value := s.knows(row, f.Letter)
			if known {
				want("flag %s %s -%c", who, row.Name, f.Letter)
			}
			if value {
				want("kind %s %d", who, f.Kind)
			}
		}
		for i := range max(row.MaxArgs, row.MinArgs) {
			want("kind %s %d", who, argument(row, i))
		}
	}
	for _, f := range slices.Concat(forms, whole) {
		want("form %s %s", who, f)
	}
	return missing
}

// rows are those of the table that this tmux has, by what it says itself; without
// those that start a server of one's own, which is nobody else's: it comes and
// goes, and what was asked twice would be answered in two ways. They are for
// TestStrangers.
func (s *sweep) rows() (rows []*tmux.Command) {
	for line := range strings.Lines(s.server.Run("list-commands", "-F", "#{command_list_name}")) {
		row := tmux.FindCommand(strings.TrimSpace(line))
		if row == nil {
			s.t.Errorf("tmux has %q, and the table does not", line)
			continue
		}
		if !atHome([]string{row.Name}) {
			rows = append(rows, row)
		}
	}
	if len(rows) < 80 {
		s.t.Fatalf("tmux has %d commands", len(rows))
	}
	return rows
}

// ask runs what was put down and looks at it.
func (s *sweep) judged(row string) []string {
	s.t.Helper()
	before := s.state()
	found := s.judge(s.who, s.ask(s.who, s.lines), s.pairs)
	if after := s.state(); after != before {
		found = append(found, fmt.Sprintf("%s, %s: the server changed:\n%s\nwhat was let through:\n%s",
			s.who, row, difference(before, after), s.letThrough(s.who)))
	}
	s.ran()
	return found
}

// TestEveryFlag: with every flag of every command, whatever its value and
// whatever it is about, three people who hold one window, one pane and nothing
// change nothing outside that, are shown nothing of it and cannot tell what is
// hidden from what is not there. That nothing was left out is counted.
func TestEveryFlag(t *testing.T) {
	t.Parallel()
	s := newSweep(t, "")
	total := 0
	for _, s.who = range []string{host.Mallory, host.Bob, host.Carol} {
		for _, row := range s.rows() {
			s.sweepRow(row)
			total += len(s.lines)
			for _, f := range s.judged(row.Name) {
				t.Error(f)
			}
			if t.Failed() {
				t.FailNow()
			}
		}
		if m := s.missing(s.who); len(m) > 0 {
			t.Errorf("%d things were not tried: %q", len(m), m)
		}
	}
	if got := string(s.panes[s.carols].Bytes()); strings.Contains(got, host.Bob) || strings.Contains(got, host.Mallory) || !strings.Contains(got, host.Carol) {
		t.Errorf("into carol's pane went %q", got)
	}
	t.Logf("%d command lines, %d things tried", total, len(s.hit))
	s.h.VerifyAudit()
}

// TestEveryFlagTeeth: with the decision taken out, the same sweep finds something.
func TestEveryFlagTeeth(t *testing.T) {
	t.Parallel()
	s := newSweep(t, "teeth_decide")
	for _, c := range []struct{ who, row string }{{host.Bob, "rename-window"}, {host.Carol, "select-pane"}} {
		s.who = c.who
		s.sweepRow(tmux.FindCommand(c.row))
		found := s.judged(c.row)
		if !slices.ContainsFunc(found, func(f string) bool { return strings.Contains(f, "the server changed") }) {
			t.Errorf("it is not found that %s changes something by %s: %q", c.who, c.row, found)
		}
	}
}
