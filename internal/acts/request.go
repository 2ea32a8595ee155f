package acts

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/tmux"
)

// listedReason is how much of a reason lists show: there may be many.
const listedReason = 200

// ShortReason is a reason, or what else people wrote, as lists show it: in one line, and cut.
func ShortReason(s string) string {
	if len(s) <= listedReason {
		return tmux.OneLine(s)
	}
	return tmux.OneLine(strings.ToValidUTF8(s[:listedReason], "")) + "…"
}

// The ends of a request that are no approval, for exit codes.
var (
	ErrSaidNo    = errors.New("denied")
	ErrTimedOut  = errors.New("nobody has approved it in time")
	ErrWithdrawn = errors.New("taken back")
)

// ShownRequest is a request as it is told: who asks, for how long, who has approved it and how many
// it takes, and whether it is the asker's own.
type ShownRequest struct {
	grants.Request
	Verbs []string `json:"verbs"`
	On    Where    `json:"on"`
	From  string   `json:"from"`
	For   string   `json:"for"`
	Yes   []string `json:"approved_by,omitempty"`
	Need  int      `json:"need"`
	Mine  bool     `json:"mine"`
}

// Lasts is for how long it is asked for, as it is told to people: scripts read For.
func (r ShownRequest) Lasts() string {
	d, err := time.ParseDuration(r.For)
	if err != nil {
		return r.For
	}
	return Briefly(d)
}

// Refusal is the error of a request that was not approved.
func (r ShownRequest) Refusal() error {
	why := ""
	if r.Why != "" {
		why = ": " + tmux.OneLine(r.Why)
	}
	switch r.Answer {
	case grants.Denied:
		return fmt.Errorf("request %s: %w by %s%s", r.ID, ErrSaidNo, r.By, why)
	case grants.TimedOut:
		return fmt.Errorf("request %s: %w", r.ID, ErrTimedOut)
	case grants.Withdrawn:
		return fmt.Errorf("request %s: %w%s", r.ID, ErrWithdrawn, why)
	}
	return fmt.Errorf("request %s is %s%s", r.ID, r.Answer, why)
}
