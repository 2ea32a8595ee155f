package teeth

// Check names a check. Where it is, look for its use.
type Check string

// The checks that can be taken out. In host.Config.Build of the tests they have teeth_
// before their names.
const (
	Audited      Check = "audited"
	Author       Check = "author"
	Budget       Check = "budget"
	Bundle       Check = "bundle"
	Certificates Check = "certificates"
	Chain        Check = "chain"
	Clamped      Check = "clamped"
	Clock        Check = "clock"
	Control      Check = "control"
	Decide       Check = "decide"
	Declared     Check = "declared"
	Door         Check = "door"
	Drawn        Check = "drawn"
	Enclosed     Check = "enclosed"
	Files        Check = "files"
	Filter       Check = "filter"
	Flood        Check = "flood"
	Front        Check = "front"
	Given        Check = "given"
	Guest        Check = "guest"
	Hand         Check = "hand"
	Hidden       Check = "hidden"
	Home         Check = "home"
	HostChecked  Check = "host_checked"
	HostPath     Check = "host_path"
	Isolated     Check = "isolated"
	Knock        Check = "knock"
	Launcher     Check = "launcher"
	Lease        Check = "lease"
	Lines        Check = "lines"
	Linted       Check = "linted"
	Looked       Check = "looked"
	Made         Check = "made"
	Mine         Check = "mine"
	Moved        Check = "moved"
	Names        Check = "names"
	Namespace    Check = "namespace"
	Offered      Check = "offered"
	Once         Check = "once"
	OnceAnswered Check = "once_answered"
	OnceTicket   Check = "once_ticket"
	PAM          Check = "pam"
	Parts        Check = "parts"
	Pass         Check = "pass"
	Paste        Check = "paste"
	Place        Check = "place"
	Pressed      Check = "pressed"
	Profiled     Check = "profiled"
	Program      Check = "program"
	Queue        Check = "queue"
	Reach        Check = "reach"
	ReachAs      Check = "reach_as"
	ReachPath    Check = "reach_path"
	Relay        Check = "relay"
	Replies      Check = "replies"
	Resize       Check = "resize"
	Revoke       Check = "revoke"
	Roles        Check = "roles"
	Same         Check = "same"
	Secret       Check = "secret"
	Seen         Check = "seen"
	Selected     Check = "selected"
	Self         Check = "self"
	Shown        Check = "shown"
	Size         Check = "size"
	SSH          Check = "ssh"
	Startable    Check = "startable"
	Suggested    Check = "suggested"
	Theirs       Check = "theirs"
	Ticket       Check = "ticket"
	TOTP         Check = "totp"
	Traps        Check = "traps"
	Unsized      Check = "unsized"
	View         Check = "view"
	Visible      Check = "visible"
	Watcher      Check = "watcher"
	Whole        Check = "whole"
	Worded       Check = "worded"
)

// Checks gives all of them.
func Checks() []Check {
	return []Check{
		Audited, Author, Budget, Bundle, Certificates, Chain, Clamped, Clock, Control, Decide, Declared, Door, Drawn, Enclosed, Files, Filter, Flood, Front, Given, Guest,
		Hand, Hidden, Home, HostChecked, HostPath, Isolated, Knock, Launcher, Lease, Lines, Linted, Looked, Made, Mine, Moved, Names, Namespace, Offered, Once, OnceAnswered,
		OnceTicket, PAM, Parts, Pass, Paste, Place, Pressed, Profiled, Program, Queue, Reach, ReachAs, ReachPath, Relay, Replies, Resize, Revoke, Roles, Same,
		Secret, Seen, Selected, Self, Shown, Size, SSH, Startable, Suggested, Theirs, Ticket, TOTP, Traps, Unsized, View, Visible, Watcher, Whole, Worded,
	}
}
