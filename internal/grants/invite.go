package grants

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/identity"
)

// BySharing is the source of a grant that came by an invite.
const BySharing = "invite"

// Bounds of invites.
const (
	// MaxUses is how many people may come by one.
	MaxUses = 100
	// MaxOpen is how long one may be open.
	MaxOpen = 30 * 24 * time.Hour
	// maxInvites is how many are open at once, maxInvitesByOne how many of one person.
	maxInvites      = 1_000
	maxInvitesByOne = 100
)

// Invite is what somebody gives to whoever comes with its code: a grant that is
// nobody's yet. Who used it has a grant of their own, which ends with it.
type Invite struct {
	// Grant says what is given, from when until when, and by whom. Its Who is empty.
	Grant
	// Uses is how many people may use it, each once.
	Uses int
	// Bind has what is given count only with the key that its person came with.
	Bind bool
	// Approve has who comes with its code wait until somebody lets them in.
	Approve bool
	// Used are those who have.
	Used []Use

	lock lock
}

// Use is who came by an invite, and the number of the grant that they got.
type Use struct {
	Who   string    `json:"who"`
	Grant int64     `json:"grant"`
	At    time.Time `json:"at"`
}

// Joiner is who comes with a code, and the fingerprint of the key that proved them. Until,
// if it is set, is when what they get ends at the latest.
type Joiner struct {
	Person, Key string
	Until       time.Time
}

// ErrNotOpen is all that people hear whose code opens nothing, whatever the reason.
var ErrNotOpen = errors.New("this code opens nothing: it is wrong, used up, over or revoked; ask for another")

// ErrKnocks is the error of a use of an invite by which people come only as somebody lets
// them in.
var ErrKnocks = errors.New("who comes by this invite waits until somebody lets them in")

// ErrNeedsKey is what they hear who come without one where what is given is bound to it.
var ErrNeedsKey = errors.New("what this invite gives is bound to a key: come by ssh to join")

// check says what is wrong with an invite.
func (v Invite) check() error {
	switch {
	case v.Who != "" || v.Invite != 0 || v.Key != "":
		return errors.New("an invite is nobody's")
	case v.Until.IsZero():
		return errors.New("an invite needs an end")
	case v.Uses < 1 || v.Uses > MaxUses:
		return fmt.Errorf("an invite is for 1 to %d people", MaxUses)
	case ends() && len(v.Used) > v.Uses:
		return errors.New("it was used more often than it may be")
	}
	for i, u := range v.Used {
		if _, err := identity.CanonicalName(u.Who); err != nil || u.Grant <= v.ID || !writable(u.At) {
			return errors.New("it is not said by whom it was used")
		}
		if ends() && v.usedBy(u.Who) != i {
			return fmt.Errorf("it was used twice by %s", u.Who)
		}
	}
	return v.terms()
}

// usedBy gives which of the uses somebody's is, -1 for none.
func (v *Invite) usedBy(person string) int {
	return slices.IndexFunc(v.Used, func(u Use) bool { return u.Who == person })
}

// Knocks reports whether somebody who comes with its code waits until they are let in.
// Who has come by it has been.
func (v *Invite) Knocks(person string) bool { return knocks(v.Approve && v.usedBy(person) < 0) }

// full reports whether it is used up.
func (v *Invite) full() bool { return ends() && len(v.Used) >= v.Uses }

// with gives the invite with one use more, and without that of a grant.
func (v Invite) with(u Use) Invite {
	v.Used = append(slices.Clone(v.Used), u)
	return v
}

func (v Invite) without(grant int64) Invite {
	v.Used = slices.DeleteFunc(slices.Clone(v.Used), func(u Use) bool { return u.Grant == grant })
	return v
}

// grantTo gives the grant of who has joined.
func (v *Invite) grantTo(id int64, j Joiner, at time.Time) Grant {
	g := v.Grant
	g.ID, g.Who, g.At, g.Source, g.Invite, g.State = id, j.Person, at, BySharing, v.ID, Given
	if v.Bind {
		g.Key = j.Key
	}
	if !j.Until.IsZero() && j.Until.Before(g.Until) {
		g.Until = j.Until
	}
	return g.plain()
}

// inviteRow is an invite as it lies on disk, among the grants.
type inviteRow struct {
	Kind string `json:"kind"`
	row
	Uses    int   `json:"uses"`
	Bind    bool  `json:"bind,omitempty"`
	Approve bool  `json:"approve,omitempty"`
	Used    []Use `json:"used,omitempty"`
	Lock    lock  `json:"lock"`
}

// ofInvite is the kind of such a row. Those of grants have none.
const ofInvite = "invite"

// isInvite reports whether a row is one of an invite.
func isInvite(body string) bool { return strings.HasPrefix(body, `{"kind":"`+ofInvite+`"`) }

// inviteChange writes an invite as a row. What does not come out of it as it went in
// is refused.
func inviteChange(v Invite, pending bool) (change, error) {
	if err := v.check(); err != nil {
		return change{}, err
	}
	body, err := encode(inviteRow{ofInvite, rowOf(v.Grant, pending), v.Uses, v.Bind, v.Approve, v.Used, v.lock})
	if err != nil {
		return change{}, err
	}
	back, waits, err := readInvite(body)
	if err != nil {
		return change{}, err
	}
	if waits != pending || back.ID != v.ID || back.Verbs != v.Verbs || back.On.Key() != v.On.Key() || back.lock != v.lock ||
		!back.Until.Equal(v.Until) || !back.NotBefore.Equal(v.NotBefore) || back.Bind != v.Bind || back.Approve != v.Approve || len(back.Used) != len(v.Used) {
		return change{}, errors.New("it would be read as another")
	}
	return change{v.ID, body}, nil
}

func readInvite(body string) (v Invite, pending bool, err error) {
	var r inviteRow
	if err := strict([]byte(body), &r); err != nil {
		return v, false, err
	}
	g, err := r.given()
	if err != nil {
		return v, false, err
	}
	v = Invite{Grant: g, Uses: r.Uses, Bind: r.Bind, Approve: r.Approve, Used: r.Used, lock: r.Lock}
	return v, r.Pending, v.check()
}
