package sshd

import (
	"fmt"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/identity"
)

// TestPlacesForOthers: a few people who take all that they may leave room for others, and
// nobody goes beyond what there is.
func TestPlacesForOthers(t *testing.T) {
	s := &Server{reached: map[string]int{}}
	take := func(person string) (n int) {
		for range 3 {
			c := &conn{s: s, who: identity.Supposed(identity.Subject{Person: person, UID: -1}), empty: time.NewTimer(time.Hour)}
			defer c.empty.Stop()
			for {
				if _, err := c.enterReach(t.Context(), false); err != nil {
					break
				}
				n++
			}
		}
		return n
	}
	greedy := take("alice") + take("bob") + take("carol")
	if greedy > maxEverybody-keptPlaces+fewPlaces {
		t.Errorf("three have %d", greedy)
	}
	if n := take("dave"); n != fewPlaces {
		t.Errorf("a fourth has %d", n)
	}
	for i := range 40 {
		take(fmt.Sprint("p", i))
	}
	if s.reached[""] != maxEverybody {
		t.Errorf("all together have %d", s.reached[""])
	}
}
