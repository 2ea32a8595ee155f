package acts

import "time"

// Status is how muxward is.
type Status struct {
	Version string    `json:"version"`
	PID     int       `json:"pid"`
	Since   time.Time `json:"since"`
	Mode    string    `json:"mode"`
	Doors   string    `json:"doors"`
	// For those who keep the host only:
	State      string `json:"state,omitempty"`
	Policy     string `json:"policy,omitempty"`
	Generation uint64 `json:"generation,omitempty"`
	// Digest sums up the policy's files as they were read last, taken or not.
	Digest     string `json:"policy_digest,omitempty"`
	Servers    int    `json:"servers"`
	Attached   int    `json:"attached"`
	Goroutines int    `json:"goroutines,omitempty"`
	// PAM has, of isolated servers, the service by which their panes have PAM sessions, or "".
	PAM map[string]string `json:"pam,omitempty"`
	Red []string          `json:"red,omitempty"`
	// Left are tmux servers that are to end, or to be adopted, and are not yet, and doors that are
	// not open as others listen there. They are none of what is red: whoever owns one can have it be so.
	Left []string `json:"left,omitempty"`
	// Sandbox is what holds of what muxward has given up.
	Sandbox []Promise `json:"sandbox,omitempty"`
	// Locked are the lockdowns that the asker may know of.
	Locked []string `json:"locked,omitempty"`
	Notes  []string `json:"notes"`
}

// Promise is something that muxward gives up, or keeps others away from, and whether that
// holds: found out by trying, or by what the kernel says of this process.
type Promise struct {
	What string `json:"what"`
	// Holds is whether it was tried and refused, for the reason that By says.
	Holds bool `json:"holds"`
	// Tried is false where it could not be tried, or failed for another reason.
	Tried bool `json:"tried"`
	// By is what carries it, or why it does not hold.
	By string `json:"by"`
}
