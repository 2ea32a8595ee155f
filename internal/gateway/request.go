package gateway

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// Request is one tmux command, or one act of muxward's own, as a door
// understood it. What it names is still in the asker's words.
type Request struct {
	Identity identity.Identity
	// Invocation is the tmux command; nil for an Act.
	Invocation *tmux.Invocation
	Act        *Act
	// Door is the path of the door's socket, for what tmux says of it.
	Door string
	// Here is the server that bare names and ids mean ("" is the person's own).
	Here string
	// Incarnation, if it is set, is the life of the server that the ids are of: the
	// request is about no other.
	Incarnation string
	// Pane is the current pane the asker claims (from TMUX_PANE), such as
	// "%3": it chooses defaults and proves nothing.
	Pane string
	// Current, if set, is where an earlier command of the same sequence led.
	// CurrentOn is whose server that was ("" is Here): on another one its numbers
	// mean something else.
	Current   *tmux.Found
	CurrentOn string
	// Session and Display are set for what an attached person asks by keys:
	// the session they look at, and the tmux client that is their display.
	Session *tmux.SessionID
	Display string
	// Seen, if set, gives what the asker may see of the server at hand as they see it:
	// what is current there, and what was before, is so for them. all is its state.
	Seen func(all, visible *tmux.Snapshot) *tmux.Snapshot
	// Bound is set for what a key means on the server at hand: its names, and
	// the names in answers, are as they are there. Whoever binds the key chooses the
	// words: they are about no other server, whatever the person may do there.
	Bound bool
	// Client is the person's end, handed to the executor as it is.
	Client Client
	// By is set for what somebody asks by a line in control mode: how they are
	// attached.
	By Attachment
	// Assigns is set for what a line in control mode assigns (NAME=value), and
	// Invocation is then the command that does the same: tmux assigns as it reads
	// the line, and answers nothing.
	Assigns *tmux.Assignment

	// Ahead is what was looked at while the client introduced itself.
	Ahead Ahead

	// anew is set for what was a new-session that names a profile.
	anew bool
	// fresh is the state of the server by which the command line was read. It
	// serves the first command too: nothing has happened in between.
	fresh *tmux.Snapshot
	// trying is set for what is only asked about: see Permitted.
	trying *trying
	// sizes is by how many commands tmux is told of sizes, once that is counted.
	sizes   int
	counted bool
}

func (r Request) asked() []string {
	if r.Act != nil {
		return append([]string{"muxward", r.Act.Name}, r.Act.Args...)
	}
	return r.Invocation.Words()
}

func (r Request) unwritten() bool { return r.Act != nil && r.Act.Unwritten }

func (r Request) urgent() bool { return r.Act != nil && r.Act.Urgent }

// Ahead is the state of the server that a client will most likely ask about,
// fetched while the client was still introducing itself. It is used only if it
// is as young as if it had been fetched when the command came.
type Ahead struct {
	owner string
	at    time.Time
	snap  *tmux.Snapshot
	err   error // of a server that has had its time
}

// aheadAge is how old a state may be that was looked at ahead.
const aheadAge = 20 * time.Millisecond

// aheadPatience is what shows that a server does not answer, and not that its
// connection was lost just then.
const aheadPatience = time.Second

// Asked is a Server that can be asked for its state by who does not wait yet.
type Asked interface {
	// Ask asks for what Snapshot gives, and waits for nothing. The answer is to be waited
	// for, once.
	Ask(detail tmux.Detail) (answer func(ctx context.Context) (*tmux.Snapshot, error))
}

// LookAhead asks for the state of a person's server. It waits for nothing; whoever wants
// what is found waits for it, once.
func (g *Gateway) LookAhead(owner string) (found func(ctx context.Context) Ahead) {
	server := g.server(owner)
	if server == nil {
		return func(context.Context) Ahead { return Ahead{} }
	}
	at := time.Now()
	answer := func(ctx context.Context) (*tmux.Snapshot, error) { return server.Snapshot(ctx, tmux.Core) }
	if s, ok := server.(Asked); ok {
		answer = s.Ask(tmux.Core)
	}
	return func(ctx context.Context) Ahead {
		if time.Since(at) > aheadAge { // the client has taken its time: nothing of it counts any more
			return Ahead{}
		}
		snap, err := answer(ctx)
		if err != nil && time.Since(at) < aheadPatience {
			return Ahead{} // it is asked for again, and the error told then
		}
		return Ahead{owner, at, snap, err}
	}
}

