package fidelity

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// lineSweep asks what a sweep asks, in control mode: of who may look at something,
// by the lines of a client that is attached there; of who may not, by clients
// whose command line it is.
type lineSweep struct {
	*sweep
	l     *host.Lines
	heard []string // by those who were attached
	tried int
}

// lobby is a session that who asks by lines is attached to, and may look at.
const lobby = granted + `  - {who: mwbob, role: viewer, on: "mwalice/lobby", reason: he waits there}
  - {who: mwcarol, role: viewer, on: "mwalice/lobby", reason: she waits there}
`

func newLineSweep(t *testing.T, tag string) *lineSweep {
	t.Helper()
	s := &lineSweep{sweep: sweepOf(t, buildFor(t, tag, lobby))}
	s.h.Must(host.Alice, "new-session", "-d", "-x", "80", "-y", "24", "-s", "lobby", "cat")
	return s
}

// A short run asks for each third command, of each person for other ones, and
// for each third format.
const sparseLines = 3

func skipped(i int) bool { return !soak.Full() && i%sparseLines != 0 }

// chunk is how many lines are under way at a time.
const chunk = 64

// attach has the person attached, in place of a client that has gone.
func (s *lineSweep) attach() {
	s.t.Helper()
	if s.l != nil && !s.l.Ended() {
		return
	}
	s.leave()
	s.l = s.h.Control(s.who, "attach", "-t", "mwalice/lobby")
	s.l.Wait("%session-changed")
}

// leave has the person go, and keeps what they heard.
func (s *lineSweep) leave() {
	s.t.Helper()
	if s.l == nil {
		return
	}
	s.l.Say("")
	s.l.Code()
	s.heard = append(s.heard, s.l.Said()...)
	s.l = nil
}

// answers asks everything that was put down.
func (s *lineSweep) answers() []asked {
	s.t.Helper()
	s.tried += len(s.lines)
	if s.who == host.Mallory {
		all := s.run(s.who, []string{"tmux", "-C"}, s.lines)
		for i := range all {
			all[i].out = blockGuards.ReplaceAllString(all[i].out, "%$1\n")
		}
		return all
	}
	var all []asked
	for len(all) < len(s.lines) {
		s.attach()
		all = append(all, s.some(s.lines[len(all):min(len(all)+chunk, len(s.lines))])...)
	}
	return all
}

var blockGuards = regexp.MustCompile(`(?m)^%(begin|end|error) [0-9]+ [0-9]+ [01]\n`)

// some sends some lines at once, and gives the answers. If one of them has the
// client leave, that is its answer, and those behind it have none.
func (s *lineSweep) some(lines [][]string) (all []asked) {
	s.t.Helper()
	from := len(s.l.Said())
	for _, argv := range lines {
		line, err := tmux.QuoteControl(argv)
		if err != nil {
			s.t.Fatal(err)
		}
		s.l.Say(line)
	}
	tmuxtest.Eventually(s.t, func() bool {
		ended := s.l.Ended() // before what it said is looked at
		all = blocks(s.l.Said()[from:], lines)
		if ended && len(all) < len(lines) {
			all = append(all, asked{lines[len(all)], answer{code: "the client leaves"}})
			return true
		}
		return len(all) == len(lines)
	}, "%d of %d lines are answered; next is %q", &all, len(lines), lines)
	return all
}

// blocks reads the answers to lines.
func blocks(said []string, lines [][]string) (all []asked) {
	var text []string
	inside := ""
	for _, l := range said {
		m := blockGuards.FindStringSubmatch(l + "\n")
		switch {
		case inside == "" && m != nil && m[1] == "begin" && strings.HasSuffix(l, " 1") && len(all) < len(lines):
			inside, text = strings.TrimPrefix(l, "%begin"), nil
		case inside != "" && m != nil && (l == "%end"+inside || l == "%error"+inside):
			a := answer{out: strings.Join(text, "\n"), code: "0"}
			if m[1] == "error" {
				a = answer{err: a.out, code: "1"}
			}
			all, inside = append(all, asked{lines[len(all)], a}), ""
		case inside != "":
			text = append(text, l)
		}
	}
	return all
}

// attachedThere are the lines of a state that tell who is attached at the lobby.
var attachedThere = regexp.MustCompile(`(?m)^(client-[0-9]+: |S \$[0-9]+ lobby ).*\n`)

// calmState is the server's state but for that: people come and go there, and
// suspend what is theirs.
func (s *lineSweep) calmState() string {
	s.t.Helper()
	return attachedThere.ReplaceAllString(s.state(), "")
}

