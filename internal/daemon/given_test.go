package daemon

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/grants"
)

// A grant is said to count from its beginning to its end, and not until somebody has taken it off the list.
func TestCountsInItsTime(t *testing.T) {
	denials, err := grants.OpenDenials(filepath.Join(t.TempDir(), "denials.json"))
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{denials: denials}
	at := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	g := grants.Grant{Who: "bob", On: access.Object{Kind: access.Server, Owner: "alice"}, NotBefore: at, Until: at.Add(time.Hour)}
	for when, want := range map[time.Duration]bool{-1: false, 0: true, time.Hour - 1: true, time.Hour: false} {
		if got := d.counts(g, at.Add(when)); got != want {
			t.Errorf("%v after its beginning: %v", when, got)
		}
	}
	if g.Until = (time.Time{}); !d.counts(g, at.Add(1e6*time.Hour)) {
		t.Error("without an end it counts no more")
	}
}