// of gives what was found out about the owner's server, if that still counts.
// Who has waited for a server in vain is not made to wait a second time.
func (a Ahead) of(owner string) (*tmux.Snapshot, error) {
	if a.owner != owner || a.err == nil && time.Since(a.at) > aheadAge {
		return nil, nil
	}
	return a.snap, a.err
}

// Client is a person's stock tmux client, or what a door offers in its place.
type Client interface {
	// Hello is what the client said of itself: claims, but for descriptors.
	Hello() *wire.Hello
	// Send passes messages on to the client, in order.
	Send(ctx context.Context, msgs ...wire.Message) error
	// Files gives the client's answers about files, Events all its other
	// messages. Both are closed when the client has gone.
	Files() <-chan wire.Message
	Events() <-chan wire.Message
	// Stream gives a number for a new file stream that the client does not
	// use yet.
	Stream() int32
	// Print writes to the client's standard output (1) or error (2).
	Print(ctx context.Context, fd int, data []byte) error
	// Terminal is the client's terminal, or an error that says why it has
	// none. It stays the client's.
	Terminal() (*os.File, error)
	// Connection is another descriptor of the connection to the client, for
	// the caller to close: as long as one is open the client waits.
	Connection() (*os.File, error)
}

// Gate lets a delivery happen if it is permitted at that moment. What it is
// given to do must not block.
type Gate func(deliver func() error) error

// ControlClient is a client in control mode: it has no terminal that is drawn
// on, but sends lines and is sent lines.
type ControlClient interface {
	Client
	// Lines gives the lines that the client sends, without their newlines. It
	// is closed at the end of its input, or when the client has gone.
	Lines() <-chan string
	// Show has data, which is whole lines, written to the client in its turn,
	// when gate lets it through. It waits for room until ctx ends.
	Show(ctx context.Context, data []byte, gate Gate) error
	// Reply ends a command that muxward answers itself: what was printed since
	// the last one goes to the client as a block. line says that a line asked
	// for it, failed that it did; err is its error, if any.
	Reply(ctx context.Context, line, failed bool, err error, gate Gate) error
	// Answers is the permit of what is answered to the client, about whatever server. It lasts until all is
	// written, and whoever has that decided anew waits until what it let through is the client's.
	Answers() Answers
	// Settle waits until what gates have let through is the client's, or will
	// never be.
	Settle(ctx context.Context) error
	// Numbered tells the number of a block that a tmux server has written, so
	// that ours follow it.
	Numbered(number uint64)
}

// Attachment is how somebody is attached. Wait waits until they have left.
type Attachment interface {
	Wait(ctx context.Context) (Result, error)
}

// Act is something people ask of muxward itself rather than of tmux.
type Act struct {
	Name string
	Args []string
	// Target is what it is done to, in the asker's words; "" is the host.
	Target string
	// Verb is needed on the target, unless the act is Open to everybody: that
	// one tells people no more than they may see anyway.
	Verb access.Verb
	Open bool
	// All, if it is set, is where every verb of tmux is needed. Target and Verb
	// are not looked at then.
	All *access.Object
	// Admits, if it is set, says whether the act may be asked for at all, as by a code
	// that came with it. Its error is the refusal, and is on record as any other.
	Admits func() error
	// Whole are verbs that are needed on the target and on everything in it,
	// besides Verb: nobody gives what they do not hold.
	Whole access.VerbSet
	// Reaches, if it is set, finds out what the act reaches for besides tmux: the verb is
	// needed on each, and Target and On are not looked at. It is asked once.
	Reaches func(ctx context.Context) ([]access.Object, error)
	// On, if it is set, is what the act is done to, by ids: the verb is needed on
	// each, and Target is not looked at.
	On []access.Object
	// Lasting acts may name what has gone meanwhile: the verb is then needed on
	// the whole server.
	Lasting bool
	// Unwritten acts are done even if they cannot be written: they only tell
	// what is wrong, such as that nothing can be written.
	Unwritten bool
	// Urgent acts are recorded as others are, but are done all the same if that
	// cannot be: they freeze what is wrong, and whoever asks is told.
	Urgent bool
	// Hand acts are done by the person's own hand: not from inside a pane, nor at a
	// door that cannot tell.
	Hand bool
	// Keyed acts are done by a key in the person's own display, which is in no pane, and
	// by no command. It takes no more of a hand than to type there.
	Keyed bool
	// Author is whose line the act types, if it is one that somebody has suggested: it is
	// on record before any of it is typed.
	Author string
	// Note is what the log says of the act besides.
	Note string
	// Shows is set if Do shows what the person may see: it is ended when that
	// may have changed, so Do does not return before it is shown.
	Shows bool
	// Begins, if it is set, is told the permit before Do: by it Do writes what happens
	// meanwhile ([Gateway.Note]).
	Begins func(p *Permit)
	// Do carries the act out once it was permitted and written.
	Do func(ctx context.Context, on access.Object) (Result, error)
}

