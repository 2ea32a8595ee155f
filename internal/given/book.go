package given

import (
	"context"
	"sync"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/ctxlock"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/policy"
)

// lookEvery is how often it is looked at what nothing tells us about.
const lookEvery = 4 * time.Second

// Book is what was given. All that is exported is set behind [Open], before anything else is called but Wrong, Close and
// Declarations: the line needs those as it is made, and the book needs the line.
type Book struct {
	Gateway *gateway.Gateway
	Policy  Policy
	Log     gateway.Log
	Servers Servers
	// Revoked reports whether everything on an object was taken from a person, Locked by what lockdown nobody
	// may do anything there.
	Revoked func(person string, on access.Object) bool
	Locked  func(on access.Object) (grants.Denial, bool)
	// Strangers says why somebody is not whom they came in as any more. Away gives what tells, as it is known at
	// that moment, whether who gave something did so by an account that is another's by now; nil if nobody did.
	Strangers func(who identity.Identity) error
	Away      func() func(giver identity.Subject) bool
	// Void ends what was suggested by who may not suggest it any more.
	Void func(ctx context.Context) error
	// Knock has somebody wait who comes by an invite that takes a yes, and gives what they wait for.
	Knock func(ctx context.Context, who identity.Identity, v grants.Invite) (any, error)
	// BySSH reports whether people can come by ssh.
	BySSH    func() bool
	Complain func(what string)
	// Ctx is of everything that serves people, and Go begins what is waited for at its end.
	Ctx context.Context
	Go  func(f func())

	store   *grants.Store // nil if it is damaged
	damaged error

	// granting is whose turn it is to write grants, moving held while they are put
	// in force. taken are those that were taken back, and invites that were revoked,
	// and may be in the store still.
	granting ctxlock.Turn
	moving   sync.Mutex
	moved    moved
	taken    map[int64]bool
	tries    grants.Tries // of codes of invites
	// lately is when the clock was looked at last, clockWritten when it was
	// written: of KeepTime alone.
	lately       grants.Clock
	clockWritten time.Time
}

// Policy is the policy in force; policy.Engine has it.
type Policy interface {
	Set() *policy.Set
	At(at time.Time) *policy.Set
	Move(m policy.Moving)
	Covers(who identity.Subject, verbs access.VerbSet, o access.Object, at time.Time) access.Decision
}

// Servers are the guarded tmux servers.
type Servers interface {
	// Server gives a person's running server, nil if there is none.
	Server(owner string) gateway.Server
}

// Open opens the store of grants. One that is damaged, or cannot be opened,
// ends nothing but the grants in it: they are rights that people do not have then.
func Open(ctx context.Context, path string, now grants.Clock) (*Book, error) {
	b := &Book{granting: ctxlock.NewTurn(), taken: map[int64]bool{}, lately: now}
	b.store, b.damaged = grants.OpenStore(ctx, path, now)
	if b.damaged != nil {
		b.store = nil
	}
	return b, b.damaged
}
