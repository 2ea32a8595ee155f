package grants

import (
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// How many wrong codes are heard: of one person, and of all together.
const (
	triesAtOnce    = 5
	tryEvery       = 10 * time.Second
	triesOfAll     = 100
	tryOfAllEvery  = time.Second
	minTriers      = 64 // are remembered in any case
	whoWaitsForAll = time.Minute
)

// TooMany is the error of who has tried too many wrong codes, and has to wait.
type TooMany struct{ Wait time.Duration }

func (t TooMany) Error() string {
	return fmt.Sprintf("too many codes were wrong; try again in %v", t.Wait.Truncate(time.Second)+time.Second)
}

// Tries counts wrong codes. Who has tried too many is not heard for a while, and where
// all together have, nobody who has tried a wrong one lately. Whoever has not is heard
// in any case: nobody keeps others out by trying. The zero value is ready.
type Tries struct {
	mu    sync.Mutex
	of    map[string]*rate.Limiter
	all   *rate.Limiter
	sweep int // with how many it is looked who need not be remembered
}

// Try has somebody try a code; check says whether it is wrong.
func (t *Tries) Try(who string, now time.Time, check func() error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == nil {
		t.all, t.of = rate.NewLimiter(rate.Every(tryOfAllEvery), triesOfAll), map[string]*rate.Limiter{}
	}
	theirs := t.of[who] // nil: they have tried no wrong one lately
	if theirs != nil && bounded() {
		left := theirs.TokensAt(now)
		if left < 1 {
			return TooMany{time.Duration((1 - left) * float64(tryEvery))}
		}
		if left < triesAtOnce && t.all.TokensAt(now) < 1 {
			return TooMany{whoWaitsForAll}
		}
	}
	err := check()
	if err == nil {
		return nil
	}
	if theirs == nil {
		t.forget(now)
		theirs = rate.NewLimiter(rate.Every(tryEvery), triesAtOnce)
		t.of[who] = theirs
	}
	theirs.AllowN(now, 1)
	t.all.AllowN(now, 1)
	return err
}

// forget makes room, if there are many: who has all their tries again is as one who has
// tried none.
func (t *Tries) forget(now time.Time) {
	if len(t.of) < max(t.sweep, minTriers) {
		return
	}
	for who, l := range t.of {
		if l.TokensAt(now) >= triesAtOnce {
			delete(t.of, who)
		}
	}
	t.sweep = 2 * len(t.of)
}
