package daemon

import "context"

// presence tells the tmux servers who is attached, if that is configured. It is
// stopped while the servers can still be reached.
type presence struct {
	tell   func(context.Context)
	cancel context.CancelFunc
	done   chan struct{}
}

func (p *presence) start() {
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel, p.done = cancel, make(chan struct{})
	go func() {
		defer close(p.done)
		p.tell(ctx)
	}()
}

// stop waits until what was told is taken back, which has a deadline.
func (p *presence) stop() {
	if p.cancel != nil {
		p.cancel()
		<-p.done
	}
}
