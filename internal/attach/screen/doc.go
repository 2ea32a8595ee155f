// Package screen puts a person's terminal back: which modes a display may have
// changed ([Marks]), which bytes undo them ([Restore], [Resync]), and how the
// terminal's own modes are given back without ever waiting for it ([Saved]).
//
// The attachment uses it when it leaves a terminal, the keeper when muxward
// was killed; both must agree, so it is written down once, here. It decides
// nothing and keeps nothing. Start with [Restore].
package screen
