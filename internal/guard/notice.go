package guard

import (
	"time"

	"github.com/muxward/muxward/internal/access"
)

// Notice is something that people should hear about a server or a door. Text
// may hold names that others chose: sinks escape it.
type Notice struct {
	Time time.Time
	// Kind is EventServer, EventDoor or EventAlarm.
	Kind access.EventKind
	// Owner and Incarnation name the server, if it is about one.
	Owner       string
	Incarnation string
	Text        string
}

// Event is the notice as an entry of the audit log.
func (n Notice) Event() access.Event {
	ev := access.Event{Kind: n.Kind, Time: n.Time, Server: n.Incarnation, Note: n.Text}
	if n.Owner != "" {
		ev.Objects = []string{n.Owner}
	}
	return ev
}
