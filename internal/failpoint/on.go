//go:build failpoints

package failpoint

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

// longest is how long a goroutine waits at a failpoint before it fails, and
// pause how long between two looks.
const (
	longest = time.Minute
	pause   = 2 * time.Millisecond
)

// At fails as the file of that name says; whoever comes first removes it, so
// one goroutine fails.
func At(name string) {
	dir := os.Getenv("MUXWARD_FAILPOINTS")
	if dir == "" {
		return
	}
	path := filepath.Join(dir, name)
	what, err := os.ReadFile(path)
	if err != nil || os.Remove(path) != nil {
		return
	}
	switch string(what) {
	case "hang":
		select {}
	case "wait":
		for deadline := time.Now().Add(longest); time.Now().Before(deadline); <-time.After(pause) {
			if os.Remove(path+".go") == nil {
				return
			}
		}
	}
	panic("failpoint " + name)
}

// Sent adds a line to the file of that name, if there is one: how many bytes were sent, when
// that was decided last, and what time it is now, in nanoseconds since 1970.
func Sent(name string, n int, decided time.Time) {
	now, dir := time.Now(), os.Getenv("MUXWARD_FAILPOINTS")
	if dir == "" {
		return
	}
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return
	}
	_, _ = fmt.Fprintln(f, n, decided.UnixNano(), now.UnixNano()) // the test misses it
	_ = f.Close()
}

// steps is how many steps this process has come by.
var steps atomic.Int64

// Step adds its name to the file steps, and kills the process by signal 9 where its number is
// that in the file kill.
func Step(name string) {
	dir := os.Getenv("MUXWARD_FAILPOINTS")
	if dir == "" {
		return
	}
	n := steps.Add(1)
	if f, err := os.OpenFile(filepath.Join(dir, "steps"), os.O_WRONLY|os.O_APPEND, 0); err == nil {
		_, _ = f.WriteString(name + "\n") // the test misses it
		_ = f.Close()
	}
	text, err := os.ReadFile(filepath.Join(dir, "kill"))
	if err != nil {
		return
	}
	if at, err := strconv.ParseInt(string(text), 10, 64); err != nil || at != n {
		return
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// Now is the clock on the wall, set forward or back by what the file clock
// says, such as -1h.
func Now() time.Time {
	now, dir := time.Now(), os.Getenv("MUXWARD_FAILPOINTS")
	if dir == "" {
		return now
	}
	text, err := os.ReadFile(filepath.Join(dir, "clock"))
	if err != nil {
		return now
	}
	by, err := time.ParseDuration(string(text))
	if err != nil {
		return now // half-written
	}
	return now.Round(0).Add(by)
}

// Writes are directories that a process with failpoints has to write to.
func Writes() []string {
	if dir := os.Getenv("MUXWARD_FAILPOINTS"); dir != "" {
		return []string{dir}
	}
	return nil
}
