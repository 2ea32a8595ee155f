package attack

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// handing is the file in which muxward notes, in a row that is paused, what it hands to tmux
// of what people type: how many bytes, when that was decided last, and when tmux had them.
type handing struct {
	file string
	// late is how many bytes tmux had after the time, though it was decided before, and most
	// the longest of that.
	late int
	most time.Duration
}

// handTime is how long a write to tmux may take that was decided right before it: the
// processor may be away just then, and no longer than that. What waits anywhere waits longer.
const handTime = 250 * time.Millisecond

// reset forgets what was noted.
func (h *handing) reset(w *world) {
	w.t.Helper()
	if w.points == "" {
		return
	}
	h.file = filepath.Join(w.points, "seat-sent")
	if err := os.WriteFile(h.file, nil, 0o666); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Chmod(h.file, 0o666); err != nil { // past the umask
		w.t.Fatal(err)
	}
}

// handed is one note.
type handed struct {
	bytes          int
	decided, given time.Time
}

// all are the notes so far.
func (h *handing) all() (out []handed) {
	text, err := os.ReadFile(h.file)
	if err != nil {
		return nil // none: whatever came was not noted
	}
	for line := range bytes.Lines(text) {
		var n int
		var decided, given int64
		if _, err := fmt.Sscan(string(line), &n, &decided, &given); err == nil {
			out = append(out, handed{n, time.Unix(0, decided), time.Unix(0, given)})
		}
	}
	return out
}

// inTime is how many bytes were handed over by decisions made before a time.
func (h *handing) inTime(over time.Time) (n int) {
	for _, one := range h.all() {
		if one.decided.Before(over) {
			n += one.bytes
		}
	}
	return n
}

// held looks for what muxward kept past the time, and gave to tmux then.
func (r *revocation) held(i int) {
	r.w.t.Helper()
	all := r.handed.all()
	if len(all) == 0 {
		r.w.t.Errorf("trial %d: nothing is noted of what was handed to tmux: this is no test", i)
	}
	for _, one := range all {
		past := one.given.Sub(r.over)
		switch {
		case past <= 0:
		case !one.decided.Before(r.over):
			r.w.gain("trial %d: %d keys were let through %v after the time", i, one.bytes, one.decided.Sub(r.over))
			return
		case past > handTime:
			r.w.gain("trial %d: %d keys were decided %v before the time, and given to tmux %v after it", i, one.bytes, r.over.Sub(one.decided), past)
			return
		default:
			r.handed.late += one.bytes
			r.handed.most = max(r.handed.most, past)
		}
	}
}
