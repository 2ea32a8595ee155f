package acts

import "time"

// LeftBehind is what goes on that a person began, as far as it is known.
type LeftBehind struct {
	Person string `json:"person"`
	// Complete means that all servers in question have told their state, and that the
	// log was read from the beginning of their lives.
	Complete bool        `json:"complete"`
	Notes    []string    `json:"notes,omitempty"`
	Panes    []*LeftPane `json:"panes"`
	Acts     []*LeftAct  `json:"acts"`
	// More is how many further acts were left out. Panes never are.
	More int `json:"more,omitempty"`
}

// Bounds of looking for what somebody has left, with ending it: the client waits longer,
// and so does the door.
const (
	LeftTurn = 3 * time.Second
	LeftTime = 15 * time.Second
)

// LeftPane is a pane that somebody has made, or in which they may have begun something.
type LeftPane struct {
	// Sure means that tmux has said that their command made it, and that its first
	// process is the one that tmux began with it.
	Sure bool   `json:"sure"`
	Pane string `json:"pane"`
	// Name is where it is now, PID its first process, and Runs what runs in it now.
	Name string    `json:"name"`
	PID  int       `json:"pid"`
	Runs string    `json:"runs,omitempty"`
	When time.Time `json:"when"`
	Note string    `json:"note,omitempty"`
	// Hangup says what came of ending it, if that was asked for.
	Hangup string `json:"hangup,omitempty"`
}

// LeftAct is what else they asked for that may go on, or stand: what became of it, and
// what others made of it since, is not looked at.
type LeftAct struct {
	Kind string    `json:"kind"`
	By   string    `json:"by"`
	On   string    `json:"on"`
	Last time.Time `json:"last"`
	// Times is how often.
	Times int    `json:"times"`
	Note  string `json:"note,omitempty"`
}
