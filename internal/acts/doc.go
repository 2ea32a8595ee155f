// Package acts is what muxward's commands and the daemon say to each other over the ctl door: the
// answers of acts, as they are written in JSON, how long who asks waits, and the words in which both
// tell of them. What is asked is a call of package ctld.
//
// It is not where anything is done or decided: that is package daemon and the services below it, which make these
// answers for who asks, with no more in them than they may know. Nor is it how they are printed: each command of
// cmd/muxward does that by itself. A field's name in JSON is people's scripts' as well: it stays.
//
// Whoever has an answer has it for themselves; nothing in it is shared with the daemon's state. Times
// are the daemon's clock's, and come as RFC 3339 does. Words of others in it are as they were given:
// a terminal gets them by tmux.OneLine.
//
// Start at [Status] and [ShownGrant], then the file of the command in question.
package acts
