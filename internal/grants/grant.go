package grants

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
)

// State is where a grant is in its life. It begins as given, and whatever it
// becomes then is its end.
type State string

// The states.
const (
	Given     State = "given"
	TakenBack State = "taken back"
	Over      State = "over" // its time is over
)

// Grant is what somebody gave to somebody while muxward ran.
type Grant struct {
	// ID is its number in the store, which uses none twice.
	ID int64 `json:"id"`
	// Who is a person or @group.
	Who string `json:"who"`
	// What is the role or the verbs in the giver's words, Verbs what they are.
	What  string         `json:"what"`
	Verbs access.VerbSet `json:"verbs"`
	// On is the object, and Target its name when it was given.
	On     access.Object `json:"on"`
	Target string        `json:"target"`
	// NotBefore and Until bound it; zero is no bound.
	NotBefore time.Time `json:"not_before,omitzero"`
	Until     time.Time `json:"until,omitzero"`
	Reason    string    `json:"reason,omitempty"`
	// Giver is who gave it, as they came in then: they have to hold what they
	// gave for as long as it counts.
	Giver identity.Subject `json:"giver"`
	// Source is by what it came here, and Invite the number of the invite if it was
	// one. Key, if set, is the fingerprint of the one key with which it counts.
	Source string    `json:"source"`
	Invite int64     `json:"invite,omitempty"`
	Key    string    `json:"key,omitempty"`
	At     time.Time `json:"at"`

	State State `json:"state"`
	// EndedAt, EndedBy and EndedWhy tell of its end.
	EndedAt  time.Time `json:"ended_at,omitzero"`
	EndedBy  string    `json:"ended_by,omitempty"`
	EndedWhy string    `json:"ended_why,omitempty"`
}

// MaxReason is the longest reason of a grant, in bytes, and MinLength how long
// one with a beginning and an end counts at least.
const (
	MaxReason = 1 << 10
	MinLength = time.Second
)

// maxWords is the most bytes of any other text in a grant.
const maxWords = 4 << 10

// check says what is wrong with a grant. What it lets pass can be written, and
// is read again as it was.
func (g Grant) check() error {
	who := strings.TrimPrefix(g.Who, "@")
	if _, err := identity.CanonicalName(who); err != nil {
		return fmt.Errorf("to whom: %w", err)
	}
	if g.Invite < 0 || g.Invite >= g.ID && g.Invite != 0 {
		return errors.New("it came by an invite that came after it")
	}
	return g.terms()
}

// terms says what is wrong with what is given, whoever gets it.
func (g Grant) terms() error {
	if _, err := identity.CanonicalName(g.Giver.Person); err != nil {
		return fmt.Errorf("by whom: %w", err)
	}
	for _, t := range []time.Time{g.NotBefore, g.Until, g.At} {
		if !writable(t) {
			return errors.New("a time of it lies beyond the year 9999 or before the year 1")
		}
	}
	for _, text := range []string{g.What, g.Target, g.Source, g.On.Incarnation, g.On.Session.Name, g.Giver.Account, g.Giver.Door, g.Key} {
		if len(text) > maxWords || !utf8.ValidString(text) {
			return fmt.Errorf("a text of it is none, or has more than %d bytes", maxWords)
		}
	}
	switch {
	case g.Verbs == 0 || !access.AllVerbs.Covers(g.Verbs):
		return errors.New("it gives no verb that there is")
	case g.On.Kind > access.Pane || (g.On.Kind == access.Host) != (g.On.Owner == ""):
		return errors.New("it is not said on what")
	case g.On.Kind >= access.Session && g.On.Incarnation == "":
		return errors.New("it is on a session, window or pane of no server")
	case byPane(g.Giver):
		return errors.New("it was given from inside a pane")
	case g.Giver.Key != "":
		return errors.New("it was given by who came with a key")
	case !g.Until.IsZero() && !g.Until.After(g.NotBefore):
		return errors.New("it ends before it begins")
	case !g.Until.IsZero() && g.Until.Sub(g.NotBefore) < MinLength:
		return fmt.Errorf("it ends sooner than %v after its beginning", MinLength)
	case len(g.Reason) > MaxReason || !utf8.ValidString(g.Reason):
		return fmt.Errorf("the reason is no text of at most %d bytes", MaxReason)
	}
	return nil
}

// writable reports whether a time can be written as text and read again.
func writable(t time.Time) bool {
	year := t.UTC().Year()
	return year >= 1 && year <= 9999
}

// plain gives the grant with its times as they are read from the store.
func (g Grant) plain() Grant {
	g.NotBefore, g.Until, g.At = plainTime(g.NotBefore), plainTime(g.Until), plainTime(g.At)
	return g
}

func plainTime(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.Round(0).UTC()
}

// ended gives the grant as it is after its end.
func (g Grant) ended(s State, at time.Time, by, why string) Grant {
	g.State, g.EndedAt, g.EndedBy, g.EndedWhy = s, plainTime(at), by, clip(why)
	return g
}

// clip cuts a reason to the length that one may have.
func clip(why string) string {
	why = strings.ToValidUTF8(why, "?")
	if len(why) <= MaxReason {
		return why
	}
	return strings.ToValidUTF8(why[:MaxReason], "")
}
