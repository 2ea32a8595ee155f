package pane

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxTold is the longest message between the process that minds a session and muxward-pam.
const maxTold = 8 << 10

// What is said to muxward-pam. Both may come at any time, and the line's end is as "close".
const (
	sayHangUp = "hangup" // the session's programs are told that their terminal has gone
	sayClose  = "close"  // what is open is closed
)

// told is what muxward-pam says: which step it takes, that the session has begun or why not,
// how it has ended, and that all of it is closed.
type told struct {
	step    string
	opened  int    // the process that the session began with
	kept    []held // with it: what modules have begun, and may need to close the session
	refused string
	ended   *Answer
	closed  bool
	failed  string // what could not be closed, also of what was refused
}

// maxKept is how many processes of modules are kept: what is more is ended as the session's.
const maxKept = 64

func (t told) encode() []byte {
	switch {
	case t.step != "":
		return []byte("step " + t.step)
	case t.opened > 0:
		out := fmt.Appendf(nil, "opened %d", t.opened)
		for _, h := range t.kept {
			out = fmt.Appendf(out, " %d/%d", h.pid, h.start)
		}
		return out
	case t.ended != nil:
		return append([]byte("ended "), t.ended.Encode()...)
	case t.closed:
		return []byte("closed " + clip(t.failed))
	case t.failed != "":
		return []byte("unclosed " + clip(t.refused))
	}
	return []byte("refused " + clip(t.refused))
}

// clip shortens what modules say.
func clip(s string) string { return s[:min(len(s), maxTold/2-16)] }

// parseTold reads what muxward-pam says: modules can have it say anything.
func parseTold(data []byte) (told, error) {
	word, rest, ok := strings.Cut(string(data), " ")
	switch {
	case !ok || len(data) > maxTold:
	case word == "step" && isStep(rest):
		return told{step: rest}, nil
	case word == "opened":
		return parseOpened(rest)
	case word == "refused" && rest != "":
		return told{refused: rest}, nil
	case word == "closed":
		return told{closed: true, failed: rest}, nil
	case word == "unclosed" && strings.Trim(rest, " ") != "":
		return told{refused: rest, failed: rest}, nil
	case word == "ended":
		if a, err := ParseAnswer([]byte(rest)); err == nil && a.Ended {
			return told{ended: &a}, nil
		}
	}
	return told{}, errors.New("muxward-pam says what it cannot")
}

// parseOpened reads the process that a session began with, and those that are kept.
func parseOpened(text string) (told, error) {
	wrong := errors.New("muxward-pam says what it cannot")
	leader, rest, more := strings.Cut(text, " ")
	n, err := strconv.ParseInt(leader, 10, 32)
	if err != nil || n <= 1 || leader != strconv.FormatInt(n, 10) {
		return told{}, wrong
	}
	t := told{opened: int(n)}
	for more {
		var one string
		one, rest, more = strings.Cut(rest, " ")
		pid, start, _ := strings.Cut(one, "/")
		n, err1 := strconv.ParseInt(pid, 10, 32)
		at, err2 := strconv.ParseUint(start, 10, 64)
		if err1 != nil || err2 != nil || n <= 1 || one != fmt.Sprintf("%d/%d", n, at) || len(t.kept) >= maxKept {
			return told{}, wrong
		}
		t.kept = append(t.kept, held{int(n), at})
	}
	return t, nil
}

// The steps by which a session is opened and closed, as people are told of them.
const (
	stepStart   = "start"
	stepAccount = "account"
	stepCredit  = "credentials"
	stepOpen    = "session"
	stepBegin   = "begin"
	stepClose   = "close" // of what was opened, of a session that does not begin
)

func isStep(s string) bool {
	switch s {
	case stepStart, stepAccount, stepCredit, stepOpen, stepBegin, stepClose:
		return true
	}
	return false
}

// opens reports whether something may be open by the time of a step.
func opens(step string) bool {
	switch step {
	case stepCredit, stepOpen, stepBegin, stepClose:
		return true
	}
	return false
}
