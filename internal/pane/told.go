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
	opened  int // the process that the session began with
	refused string
	ended   *Answer
	closed  bool
	failed  string // what could not be closed
}

func (t told) encode() []byte {
	switch {
	case t.step != "":
		return []byte("step " + t.step)
	case t.opened > 0:
		return fmt.Appendf(nil, "opened %d", t.opened)
	case t.ended != nil:
		return append([]byte("ended "), t.ended.Encode()...)
	case t.closed:
		return []byte("closed " + clip(t.failed))
	}
	return []byte("refused " + clip(t.refused))
}

// clip shortens what modules say.
func clip(s string) string { return s[:min(len(s), maxTold/2)] }

// parseTold reads what muxward-pam says: modules can have it say anything.
func parseTold(data []byte) (told, error) {
	word, rest, ok := strings.Cut(string(data), " ")
	n, err := strconv.ParseInt(rest, 10, 32)
	switch {
	case !ok || len(data) > maxTold:
	case word == "step" && isStep(rest):
		return told{step: rest}, nil
	case word == "opened" && err == nil && n > 1 && rest == strconv.FormatInt(n, 10):
		return told{opened: int(n)}, nil
	case word == "refused" && rest != "":
		return told{refused: rest}, nil
	case word == "closed":
		return told{closed: true, failed: rest}, nil
	case word == "ended":
		if a, err := ParseAnswer([]byte(rest)); err == nil && a.Ended {
			return told{ended: &a}, nil
		}
	}
	return told{}, errors.New("muxward-pam says what it cannot")
}

// The steps by which a session is opened and closed, as people are told of them.
const (
	stepStart   = "start"
	stepAccount = "account"
	stepCredit  = "credentials"
	stepOpen    = "session"
	stepBegin   = "begin"
)

func isStep(s string) bool {
	switch s {
	case stepStart, stepAccount, stepCredit, stepOpen, stepBegin:
		return true
	}
	return false
}
