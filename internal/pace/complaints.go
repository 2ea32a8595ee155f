package pace

import (
	"fmt"
	"sync"
	"time"
)

// Complaints lets one complaint a second through and counts the others: whoever may
// cause them as often as they like is not to hide what else is told. The zero value is
// ready. It is safe for use by several goroutines.
type Complaints struct {
	mu     sync.Mutex
	last   time.Time
	missed int
}

// Admit gives what is to be told, with how much was not, and whether anything is.
func (c *Complaints) Admit(what string) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.last) < time.Second {
		c.missed++
		return "", false
	}
	if c.missed > 0 {
		what = fmt.Sprintf("%s (and %d more since the last report)", what, c.missed)
	}
	c.last, c.missed = time.Now(), 0
	return what, true
}
