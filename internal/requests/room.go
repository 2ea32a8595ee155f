package requests

import (
	"context"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/policy"
	"github.com/muxward/muxward/internal/webhook"
)

// minded is how often it is looked whether the time of a request is over.
const minded = time.Second

// Requests are what is asked for. All that is exported, but for Waiting, is set before it is used.
type Requests struct {
	Waiting grants.Requests // nothing at first: a request ends with muxward

	Gateway *gateway.Gateway
	Policy  Policy
	Log     gateway.Log
	Grants  Grants
	Hook    *webhook.Hook // nil if nobody is told
	// TakesTurn has somebody take their turn to ask others for something, or says that they do so too often.
	TakesTurn func(who identity.Identity) error
	// Strangers says why somebody is not whom they came in as any more.
	Strangers func(who identity.Identity) error
	// Unrecorded says why nothing can be recorded now, nil if it can. Nobody's answer is taken meanwhile.
	Unrecorded func() error
	Displays   Displays
	Complain   func(what string)
	// Draining reports whether muxward ends: nobody may anything any more then.
	Draining func() bool
	// Ctx is of everything that serves people.
	Ctx context.Context
}

// Policy is the policy in force; policy.Engine has it.
type Policy interface {
	Set() *policy.Set
	At(at time.Time) *policy.Set
}

// Displays are those of the people who are attached; executor.Executor has them.
type Displays interface {
	// Knock has it found out anew what waits for whom.
	Knock()
}

// Grants are where something is given that was approved.
type Grants interface {
	// Usable says why nothing can be given, nil if it can.
	Usable() error
	// Give keeps a grant and records it, and InForce puts it in force.
	Give(ctx context.Context, g grants.Grant, on access.Object) (grants.Grant, error)
	InForce(ctx context.Context, g grants.Grant)
	// MayKnock says why the invite of a request is not open now for who knocked with it.
	MayKnock(r grants.Request) error
	// Admit keeps a use of that invite, for so long; grants.ErrNotOpen if it is not open any more.
	Admit(ctx context.Context, r grants.Request, lasts time.Duration) (grants.Grant, error)
	// Shown gives a grant as it is told, if it is given still.
	Shown(id int64) (acts.ShownGrant, bool)
}
