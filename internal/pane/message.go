package pane

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxRequest is the longest request, in bytes. A command line to tmux has 16 KiB.
const MaxRequest = 64 << 10

// Request is what muxward-pane asks for. Nothing of it is believed: Dir is only where the
// session would like to begin.
type Request struct {
	// Term is the kind of terminal that tmux says it is.
	Term string
	// Pane is tmux's id of the pane, %N, and Session the number of its session.
	Pane, Session string
	// Dir is a directory, or "like:" and the terminal of a pane whose directory is
	// meant; "" is the account's home.
	Dir string
	// Login asks for a login shell; else Command is run by the account's shell.
	Login   bool
	Command string
	// Ticket says for whom the pane was asked for, "" if tmux has begun it by itself.
	Ticket string
}

// DirVariable is the variable by which tmux tells muxward-pane where a session begins.
const DirVariable = "MUXWARD_DIR"

// TicketVariable is the variable by which tmux hands it a ticket.
const TicketVariable = "MUXWARD_TICKET"

// TicketLen is the length of a ticket: hexadecimal digits, small.
const TicketLen = 32

// Like begins a Dir that is the one of another pane.
const Like = "like:"

// SocketVariable is the variable by which muxward-pane finds the socket.
const SocketVariable = "MUXWARD_LAUNCH"

const (
	requestVersion = "2"
	requestFields  = 8
	maxDir         = 4096
)

// Encode gives the request as one message.
func (r Request) Encode() []byte {
	kind := "command"
	if r.Login {
		kind = "login"
	}
	return []byte(strings.Join([]string{requestVersion, r.Term, r.Pane, r.Session, r.Dir, kind, r.Command, r.Ticket}, "\x00"))
}

// ParseRequest reads a message that may be anything.
func ParseRequest(data []byte) (Request, error) {
	if len(data) > MaxRequest {
		return Request{}, fmt.Errorf("the request has more than %d bytes", MaxRequest)
	}
	f := strings.Split(string(data), "\x00")
	if len(f) != requestFields || f[0] != requestVersion {
		return Request{}, errors.New("the request has another form; are muxward and muxward-pane of one release?")
	}
	r := Request{Term: f[1], Pane: f[2], Session: f[3], Dir: f[4], Login: f[5] == "login", Command: f[6], Ticket: f[7]}
	if !utf8.Valid(data) { // it would not arrive as it was decided
		return Request{}, errors.New("the request is not UTF-8")
	}
	switch {
	case !r.Login && f[5] != "command":
		return Request{}, errors.New("the request asks for neither a login nor a command")
	case r.Login == (r.Command != ""):
		return Request{}, errors.New("a login has no command, and a command is not empty")
	case !IsPane(r.Pane) || !isNumber(r.Session):
		return Request{}, errors.New("the request names no pane of a session")
	case !isTerm(r.Term):
		return Request{}, errors.New("the request names no terminal")
	case r.Dir != "" && !strings.HasPrefix(r.Dir, "/") && !strings.HasPrefix(r.Dir, Like+"/dev/pts/") || len(r.Dir) > maxDir:
		return Request{}, errors.New("the request names no directory")
	case r.Ticket != "" && (len(r.Ticket) != TicketLen || strings.Trim(r.Ticket, "0123456789abcdef") != ""):
		return Request{}, errors.New("the request has a ticket that is none")
	}
	return r, nil
}

// IsPane reports whether a text is a pane's id, %N.
func IsPane(s string) bool {
	number, ok := strings.CutPrefix(s, "%")
	return ok && isNumber(number)
}

func isNumber(s string) bool {
	return s != "" && len(s) <= 10 && strings.Trim(s, "0123456789") == ""
}

func isTerm(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("+-._", rune(c)) {
			return false
		}
	}
	return true
}

// Answer is what muxward-pane is told: that PAM is asked, if it is; that the session has begun,
// or why not; and in the end how it has ended.
type Answer struct {
	Asked   bool
	Begun   bool
	Refused string
	// Ended is set with Code, or with Signal if one has ended it.
	Ended  bool
	Code   int
	Signal int
}

// Encode gives the answer as one message.
func (a Answer) Encode() []byte {
	switch {
	case a.Ended && a.Signal != 0:
		return fmt.Appendf(nil, "signal %d", a.Signal)
	case a.Ended:
		return fmt.Appendf(nil, "exit %d", a.Code)
	case a.Begun:
		return []byte("begun")
	case a.Asked:
		return []byte("asked")
	}
	return []byte("refused " + a.Refused)
}

// ParseAnswer reads an answer.
func ParseAnswer(data []byte) (Answer, error) {
	word, rest, _ := strings.Cut(string(data), " ")
	n, err := strconv.Atoi(rest)
	switch {
	case word == "begun" && rest == "":
		return Answer{Begun: true}, nil
	case word == "asked" && rest == "":
		return Answer{Asked: true}, nil
	case word == "refused":
		return Answer{Refused: rest}, nil
	case word == "exit" && err == nil && n >= 0 && n <= 255:
		return Answer{Ended: true, Code: n}, nil
	case word == "signal" && err == nil && n > 0 && n <= 64:
		return Answer{Ended: true, Signal: n}, nil
	}
	return Answer{}, fmt.Errorf("an answer that is none: %.40q", data)
}
