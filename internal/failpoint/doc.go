// Package failpoint names the places where a goroutine serves one person, so
// that tests can have it fail there.
//
// In the muxward that people run, [At] is nothing: the compiler removes it.
// Built with the tag failpoints, for test/attack only, it looks for a file of
// that name in the directory that MUXWARD_FAILPOINTS names, removes it, and
// does what it says: panic, hang for good, or wait until a file of that name
// with .go after it is there. [Now] is the clock there, which such a file sets.
// [Step] is one of many places in a row: the process is killed at the one whose number,
// from 1, is in the file kill. The file steps, if there is one, gets their names.
// [Sent] adds to a file of its name, if there is one, when bytes were handed on.
package failpoint
