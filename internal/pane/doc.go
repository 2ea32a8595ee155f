// Package pane is what runs between a tmux server that is isolated and the programs in
// its panes, which run as another account.
//
// tmux starts muxward-pane in a pane as the server's account ([Launch]). That asks whoever
// has root's rights (internal/keep) over a socket for a session ([Request]), and waits.
// There it is checked who asks, and their terminal is opened ([Asking]); then a process of
// its own ([Supervise]), which outlives muxward, opens the session on that terminal
// ([Enter]), waits for it, ends all that it leaves behind, and tells muxward-pane how it
// ended, which ends in the same way. Where PAM has a word in that, muxward-pam ([Open]) is
// between the two: it opens PAM's session, has the session's program run, and closes it.
//
// It is not the place where it is decided whether somebody may have a pane (the gateway
// has, before tmux heard of it), nor where the asker is checked.
//
// Start reading at [Launch], then [Supervise].
package pane
