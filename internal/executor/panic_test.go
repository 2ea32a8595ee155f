package executor

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/config"
)

// TestPanicForms: each key that can be configured is known by what terminals send for it,
// and is that key as guests' keys are read.
func TestPanicForms(t *testing.T) {
	forms := panicForms()
	keys := slices.Sorted(maps.Keys(forms))
	if want := slices.Sorted(slices.Values(config.PanicKeys())); !slices.Equal(keys, want) {
		t.Errorf("known are %q, configured are %q", keys, want)
	}
	for key, form := range forms {
		events := attach.NewDecoder(attach.KeyOptions{}).Feed([]byte(form), time.Now())
		if len(events) != 1 || events[0].Key != key {
			t.Errorf("%s is %+v", key, events)
		}
	}
}
