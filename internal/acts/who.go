package acts

import (
	"time"

	"github.com/muxward/muxward/internal/gateway"
)

// PresentNow is who is there at a time, with a mark that another list does not have.
type PresentNow struct {
	At     time.Time          `json:"at"`
	People []gateway.Attached `json:"people"`
	Mark   string             `json:"mark,omitempty"`
}

// WhoWait is how long an answer waits for a change. Each wait has a record in the log:
// they are few.
const WhoWait = 12 * time.Second
