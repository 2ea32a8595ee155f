package access

import (
	"time"

	"github.com/muxward/muxward/internal/identity"
)

// Question is what the policy answers: may Who do Verb to Object?
type Question struct {
	Who    identity.Subject
	Verb   Verb
	Object Object
	// At is the time of the question: policy has no clock of its own.
	At time.Time
	// Command is set if a spawn names its own command, which is a wider right
	// than a plain shell.
	Command bool
}

// Decision is the policy's answer. The zero Decision denies.
type Decision struct {
	Allow bool
	// Rule names what decided: file:line and id of the policy or grant, or
	// "default" where nothing permits.
	Rule string
	// Reason is for people: why, in one line.
	Reason string
	// Obligations must be met if Allow.
	Obligations Obligations
	// Generation is that of the policy the decision rests on; a decision of
	// an older generation must be asked again.
	Generation uint64
	// Expires is when the decision must be asked again in any case; zero
	// means no time limit.
	Expires time.Time
}

// Fresh reports whether the decision still stands in generation gen at now.
func (d Decision) Fresh(gen uint64, now time.Time) bool {
	return d.Generation == gen && (d.Expires.IsZero() || now.Before(d.Expires))
}

// Obligations are duties that come with a permission.
type Obligations uint8

const (
	// MustRecord makes keys wait until their record is on disk.
	MustRecord Obligations = 1 << iota
	// LogContent writes what was typed, not only how much.
	LogContent
	// Watched needs somebody else to look on, who holds approve there, for whatever
	// is done.
	Watched
)

// Has reports whether all of p are among o.
func (o Obligations) Has(p Obligations) bool { return o&p == p }
