package control

import (
	"errors"
	"fmt"
)

// Why a client ended. [Client.Err] and the errors of commands without an answer
// wrap one of these.
var (
	// ErrClosed: [Client.Close] was called.
	ErrClosed = errors.New("the control connection was closed")
	// ErrCut: [Client.Cut] was called.
	ErrCut = errors.New("the control connection was cut")
	// ErrServerGone: the tmux server exited or was killed.
	ErrServerGone = errors.New("the tmux server is gone")
	// ErrDetached: the server ended this client, because somebody detached it
	// or because its session was closed.
	ErrDetached = errors.New("the tmux server ended the control connection")
	// ErrStalled: no answer for as long as [Options.Stall] allows.
	ErrStalled = errors.New("the tmux server does not answer")
	// ErrProtocol: what the server sent cannot be understood.
	ErrProtocol = errors.New("unexpected data on the control connection")
)

// What is known about a command that has no answer. Every error of
// [Client.Send], [Client.Do], [Client.Drain] and [Pending.Wait] wraps one of
// these.
var (
	// ErrNotExecuted: the server did not run it and never will.
	ErrNotExecuted = errors.New("not executed")
	// ErrUnknownOutcome: the server has read it and may have run it, or may
	// still.
	ErrUnknownOutcome = errors.New("outcome unknown")
)

// ErrBacklog means that more is waiting to be sent than a client holds. The
// commands were not sent.
var ErrBacklog = fmt.Errorf("too many commands are waiting for the tmux server: %w", ErrNotExecuted)

// CommandError is tmux's refusal of a command.
type CommandError struct {
	Text string // as tmux words it, without the newline; it may quote anything
}

// Error returns tmux's words.
func (e *CommandError) Error() string { return e.Text }
