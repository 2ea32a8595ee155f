// Package ctld is the door of muxward's own commands: `muxward status`,
// `who`, `ls` and `revoke` come in here, over a Unix socket, and take the same
// line as everything else.
//
// It proves who connects by peer credentials, reads one request, hands it to
// the gateway, and answers. It decides nothing. What lengths of time and rights in a request mean says words.go,
// for those who serve it.
//
// Start reading at [Server.Serve]; [Call] is the other end.
package ctld
