// Package scrollback is one person's private look back at a pane: what the pane
// held at one moment, a cursor in it, what is selected and searched for, and how
// that is drawn. Its commands have the names and the behaviour of tmux's copy
// mode, of which it is the counterpart that nobody else sees and no pane is in.
//
// It is pure: it knows no terminal, no server and no right. What it is given is
// foreign, so nothing of a capture but characters, colours and attributes is
// ever drawn.
//
// Start with [Parse] and [New], then command.go.
package scrollback
