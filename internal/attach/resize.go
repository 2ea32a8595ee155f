package attach

import (
	"sync"
	"time"

	"github.com/muxward/muxward/internal/failpoint"
)

// resizer passes on the terminal's size, not more often than tmux should hear
// of it. The last size always arrives.
type resizer struct {
	a *Attachment

	mu      sync.Mutex
	last    time.Time // of the last change passed on
	pending *time.Timer
	over    bool

	applying sync.Mutex // one change at a time, in order
	known    Window
}

func (r *resizer) init(a *Attachment) { r.a = a; r.known = a.window() }

// Resize is to be called when the person's client says that its terminal has
// another size. The size itself is read from the terminal, clamped, and passed
// on at most 20 times a second.
func (a *Attachment) Resize() { a.resize.request() }

func (r *resizer) request() {
	r.mu.Lock()
	wait := resizeEvery - time.Since(r.last)
	switch {
	case r.over || r.pending != nil:
		r.mu.Unlock()
		return
	case often(wait):
		r.pending = time.AfterFunc(wait, func() { r.a.spawn(r.apply) })
		r.mu.Unlock()
		return
	}
	r.mu.Unlock()
	r.apply()
}

// apply reads the size and passes it on if it is a new one.
func (r *resizer) apply() {
	failpoint.At("attach-resize")
	r.applying.Lock()
	defer r.applying.Unlock()
	r.mu.Lock()
	r.last, r.pending = time.Now(), nil
	over := r.over
	r.mu.Unlock()
	size := r.a.window()
	if over || size == r.known {
		return
	}
	if err := r.a.display.SetSize(size); err != nil {
		r.a.cfg.Log.Warn("size not passed on", "err", err)
		return
	}
	r.known = size
	r.a.note.anew()
	if r.a.cfg.OnResize != nil {
		r.a.cfg.OnResize(size.Size)
	}
}

func (r *resizer) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
	if r.pending != nil {
		r.pending.Stop()
	}
}
