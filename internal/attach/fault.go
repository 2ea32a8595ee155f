package attach

import (
	"fmt"
	"runtime/debug"
)

// Fault is the end of one person's service by a fault of muxward: nobody
// else's ends with it.
type Fault struct {
	// What was found wrong, and where: for the log, not for the person.
	What  any
	Stack []byte
}

func (f *Fault) Error() string { return "a fault of muxward ended this; it was written to the log" }

// Detail is the fault in full.
func (f *Fault) Detail() string { return fmt.Sprintf("fault: %v\n%s", f.What, f.Stack) }

// Guard runs f and turns a panic into a [Fault].
func Guard(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &Fault{r, debug.Stack()}
		}
	}()
	return f()
}
