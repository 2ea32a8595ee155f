package sshd

import (
	"time"

	"github.com/muxward/muxward/internal/pace"
)

// Each connection that is let in is a line of the log, and each list in the lobby two
// more, whatever its person may do: so they come at a pace.
const (
	// atOneGo is how many connections of a person come without waiting, and paceTime
	// after which time there may be one more.
	atOneGo  = 60
	paceTime = 200 * time.Millisecond
)

// reachPace is how often a person may reach for something besides tmux: each costs a process,
// the look-up of a name, and lines of the log, whether it is permitted or not.
func reachPace() pace.Rate {
	if !paces() {
		return pace.Rate{AtOnce: 1 << 20, ASecond: 1 << 20, Longest: time.Hour}
	}
	return pace.Rate{AtOnce: 128, ASecond: 20, Longest: 5 * time.Second}
}

func connPace() pace.Rate {
	return pace.Rate{AtOnce: atOneGo, ASecond: float64(time.Second / paceTime), Longest: 10 * time.Minute}
}
