// Package attach is one attached person: their terminal on one side, on the
// other a display that a real tmux server draws on a pty of ours, or muxward on
// a canvas, and between them what keeps the two apart.
//
// What the display draws passes one filter, an allow-list of sequences
// (allow.go is the list). What the person types is either decoded into events
// for a sink, or, in direct mode only, written to the display. Both ways pass
// the person's live permit, the [Gate], around each write. A terminal that
// does not keep up costs its owner frames and nobody anything.
//
// The package decides nothing and knows no policy, no name and no pane; it
// does not speak tmux's protocol (who uses it passes [Pty.Peer] on) and writes
// no log. It promises that after [Attachment.Stop] nothing flows, and that a
// person's terminal is as it was, however the attachment ends; for kill -9
// that is the work of package keeper.
//
// Start with [New] and [Attachment.Run], then output.go and typing.go, the
// two pumps.
package attach
