// Package privsep is the line between muxward, which runs as an account without
// any rights, and muxward-helper, which keeps root's: the messages and the
// daemon's side ([Client]). The helper's side is internal/privsep/monitor.
//
// Each message is one packet of a pair of sequenced-packet sockets without a
// path. docs/protocol/privsep.md is its text; [Kinds] is the list of requests.
// Both sides check what they read, and neither goes on after a packet that is
// not as it should be.
//
// It decides nothing about people: that is the gateway's. Start reading at
// message.go, then client.go.
package privsep
