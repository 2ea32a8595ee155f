package gateway

import (
	"context"
	"errors"

	"github.com/muxward/muxward/internal/tmux"
)

// HandleAll runs the commands of a line one after the other and stops at the
// first that fails. If one of them attached the person, it waits until they leave.
// That all of them are decided before the first one runs is [Gateway.PreviewAll]'s
// to see to.
func (g *Gateway) HandleAll(ctx context.Context, reqs []Request) (Result, error) {
	var attached Attachment
	var last Result
	var current *tmux.Found
	var on string
	for i, req := range reqs {
		reqs[i].fresh, reqs[i].Ahead = nil, Ahead{} // an attachment below lasts for hours
		req.Current, req.CurrentOn = current, on
		var r Result
		err := steadily(func() (err error) {
			r, err = g.Handle(ctx, req)
			req.Ahead = Ahead{} // what was looked at then is old if this is done again
			return err
		})
		if r.Release != nil {
			defer r.Release()
		}
		if err != nil && attached == nil {
			return r, err
		}
		if err != nil {
			break // attached already: tmux would show it in the status line
		}
		if r.Current != nil {
			current, on = r.Current, r.CurrentOn
		}
		if r.Attached != nil {
			attached = r.Attached
		}
		failed := r.Exit != 0 && !r.GoesOn
		if last = After(last, r, req); failed {
			break
		}
	}
	if attached != nil {
		return attached.Wait(ctx)
	}
	return last, nil
}

// sightTries is how often it is looked up what a person may see, if rights change
// meanwhile.
const sightTries = 3

// steadily looks something up again that was refused because what the person may see was
// found out by rights that were old by then: nothing was done of it.
func steadily(look func() error) (err error) {
	for range sightTries {
		err = look()
		old := new(Refused)
		if !errors.As(err, &old) || old.Decision.Reason != errOldSight.Error() {
			break
		}
	}
	return err
}

// After is the result of a command line so far. As with tmux an exit code stays
// until something else has one; a shell command has one in any case.
func After(last, r Result, req Request) Result {
	inv := req.Invocation
	if r.Exit == 0 && (inv.Row.Name != "run-shell" || inv.Has('b')) {
		r.Exit = last.Exit
	}
	return r
}
