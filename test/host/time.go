package host

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/soak"
)

// slack is what short runs allow on a time limit: they share their machine with each
// other and with whoever works on it. Where more want to run than there are processors
// for, all take so much longer.
func slack() float64 {
	const least, each = 3, 1.5
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return least
	}
	word, _, _ := strings.Cut(string(text), " ")
	load, err := strconv.ParseFloat(word, 64)
	if err != nil {
		return least
	}
	return max(least, each*load/float64(runtime.NumCPU()))
}

// Bounded is a time limit as this run takes it.
func Bounded(limit time.Duration) time.Duration {
	if soak.Full() {
		return limit
	}
	return time.Duration(slack() * float64(limit))
}

// InTime says how long something took that has just been seen, and fails if that is
// more than the limit. Short runs have some slack.
func InTime(t testing.TB, began time.Time, limit time.Duration, what string, args ...any) {
	t.Helper()
	what = fmt.Sprintf(what, args...)
	took := time.Since(began)
	t.Logf("%s: %v", what, took.Round(time.Millisecond))
	if took > Bounded(limit) {
		t.Errorf("%s: after %v, want %v at most", what, took.Round(time.Millisecond), limit)
	}
}
