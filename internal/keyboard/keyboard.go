package keyboard

import (
	"context"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/pace"
	"github.com/muxward/muxward/internal/policy"
)

// minded is how often it is looked what has become of panes and people.
const minded = time.Second

// Keyboards are whose the keyboards of panes are, and what is suggested for them. All that is exported, but for
// Suggestions, is set before it is used.
type Keyboards struct {
	Leases      *grants.Leases
	Suggestions grants.Suggestions // nothing at first: a suggestion ends with muxward

	Gateway  *gateway.Gateway
	Policy   Policy
	Log      gateway.Log
	Servers  Servers
	Displays Displays
	// Revoked reports whether everything on an object was taken from a person.
	Revoked func(person string, on access.Object) bool
	// TakesTurn has somebody take their turn to ask others for something, or says that they do so too often.
	TakesTurn func(who identity.Identity) error
	// AnswerKey is whether people have a key by which they take a suggestion.
	AnswerKey bool
	Complain  func(what string)
	// Draining reports whether muxward ends: nobody may anything any more then.
	Draining func() bool
	// Ctx is of everything that serves people, and Go begins what is waited for at its end.
	Ctx context.Context
	Go  func(f func())

	askers  askers // for keyboards
	passing pace.Pace
}

// Policy is what the policy in force is asked for; policy.Engine is one.
type Policy interface {
	Set() *policy.Set
	Holds(who identity.Subject, o access.Object, at time.Time) access.VerbSet
}

// Servers are the guarded tmux servers.
type Servers interface {
	// Server gives a person's running server, nil if there is none.
	Server(owner string) gateway.Server
	// AllKnown reports whether none is still to be found again that an earlier muxward has left.
	AllKnown() bool
}

// Displays are those of the people who are attached; executor.Executor has them.
type Displays interface {
	// Tell tells those who look at a pane.
	Tell(pane access.Object, text func(who identity.Identity) string)
	// Knock has it found out anew what waits for whom.
	Knock()
}
