package access

import "time"

// Event is one entry of the audit log, before the log gives it a sequence
// number. Fields that do not apply are empty. All strings are data: sinks
// escape them.
type Event struct {
	Kind EventKind `json:"kind"`
	// Time is wall-clock; the order of events is the log's sequence.
	Time time.Time `json:"time"`
	// Request ties an intent to its outcome and to its keys. Numbers begin
	// anew with each life of the daemon: Ref tells them apart.
	Request uint64 `json:"request,omitempty"`
	// Ref is the sequence number of the event that this one is about, such
	// as the intent whose outcome was lost.
	Ref uint64 `json:"ref,omitempty"`

	Person string `json:"person,omitempty"`
	// Author is who suggested a line that Person takes; the outcome's Answer says what
	// became of it. Of the end of a suggestion they say the same.
	Author  string `json:"author,omitempty"`
	Answer  string `json:"answer,omitempty"`
	Account string `json:"account,omitempty"`
	UID     *int64 `json:"uid,omitempty"`
	PID     int    `json:"pid,omitempty"`
	Door    string `json:"door,omitempty"`
	// Inside is the pane the connection came from, as owner/%N.
	Inside string `json:"inside,omitempty"`
	// From is the network address the connection came from, and Key what it
	// proved, or offered, there.
	From string `json:"from,omitempty"`
	Key  string `json:"key,omitempty"`
	// Claims are unproved statements of the peer (such as SUDO_UID).
	Claims map[string]string `json:"claims,omitempty"`

	// Asked is the command as asked, Executed as sent to tmux.
	Asked    []string `json:"asked,omitempty"`
	Executed []string `json:"executed,omitempty"`
	// Objects and Verbs run in parallel: what was needed on what. Of an outcome,
	// Objects are what tmux has said that the command made.
	Objects []string `json:"objects,omitempty"`
	Verbs   []string `json:"verbs,omitempty"`
	// Process is the first process of a pane that was made.
	Process int `json:"process,omitempty"`
	// RunAs is the account of a pane that was asked for, where that is not its tmux's.
	RunAs string `json:"run_as,omitempty"`
	// Server is the incarnation the ids belong to.
	Server string `json:"server,omitempty"`

	Allowed bool   `json:"allowed"`
	Rule    string `json:"rule,omitempty"`
	Reason  string `json:"reason,omitempty"`

	// Exit is the exit code of a finished command.
	Exit *int `json:"exit,omitempty"`
	// Bytes counts keys or output; Content holds what was typed, only where
	// the policy says so.
	Bytes   int    `json:"bytes,omitempty"`
	Content []byte `json:"content,omitempty"`
	// Count is how many alike events this one stands for.
	Count int `json:"count,omitempty"`
	// Note is what happened, for events without a command.
	Note string `json:"note,omitempty"`
}

// EventKind says what an Event tells.
type EventKind string

// The kinds of events. An intent without an outcome ends as unknown.
const (
	EventIntent   EventKind = "intent"   // decided and about to be done
	EventDenied   EventKind = "denied"   // decided and refused
	EventOutcome  EventKind = "outcome"  // done, with its result
	EventUnknown  EventKind = "unknown"  // an intent whose outcome was lost
	EventKey      EventKind = "key"      // one delivery of keys, written before it
	EventKeys     EventKind = "keys"     // typed into a pane: sums of the second
	EventAttach   EventKind = "attach"   // a person's display began
	EventDetach   EventKind = "detach"   // and ended
	EventShown    EventKind = "shown"    // from now on a person is shown these panes, at a place of their own
	EventRevoke   EventKind = "revoke"   // a person was revoked, or let in again
	EventGrant    EventKind = "grant"    // something was given, or what was given ended
	EventRequest  EventKind = "request"  // something was asked for, or that was answered
	EventLease    EventKind = "lease"    // the keyboard of a pane is another's, or nobody's, without anybody having done so
	EventSuggest  EventKind = "suggest"  // a line was suggested for a pane, or what became of it
	EventReload   EventKind = "reload"   // policy was loaded or refused
	EventServer   EventKind = "server"   // a tmux server began, ended or changed
	EventDoor     EventKind = "door"     // connections refused at a door
	EventAlarm    EventKind = "alarm"    // something is wrong and people should know
	EventLife     EventKind = "life"     // muxward itself began or ended
	EventAbsorbed EventKind = "absorbed" // many alike events, counted
	EventLog      EventKind = "log"      // the log itself: opened, new segment, outage
)

// Class says what must hold before the event's matter goes on.
type Class uint8

const (
	// MustRecordClass: on disk (fsync) before anything is executed.
	MustRecordClass Class = iota
	// BestEffortClass: appended before delivery, on disk within 50 ms.
	BestEffortClass
	// UrgentClass is as MustRecordClass for whoever goes on in any case: that nobody
	// waited for an intent does not mean that it was not executed.
	UrgentClass
)
