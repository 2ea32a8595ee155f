// Package hostconf brings a host into a state that is given as plain values: files,
// directories, symlinks, system accounts and services; and puts back what was there.
//
// [Compare] reads and writes nothing. [Apply] does what a plan says: everything is checked
// and prepared first, a journal is on the disk before anything moves, and what was there is
// kept. An apply that is broken off, by kill -9 too, is taken back by the next one, and
// Compare tells of it until then. [Undo] puts the last apply back.
//
// It knows nothing of what a state is for: muxward setup and muxward host write theirs. It
// is no general tool for hosts: it knows what these two need. Nothing is written through a
// symlink, or through a directory in which somebody else than root may put another in its
// place. Start reading at [State], then apply.go.
package hostconf
