// Package keeper puts people's terminals back when muxward was killed.
//
// A tiny process of its own holds each attached person's terminal and its
// first modes, and does nothing. Normally muxward restores a terminal itself
// and tells the keeper to let go of it. When muxward's end of the socket
// closes first, the keeper restores modes, flags and screen of what it still
// holds, and ends. Killing both leaves the terminals as they are.
//
// It reads no terminal, decides nothing, and knows no person. Start with
// [Start] for muxward's side and [Serve] for the process.
package keeper
