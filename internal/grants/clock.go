package grants

import (
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Clock is what is known of the time at one moment. The wall's can be set; how
// long the machine has run cannot, but counts for one of its lives only.
type Clock struct {
	Wall time.Time `json:"wall"`
	// Boot names this life of the machine, Up is how long it has lasted, sleep
	// included. Both are empty if they cannot be told.
	Boot string        `json:"boot"`
	Up   time.Duration `json:"up"`
}

// ClockAt completes a time on the wall.
func ClockAt(wall time.Time) Clock {
	c := Clock{Wall: wall.Round(0)}
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	var up unix.Timespec
	if err != nil || unix.ClockGettime(unix.CLOCK_BOOTTIME, &up) != nil {
		return c
	}
	c.Boot, c.Up = strings.TrimSpace(string(id)), time.Duration(up.Nano())
	return c
}

// Since gives how long ago an earlier moment was by what cannot be set. It
// cannot be told across lives of the machine.
func (c Clock) Since(earlier Clock) (passed time.Duration, ok bool) {
	if c.Boot == "" || c.Boot != earlier.Boot || c.Up < earlier.Up {
		return 0, false
	}
	return c.Up - earlier.Up, true
}

// behind tells by how much the wall is behind the time that has come at least
// since an earlier moment: more than zero if it was set back. exact is set if
// it cannot be more.
func (c Clock) behind(earlier Clock) (lag time.Duration, exact bool) {
	passed, exact := c.Since(earlier)
	return earlier.Wall.Add(passed).Sub(c.Wall), exact
}