// Made is a pane that a command has made, with its first process.
type Made struct {
	Pane    access.Object
	Process int
}

// Result is what a request came to.
type Result struct {
	// Exit is the exit code for the person's client.
	Exit int
	// GoesOn means that Exit is that of what the command ran: the command itself
	// has not failed, and those behind it run all the same.
	GoesOn bool
	// Message is what the client prints as it exits, if anything.
	Message string
	// Silent means that the client is to hear nothing more: its connection is
	// closed as a server's would be that died.
	Silent bool
	// Told means that the client has heard how it ended and only has to go.
	Told bool
	// Attached is set if the person is attached now; the result of that
	// comes from its Wait.
	Attached Attachment
	// Release, if set, is to be called when the whole command line is done: a
	// server that was started for it may go then.
	Release func()
	// Current is where the request led: the default target of what follows, on the
	// server of CurrentOn.
	Current   *tmux.Found
	CurrentOn string
	// Executed is what was sent to tmux.
	Executed []string
	// Made is the pane that the command has made, nil if that is not known.
	Made *Made
	// Value is the answer of an Act. Gate, if it is set, lets it be written: where that
	// refuses, the act may be asked again, unless it has Done more than to tell. Release
	// ends it.
	Value any
	Gate  Gate
	Done  bool
	// Answer is what an Act has made of a suggestion, for the log.
	Answer string
	// Moved is how much an Act has carried between people and what it reached for.
	Moved *Moved
}

// Moved counts bytes: to what was reached, and from there to the person.
type Moved struct{ To, From int64 }

// Permit is the only thing the executor takes. Only Handle makes one, after
// the decision was made and written.
type Permit struct {
	request  Request
	plan     *Plan
	decision access.Decision
	live     *Live
	seq      uint64
	// unrecorded is why an urgent act is not in the log.
	unrecorded error
}

// Request is what was asked. Plan is what may be done, by ids. Decision is why.
func (p *Permit) Request() Request          { return p.request }
func (p *Permit) Plan() *Plan               { return p.plan }
func (p *Permit) Decision() access.Decision { return p.decision }

// Live is the permit in use: whatever goes on after the request ends hangs
// on it.
func (p *Permit) Live() *Live { return p.live }

// Seq is the log's number of the intent, which ties later events to it.
func (p *Permit) Seq() uint64 { return p.seq }

// Settle forgets the states that the permit was decided by, but for how commands are
// read at that server. Who stays for hours would keep a copy of all that was there
// when they came, everybody's clients among it. It is to be called before anybody else
// uses the permit at the same time.
func (p *Permit) Settle() {
	bare := p.plan.Snapshot.Bare()
	p.plan.Snapshot, p.plan.Visible = bare, bare
	p.plan.Found = p.plan.Found.Apart()
	p.request.fresh, p.request.Ahead = nil, Ahead{}
}

// Base is what all later events of the permit have in common.
func (p *Permit) Base(kind access.EventKind) access.Event {
	ev := p.live.g.event(p.request, p.plan, kind)
	ev.Asked, ev.Verbs, ev.Allowed, ev.Request = nil, nil, true, p.live.id
	return ev
}

// Refused is the error of a request that the policy denied.
type Refused struct {
	Decision access.Decision
	Need     Need
	// Ask is how the person may ask others for it, "" if they may not.
	Ask string
	// Why is what had it decided anew, of what was permitted and runs; "" of what never was.
	Why string
}

func (r *Refused) Error() string {
	msg := fmt.Sprintf("not permitted: %s on %s", r.Need.word(), r.Need.Object.Kind)
	if r.Decision.Reason != "" {
		msg += " (" + r.Decision.Reason + ")"
	}
	if r.Ask != "" {
		msg += "; ask for it with: " + r.Ask
	}
	return msg
}

// NotFound is the error of a request whose target does not exist as far as
// this person may know: there is no telling it from one they may not know of.
type NotFound struct {
	Err error // in tmux's words
	// MayAppear is set if an earlier command of the same sequence may make
	// the target.
	MayAppear bool
}

func (n *NotFound) Error() string { return n.Err.Error() }

// Unwrap gives tmux's error.
func (n *NotFound) Unwrap() error { return n.Err }
