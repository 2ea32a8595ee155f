// Package siblings finds the other programs of a release, and refuses files that
// others than root and we could change: what has our rights, or hears passwords,
// has to be nobody else's.
//
// It starts none of them. Start reading at [Find].
package siblings
