package executor

import (
	"context"
	"sync"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/attach"
)

// parting is how somebody's attachment ends: once, and for one reason. Whoever
// embeds it sets cancel before anything can end.
type parting struct {
	cancel context.CancelCauseFunc

	mu     sync.Mutex
	left   bool  // they leave, and
	reason error // this is why; nil if they wanted to
	parted bool  // nothing keeps their display from sizing windows any more
}

// leave ends the attachment, and reports whether it was this that did.
func (p *parting) leave(reason error) (first bool) {
	p.mu.Lock()
	if first = !p.left; first {
		p.left, p.reason = true, reason
	}
	p.mu.Unlock()
	if reason == nil {
		reason = attach.ErrDetached
	}
	p.cancel(reason)
	return first
}

// noView is the end of who may not view any more what they look at.
const noView = "muxward: you may not view this any more"

// unviewed is what they are told who are found not to view any more what they look at, before
// they are told of the loss: by what is drawn, say.
type unviewed string

func (u unviewed) Error() string { return string(u) }

// notViewed is that, or that muxward ends, which takes no right from anybody.
func (e *Executor) notViewed(view access.Decision, why string) string {
	if err := e.Gateway().Ending(); err != nil {
		return err.Error()
	}
	return because(noView, view, why)
}

// because says why something was taken from somebody, as far as it is known: by
// the decision, or by what had it made.
func because(text string, d access.Decision, why string) string {
	switch {
	case d.Reason != "":
		return text + ": " + d.Reason
	case why != "":
		return text + ": " + why
	}
	return text
}
