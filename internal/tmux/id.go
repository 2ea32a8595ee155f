package tmux

import (
	"fmt"
	"strconv"
)

// SessionID is the number of a session, written $N by tmux. Ids are unique
// within one [Incarnation] of a server and never reused by it.
type SessionID uint32

// WindowID is the number of a window, written @N by tmux.
type WindowID uint32

// PaneID is the number of a pane, written %N by tmux.
type PaneID uint32

// String returns the id as tmux writes it: $N.
func (id SessionID) String() string { return "$" + strconv.FormatUint(uint64(id), 10) }

// String returns the id as tmux writes it: @N.
func (id WindowID) String() string { return "@" + strconv.FormatUint(uint64(id), 10) }

// String returns the id as tmux writes it: %N.
func (id PaneID) String() string { return "%" + strconv.FormatUint(uint64(id), 10) }

// ParseSessionID parses exactly ^\$\d+$; anything else is an error.
func ParseSessionID(s string) (SessionID, error) {
	n, err := parseID('$', s)
	return SessionID(n), err
}

// ParseWindowID parses exactly ^@\d+$; anything else is an error.
func ParseWindowID(s string) (WindowID, error) {
	n, err := parseID('@', s)
	return WindowID(n), err
}

// ParsePaneID parses exactly ^%\d+$; anything else is an error.
func ParsePaneID(s string) (PaneID, error) {
	n, err := parseID('%', s)
	return PaneID(n), err
}

// IsID reports whether s is a session, window or pane id and nothing else.
// Only such targets may go down the wire.
func IsID(s string) bool {
	if s == "" {
		return false
	}
	switch s[0] {
	case '$', '@', '%':
		_, err := parseID(s[0], s)
		return err == nil
	}
	return false
}

func parseID(mark byte, s string) (uint32, error) {
	if len(s) < 2 || s[0] != mark || !allDigits(s[1:]) {
		return 0, fmt.Errorf("not an id: %.40q, want %c and a number", s, mark)
	}
	n, err := strconv.ParseUint(s[1:], 10, 32)
	if err != nil {
		return 0, fmt.Errorf("id out of range: %.40q", s)
	}
	return uint32(n), nil
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// MarkOption is the server option that carries the random part of an
// [Incarnation]. It is set when a server is adopted.
const MarkOption = "@muxward_id"

// Incarnation names one life of one tmux server. Ids start again at 0 when a
// server is started afresh on the same socket, so a right on an id is a right
// on (Incarnation, id).
type Incarnation struct {
	PID       int    // of the server process
	StartTime int64  // seconds since 1970, as #{start_time} says
	Mark      string // value of [MarkOption]; empty before adoption
}

// IsZero reports whether nothing is known about the incarnation.
func (i Incarnation) IsZero() bool { return i == Incarnation{} }

// String returns the incarnation in a form fit for logs.
func (i Incarnation) String() string {
	return fmt.Sprintf("%d/%d/%q", i.PID, i.StartTime, i.Mark)
}
