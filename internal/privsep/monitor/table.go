package monitor

import (
	"context"
	"os"

	"github.com/muxward/muxward/internal/privsep"
)

// phase is how far the daemon has come. It only goes forward.
type phase uint8

const (
	greeting phase = 1 << iota // nothing was said yet
	starting                   // until the daemon says that it is ready
	serving                    // from then on

	later = starting | serving
)

// flags of a request.
type flags uint8

const once flags = 1 // a second one ends the helper

// row is one request: its number, when it is permitted, and what is done.
type row struct {
	number privsep.Number
	name   string
	phases phase
	flags  flags
	serve  serve
}

// table lists every request there is.
func table() []row {
	return []row{
		{privsep.NumHello, "hello", greeting, once, on((*Monitor).hello)},
		{privsep.NumNotify, "notify", later, 0, on((*Monitor).notify)},
		{privsep.NumCtl, "ctl", later, 0, on((*Monitor).ctl)},
		{privsep.NumAuthKeys, "authkeys", later, 0, on((*Monitor).authKeys)},
		{privsep.NumPAM, "pam", later, 0, on((*Monitor).pam)},
		{privsep.NumPAMEnd, "pam-end", later, 0, on((*Monitor).pamEnd)},
		{privsep.NumSign, "sign", later, 0, on((*Monitor).sign)},
		{privsep.NumKeys, "keys", starting, once, on((*Monitor).keys)},
		{privsep.NumServing, "serving", starting, once, on((*Monitor).serving)},
		{privsep.NumForced, "forced", later, 0, on((*Monitor).forced)},
		{privsep.NumProfiles, "profiles", later, 0, on((*Monitor).readProfiles)},
		{privsep.NumTake, "take", later, 0, on((*Monitor).takeProfiles)},
		{privsep.NumSSHD, "sshd", later, 0, on((*Monitor).sshd)},
		{privsep.NumSigned, "signed", later, 0, on((*Monitor).signed)},
		{privsep.NumAccount, "account", later, 0, on((*Monitor).account)},

		{privsep.NumFound, "found", starting, 0, on((*Monitor).found)},
		{privsep.NumAdopt, "adopt", later, 0, on((*Monitor).adopt)},
		{privsep.NumStart, "start", later, 0, on((*Monitor).start)},
		{privsep.NumAbandon, "abandon", later, 0, on((*Monitor).abandon)},
		{privsep.NumConnect, "connect", later, 0, on((*Monitor).connect)},
		{privsep.NumMend, "mend", later, 0, on((*Monitor).mend)},
		{privsep.NumNote, "note", later, 0, on((*Monitor).note)},
		{privsep.NumOpenDoor, "open-door", later, 0, on((*Monitor).openDoor)},
		{privsep.NumCloseDoor, "close-door", later, 0, on((*Monitor).closeDoor)},
		{privsep.NumReach, "reach", later, 0, on((*Monitor).reach)},
		{privsep.NumTicket, "ticket", later, 0, on((*Monitor).ticket)},
		{privsep.NumHalt, "halt", later, 0, on((*Monitor).halt)},
	}
}

// answer is what a request is answered with. The descriptors are closed behind it.
type answer struct {
	body  any
	files []*os.File
}

// serve does what was asked: the body is one of the request's own. An error of
// kind refusal ends the helper; any other is the answer.
type serve func(m *Monitor, ctx context.Context, body []byte) (answer, error)

// on has a body read strictly, and the request done.
func on[T any](do func(*Monitor, context.Context, T) (answer, error)) serve {
	return func(m *Monitor, ctx context.Context, body []byte) (answer, error) {
		var request T
		if err := privsep.Decode(body, &request); err != nil {
			return answer{}, refusal{err}
		}
		return do(m, ctx, request)
	}
}

// refusal is what no daemon of ours asks for.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }
