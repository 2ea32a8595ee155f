// Package guard keeps tmux servers that nobody but muxward reaches, and has the door
// sockets that stock tmux clients connect to instead. What needs the rights of the
// servers' accounts it has done by [Hands], which watch over what is on disk; guard
// itself is what speaks with the servers, and needs no rights.
//
// A guarded server listens in a directory of mode 0700 that belongs to its own
// account (RUN/servers/ID/s). It was started with another path, and believes
// to listen there: DOORS/in-ID/s. That is where its panes, popups, jobs and
// hooks look for it, as TMUX in their environment says; and what is there is a
// door of ours. An account's plain tmux looks at DOORS/tmux-UID/default, with
// TMUX_TMPDIR=DOORS: a door as well.
//
// Servers outlive muxward: [Guard.Adopt] finds them again by what RUN says. Process,
// program, account and listener are the hands' to compare, and the mark inside the
// server ours, before any of it is believed.
//
// It is not the place where somebody is let in (internal/identity, policy), nor
// where a connection at a door is spoken with (internal/server/tmuxd), nor where files
// and processes of accounts are touched (internal/keep).
//
// What holds against whom: another account can reach neither the socket nor
// put anything in the way. The account itself and root can do both; the watch
// then notices within five seconds, and says it.
//
// Likewise inside a server, where every program in a pane can do what its owner
// can. What stands there within Options.Settle after the server is ready is its
// configuration: what of it weakens muxward's promises is told, as a risk. What
// nobody configures from hour to hour is an alarm when it comes later: a hook,
// unless it is known and its place is new; an alias in the place of a command;
// another account on tmux's own list; what else a server runs, or has programs load (traps.go). A client that is not ours is an alarm
// whenever two looks running have found it, and so is what cannot be looked at.
// Whether it was the owner or a program is for the owner to say. Options that many
// change as they work, such as set-clipboard, are told as before.
//
// Start reading at [Hands] and [Guard.Start], then the watch in watch.go.
package guard
