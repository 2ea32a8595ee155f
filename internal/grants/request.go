package grants

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
)

// Approval is the source of what was given because somebody had asked for it.
const Approval = "approval"

// Answer is how a request stands. It begins as open, and whatever it becomes then is
// its end.
type Answer string

// The answers.
const (
	Open      Answer = "open"
	Approved  Answer = "approved"
	Denied    Answer = "denied"
	TimedOut  Answer = "timed out"
	Withdrawn Answer = "taken back" // by who asked
	Void      Answer = "void"       // what it was about, or who asked, is not there any more
	Held      Answer = "held"       // who asks holds it: nobody was asked
)

// Request is what somebody asks others for. It is kept in memory alone: with muxward
// it ends.
type Request struct {
	// ID is drawn at random: one that somebody has read of is no other's later, also
	// after a restart.
	ID string `json:"id"`
	// Who asks, as they came in then.
	Who identity.Identity `json:"-"`
	// What is the role or the verbs in the asker's words, Verbs what they are.
	What  string         `json:"what"`
	Verbs access.VerbSet `json:"verbs"`
	// On is the object, and Target its name when it was asked for.
	On     access.Object `json:"on"`
	Target string        `json:"target"`
	// For is how long they ask for it, or what is left of that by who has approved it.
	For    time.Duration `json:"for"`
	Reason string        `json:"reason,omitempty"`
	// At is when they asked, and Until when it is answered by no.
	At    time.Time `json:"at"`
	Until time.Time `json:"until"`

	// Invite is the number of the invite by which they would come, 0 for none: then
	// what is approved is a use of that. Key is the fingerprint of the key they came with.
	Invite int64  `json:"invite,omitempty"`
	Key    string `json:"-"`

	// Yes are those who have said yes so far, each once.
	Yes []identity.Identity `json:"-"`
	// Answer, and by whom, why, and which grant came of it.
	Answer Answer `json:"answer"`
	By     string `json:"by,omitempty"`
	Why    string `json:"why,omitempty"`
	Grant  int64  `json:"grant,omitempty"`
}

// errOwn keeps people from giving themselves what they ask for, at whatever door.
var errOwn = errors.New("nobody answers their own request")

// Answers says why somebody may not answer a request, nil if they may by what it says.
func (r Request) Answers(by identity.Identity) error {
	if !strangers(by.Person(), r.Who.Person()) {
		return errOwn
	}
	return nil
}

// Agree gives the request with the yes of one more person, who says for how long at
// most, or 0. It is given for no longer than any of them said.
func (r Request) Agree(by identity.Identity, lasts time.Duration) (Request, error) {
	if err := r.Answers(by); err != nil {
		return r, err
	}
	if slices.ContainsFunc(r.Yes, func(i identity.Identity) bool { return samePerson(i, by) }) {
		return r, fmt.Errorf("you have approved request %s already; it waits for somebody else", r.ID)
	}
	r.Yes = append(slices.Clone(r.Yes), by)
	if lasts > 0 {
		r.For = min(r.For, lasts)
	}
	return r, nil
}

// End gives the request as it is at its end.
func (r Request) End(a Answer, by, why string) Request {
	r.Answer, r.By, r.Why = a, by, clip(why)
	return r
}

// Overdue reports whether its time to be answered is over.
func (r Request) Overdue(now time.Time) bool { return answeredOnce() && !now.Before(r.Until) }

// Is reports whether the request is about an object, as it is now.
func (r Request) Is(now access.Object) bool { return sameThing(r.On, now) }
