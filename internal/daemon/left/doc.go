// Package left reads in the log what a person has begun that goes on: panes that their commands
// made, programs that they had begun in panes, and what else they asked for that stays.
//
// It knows the log's records and a snapshot of each server in question, and nothing more: it opens
// no file, asks no server, and decides nothing of who may hear of what it finds. That, and to end
// what was left, is package daemon's (leftacts.go).
//
// What it cannot tell it says: a pane is sure only if tmux has said that their command made it.
//
// Start reading at [Reader], then [Reader.Read].
package left
