package attach

import "time"

// lateTime is how long a terminal may be behind with what is drawn before its person is
// taken not to look.
const lateTime = time.Second

// Shown reports whether what is drawn is shown to the person: their terminal takes it,
// is not left, and nothing of muxward's covers it. It waits for nothing: what somebody
// else does may depend on it. What a terminal has taken it may still hold.
func (a *Attachment) Shown() bool {
	o := &a.out
	now := time.Now().UnixNano()
	late := func(since int64) bool { return since != 0 && now-since > int64(lateTime) }
	return !a.closed.Load() && !o.veiled.Load() && !late(o.since.Load()) && !late(o.writing.Load())
}

// drains notes whether somebody works on the queue or the lag; o.mu is held.
func (o *output) drains(now bool) {
	o.draining = now
	o.dates()
}

// dates notes since when the terminal is behind, also while nobody works on that, as what
// is drawn is kept from it just then; o.mu is held.
func (o *output) dates() {
	if !o.draining && !o.lagging {
		o.since.Store(0)
	} else {
		o.since.CompareAndSwap(0, time.Now().UnixNano())
	}
}

// veil notes whether what is drawn is kept from the terminal; o.mu is held, and cover
// or away was set.
func (o *output) veil() { o.veiled.Store(o.away || o.cover != nil) }
