//go:build !failpoints

package failpoint

import "time"

// At does nothing.
func At(string) {}

// Sent does nothing.
func Sent(string, int, time.Time) {}

// Step does nothing.
func Step(string) {}

// Now is the clock on the wall.
func Now() time.Time { return time.Now() }

// Writes are directories that a process with failpoints has to write to.
func Writes() []string { return nil }
