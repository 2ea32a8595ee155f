//go:build !failpoints

package failpoint

import "time"

// At does nothing.
func At(string) {}

// Now is the clock on the wall.
func Now() time.Time { return time.Now() }