// judgedByLines asks, and gives what is wrong.
func (s *lineSweep) judgedByLines(row string) []string {
	s.t.Helper()
	if s.who != host.Mallory {
		s.attach()
	}
	before := s.calmState()
	found := s.judge(s.who, s.answers(), s.pairs)
	if s.who != host.Mallory {
		s.attach()
	}
	if after := s.calmState(); after != before {
		found = append(found, fmt.Sprintf("%s, %s: the server changed:\n%s\nwhat was let through:\n%s",
			s.who, row, difference(before, after), s.letThrough(s.who)))
	}
	s.ran()
	return found
}

// overheard are lines that nobody asked for and that say what is hidden.
func (s *lineSweep) overheard() (found []string) {
	inside := false
	for _, l := range s.heard {
		switch m := blockGuards.FindStringSubmatch(l + "\n"); {
		case m != nil:
			inside = m[1] == "begin"
		case !inside && s.reveals(asked{nil, answer{out: l}}):
			found = append(found, fmt.Sprintf("%s hears %q", s.who, l))
		}
	}
	s.heard = nil
	return found
}

// TestEveryFlagByLines: in control mode the same people are told no more by the
// same commands, and change no more.
func TestEveryFlagByLines(t *testing.T) {
	t.Parallel()
	s := newLineSweep(t, "")
	for n, who := range []string{host.Mallory, host.Bob, host.Carol} {
		s.who = who
		for i, row := range s.rows() {
			if skipped(i + n) {
				continue
			}
			s.sweepRow(row)
			for _, f := range s.judgedByLines(row.Name) {
				t.Error(f)
			}
			if t.Failed() {
				t.FailNow()
			}
		}
		s.leave()
		for _, f := range s.overheard() {
			t.Error(f)
		}
		if m := s.missing(s.who); soak.Full() && len(m) > 0 {
			t.Errorf("%d things were not tried: %q", len(m), m)
		}
	}
	if got := string(s.panes[s.carols].Bytes()); strings.Contains(got, host.Bob) || strings.Contains(got, host.Mallory) {
		t.Errorf("into carol's pane went %q", got)
	}
	t.Logf("%d lines", s.tried)
	if s.tried < 300 {
		t.Errorf("%d lines were tried", s.tried)
	}
	s.h.VerifyAudit()
}

// TestEveryFormatByLines: in control mode the same formats say no more.
func TestEveryFormatByLines(t *testing.T) {
	t.Parallel()
	s := newLineSweep(t, "")
	carriers := s.carriers()
	for n, who := range []string{host.Mallory, host.Bob, host.Carol} {
		s.who, s.lines, s.pairs = who, nil, nil
		for i, format := range corpus {
			for at, c := range carriers {
				answers := c.row.Name == "display-message" && c.flag == nil && s.who != host.Mallory && !skipped(i+n)
				if soak.Full() || answers || (at+i)%len(carriers) == n {
					s.write(c, format)
				}
			}
		}
		for _, f := range s.judgedByLines("formats") {
			t.Error(f)
		}
		s.leave()
		for _, f := range s.overheard() {
			t.Error(f)
		}
	}
	t.Logf("%d lines", s.tried)
	s.h.VerifyAudit()
}

// TestByLinesTeeth: with a check taken out, the same lines find something.
func TestByLinesTeeth(t *testing.T) {
	t.Parallel()
	t.Run("changes", func(t *testing.T) {
		s := newLineSweep(t, "teeth_decide")
		for _, c := range []struct{ who, row string }{{host.Bob, "rename-window"}, {host.Carol, "select-pane"}} {
			s.who = c.who
			s.sweepRow(tmux.FindCommand(c.row))
			found := s.judgedByLines(c.row)
			s.leave()
			if !slices.ContainsFunc(found, func(f string) bool { return strings.Contains(f, "the server changed") }) {
				t.Errorf("it is not found that %s changes something by %s: %q", c.who, c.row, found)
			}
		}
	})
	t.Run("shows", func(t *testing.T) {
		s := newLineSweep(t, "teeth_visible")
		s.who = host.Bob
		for _, format := range corpus {
			s.write(carrier{row: tmux.FindCommand("display-message")}, format)
		}
		found := s.judgedByLines("formats")
		if !slices.ContainsFunc(found, func(f string) bool { return strings.Contains(f, "shows what is hidden") }) {
			t.Errorf("it is not found that bob is shown what is hidden: %q", found)
		}
	})
}
