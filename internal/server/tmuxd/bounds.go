package tmuxd

import (
	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/teeth"
)

// crowded reports whether one more client is too many, of a uid or at all,
// before anything is known of it.
func crowded(ofUID, open int) bool {
	return (ofUID >= perUID || open >= total) && !teeth.Out(teeth.Door)
}

// mayHold reports whether the clients of one uid may have us hold so much, all
// together, beside what each of them says in few words.
func mayHold(bytes int) bool { return bytes <= perUIDHeld || teeth.Out(teeth.Door) }

// oneAtATime holds those clients to it that have much to say of themselves.
func oneAtATime() bool { return !teeth.Out(teeth.Door) }

// named reports whether the terminal that was passed is the one the client
// says it has.
func named(passed, said uint64) bool { return passed == said || teeth.Out(teeth.Door) }

// isTerminal reports whether a descriptor is a terminal at all.
func isTerminal(fd int) bool {
	_, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	return err == nil || teeth.Out(teeth.Door)
}
