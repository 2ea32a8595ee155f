// Package tmuxd is the tmux door: it is a tmux server to unmodified tmux
// clients.
//
// It proves who connects, reads the command line as tmux would, and hands
// each command to the gateway. It decides nothing and runs nothing: it may
// import neither policy nor executor nor audit.
//
// Start reading at [Server.Serve], then conn.run.
package tmuxd
