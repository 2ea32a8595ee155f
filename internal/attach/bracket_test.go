package attach

import (
	"strings"
	"testing"
	"time"
)

// What is pasted is known as that over several reads, also if a mark comes in parts, and
// for no longer than its parts may be apart.
func TestBracket(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for name, tc := range map[string]struct {
		batches []string
		later   time.Duration
		inside  bool
	}{
		"typed":               {[]string{"ls"}, 0, false},
		"in a paste":          {[]string{"\x1b[200~some", "more"}, 0, true},
		"behind one":          {[]string{"\x1b[200~some", "more\x1b[201~"}, 0, false},
		"two in one":          {[]string{"\x1b[200~a\x1b[201~\x1b[200~b"}, 0, true},
		"a begin in parts":    {[]string{"ls\x1b[2", "00", "~some"}, 0, true},
		"an end in parts":     {[]string{"\x1b[200~some\x1b", "[20", "1~"}, 0, false},
		"it does not go on":   {[]string{"\x1b[200~some"}, bracketIdle, false},
		"a full read":         {[]string{strings.Repeat("x", batchSize)}, 0, true},
		"behind a full read":  {[]string{strings.Repeat("x", batchSize), "y"}, 0, false},
		"after a full read":   {[]string{strings.Repeat("x", batchSize)}, bracketIdle, false},
		"nothing has come":    {nil, 0, false},
		"an end without more": {[]string{"\x1b[201~"}, 0, false},
	} {
		var b bracket
		for _, p := range tc.batches {
			b.follow([]byte(p), now)
		}
		if got := b.inside(now.Add(tc.later)); got != tc.inside {
			t.Errorf("%s: %v", name, got)
		}
	}
}
