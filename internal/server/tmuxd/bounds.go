//go:build !teeth_door

package tmuxd

import "golang.org/x/sys/unix"

// crowded reports whether one more client is too many, of a uid or at all,
// before anything is known of it.
//
// The build tag teeth_door takes this check and the others of this file out,
// for the control runs of test/attack.
func crowded(ofUID, open int) bool { return ofUID >= perUID || open >= total }

// mayHold reports whether the clients of one uid may have us hold so much, all
// together, beside what each of them says in few words.
func mayHold(bytes int) bool { return bytes <= perUIDHeld }

// oneAtATime holds those clients to it that have much to say of themselves.
const oneAtATime = true

// named reports whether the terminal that was passed is the one the client
// says it has.
func named(passed, said uint64) bool { return passed == said }

// isTerminal reports whether a descriptor is a terminal at all.
func isTerminal(fd int) bool {
	_, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	return err == nil
}
