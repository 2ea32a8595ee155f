package daemon

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/grants"
)

// TestReasonsAreWords: what people give as a reason comes to the terminals of others
// as words in one line, and not as more than fits into a list.
func TestReasonsAreWords(t *testing.T) {
	for reason, ok := range map[string]bool{
		"": true, "incident 42": true, "naïve – ок": true, strings.Repeat("x", grants.MaxReason): true,
		strings.Repeat("x", grants.MaxReason+1): false, "x\x1b]52;c;\a": false, "x\nall is well": false, "\xff": false, "\u202e": false,
	} {
		if err := fitReason(reason); (err == nil) != ok {
			t.Errorf("%q: %v", reason, err)
		}
	}
}

// TestCarriedThrough: what has begun has its time whatever becomes of its asker, but for what is
// urgent: that leaves time for its record.
func TestCarriedThrough(t *testing.T) {
	asker, leave := context.WithTimeout(t.Context(), 2*time.Second)
	defer leave()
	by, _ := asker.Deadline()
	for _, tc := range []struct {
		asker  context.Context
		urgent bool
		late   func(end time.Time) bool
	}{
		{asker, true, func(end time.Time) bool { return end.After(by.Add(-gateway.UrgentTime / 2)) }},
		{asker, false, func(end time.Time) bool { return !end.After(by) }},
		{t.Context(), true, func(end time.Time) bool { return !end.After(by) }},
	} {
		ctx, cancel := carriedThrough(tc.asker, time.Minute, tc.urgent)
		if end, ok := ctx.Deadline(); !ok || tc.late(end) {
			t.Errorf("urgent %v: it ends %v behind the asker's end", tc.urgent, end.Sub(by))
		}
		leave()
		if ctx.Err() != nil {
			t.Errorf("urgent %v: it ends with its asker", tc.urgent)
		}
		cancel()
	}
}

// TestRoomForDenials: one person's denials come to an end, for others and for the host
// there is room.
func TestRoomForDenials(t *testing.T) {
	d := granter(t)
	for i := range mostDenied {
		d.denials.Deny(grants.Denial{Person: fmt.Sprintf("p%d", i), By: "mallory", At: time.Now(),
			Target: "mallory", Scope: access.Object{Kind: access.Server, Owner: "mallory"}})
	}
	server := access.Object{Kind: access.Server, Owner: "mallory"}
	for _, tc := range []struct {
		by string
		on access.Object
		ok bool
	}{{"mallory", server, false}, {"alice", server, true}, {"mallory", access.Object{}, true}} {
		_, err := d.deny(t.Context(), time.Second, grants.Denial{Lock: true, By: tc.by, Scope: tc.on, At: time.Now()})
		if (err == nil) != tc.ok {
			t.Errorf("%s on %s: %v", tc.by, tc.on, err)
		}
	}
}
