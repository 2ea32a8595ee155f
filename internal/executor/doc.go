// Package executor carries out permits: a [gateway.Permit] becomes one
// command on ids at one guarded tmux server, an answer of muxward's own, or a
// display.
//
// It decides nothing and is reached only through the gateway. Towards tmux it
// is a client without a tmux process (package wire); towards the person's own
// client it passes on only what this very request named.
//
// Start reading at [Executor.Execute], then relay.run.
package executor
