package acts

import (
	"fmt"
	"time"

	"github.com/muxward/muxward/internal/grants"
)

// KnockTime is how long somebody waits who has knocked.
const KnockTime = 10 * time.Minute

// Knocking is what there is to tell of a knock before it is answered: not what is behind
// the door.
type Knocking struct {
	Knock string    `json:"knock"`
	Until time.Time `json:"knock_until"`
}

// Text says that somebody has knocked.
func (k Knocking) Text() string {
	return fmt.Sprintf("you have knocked; it waits for an answer until %s", k.Until.Local().Format(time.TimeOnly))
}

// KnockEnd is what came of a knock.
type KnockEnd struct {
	Grant *ShownGrant `json:"grant,omitempty"`
	// How it was answered, by whom and why, as of a request.
	Answer grants.Answer `json:"answer"`
	By     string        `json:"by,omitempty"`
	Why    string        `json:"why,omitempty"`
}

// Refusal is the error of who was not let in, nil if they were.
func (e KnockEnd) Refusal(id string) error {
	if e.Grant != nil {
		return nil
	}
	return (ShownRequest{Request: grants.Request{ID: id, Answer: e.Answer, By: e.By, Why: e.Why}}).Refusal()
}
