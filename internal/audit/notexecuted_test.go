package audit

import (
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
)

// A line that somebody had suggested and that was not typed is on record as open: who looks
// for what was left is not told that it may have run.
func TestNotExecutedSuggestion(t *testing.T) {
	for author, want := range map[string]string{"bob": "open", "": ""} {
		ev := notExecuted(lostIntent{ev: &access.Event{Person: "carol", Author: author}, seq: 7}, time.Time{})
		if ev.Answer != want || ev.Ref != 7 || ev.Author != author {
			t.Errorf("of %q: %+v", author, ev)
		}
	}
}
