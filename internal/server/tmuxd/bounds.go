package tmuxd

import (
	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/server/crowd"
	"github.com/muxward/muxward/internal/teeth"
)

// arriving bounds clients before anything is known of them, and staying all that are here, of a uid
// or of a person who is lent one.
func arriving() crowd.Bounds {
	if teeth.Out(teeth.Door) {
		return crowd.Bounds{Each: 1 << 30, All: 1 << 30}
	}
	return crowd.Bounds{Each: perUID, All: total}
}

func staying() crowd.Bounds { return crowd.Bounds{Each: perUIDAll, All: totalAll} }

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
