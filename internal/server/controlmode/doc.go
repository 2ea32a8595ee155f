// Package controlmode serves a client in control mode (tmux -C), whatever door it
// came in by: it runs the command line, reads lines, and writes blocks and what tmux
// says, each part only if that is permitted at that moment.
//
// It knows no descriptors and no network: a door hands it [Streams]. It decides
// nothing: every command is a request to the gateway.
//
// Start reading at [Client.Run], then outbox.go.
package controlmode
